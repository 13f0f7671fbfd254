"""Suites whose seeds are added until rows are decided: stages of a run, budgets, and what the table says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.staged import LOOKS, SEEDS, later_seeds, remembered, staged
from rearec_bench.harness.report.plan import plan_report
from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.run import sequential
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.run.runner import RunOptions
from rearec_bench.harness.run.sequential import run_in_looks
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import Suite

from ..suites import suite_in

UNTIL = {"strategies": "[base, naive, {naive: {name: again}}]", "seeds": "{until: decided, most: 4}"}
DONE = RunOutcome(0, 0, (), (), interrupted=False, left=0, started=1, wall_s=10.0, ray_s=0.0)


class Stages:
    """Stands for the runs of a suite: stores made-up trials of every cell's seeds; remembers the options."""

    def __init__(self, suite: Suite, store: Store, synthetic: ModuleType) -> None:
        self.suite, self.store, self.synthetic = suite, store, synthetic
        self.options: list[RunOptions] = []

    def __call__(self, options: RunOptions) -> RunOutcome:
        self.options.append(options)
        index = self.store.index_before(self.suite.name)
        entries = {}
        for cell in staged(self.suite, expand(self.suite), index):
            finals = {}
            for seed in cell.seeds:
                spec = cell.spec({}, seed=seed, purpose="final", fingerprint="f" * 16, device="cpu")
                self.store.write(self.synthetic.trial(spec, draw=100 * seed + cell.steps))
                finals[str(seed)] = spec.key
            entries[cell.id] = {"search": [], "best": None, "final": finals}
        self.store.write_suite(self.suite.name, self.suite.to_json(), {**remembered(index), "cells": entries})
        return DONE


@pytest.fixture
def stages(tmp_path: Path, synthetic: ModuleType) -> Stages:
    return Stages(suite_in(tmp_path, **UNTIL), Store(tmp_path / "results"), synthetic)


def seeds_of(stages: Stages) -> list[int]:
    return list(stages.store.read_suite("suite")[1][SEEDS].values())


@pytest.mark.parametrize(
    ("naive", "base", "is_decided", "later"), [(2, 2, False, 4), (3, 3, False, 2), (4, 4, False, 0), (2, 2, True, 0)]
)
def test_seeds_that_may_still_come(stages: Stages, naive: int, base: int, is_decided: bool, later: int) -> None:
    cells = expand(stages.suite)
    names = [cell.id for cell in cells]
    looks = {f"{names[1]} over base": [{"seeds": naive, "p": 0.5, "level": 0.01, "decided": is_decided}]}
    index = {LOOKS: looks, SEEDS: dict(zip(names, (base, naive), strict=False))}
    assert later_seeds(stages.suite, staged(stages.suite, cells, index), index) == later


def test_seeds_that_may_still_come_to_a_row_on_its_own_backbone_count_once(tmp_path: Path) -> None:
    apart = "[base, {base: {name: apart, on: esasrec, against: base}}]"
    suite = suite_in(tmp_path, **{**UNTIL, "backbones": "[sasrec, bert4rec]", "strategies": apart})
    (base, own), (other, _) = (expand(suite)[:2], expand(suite)[2:])
    decided = [{"seeds": 2, "p": 1e-9, "level": 0.01, "decided": True}]

    def later(*backbones: str) -> int:
        index = {LOOKS: {f"{own.id} over {backbone} base": decided for backbone in backbones}, SEEDS: {}}
        return later_seeds(suite, staged(suite, expand(suite), index), index)

    assert len({base.id, own.id, other.id}) == 3
    assert (later(), later("bert4rec"), later("sasrec", "bert4rec")) == (6, 4, 0)


def test_rows_without_a_difference_run_to_the_last_seed_and_the_table_tells_the_looks(stages: Stages) -> None:
    run_in_looks(stages.suite, stages, RunOptions(), store=stages.store)
    assert len(stages.options) == 3 and seeds_of(stages) == [4, 4]
    (looks,) = stages.store.read_suite("suite")[1][LOOKS].values()
    assert [(one["seeds"], one["decided"]) for one in looks] == [(2, False), (3, False), (4, False)]
    text = render_report(["suite"], store=stages.store)
    assert "Seeds were added until rows were decided, 4 at most: 3 looks" in text and "open with 4 seeds" in text
    before = stages.store.read_suite("suite")
    run_in_looks(stages.suite, stages, RunOptions(), store=stages.store)
    assert stages.store.read_suite("suite") == before


@pytest.mark.parametrize(
    ("options", "runs", "ended_by"),
    [
        (RunOptions(max_trials=1), 1, "complete"),
        (RunOptions(max_trials=2), 2, "complete"),
        (RunOptions(time_budget_s=15.0), 2, "time budget"),
    ],
)
def test_budgets_are_those_of_all_stages_together_and_the_same_command_goes_on(
    options: RunOptions, runs: int, ended_by: str, stages: Stages
) -> None:
    outcome = run_in_looks(stages.suite, stages, options, store=stages.store)
    assert (len(stages.options), outcome.left, outcome.ended_by) == (runs, 2, ended_by)
    run_in_looks(stages.suite, stages, RunOptions(), store=stages.store)
    assert seeds_of(stages) == [4, 4]


def test_a_look_takes_its_seconds_of_the_time_budget(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([1, 1, 0])
    clock = iter([0.0, 4.0, 4.0, 10.0])
    monkeypatch.setattr(sequential, "next_stage", lambda suite, store: next(looks))
    monkeypatch.setattr(sequential, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    outcome = run_in_looks(stages.suite, stages, RunOptions(time_budget_s=30.0), store=stages.store)
    assert [options.time_budget_s for options in stages.options] == [30.0, 16.0]
    assert (outcome.ended_by, outcome.left) == ("time budget", 1)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{")])
def test_a_lost_or_damaged_index_is_written_anew_with_the_same_looks(damage: Any, stages: Stages) -> None:
    run_in_looks(stages.suite, stages, RunOptions(), store=stages.store)
    before = stages.store.read_suite("suite")
    damage(stages.store.suite_folder("suite") / "index.json")
    assert "4 trials: 0 stored" in plan_report(stages.suite, store=stages.store, data_dir=Path("unused"))
    run_in_looks(stages.suite, stages, RunOptions(), store=stages.store)
    assert stages.store.read_suite("suite") == before


def test_a_suite_with_a_list_of_seeds_is_one_run_and_is_stored_as_before(tmp_path: Path, stages: Stages) -> None:
    suite = suite_in(tmp_path, **{**UNTIL, "seeds": "[1, 2, 3, 4]"})
    assert "until" not in suite.to_json()
    assert [replace(cell, seeds=()) for cell in expand(suite)] == [replace(c, seeds=()) for c in expand(stages.suite)]
    plain = Stages(suite, stages.store, stages.synthetic)
    run_in_looks(suite, plain, RunOptions(), store=stages.store)
    assert len(plain.options) == 1 and LOOKS not in stages.store.read_suite("suite")[1]
