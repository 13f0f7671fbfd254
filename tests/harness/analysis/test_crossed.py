"""Differences over users and seeds at once: against loops, Student's t at its ends, and on data without an effect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rearec_bench.harness.analysis.crossed import (
    behrens_fisher,
    difference_of,
    paired_difference,
    user_shares,
)
from rearec_bench.harness.analysis.resultset import ResultSet


def test_the_mean_of_the_users_shares_is_the_metric_and_a_row_each_gives_the_users_own(results: ResultSet) -> None:
    cell = results.cells[1]
    found = user_shares(cell, results.store, "ndcg@20")
    assert found.shares.mean(axis=0) == pytest.approx([run.test["ndcg@20"] for run in cell.runs])
    assert found.shares.shape == (len(np.unique(found.users)), 3) and found.seeds == (1, 2, 3)


def test_variances_are_those_of_users_of_seeds_and_of_what_is_left(results: ResultSet) -> None:
    ours, theirs = (user_shares(cell, results.store, "ndcg@20") for cell in results.cells)
    found, values = paired_difference(ours, theirs), ours.shares - theirs.shares
    rest = [
        values[u, s] - values[u].mean() - values[:, s].mean() + values.mean()
        for u in range(len(values))
        for s in range(3)
    ]
    assert (found.users, found.seeds) == values.shape
    assert found.mean == pytest.approx(ours.shares.mean() - theirs.shares.mean())
    assert found.per_user == pytest.approx(values.mean(axis=1).var(ddof=1))
    assert found.per_seed == pytest.approx(values.mean(axis=0).var(ddof=1))
    assert found.rest == pytest.approx(sum(one**2 for one in rest) / (2 * (len(values) - 1)))


@pytest.mark.parametrize("mean", [0.0, 1.0, 3.0, -6.0, 40.0])
@pytest.mark.parametrize(("first", "second", "freedom"), [(1.0, 1e-9, 30), (1e-9, 1.0, 4), (1e-9, 1.0, 1)])
def test_with_one_error_alone_it_is_the_t_test(mean: float, first: float, second: float, freedom: int) -> None:
    p = behrens_fisher(mean, first, second, 30, freedom)
    assert p == pytest.approx(2 * stats.t.sf(abs(mean), freedom), rel=1e-6)


def test_with_two_errors_it_is_the_share_of_sums_of_two_student_ts_that_are_larger() -> None:
    draw = np.random.default_rng(0)
    sums = draw.standard_t(40, 1_000_000) + 0.75 * draw.standard_t(4, 1_000_000)
    assert behrens_fisher(4.0, 1.0, 0.75, 40, 4) == pytest.approx((abs(sums) > 4.0).mean(), rel=0.03)


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("users_spread", "seeds_spread"), [(1.0, 0.0), (1.0, 0.05), (0.3, 0.5)])
def test_without_an_effect_it_finds_one_in_at_most_five_of_a_hundred(
    seeds: int, users_spread: float, seeds_spread: float
) -> None:
    draw = np.random.default_rng(seeds)
    found = 0
    for _ in range(400):
        values = draw.normal(0, users_spread, (80, 1)) + draw.normal(0, seeds_spread, (1, seeds))
        found += difference_of(values + draw.normal(0, 0.5, (80, seeds))).p < 0.05
    assert found / 400 <= 0.07


def test_without_variance_or_with_one_seed_in_common_there_is_no_test(results: ResultSet) -> None:
    ours, theirs = (user_shares(cell, results.store, "ndcg@20") for cell in results.cells)
    assert paired_difference(ours, ours).p is None
    alone = user_shares(results.cells[0], results.store, "ndcg@20")
    assert paired_difference(ours, type(alone)(alone.users, alone.items, alone.shares[:, :1], (1,))) is None
    assert paired_difference(ours, type(theirs)(theirs.users[::-1], theirs.items, theirs.shares, (1, 2, 3))) is None
