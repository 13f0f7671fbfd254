"""`plan`: what is stored, what is left, and how long it will take."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.cost.time import DataSize, Estimate, example, operations
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.plan.queue import SuiteQueue
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.records.source import source_digest
from rearec_bench.harness.report.plan import plan_report
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import Suite

from ..fake_trial import FakeTrial, summary_for
from ..suites import suite_in

STRATEGIES = """[
  base,
  erl: {kl_weight: {search: [0.001, 0.01, 0.1]}},
  prl: {temperature: {search: {low: 0.1, high: 5.0, log: true}}, decay: {search: [1.2, 1.5]}}]"""


def suite_of(folder: Path) -> Suite:
    parts = {"strategies": STRATEGIES, "steps": "[1, 2]", "seeds": "[1, 2]", "search": "{trials: 4}"}
    return suite_in(folder, name="example", **parts)


def cells_by_row(suite: Suite) -> dict[tuple[str, int | None], Cell]:
    return {(cell.row, cell.steps): cell for cell in expand(suite)}


def test_a_plan_shows_each_cell_and_what_is_to_run(tmp_path: Path) -> None:
    said = plan_report(suite_of(tmp_path), store=Store(tmp_path / "results"), data_dir=tmp_path).splitlines()
    assert (
        said[0]
        == "example  1 data set x 1 backbone x (base, erl, prl), K = 1, 2; at most 4 search trials a cell, 2 final runs"
    )
    assert said[2].split() == [
        "data",
        "set",
        "backbone",
        "strategy",
        "searched",
        "points",
        "search",
        "trials",
        "final",
        "runs",
    ]
    assert said[3].split() == ["tiny", "sasrec", "base", "nothing", "-", "-", "0/2"]
    assert said[4].split() == ["tiny", "sasrec", "erl", "K=1", "kl_weight", "(3)", "3", "0/3", "0/2"]
    assert "temperature (0.1 to 5.0, log) x decay (2)" in said[6]
    assert said[-1].startswith("24 trials: 0 stored, 24 to run. About ")
    assert "a guess from operation counts" in said[-1]


def test_a_plan_warns_of_a_search_that_tries_less_than_a_tenth_of_its_points(tmp_path: Path) -> None:
    few = "[base, prl: {temperature: {search: [0.05, 0.1, 0.5, 1, 2, 5]}, decay: {search: [1, 1.2, 1.5, 2, 5, 10]}}]"
    for trials, warned in ((3, True), (4, False)):
        suite = suite_in(tmp_path, strategies=few, search=f"{{trials: {trials}}}")
        said = plan_report(suite, store=Store(tmp_path / "results"), data_dir=tmp_path)
        assert (
            "Fewer than one in 10 points of the search space will be tried: tiny sasrec prl K=1 (3 of 36)" in said
        ) is (warned)
        assert " 36 " in said


def test_a_plan_counts_what_is_stored_and_judges_by_it(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)
    store = Store(tmp_path / "results")
    fingerprint = str(catalog.card("tiny", tmp_path)["fingerprint"])
    queue = SuiteQueue(expand(suite), fingerprints={"tiny": fingerprint}, device="cpu", stored=lambda key: None)
    specs = [queue.next().spec for _ in range(2)]
    for spec in specs:
        digest = source_digest(spec.backbone.kind, spec.strategy.kind)
        store.write(dataclasses.replace(fake_result(spec, seconds=3600.0), source_digest=digest))
    said = plan_report(suite, store=store, data_dir=tmp_path)
    assert "24 trials: 2 stored, 22 to run." in said
    assert "core-hours and no GPU, judging by those of tiny;" in said
    assert "--refresh" not in said
    store.write(dataclasses.replace(fake_result(specs[0], seconds=1.0), source_digest="older"), replace=True)
    assert "`run --refresh` repeats them" in plan_report(suite, store=store, data_dir=tmp_path)


def fake_result(spec: Any, *, seconds: float) -> TrialResult:
    trial = FakeTrial(spec, None)
    return dataclasses.replace(trial.result(), timings={"total_s": seconds})


SIZES = {"tiny": DataSize(1000, 200, 10.0), "ml-100k": DataSize(50000, 1000, 40.0)}


def test_a_trial_without_a_number_of_epochs_is_guessed_to_be_of_a_usual_length(tmp_path: Path) -> None:
    spec = example(cells_by_row(suite_of(tmp_path))["base", 0], "cpu")
    of = {
        epochs: dataclasses.replace(spec, training=spec.training.model_copy(update={"max_epochs": epochs}))
        for epochs in (50, 200, "auto")
    }
    assert of["auto"].key not in (of[50].key, of[200].key)
    guess = {epochs: Estimate([], SIZES).seconds(one) for epochs, one in of.items()}
    assert guess[50] < guess["auto"] < guess[200]
    stored = dataclasses.replace(summary_for(of["auto"]), timings={"total_s": 70.0})
    assert Estimate([stored], SIZES).seconds(of["auto"]) == pytest.approx(70)


def test_an_estimate_takes_the_nearest_kind_that_was_seen(tmp_path: Path) -> None:
    cells = cells_by_row(suite_of(tmp_path))
    erl, prl = (example(cells[row, 1], "cpu") for row in ("erl", "prl"))
    seen = dataclasses.replace(summary_for(erl), timings={"total_s": 30.0})
    other = dataclasses.replace(summary_for(prl), timings={"total_s": 90.0})
    estimate = Estimate([seen, other], SIZES)
    assert estimate.seconds(erl) == pytest.approx(30.0)
    assert estimate.seconds(prl) == pytest.approx(90.0)
    base = example(cells["base", 0], "cpu")
    pace = 120.0 / sum(operations(one, SIZES["tiny"]) for one in (erl, prl))
    expected = pace * operations(base, SIZES["tiny"])
    assert estimate.seconds(base) == pytest.approx(expected), "of a kind that was not seen: the mean pace"


def test_trials_that_did_not_finish_do_not_enter_an_estimate(tmp_path: Path) -> None:
    spec = example(cells_by_row(suite_of(tmp_path))["erl", 1], "cpu")
    assert Estimate([summary_for(spec, status="failed")], SIZES).seen("cpu") == []


def test_more_steps_longer_histories_and_larger_catalogues_cost_more(tmp_path: Path) -> None:
    cells = cells_by_row(suite_of(tmp_path))
    one, two = (example(cells["erl", steps], "cpu") for steps in (1, 2))
    size = SIZES["tiny"]
    assert operations(two, size) > operations(one, size)
    assert operations(one, dataclasses.replace(size, history=20.0)) > operations(one, size)
    assert operations(one, dataclasses.replace(size, items=400)) > operations(one, size)
    assert operations(one, dataclasses.replace(size, rows=2000)) == pytest.approx(2 * operations(one, size))
    assert operations(example(cells["prl", 1], "cpu"), size) > operations(one, size), "a noised view takes steps, too"


def test_packing_saves_less_where_histories_are_longer_than_the_window(tmp_path: Path) -> None:
    spec = example(cells_by_row(suite_of(tmp_path))["erl", 1], "cpu")
    saved = {}
    most = spec.training.max_len
    for history in (most / 4, most, 10.0 * most):
        size = dataclasses.replace(SIZES["tiny"], history=history)
        cost = {
            packing: operations(
                dataclasses.replace(spec, training=spec.training.model_copy(update={"packing": packing})), size
            )
            for packing in ("none", "users")
        }
        saved[history] = cost["none"] / cost["users"]
    assert saved[most / 4] > saved[most] > saved[10.0 * most]
    assert 1 < saved[10.0 * most] < 1.1


def test_where_patience_lasts_to_the_end_the_guess_takes_every_epoch(tmp_path: Path) -> None:
    spec = example(cells_by_row(suite_of(tmp_path))["erl", 1], "cpu")
    seconds = {
        patience: Estimate([], SIZES).seconds(
            dataclasses.replace(spec, training=spec.training.model_copy(update={"max_epochs": 4, "patience": patience}))
        )
        for patience in (2, 4)
    }
    assert seconds[4] == pytest.approx(2 * seconds[2])
