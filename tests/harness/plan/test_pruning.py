"""Successive halving: who goes on at a rung, what is known there, and what becomes of the trials that do not."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.plan.pruning import Brackets, Reached
from rearec_bench.harness.plan.queue import SuiteQueue, repeatable
from rearec_bench.harness.plan.search import Outcome, _ask
from rearec_bench.harness.records.pruner import Pruner
from rearec_bench.harness.records.results import Epoch, TrialSummary
from rearec_bench.harness.records.spec import TrainingSettings, TrialSpec
from rearec_bench.harness.store.format import json_bytes, pack, summary_of, unpack
from rearec_bench.harness.suite.model import Space

from .. import synthetic
from ..fake_trial import FakeTrial, metrics_for, summary_for
from ..suites import suite_in

METRIC = "ndcg@20"
ASHA = Pruner("asha", cell="c", grace=2, reduction=3)
SEARCHED = "[prl: {temperature: {search: {low: 0.1, high: 5.0}}}]"


def spec_with(pruner: Pruner | None, *, seed: int = 1) -> TrialSpec:
    training = TrainingSettings(max_epochs=20)
    made: TrialSpec = synthetic.spec(steps=1, seed=seed, purpose="search")
    return dataclasses.replace(made, training=training, pruner=pruner)


def cell_of(folder: Path, search: str) -> Cell:
    parts = {"strategies": SEARCHED, "seeds": "[1, 2]", "search": f"{{{search}}}", "training": "{max_epochs: 20}"}
    (cell,) = expand(suite_in(folder, **parts))
    return cell


def epochs(values: list[float]) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(number, {"total": 1.0}, {METRIC: value}, 1.0, 0.1, 9.0) for number, value in enumerate(values, 1)
    )


def reached(values: list[float], rungs: tuple[int, ...], *, ended: bool = False) -> Reached:
    return Reached.of(epochs(values), metric=METRIC, rungs=rungs, ended=ended)


def test_rungs_are_powers_below_the_last_epoch() -> None:
    assert Pruner("asha", "c", grace=5, reduction=3).rungs(136) == (5, 15, 45, 135)
    assert Pruner("asha", "c", grace=5, reduction=3).rungs(135) == (5, 15, 45)
    assert Pruner("asha", "c", grace=5, reduction=2).rungs(5) == ()
    unlimited = TrainingSettings(max_epochs="auto").epoch_limit
    assert Pruner("asha", "c", grace=5, reduction=3).rungs(unlimited) == (5, 15, 45, 135, 405)


def test_the_best_so_far_counts_at_a_rung_and_the_end_at_all_rungs_behind_it() -> None:
    rungs = (2, 6, 18)
    assert reached([0.1, 0.3, 0.2, 0.2, 0.2, 0.25], rungs) == Reached((0.3, 0.3))
    whole = reached([0.1, 0.3, 0.4], rungs, ended=True)
    assert [whole.at(rung) for rung in range(3)] == [0.3, 0.4, 0.4]
    cut = reached([0.1, 0.3, 0.4], rungs)
    assert [cut.at(rung) for rung in range(3)] == [0.3, None, None]


@pytest.mark.parametrize("reduction", [2, 3, 4])
def test_promotions_are_those_of_another_implementation(reduction: int) -> None:
    draw = random.Random(reduction)  # noqa: S311 - no secret
    pruner = Pruner("asha", "c", grace=2, reduction=reduction)
    rungs = pruner.rungs(40)
    oracle = optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=reduction)
    study = optuna.create_study(direction="maximize", pruner=oracle)
    brackets = Brackets(lambda key: None, {})
    running: dict[int, tuple[optuna.Trial, list[float]]] = {}
    ends = []
    for step in range(900):
        if step % 6 == 0:
            trial = study.ask()
            running[trial.number] = trial, []
        number = draw.choice(list(running))
        trial, values = running[number]
        values.append(max([*values, draw.random()]))
        epoch = len(values)
        trial.report(values[-1], epoch)
        said = ""
        if epoch in rungs:
            said = brackets.promote(str(number), reached(values, rungs), pruner, metric=METRIC)
            assert bool(said) == trial.should_prune(), f"trial {number} at epoch {epoch}"
            ends.append(bool(said))
        if said or epoch == 39:
            del running[number]
        if not running:
            trial = study.ask()
            running[trial.number] = trial, []
    assert len(ends) > 100 and 0.2 < sum(ends) / len(ends) < 0.9


def test_trials_that_are_over_count_where_they_have_been() -> None:
    brackets = Brackets(lambda key: None, {})
    for status, history in (("done", [0.5, 0.5, 0.6]), ("pruned", [0.4] * 3), ("pruned", [0.9])):
        spec = spec_with(ASHA)
        brackets.ended(SimpleNamespace(spec=spec, key=str(history), history=epochs(history), status=status))
    assert brackets.promote("late", Reached((0.45,)), ASHA, metric=METRIC).startswith("at epoch 2, 1 of 2 had a better")
    assert brackets.promote("good", Reached((0.55, 0.59)), ASHA, metric=METRIC).startswith("at epoch 6, 1 of 1 had")
    assert brackets.promote("best", Reached((0.55, 0.6)), ASHA, metric=METRIC) == "", "equals go on"


def test_stored_trials_take_part_as_those_of_this_run_do() -> None:
    """A run that is started again knows what one that went through would know."""
    through = Brackets(lambda key: None, {})
    stored = {}
    for number in range(5):
        spec = spec_with(ASHA, seed=number)
        history = epochs([0.1 * number] * 3)
        through.ended(SimpleNamespace(spec=spec, key=spec.key, history=history, status="done"))
        stored[spec.key] = dataclasses.replace(summary_for(spec), history=history)
    anew = Brackets(stored.get, {"c": list(stored)})
    for value in (0.0, 0.15, 0.25, 0.35, 0.45):
        here = Reached((value,))
        assert through.promote("new", here, ASHA, metric=METRIC) == anew.promote("new", here, ASHA, metric=METRIC)
    assert Brackets(lambda key: None, {"c": list(stored)}).promote("x", Reached((0.0,)), ASHA, metric=METRIC) == ""


def test_every_part_of_a_pruner_is_part_of_the_key_and_none_leaves_keys_as_they_were() -> None:
    plain = spec_with(None)
    assert "pruner" not in plain.identity() and "pruner" not in plain.to_json()
    others = [dataclasses.replace(ASHA, **change) for change in ({"cell": "d"}, {"grace": 3}, {"reduction": 2})]
    specs = [plain, spec_with(ASHA), *map(spec_with, others)]
    assert len({spec.key for spec in specs}) == 5
    assert [TrialSpec.from_json(spec.to_json()) for spec in specs] == specs


@pytest.mark.parametrize(
    "stored", [{}, {"kind": "asha"}, [1], {**vars(ASHA), "grace": "x"}, {**vars(ASHA), "reduction": 1}]
)
def test_a_stored_pruner_that_is_none_is_refused(stored: Any) -> None:
    with pytest.raises(ValueError, match="pruner"):
        TrialSpec.from_json({**spec_with(ASHA).to_json(), "pruner": stored})


def test_a_pruned_trial_is_stored_with_its_history_and_without_evidence() -> None:
    trial = FakeTrial(spec_with(ASHA), None)
    for _ in range(3):
        trial.epoch()
    made = trial.pruned("at epoch 3")
    read = unpack(pack(made))
    assert (read.status, read.reason, read.validation, read.key) == ("pruned", "at epoch 3", None, made.key)
    assert read.history == made.history
    assert summary_of(pack(made)["result.json"]).epochs == 3
    assert json_bytes(read.spec.to_json()) == json_bytes(made.spec.to_json())


def curve(spec: TrialSpec) -> Iterator[float]:
    """Where a trial comes to is a formula of its key, and how fast it comes there as well."""
    plain = dataclasses.replace(spec, pruner=None)
    final = metrics_for(plain)[METRIC]
    pace = 2 + int(10 * metrics_for(dataclasses.replace(plain, seed=99))[METRIC])
    for epoch in range(1, spec.training.max_epochs + 1):
        yield final * epoch / (epoch + pace)


def run(queue: SuiteQueue, held: dict[str, TrialSummary], *, most: int = 1, stop: int = 10**6) -> list[str]:
    """Run a queue as `most` workers would, an epoch of each in turn; the keys in the order in which they began."""
    brackets = Brackets(held.get, queue.searched())
    running: dict[str, tuple[Any, Iterator[float], list[float]]] = {}
    began: list[str] = []
    while True:
        while len(running) < most and len(began) < stop and hasattr(job := queue.next(), "spec"):
            began.append(job.key)
            running[job.key] = job, curve(job.spec), []
        if not running:
            return began
        for key, (job, values, seen) in list(running.items()):
            seen.append(next(values))
            pruner, reason = job.spec.pruner, ""
            rungs = pruner.rungs(20) if pruner else ()
            if len(seen) in rungs:
                reason = brackets.promote(key, reached(seen, rungs), pruner, metric=METRIC)
            if reason or len(seen) == 20:
                status = "pruned" if reason else "done"
                summary = summary_for(job.spec, status=status, value=max(seen))
                held[key] = dataclasses.replace(summary, history=epochs(seen))
                brackets.ended(SimpleNamespace(spec=job.spec, key=key, history=epochs(seen), status=status))
                del running[key]
                queue.tell(held[key])


def queue_of(cell: Cell, held: dict[str, TrialSummary], **options: Any) -> SuiteQueue:
    return SuiteQueue([cell], fingerprints={"tiny": "f"}, device="cpu", stored=repeatable(held.get, **options))


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_pruned_trials_use_up_budget_are_never_chosen_and_never_run_again(
    tmp_path: Path, sampler: str, most: int
) -> None:
    cell = cell_of(tmp_path, f"trials: 12, sampler: {sampler}, window: {most}, pruner: asha, grace: 2")
    held: dict[str, TrialSummary] = {}
    began = run(queue_of(cell, held), held, most=most)
    assert len(began) == len(set(began)) == 12 + 2
    searched = [held[key] for key in began if held[key].spec.purpose == "search"]
    pruned = [one for one in searched if one.status == "pruned"]
    assert 4 <= len(pruned) < 12 and {one.epochs for one in pruned} <= {2, 6, 18}
    finals = [held[key] for key in began if held[key].spec.purpose == "final"]
    assert {one.status for one in finals} == {"done"} and all(one.spec.pruner is None for one in finals)
    best = max((one for one in searched if one.status == "done"), key=lambda one: one.validation[METRIC])
    assert [one.spec.strategy for one in finals] == [best.spec.strategy] * 2
    again = queue_of(cell, held, retry_failed=True)
    assert run(again, held) == [] and again.left == 0
    (index,) = again.index().values()
    assert index["best"] == best.key and sorted(index["search"]) == sorted(one.key for one in searched)


def test_one_at_a_time_a_run_that_was_interrupted_is_the_run_that_was_not(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, "trials: 12, pruner: asha, grace: 2")
    whole: dict[str, TrialSummary] = {}
    expected = run(queue_of(cell, whole), whole)
    for stop in (1, 5, 9):
        held: dict[str, TrialSummary] = {}
        first = run(queue_of(cell, held), held, stop=stop)
        assert first + run(queue_of(cell, held), held) == expected
        assert {key: one.status for key, one in held.items()} == {key: one.status for key, one in whole.items()}


def test_a_whole_trial_serves_a_suite_with_a_pruner_and_a_pruned_one_no_other(tmp_path: Path) -> None:
    plain = cell_of(tmp_path, "trials: 12, sampler: random")
    asha = cell_of(tmp_path, "trials: 12, sampler: random, pruner: asha, grace: 2")
    assert plain.id == asha.id
    held: dict[str, TrialSummary] = {}
    whole = run(queue_of(plain, held), held)
    assert run(queue_of(asha, held), held) == []
    pruned: dict[str, TrialSummary] = {}
    searched = run(queue_of(asha, pruned), pruned)[:12]
    assert not set(searched) & set(whole)
    assert set(run(queue_of(plain, pruned), pruned)) == set(whole[:12]), "the final runs are stored already"
    before = queue_of(asha, pruned).index()
    assert list(before[asha.id]["search"]) == searched, "what a suite's pruner has done stays done"


def test_tpe_learns_from_pruned_trials_how_far_they_came() -> None:
    space = {"x": Space(low=0.0, high=1.0)}
    good = [({"x": 0.9 - 0.01 * number}, Outcome("pruned", None, 6, 0.5)) for number in range(4)]
    bad = [({"x": 0.02 * number}, Outcome("pruned", None, 2, 0.1)) for number in range(12)]
    asked = [_ask(space, [*bad, *good], sampler="tpe", seed=seed, trials=8)["x"] for seed in range(12)]
    turned = [
        (values, dataclasses.replace(one, epochs=8 - one.epochs, reached=0.6 - one.reached))
        for values, one in bad + good
    ]
    other = [_ask(space, turned, sampler="tpe", seed=seed, trials=8)["x"] for seed in range(12)]
    assert sum(asked) / 12 > 0.6 > 0.4 > sum(other) / 12
    failed = [(values, Outcome("failed", None)) for values, _ in bad + good]
    assert _ask(space, failed, sampler="tpe", seed=0, trials=8) == _ask(space, [], sampler="tpe", seed=0, trials=8)
