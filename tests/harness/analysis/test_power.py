"""Predicted power against simulated suites, and what a suite is told to need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rearec_bench.harness.analysis.compare import Stat
from rearec_bench.harness.analysis.crossed import difference_of
from rearec_bench.harness.analysis.intervals import detectable_difference
from rearec_bench.harness.analysis.power import Components, _least, power_over_both, resolutions, rows_of
from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.store.store import Store


@pytest.mark.parametrize("wanted", [2, 3, 5, 8, 1000, 10**9])
def test_the_least_number_that_is_enough(wanted: int) -> None:
    assert _least(lambda number: number >= wanted) == wanted


def test_where_no_number_is_enough_there_is_none() -> None:
    assert _least(lambda number: False) is None


@pytest.mark.parametrize(
    ("count", "rows", "users", "wanted"), [(13, 27, 13, 27), (26, 27, 13, 54), (1, 27, 13, 3), (None, 27, 13, None)]
)
def test_rows_of_users_are_whole_and_rounded_up(count: int | None, rows: int, users: int, wanted: int | None) -> None:
    assert rows_of(count, rows, users) == wanted


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize(("users_spread", "seeds_spread"), [(1.0, 0.0), (1.0, 0.1), (0.3, 0.3)])
def test_predicted_power_is_that_of_simulated_suites(seeds: int, users_spread: float, seeds_spread: float) -> None:
    draw, users = np.random.default_rng(seeds), 120
    parts = Components(users_spread**2, seeds_spread**2, 0.25)
    effect = 3 * (parts.over_users(users, seeds) + parts.over_seeds(users, seeds))
    found = 0
    for _ in range(300):
        values = effect + draw.normal(0, users_spread, (users, 1)) + draw.normal(0, seeds_spread, (1, seeds))
        found += difference_of(values + draw.normal(0, 0.5, (users, seeds))).p < 0.05
    assert power_over_both(parts, users, seeds, effect) == pytest.approx(found / 300, abs=0.08)


def test_over_seeds_it_detects_what_the_significance_table_says_and_more_rows_and_seeds_detect_less(
    results: ResultSet,
) -> None:
    (found,) = resolutions(results, 30.0).rows
    base, ours = results.cells
    differences = [b.test["ndcg@20"] - a.test["ndcg@20"] for a, b in zip(base.runs, ours.runs, strict=True)]
    expected = 100 * detectable_difference(differences) / base.stats["ndcg@20"].mean
    assert found.over_seeds >= expected * (1 - 1e-9)  # the seeds' spread is at least that of the rest
    assert (found.stored, found.seeds, found.rows) == (3, 3, 50)
    assert found.over_both > max(found.over_users, found.over_seeds)
    easier = resolutions(results, 300.0).rows[0]
    assert easier.rows_users < found.rows_users and easier.seeds_seeds <= found.seeds_seeds


def test_rows_with_fewer_than_two_seeds_beside_their_references_are_named(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    cells = [synthetic.cell("base", 0), synthetic.cell("prl", 2), synthetic.cell("erl", 2)]
    missing = [(cells[2].id, 2), (cells[2].id, 3)]
    found = resolutions(synthetic.results_of(Store(tmp_path), *cells, missing=missing), 3.0)
    assert [each.row.strategy for each in found.rows] == ["prl"]
    assert [cell.strategy for cell in found.unknown] == ["erl"]


@pytest.mark.parametrize("kind", ["equal", "zero"])
def test_a_row_whose_reference_scores_zero_or_is_its_equal_has_no_spread(
    kind: str, tmp_path: Path, synthetic: ModuleType
) -> None:
    results = synthetic.results_of(Store(tmp_path), ("base", 0), ("prl", 2))
    base, prl = results.cells
    equal = replace(prl, strategy="base", against="", steps=0)
    zero = replace(base, stats={name: Stat(0.0, 0.0, 3, 3) for name in base.stats})
    found = resolutions(replace(results, cells=({"equal": equal, "zero": zero}[kind], prl)), 3.0)
    assert (found.rows, found.unknown, found.without) == ((), (), (prl,))
