"""Intervals against scipy's tests, simulation, and loops over resamples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from rearec_bench.harness.analysis.intervals import (
    cluster_means,
    detectable_difference,
    percentile_interval,
    share_interval,
    t_interval,
)


def test_the_t_interval_is_that_of_scipy() -> None:
    values = [0.081, 0.084, 0.0795, 0.0822]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    found = t_interval(values)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)
    assert t_interval([0.1, 0.1, 0.1]) is None  # no variance, no evidence
    assert t_interval([0.1]) is None and t_interval([]) is None and t_interval([0.1, float("nan")]) is None


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([1, 1, 1, 1, 0], (0.3755, 0.9638)),  # Wilson (1927) for 4 of 5
        ([0.8, 0.8, 0.9, 0.7, 0.8], (0.3755, 0.9638)),
        ([1, 1], (0.3424, 1)),
        ([0, 0, 0], (0, 0.5615)),
    ],
)
def test_the_interval_of_a_share_is_wilsons_within_0_and_1(shares: list[float], expected: tuple[float, float]) -> None:
    found = share_interval(shares)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-4)
    assert 0 <= found.low <= found.high <= 1


def test_resampled_means_are_those_of_a_loop_that_copies_rows() -> None:
    draw = np.random.default_rng(3)
    users = draw.integers(0, 7, 40).astype(np.int32) * 11
    values = draw.random((40, 3))
    found = cluster_means(values, users, resamples=5, seed=9)

    again = np.random.default_rng(9).integers(0, 7, (5, 7))
    names = sorted(set(users.tolist()))
    for place, drawn in enumerate(again):
        rows = [row for user in drawn for row in range(40) if users[row] == names[user]]
        for column in range(3):
            assert found[place, column] == pytest.approx(sum(values[row, column] for row in rows) / len(rows))


def test_rows_of_one_user_make_the_interval_as_wide_as_one_row_would() -> None:
    draw = np.random.default_rng(0)
    one_each = draw.random((50, 1))
    users = np.arange(50, dtype=np.int32)
    alone = percentile_interval(cluster_means(one_each, users)[:, 0])
    copied = percentile_interval(cluster_means(np.repeat(one_each, 20, 0), np.repeat(users, 20))[:, 0])
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    as_if_independent = percentile_interval(cluster_means(np.repeat(one_each, 20, 0), np.arange(1000))[:, 0])
    assert as_if_independent.high - as_if_independent.low < (alone.high - alone.low) / 3


def test_the_chunks_of_the_bootstrap_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    values, users = draw.random((60, 2)), draw.integers(0, 15, 60)
    whole = cluster_means(values, users, resamples=50)
    monkeypatch.setattr("rearec_bench.harness.analysis.intervals._COUNTS", 47)
    np.testing.assert_allclose(cluster_means(values, users, resamples=50), whole, rtol=1e-12)


def test_a_sample_that_is_undefined_leaves_no_interval() -> None:
    assert percentile_interval(np.array([1.0, np.nan, 2.0])) is None
    assert percentile_interval(np.array([1.0, np.inf])) is None
    assert percentile_interval(np.array([])) is None
    found = percentile_interval(np.arange(1001.0))
    assert (found.low, found.high) == pytest.approx((25.0, 975.0))


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_a_detectable_difference_is_found_with_the_stated_power(seeds: int) -> None:
    differences = np.random.default_rng(seeds).normal(0.08, 0.002, seeds)
    freedom = seeds - 1
    shift = detectable_difference(differences) / stats.sem(differences)
    critical, root = stats.t.ppf(0.975, freedom), np.sqrt(freedom)
    power, _ = integrate.quad(
        lambda s: stats.norm.cdf(shift - critical * s) * stats.chi.pdf(s * root, freedom) * root, 0, 20
    )
    assert power == pytest.approx(0.8, abs=1e-4)


def test_too_few_seeds_have_no_detectable_difference() -> None:
    assert detectable_difference([0.1]) is None and detectable_difference([]) is None
    assert detectable_difference([0.1, float("nan")]) is None
    assert detectable_difference([0.1, 0.1]) is None
