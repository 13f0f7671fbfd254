"""Reference rows in plan, run, show, rerun and list: the words for what trains nothing."""

from __future__ import annotations

import dataclasses
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rearec_bench.harness.cli.listing import inventory
from rearec_bench.harness.cost.time import DataSize, Estimate, example
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.monitor.events import EpochEnded, RunAbandoned, RunStarted, Totals
from rearec_bench.harness.monitor.lines import finished_line, label, place
from rearec_bench.harness.monitor.terminal import LiveReporter
from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.report.plan import plan_report
from rearec_bench.harness.report.trial import trial_text
from rearec_bench.harness.run.rerun import rerun
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import Suite, load_suite
from rearec_bench.harness.trial.start import run_trial

from ..fake_trial import summary_for

SUITE = """
name: counted
datasets: [tiny]
references: [popularity, markov]
backbones: [sasrec]
strategies: [base]
steps: [1]
seeds: [3, 4]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "my.yaml").write_text(SUITE)
    return load_suite(tmp_path / "my.yaml")


@pytest.fixture
def store(suite: Suite, tiny: Dataset, tmp_path: Path) -> Store:
    """The suite's references as a run leaves them: the queue gives them out, the models are left."""
    store = Store(tmp_path / "results")
    queue = SuiteQueue(
        [cell for cell in expand(suite) if cell.is_baseline],
        fingerprints={"tiny": tiny.fingerprint},
        device="cuda",
        stored=lambda key: None,
    )
    while not isinstance(job := queue.next(), Signal):
        store.write(run_trial(job.spec, tiny))
        queue.tell(store.summary(job.key))
    store.write_suite(suite.name, suite.to_json(), {"cells": queue.index()})
    return store


def key_of(store: Store, kind: str) -> str:
    return next(key for key in sorted(store.keys()) if store.summary(key).spec.backbone.kind == kind)


def job_of(suite: Suite) -> Job:
    cell = expand(suite)[1]
    return Job(cell.spec({}, seed=3, purpose="final", fingerprint="f", device="cpu"), cell, "final", 0, 1, {})


def test_a_plan_shows_them_before_the_models_with_one_run_each_and_those_of_another_suite_as_stored(
    suite: Suite, store: Store, tmp_path: Path
) -> None:
    said = plan_report(suite, store=Store(tmp_path / "none"), data_dir=tmp_path).splitlines()
    assert said[0].endswith("; no search, 2 final runs; references popularity, markov")
    assert [line.split() for line in said[3:6]] == [
        ["tiny", "popularity", "reference", "-", "-", "0/1"],
        ["tiny", "markov", "reference", "-", "-", "0/1"],
        ["tiny", "sasrec", "base", "-", "-", "0/2"],
    ]
    assert said[-1].startswith("4 trials: 0 stored, 4 to run.")
    overrides = ("name=other", "training.lr=0.5", "seeds=[9]", "search.metric=mrr", "resources.gpu=1")
    other = plan_report(load_suite(tmp_path / "my.yaml", overrides=overrides), store=store, data_dir=tmp_path)
    assert "3 trials: 2 stored, 1 to run." in other
    assert "judging by" not in other, "counts say nothing about the time of models"


def test_their_time_is_judged_by_their_own_kind_and_models_by_theirs(suite: Suite) -> None:
    sizes = {"tiny": DataSize(1000, 200, 10.0), "big": DataSize(2000, 400, 10.0)}
    reference, _, model = (example(cell, "cpu") for cell in expand(suite))
    guess = Estimate([], sizes).seconds(model)
    counted = dataclasses.replace(summary_for(reference), timings={"total_s": 50.0})
    estimate = Estimate([counted], sizes)
    assert estimate.seconds(model) == guess
    assert estimate.seen("cpu") == []
    assert estimate.seconds(reference) == pytest.approx(50.0)
    assert estimate.seconds(dataclasses.replace(reference, dataset="big")) == pytest.approx(200.0)


def test_a_finished_one_is_a_line_without_seed_and_epochs(suite: Suite) -> None:
    job = job_of(suite)
    line = finished_line(job, summary_for(job.spec, value=0.07684))
    assert line == f"done      {job.key[:8]}  tiny markov reference   val N@20 .0768   1.0 s"
    assert label(job) == "tiny markov reference"
    assert place(job) == "counting"


def test_the_live_view_shows_no_epoch_of_it(suite: Suite) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=120, color_system=None)
    reporter = LiveReporter(console)
    totals = Totals(over=0, trials=4, diverged=0, failed=0, left_s=1.0)
    facts: dict[str, Any] = {"suite": "s", "cells": 3, "max_concurrent": 1, "place": "1 core", "totals": totals}
    reporter.handle(RunStarted(**facts, results=Path("r"), log=Path("l")))
    reporter.handle(EpochEnded(job_of(suite), epoch=0, value=0.0752, rows_per_s=1912.4, cell_best=None))
    with console.capture() as captured:
        console.print(reporter._view())
    reporter.handle(RunAbandoned())
    shown = next(line for line in captured.get().splitlines() if "markov" in line)
    assert shown.split() == ["tiny", "markov", "reference", "counting", "val", "N@20", ".0752", "1,912", "rows/s"]


def test_a_stored_one_is_shown_with_what_its_numbers_depend_on(store: Store, tiny: Dataset, tmp_path: Path) -> None:
    key = key_of(store, "markov")
    lines = trial_text(key, store=store, width=120).splitlines()
    assert lines[0].startswith("tiny markov reference   done, ") and lines[0].endswith(f"   key {key}")
    assert lines[1:3] == ["  reference    markov", "  evaluation   mask_history false"]
    assert any(line.startswith("  test         N@10 ") for line in lines)
    assert "  used by      counted (reference)" in lines
    for word in ("training", "strategy", "seed", "lr "):
        assert word not in "\n".join(lines[:3])
    overrides = ("evaluation.mask_history=true", "training.max_len=7")
    cell: Cell = expand(load_suite(tmp_path / "my.yaml", overrides=overrides))[0]
    spec = cell.spec({}, seed=3, purpose="final", fingerprint=tiny.fingerprint, device="cpu")
    store.write(run_trial(spec, tiny))
    assert "  evaluation   mask_history true" in trial_text(spec.key, store=store, width=120).splitlines()


@pytest.mark.parametrize("kind", ["popularity", "markov"])
def test_it_runs_again_to_the_same_ranks(store: Store, tmp_path: Path, kind: str) -> None:
    told: list[object] = []
    comparison = rerun(key_of(store, kind), store=store, data_dir=tmp_path, on_epoch=told.append)
    assert comparison.identical
    assert (comparison.circumstances, told) == ((), [])


def test_the_list_names_them_with_their_words(tmp_path: Path) -> None:
    listed = inventory("references", data_dir=tmp_path, width=120)
    block = listed.partition("\n\n")[0].splitlines()
    assert [" ".join(line.split()) for line in block[1:]] == [
        "markov Ranks by how often an item follows the history's last one in training, then by popularity.",
        "popularity Ranks by how often an item is the target of a training row.",
    ]
