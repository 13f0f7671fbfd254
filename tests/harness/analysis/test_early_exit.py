"""Rules of adaptive depth against loops over rows, and what they may not see."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.analysis.adaptive import RULES, choose_depths, choose_rules
from rearec_bench.harness.analysis.early_exit import (
    EVIDENCE,
    FixedDepth,
    Router,
    StopRule,
    choose_router,
    choose_stop,
    signals_of,
)
from rearec_bench.harness.records.results import Rows
from rearec_bench.harness.trial.metrics import row_gains

from .naive import gain

AT_MOST = ("entropy", "divergence")
FROM_STEP_1 = ("convergence", "divergence")


def made(ranks: np.ndarray, **signals: Any) -> Rows:
    """Rows with given ranks; signals that are not given say nothing, users have five rows each."""
    count, states = ranks.shape
    held = {
        "entropy": np.ones((count, states)),
        "margin": np.ones((count, states)),
        "cosine": np.ones((count, states - 1)),
        "divergence": np.ones((count, states - 1)),
    } | signals
    return Rows(
        users=(np.arange(count) // 5).astype(np.int32),
        items=np.arange(count, dtype=np.int32),
        readout_ranks=ranks[:, -1].astype(np.int32),
        step_ranks=ranks.astype(np.int32),
        top_items=np.zeros((count, 10), np.int32),
        control_ranks=ranks.astype(np.int32),
        **{name: np.asarray(held[name]).astype(np.float16) for name in held},
    )


def noise(seed: int, *, count: int = 200, steps: int = 2) -> Rows:
    """Rows whose ranks have nothing to do with their signals."""
    draw = np.random.default_rng(seed)
    return made(
        draw.integers(1, 40, (count, steps + 1)),
        entropy=draw.uniform(1, 6, (count, steps + 1)),
        margin=draw.uniform(0, 2, (count, steps + 1)),
        cosine=draw.uniform(0, 1, (count, steps)),
        divergence=draw.uniform(0, 4, (count, steps)),
    )


def naive_depth(evidence: str, rows: Rows, row: int, threshold: float, cap: int) -> int:
    """The first step that the rule's sentence describes, one row alone."""
    for step in range(cap):
        if evidence == "entropy" and rows.entropy[row, step] <= threshold:
            return step
        if evidence == "margin" and rows.margin[row, step] >= threshold:
            return step
        if evidence == "convergence" and step >= 1 and rows.cosine[row, step - 1] >= threshold:
            return step
        if evidence == "divergence" and step >= 1 and rows.divergence[row, step - 1] <= threshold:
            return step
    return cap


@pytest.mark.parametrize("evidence", EVIDENCE)
@pytest.mark.parametrize("threshold", [0.2, 0.5, 1.5, 3.0])
def test_a_rule_stops_where_a_loop_over_steps_does(evidence: str, threshold: float) -> None:
    rows = noise(1, steps=4)
    for cap in range(5):
        rule = StopRule(evidence, -threshold if evidence in AT_MOST else threshold, cap)
        expected = [naive_depth(evidence, rows, row, threshold, cap) for row in range(200)]
        assert rule.depths(signals_of(rows)).tolist() == expected


