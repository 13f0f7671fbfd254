"""Tests of differences: against SciPy's own, against loops, and on simulated data with and without an effect."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.intervals import cluster_means, difference_interval, percentile_interval, t_interval
from rearec_bench.harness.analysis.paired_rows import user_means
from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.analysis.significance import (
    OVER_BOTH,
    OVER_USERS,
    effect_size,
    holm,
    paired_test,
    significance,
)
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.gains import gain_panels
from rearec_bench.harness.store.store import Store

from .naive import gain

SIMULATIONS = 1000


def test_p_values_are_those_of_a_paired_t_test() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.random(30), draw.random(30)
    assert paired_test(first - second) == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-9)
    assert paired_test([0.0, 0.0, 0.0]) is None and paired_test([0.1, 0.1]) is None
    assert paired_test([0.1]) is None and paired_test([]) is None and paired_test([0.1, float("nan")]) is None


def test_holm_steps_down() -> None:
    draw = np.random.default_rng(1)
    p_values = draw.random(40) ** 3
    order = np.argsort(p_values)
    expected = np.empty(40)
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (40 - place) * p_values[at]))
        expected[at] = highest
    assert holm(p_values.tolist()) == pytest.approx(expected.tolist())
    assert holm([]) == []


def test_the_effect_size_is_cohens_d_of_differences() -> None:
    values = np.array([0.1, -0.2, 0.4, 0.3])
    t = stats.ttest_1samp(values, 0).statistic
    assert effect_size(values) == pytest.approx(t / np.sqrt(4))
    assert effect_size(np.zeros(5)) is None and effect_size(np.array([1.0])) is None


def test_users_weigh_the_same_however_many_rows_they_have() -> None:
    values = np.array([[1.0, 0.0], [3.0, 0.0], [10.0, 5.0]])
    assert user_means(values, np.array([7, 7, 2], np.int32)).tolist() == [[10.0, 5.0], [2.0, 0.0]]


def test_comparisons_equal_loops_over_users_and_seeds(results: ResultSet) -> None:
    found = significance(results)
    bases = [results.store.read(run.key).test for run in results.cells[0].runs]
    runs = [results.store.read(run.key).test for run in results.cells[1].runs]
    assert [one.metric for one in found.comparisons] == list(METRICS)
    corrected = holm([one.p_users for one in found.comparisons])
    for place, one in enumerate(found.comparisons):
        by_user: dict[int, list[float]] = {}
        for at, user in enumerate(runs[0].rows.users.tolist()):
            ours = [gain(run.rows.readout_ranks[at], one.metric) for run in runs]
            theirs = [gain(run.rows.readout_ranks[at], one.metric) for run in bases]
            by_user.setdefault(user, []).append(sum(ours) / 3 - sum(theirs) / 3)
        differences = [sum(rows) / len(rows) for rows in by_user.values()]
        assert one.users == len(differences) and one.seeds == 3 and one.complete
        assert one.p_users == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=1e-6)
        assert one.p_holm == pytest.approx(corrected[place])
        by_seed = [a.readout[one.metric] - b.readout[one.metric] for a, b in zip(runs, bases, strict=True)]
        assert one.p_seeds == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue, rel=1e-6)
        assert one.change == pytest.approx(np.mean(by_seed))
        interval = t_interval(by_seed)
        assert (one.seeds_interval.low, one.seeds_interval.high) == pytest.approx((interval.low, interval.high))
        assert one.users_interval.low <= one.change <= one.users_interval.high
    light = significance(results, intervals=False)
    assert [one.p_holm for one in light.comparisons] == [one.p_holm for one in found.comparisons]
    assert light.comparisons[0].users_interval is None


def test_only_whole_rows_are_marked_and_marks_follow_the_p_values(results: ResultSet) -> None:
    one = replace(significance(results, intervals=False).comparisons[0], p_holm=0.01, p_seeds=0.2)
    assert one.mark == OVER_USERS
    assert replace(one, p_seeds=0.01).mark == OVER_BOTH
    assert replace(one, p_holm=0.06, p_seeds=0.01).mark == ""
    assert replace(one, complete=False).mark == ""
    assert replace(one, change=-one.change).mark == "", "users' means differ the other way"
    assert one.row.place == ("tiny", "sasrec", "prl", 2)


@pytest.mark.parametrize(
    ("kind", "steps", "draws", "others", "over_users", "over_seeds"),
    [
        ("prl", 2, (5, 5), (6, 6), True, False),
        ("prl", 2, (5, 5, 5), (6, 6, 6), True, False),
        ("prl", 2, (5,), (6,), True, False),
        ("prl", 2, (5, 6), (7, 9), True, True),
        ("naive", 0, (5, 6), (5, 6), False, False),
        ("naive", 0, (5, 5), (5, 5), False, False),
    ],
)
def test_differences_that_do_not_vary_have_no_p_no_interval_and_no_mark(
    kind: str,
    steps: int,
    draws: tuple[int, ...],
    others: tuple[int, ...],
    over_users: bool,
    over_seeds: bool,
    tmp_path: Path,
    synthetic: ModuleType,
) -> None:
    store, seeds = Store(tmp_path), tuple(range(1, len(draws) + 1))
    cells = (synthetic.cell("base", 0, seeds=seeds), synthetic.cell(kind, steps, seeds=seeds))
    index = synthetic.fill(store, cells)
    for one, drawn in zip(cells, (draws, others), strict=True):
        for key, draw in zip(index["cells"][one.id]["final"].values(), drawn, strict=True):
            store.write(synthetic.trial(store.read(key).spec, draw=draw), replace=True)
    results = collect("s", cells, index, store=store)
    for each in significance(results).comparisons:
        by_user = (each.p_users, each.p_holm, each.effect, each.users_interval, each.detectable_users)
        by_seed = (each.p_seeds, each.seeds_interval, each.detectable_seeds)
        assert {value is not None for value in by_user} == {over_users}
        if each.metric == "ndcg@20" or not over_seeds:  # recall may be the same by chance
            assert {value is not None for value in by_seed} == {over_seeds}
        assert over_seeds or each.mark in ("", OVER_USERS)
    (panel,) = gain_panels(FigureContext(results, pytest.fail, pytest.fail))
    assert [(gain.users is not None, gain.seeds is not None) for gain in panel.gains] == [(over_users, over_seeds)]


def test_runs_tested_on_different_rows_are_said_and_not_paired(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2))
    index = synthetic.fill(store, cells)
    key = next(iter(index["cells"][cells[1].id]["final"].values()))
    store.write(synthetic.trial(store.read(key).spec, rows=40), replace=True)
    found = significance(collect("s", cells, index, store=store))
    assert found.comparisons == () and [row.strategy for row in found.unpaired] == ["prl"]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "effect", "low", "high"), [(11, 0.0, 0.03, 0.07), (12, 0.4, 0.8, 1.0)])
def test_without_an_effect_five_in_a_hundred_tests_over_users_find_one_and_with_one_most(
    seed: int, effect: float, low: float, high: float
) -> None:
    draw = np.random.default_rng(seed)
    p_values = [paired_test(user_means(*_simulated(draw, effect=effect))[:, 0]) for _ in range(SIMULATIONS)]
    assert low <= sum(p is not None and p < 0.05 for p in p_values) / SIMULATIONS <= high


@pytest.mark.slow
def test_without_an_effect_a_corrected_table_is_free_of_marks_in_95_of_a_hundred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(13)
    wrong = 0
    monkeypatch.setattr(gc, "collect", lambda: 0)  # statsmodels does at each call
    for _ in range(SIMULATIONS):
        p_values = [paired_test(column) for column in draw.normal(0, 1, (5, 40))]
        wrong += min(holm(p_values)) < 0.05
    assert 0.03 <= wrong / SIMULATIONS <= 0.07


def test_tests_over_seeds_keep_their_level() -> None:
    draw = np.random.default_rng(14)
    found = sum(paired_test(draw.normal(0, 0.01, 5)) < 0.05 for _ in range(SIMULATIONS))
    assert 0.03 <= found / SIMULATIONS <= 0.07


@pytest.mark.slow
def test_intervals_cover_the_true_difference_in_95_of_a_hundred() -> None:
    draw = np.random.default_rng(15)
    over_users = over_seeds = 0
    truth = _truth(effect=0.25)
    for seed in range(SIMULATIONS):
        change, users = _simulated(draw, effect=0.25)
        found = percentile_interval(cluster_means(change, users, resamples=300, seed=seed)[:, 0])
        over_users += found.low <= truth <= found.high
        interval = t_interval(draw.normal(0.03, 0.01, 5).tolist())
        over_seeds += interval.low <= 0.03 <= interval.high
    assert 0.93 <= over_users / SIMULATIONS <= 0.97
    assert 0.93 <= over_seeds / SIMULATIONS <= 0.97


def _simulated(draw: np.random.Generator, *, effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Changes of recall for 250 users with 1 to 4 rows: users differ in how easy they are, hits are rare."""
    counts = draw.integers(1, 5, 250)
    users = np.repeat(np.arange(250, dtype=np.int32), counts)
    easy = draw.beta(1, 3, 250)[users]
    first = draw.random(len(users)) < easy * (1 + effect)
    second = draw.random(len(users)) < easy
    return (first.astype(float) - second.astype(float))[:, None], users


def _truth(*, effect: float) -> float:
    """The mean difference behind `_simulated`: E[min(1, p (1 + effect)) - p] for p from Beta(1, 3)."""
    points = (np.arange(200_000) + 0.5) / 200_000
    p = stats.beta(1, 3).ppf(points)
    return float((np.minimum(1.0, p * (1 + effect)) - p).mean())


@pytest.mark.filterwarnings("error")
def test_differences_that_are_the_same_but_for_rounding_are_the_same() -> None:
    nearly = [0.1 + 0.2 - 0.3, 0.0, 1e-17]
    assert paired_test(nearly) is None and t_interval(nearly) is None
    assert paired_test([0.01, 0.01 + 2e-17, 0.01 - 1e-17]) is None
    assert difference_interval(np.full(9, 0.01)) is None
    assert effect_size(np.array([0.01, 0.01 + 2e-17])) is None
    assert 0 < paired_test([0.01, 0.0101, 0.0099]) < 0.001
