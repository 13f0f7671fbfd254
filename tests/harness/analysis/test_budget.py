"""Expected best against budget: the formulas beside all draws there are, and what is counted of a row."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rearec_bench.harness.analysis.budget import (
    Budget,
    budgets,
    expected_best,
    expected_best_with_replacement,
    score,
    unequal,
)
from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.store.store import Store

METRIC = "ndcg@20"


@pytest.mark.parametrize("values", [[0.3], [0.1, 0.1], [0.4, 0.1, 0.3], [0.0, 0.2, 0.2, 0.9, 0.5, 0.2]])
def test_both_curves_are_means_over_all_draws(values: list[float]) -> None:
    for n, (without, replaced) in enumerate(
        zip(expected_best(values), expected_best_with_replacement(values), strict=True), 1
    ):
        draws = [max(draw) for draw in itertools.combinations(values, n)]
        assert without == pytest.approx(math.fsum(draws) / len(draws), abs=1e-12)
        again = [max(draw) for draw in itertools.product(values, repeat=n)]
        assert replaced == pytest.approx(math.fsum(again) / len(again), abs=1e-12)


@pytest.mark.slow
def test_nothing_overflows_where_there_are_more_than_a_thousand() -> None:
    found = expected_best([i / 1100 for i in range(1, 1101)])
    for n in (1, 2, 550, 1099, 1100):
        assert found[n - 1] == pytest.approx(n * 1101 / (n + 1) / 1100), "of the uniform distribution"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def searched(synthetic: ModuleType, store: Store, name: str, ends: list[Any], **spent: Any) -> dict[str, Any]:
    """Store search trials of a row: a number is the score of one that is done, a word how another one ended."""
    keys: dict[str, list[str]] = {"search": [], "failed": []}
    for number, end in enumerate(ends):
        spec = synthetic.spec(strategy=name, seed=0, purpose="search", settings={"number": number})
        made = synthetic.trial(spec, status=end if isinstance(end, str) else "done")
        if not isinstance(end, str):
            readout = {**made.validation.readout, METRIC: end}
            made = dataclasses.replace(made, validation=dataclasses.replace(made.validation, readout=readout))
        made = dataclasses.replace(made, environment={**made.environment, **spent})
        store.write(made)
        keys["failed" if end == "failed" else "search"].append(made.key)
    return {"search": keys["search"], "failed": keys["failed"], "best": None, "final": {}}


def rows(synthetic: ModuleType, store: Store, ends: dict[str, list[Any]], **fields: Any) -> tuple[Budget, ...]:
    cells = tuple(synthetic.cell(name, 2 if name != "base" else 0, **fields.get(name, {})) for name in ends)
    entries = {
        cell.id: searched(synthetic, store, cell.row, found, **fields.get("spent", {}))
        for cell, found in zip(cells, ends.values(), strict=True)
    }
    return budgets(collect("s", cells, {"cells": entries}, store=store))


def test_every_end_of_a_search_trial_is_counted_and_costs(synthetic: ModuleType, store: Store) -> None:
    (row,) = rows(
        synthetic, store, {"prl": [0.3, "diverged", 0.5, "pruned", "failed"]}, spent={"cpus": 2.0, "gpus": 0.0}
    )
    assert row.statuses == {"done": 2, "diverged": 1, "pruned": 1, "failed": 1} and row.trials == 5
    assert (row.search.epochs, row.search.gpu_s) == (15, 0.0)
    assert row.search.core_s == pytest.approx(5 * 1.8 * 2)
    values = sorted([0.3, 0.0, 0.5, 0.03, 0.0])
    assert [point.expected for point in row.curve] == pytest.approx(expected_best(values))
    assert row.curve[0].expected == pytest.approx(0.83 / 5) and row.curve[-1].expected == 0.5
    assert [point.epochs for point in row.curve] == [3, 6, 9, 12, 15]


def test_time_on_a_gpu_is_counted_by_the_part_of_it_that_a_trial_had(synthetic: ModuleType, store: Store) -> None:
    from rearec_bench.harness.analysis.budget import _spent

    made = store_summary(synthetic, store)
    on_gpu = dataclasses.replace(made, spec=dataclasses.replace(made.spec, device="cuda"))
    quarter = dataclasses.replace(on_gpu, environment={"gpus": 0.25, "cpus": 1.0})
    suite = SimpleNamespace(gpu=0.5, cpu=4.0)
    assert _spent([quarter], resources=suite).gpu_s == pytest.approx(1.8 / 4)
    assert _spent([on_gpu], resources=suite).gpu_s == pytest.approx(1.8 / 2), "as the suite says"
    assert _spent([on_gpu], resources=None).gpu_s == pytest.approx(1.8)
    assert (_spent([made], resources=suite).core_s, _spent([made], resources=suite).gpu_s) == (pytest.approx(7.2), 0.0)


def store_summary(synthetic: ModuleType, store: Store) -> Any:
    made = synthetic.trial(synthetic.spec(purpose="search"))
    store.write(made)
    return store.summary(made.key)


def test_a_score_is_the_best_epoch_of_a_pruned_trial_and_nothing_of_a_failure(
    synthetic: ModuleType, store: Store
) -> None:
    made = store_summary(synthetic, store)
    assert score(made) == made.validation[METRIC]
    assert score(dataclasses.replace(made, status="pruned", validation=None)) == 0.03
    assert score(dataclasses.replace(made, status="failed", validation=None)) == 0.0
    assert score(dataclasses.replace(made, status="diverged", validation=None)) == 0.0


def test_unequal_budgets_are_those_of_rows_that_are_compared(synthetic: ModuleType, store: Store) -> None:
    found = rows(synthetic, store, {"base": [0.1, 0.2], "prl": [0.3, 0.4, 0.2], "erl": [0.3, 0.1]})
    pairs = [(one.cell.strategy, other.cell.strategy) for one, other in unequal(found, in_epochs=False)]
    assert pairs == [("prl", "base")]
    assert [one.cell.strategy for one, _ in unequal(found, in_epochs=True)] == ["prl"], "9 epochs and 6"
    close = [
        dataclasses.replace(one, search=dataclasses.replace(one.search, epochs=epochs))
        for one, epochs in zip(found, (100, 109, 111), strict=True)
    ]
    assert [one.cell.strategy for one, _ in unequal(close, in_epochs=True)] == ["erl"]


def test_a_curve_is_rising_while_its_second_half_finds_something_better(synthetic: ModuleType, store: Store) -> None:
    flat, rising, one, whole = rows(
        synthetic,
        store,
        {
            "erl": [0.3] * 8,
            "prl": [0.1 * n for n in range(1, 9)],
            "naive": [0.3],
            "rpe": [0.1 * n for n in range(1, 9)],
        },
        rpe={"points": 8},
    )
    assert (flat.rise, flat.is_rising) == (pytest.approx(0.0), False)
    best = expected_best([0.1 * n for n in range(1, 9)])
    assert rising.rise == pytest.approx(1 - best[3] / best[7]) and rising.is_rising
    assert (one.rise, one.is_rising) == (None, False)
    assert whole.rise == rising.rise and whole.is_exhausted and not whole.is_rising
