"""`plan`: what is stored, what is left, and how long it will take."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
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
        "points",
        "search",
        "trials",
        "final",
        "runs",
    ]
    assert said[3].split() == ["tiny", "sasrec", "base", "-", "-", "0/2"]
    assert said[4].split() == ["tiny", "sasrec", "erl", "K=1", "3", "0/3", "0/2"]
    assert said[8:12] == [
        "",
        "  Searched:",
        "    erl: kl_weight (3)",
        "    prl: temperature (0.1 to 5.0, log) x decay (2)",
    ]
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


def with_training(spec: Any, **values: Any) -> Any:
    return dataclasses.replace(spec, training=spec.training.model_copy(update=values))


def test_before_any_trial_a_guess_takes_a_usual_number_of_epochs_and_patience_and_never_more_than_there_may_be(
    tmp_path: Path,
) -> None:
    spec = example(cells_by_row(suite_of(tmp_path))["base", 0], "cpu")
    guess = {
        (most, patience): Estimate([], SIZES).seconds(with_training(spec, max_epochs=most, patience=patience))
        for most, patience in ((4, 4), (8, 4), (200, 5), ("auto", 5), (200, 50))
    }
    assert guess[8, 4] == pytest.approx(2 * guess[4, 4])
    assert guess[200, 5] == guess["auto", 5] > guess[8, 4]
    assert guess[200, 50] > guess[200, 5]


def ended(spec: Any, *, seconds: float, epochs: int, status: str = "done") -> Any:
    history = tuple(SimpleNamespace(epoch=number + 1) for number in range(epochs))
    return dataclasses.replace(summary_for(spec, status=status), timings={"total_s": seconds}, history=history)


def test_epochs_of_running_trials_set_the_pace_and_ended_ones_say_how_many_there_are(tmp_path: Path) -> None:
    cells = cells_by_row(suite_of(tmp_path))
    cell = cells["erl", 1]
    spec = with_training(example(cell, "cpu"), max_epochs=200)
    estimate = Estimate([], SIZES)
    before = estimate.epochs(spec)
    estimate.epoch(spec, 2.0)
    estimate.epoch(spec, 4.0)
    assert estimate.seconds(spec) == pytest.approx(3.0 * before)
    estimate.add(ended(spec, seconds=30.0, epochs=12), watched=True)
    assert estimate.seconds(spec) == pytest.approx(3.0 * 12), "its epochs are in the pace already"
    estimate.add(ended(spec, seconds=15.0, epochs=4))
    assert estimate.epochs(spec) == 8
    assert estimate.seconds(spec) == pytest.approx(8 * 21.0 / 6)


def test_what_was_pruned_shortens_searches_and_not_final_runs(tmp_path: Path) -> None:
    search = with_training(example(cells_by_row(suite_of(tmp_path))["erl", 1], "cpu"), max_epochs=200)
    final = dataclasses.replace(search, purpose="final")
    estimate = Estimate([ended(search, seconds=10.0, epochs=5, status="pruned")], SIZES)
    assert estimate.epochs(search) == 5 < estimate.epochs(final)
    assert estimate.seconds(final) == pytest.approx(2.0 * estimate.epochs(final)), "the pace of an epoch is the same"


def test_time_is_left_while_a_trial_is_and_the_last_one_is_not_shared_among_cores(tmp_path: Path) -> None:
    cell = cells_by_row(suite_of(tmp_path))["erl", 1]
    spec = example(cell, "cpu")
    estimate = Estimate([ended(spec, seconds=40.0, epochs=4)], SIZES)
    assert estimate.left([(cell, 6, 0)], "cpu", at_once=2) == pytest.approx(120)
    assert estimate.left([(cell, 1, 0)], "cpu", at_once=2) == pytest.approx(40)
    assert estimate.left([(cell, 6, 0)], "cpu", running=[(spec, 2, 0), (spec, 1, 0)], at_once=2) == pytest.approx(105)
    assert estimate.left([(cell, 1, 0)], "cpu", running=[(spec, 3, 0)]) == pytest.approx(10)
    assert estimate.left([(cell, 1, 0)], "cpu", running=[(spec, 9, 0)]) == pytest.approx(10), "longer than expected"
    assert estimate.left([(cell, 1, 0)], "cpu", running=[(with_training(spec, max_epochs=200, patience=5), 9, 7)]) == (
        pytest.approx(30)
    ), "three epochs until patience is over"
    assert estimate.left([], "cpu") == 0


def test_final_runs_are_as_long_as_trials_that_nobody_ended_early(tmp_path: Path) -> None:
    cell = cells_by_row(suite_of(tmp_path))["erl", 1]
    spec = example(cell, "cpu")
    short = dataclasses.replace(ended(spec, seconds=10.0, epochs=1), status="pruned")
    estimate = Estimate([ended(spec, seconds=40.0, epochs=4), short, short], SIZES)
    assert estimate.left([(cell, 1, 0)], "cpu") == pytest.approx(20)
    assert estimate.left([(cell, 0, 1)], "cpu") == pytest.approx(40)


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


def test_lares_costs_its_core_over_all_items_its_depth_in_training_and_second_rows(tmp_path: Path) -> None:
    size = dataclasses.replace(SIZES["tiny"], history=20.0)

    def cost(backbone: str, strategy: str, packing: str = "none") -> float:
        parts = {"backbones": f"[{backbone}: {{width: 8, heads: 1}}]", "strategies": f"[{strategy}]", "steps": "[6]"}
        (cell,) = expand(suite_in(tmp_path, training=f"{{packing: {packing}}}", **parts))
        return operations(example(cell, "cpu"), size)

    assert cost("lares", "naive") > 3 * cost("sasrec", "naive") > 3 * cost("sasrec", "base")
    alone = "lares: {trajectory_weight: 0}"
    assert (
        cost("lares", alone) == cost("lares", "naive") > cost("lares", "lares: {trajectory_weight: 0, train_steps: 3}")
    )
    for packing in ("none", "users"):
        second = cost("lares", "lares", packing) - cost("lares", alone, packing)
        assert second == pytest.approx(cost("lares", "lares") - cost("lares", alone)) and second > 0


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


def test_a_plan_counts_the_cells_that_cannot_run(tmp_path: Path) -> None:
    parts = {"backbones": "[bert4rec: {width: 8, heads: 1}, sasrec: {width: 8, heads: 1}]", "strategies": "[base, erl]"}
    suite = suite_in(tmp_path, training="{packing: users}", **parts)
    said = plan_report(suite, store=Store(tmp_path / "results"), data_dir=tmp_path)
    impossible = sum(cell.unsupported is not None for cell in expand(suite))
    assert impossible > 0 and f" {impossible} cells of {len(expand(suite))} cannot run" in said