@pytest.mark.parametrize("evidence", EVIDENCE)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_chosen_threshold_is_the_best_of_the_grid(evidence: str, seed: int) -> None:
    rows = noise(seed, count=120, steps=3)
    values = getattr(rows, "cosine" if evidence == "convergence" else evidence)
    found = choose_stop(evidence, signals_of(rows), row_gains(rows.step_ranks, "ndcg@20"))
    depths = found.depths(signals_of(rows))
    scored = np.mean([gain(rows.step_ranks[row, depth]) for row, depth in enumerate(depths)])

    best, fewest = -1.0, math.inf
    for cap in range(4):
        seen = sorted(values[:, : max(cap - (evidence in FROM_STEP_1), 0)].ravel().tolist())
        if evidence in AT_MOST:
            seen.reverse()  # the evidence is the negative value
        never = -math.inf if evidence in AT_MOST else math.inf
        grid = [never]
        if seen:
            grid += [seen[part * (len(seen) - 1) // 20] for part in range(21)]
        for threshold in grid:
            at = [naive_depth(evidence, rows, row, threshold, cap) for row in range(120)]
            mean = np.mean([gain(rows.step_ranks[row, depth]) for row, depth in enumerate(at)])
            if mean > best + 1e-12 or (abs(mean - best) <= 1e-12 and np.mean(at) < fewest):
                best, fewest = mean, np.mean(at)
    assert scored == pytest.approx(best, rel=1e-12)
    assert depths.mean() == pytest.approx(fewest)


def test_the_router_predicts_what_an_ordinary_least_squares_with_a_ridge_predicts() -> None:
    rows = noise(4)
    gains = row_gains(rows.step_ranks, "ndcg@20")
    found = choose_router(signals_of(rows), gains, rows.users)
    assert isinstance(found, Router)

    features = np.stack([rows.entropy[:, 0].astype(float), np.log1p(rows.margin[:, 0].astype(float))], 1)
    scaled = (features - features.mean(0)) / features.std(0)
    centred = gains - gains.mean(1, keepdims=True)
    weights = np.linalg.solve(scaled.T @ scaled + np.eye(2), scaled.T @ (centred - centred.mean(0)))
    np.testing.assert_allclose(found.regression.predict(features), scaled @ weights + centred.mean(0))

    open_router = dataclasses.replace(found, threshold=0.0)
    expected = []
    for predicted in (scaled @ weights + centred.mean(0)).tolist():
        best = max(range(3), key=lambda step: predicted[step])
        expected.append(best if predicted[best] > predicted[found.depth] else found.depth)
    assert open_router.depths(signals_of(rows)).tolist() == expected


def test_rows_of_a_user_never_help_to_predict_each_other() -> None:
    """Gains that belong to users, not to signals: a router that saw a user's other rows would follow them."""
    draw = np.random.default_rng(0)
    users = np.repeat(np.arange(12), 20)
    better = draw.integers(0, 2, 12)[users]  # the step that suits the user
    entropy = np.repeat(draw.uniform(1, 6, 12), 20)  # tells the user apart, and nothing else
    ranks = np.where(better[:, None] == np.arange(2), 1, 100)
    rows = dataclasses.replace(made(ranks, entropy=np.stack([entropy, entropy], 1)), users=users.astype(np.int32))
    gains = row_gains(rows.step_ranks, "ndcg@20")
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold

    from rearec_bench.harness.analysis.early_exit import _features, _out_of_fold

    predicted = _out_of_fold(_features(signals_of(rows)), gains, rows.users)
    features = np.stack([entropy.astype(np.float16).astype(float), np.full(240, np.log1p(1.0))], 1)
    for seen, held_out in GroupKFold(5).split(features, groups=users):
        assert not set(users[seen]) & set(users[held_out])
        mean, spread = features[seen].mean(0), np.where(features[seen].std(0) > 1e-12, features[seen].std(0), 1)
        ridge = Ridge(1.0).fit((features[seen] - mean) / spread, gains[seen] - gains[seen].mean(1, keepdims=True))
        np.testing.assert_allclose(predicted[held_out], ridge.predict((features[held_out] - mean) / spread), atol=1e-9)


def test_depths_do_not_change_with_the_targets_of_test() -> None:
    validation, test = noise(1), noise(2)
    draw = np.random.default_rng(3)
    order = draw.permutation(200)
    other = dataclasses.replace(
        test,
        items=test.items[order],
        step_ranks=draw.permuted(test.step_ranks[order], axis=1),
        readout_ranks=test.readout_ranks[order],
        control_ranks=test.control_ranks[order],
        top_items=test.top_items[::-1] + 1,
    )
    before, after = choose_depths(validation, test), choose_depths(validation, other)
    assert set(before) == set(RULES)
    for name in RULES:
        assert before[name].tolist() == after[name].tolist()
    assert len(set(before["margin"].tolist())) > 1  # something was chosen


def telling(seed: int, *, by: str, count: int = 300) -> Rows:
    """K = 2: one step ranks the target first, the others do not, and one signal tells which when it is reached."""
    draw = np.random.default_rng(seed)
    best = draw.integers(by in FROM_STEP_1, 3, count)
    steps = np.arange(3)
    reached = steps >= best[:, None]
    ranks = np.where(steps == best[:, None], 1, 100)
    jitter = draw.uniform(-0.1, 0.1, (count, 3))
    if by == "entropy":
        return made(ranks, entropy=np.where(reached, 2, 4) + jitter)
    if by == "margin":
        return made(ranks, margin=np.where(reached, 2, 0.5) + jitter)
    if by == "divergence":
        return made(ranks, divergence=np.where(reached, 0.2, 0.9)[:, 1:] + jitter[:, 1:])
    return made(ranks, cosine=np.where(reached, 0.8, 0.4)[:, 1:] + jitter[:, 1:])


@pytest.mark.parametrize("by", EVIDENCE)
def test_a_signal_that_tells_the_best_step_is_followed(by: str) -> None:
    test = telling(2, by=by)
    depths = choose_depths(telling(1, by=by), test)
    right = {name: (depths[name] == test.step_ranks.argmin(1)).mean() for name in RULES}
    assert right[by] > 0.95  # thresholds come from a grid
    assert all(right[name] < 0.7 for name in set(EVIDENCE) - {by})


def test_the_router_follows_a_signal_of_step_0() -> None:
    draw = np.random.default_rng(0)

    def split() -> Rows:
        entropy = draw.uniform(1, 6, (300, 2))
        ranks = np.where((entropy[:, :1] > 3.5) == np.arange(2), 1, 100)  # the unsure need the step
        return made(ranks, entropy=entropy)

    test = split()
    depths = choose_depths(split(), test)["router"]
    assert (depths == test.step_ranks.argmin(1)).mean() > 0.95


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_signals_that_are_not_finite_break_nothing(broken: float) -> None:
    validation, test = noise(1), noise(2)
    for rows in (validation, test):
        for values in (rows.entropy, rows.margin, rows.cosine, rows.divergence):
            values[::3] = broken
    for name, depths in choose_depths(validation, test).items():
        assert depths.shape == (200,) and depths.min() >= 0 and depths.max() <= 2, name


def test_a_value_that_is_not_a_number_stops_nothing() -> None:
    rows = made(np.ones((2, 3)), entropy=[[np.nan, 1, 1], [0, 1, 1]], margin=[[np.nan, 9, 9], [9, 9, 9]])
    assert StopRule("entropy", -2.0, 2).depths(signals_of(rows)).tolist() == [1, 0]
    assert StopRule("margin", 5.0, 2).depths(signals_of(rows)).tolist() == [1, 0]
    assert StopRule("margin", math.inf, 2).depths(signals_of(rows)).tolist() == [2, 2]


def test_where_nothing_can_be_learnt_the_depth_is_fixed_and_the_least() -> None:
    ranks = np.random.default_rng(0).integers(1, 40, (100, 3))
    best = int(row_gains(ranks, "ndcg@20").mean(0).argmax())
    for name, rule in choose_rules(made(ranks)).items():
        assert set(rule.depths(signals_of(made(ranks)))) == {best}, f"{name}: signals that never change"
    rows = noise(1)
    alike = dataclasses.replace(rows, step_ranks=np.repeat(rows.step_ranks[:, :1], 3, axis=1))
    for name, depths in choose_depths(alike, alike).items():
        assert depths.max() == 0, f"{name}: steps that are all alike"
    gains = row_gains(rows.step_ranks, "ndcg@20")
    one_user = choose_router(signals_of(rows), gains, np.zeros(200, np.int32))
    assert one_user == FixedDepth(int(gains.mean(0).argmax()))
