import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearec_bench.harness.trial.metrics import METRICS, metric_of, metrics_of, row_gains


def test_metrics_by_hand() -> None:
    ranks = np.array([1, 2, 10, 11, 20, 21, 500], np.int32)
    inside_10 = 1 + 1 / math.log2(3) + 1 / math.log2(11)
    inside_20 = inside_10 + 1 / math.log2(12) + 1 / math.log2(21)
    expected = {"ndcg@10": inside_10, "ndcg@20": inside_20, "recall@10": 3, "recall@20": 5}
    expected["mrr"] = sum(1 / rank for rank in ranks.tolist())
    assert metrics_of(ranks) == pytest.approx({name: total / 7 for name, total in expected.items()}, rel=1e-12)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50), st.integers(0, 49))
def test_a_better_rank_never_lowers_a_metric(ranks: list[int], place: int) -> None:
    worse = np.array(ranks, np.int32)
    better = worse.copy()
    better[place % len(ranks)] = max(1, better[place % len(ranks)] - 1)
    before, after = metrics_of(worse), metrics_of(better)
    assert all(after[name] >= before[name] for name in METRICS)
    assert all(0 <= value <= 1 for value in after.values())


def test_a_metric_is_the_mean_of_what_its_rows_add() -> None:
    ranks = np.array([[1, 2, 10], [11, 20, 21]], np.int32)
    assert row_gains(ranks, "ndcg@20")[1].tolist() == [1 / math.log2(12), 1 / math.log2(21), 0.0]
    assert row_gains(ranks, "recall@10").tolist() == [[1, 1, 1], [0, 0, 0]]
    for name, value in metrics_of(ranks.ravel()).items():
        assert row_gains(ranks, name).mean() == metric_of(ranks.ravel(), name) == value
