"""Groups of users and items, and what is recommended, against loops over rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.analysis.beyond_accuracy import beyond_accuracy, coverage_of, popularity_at
from rearec_bench.harness.analysis.groups import GROUPS, ITEMS, USERS, grouped, item_groups, user_groups
from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.trial.baselines import popularity_of
from rearec_bench.harness.utils.errors import InputError

from .naive import gain


def dataset(results: ResultSet, fingerprint: str = "f" * 16) -> Dataset:
    """A data set whose test rows are those of the made-up trials; histories and training rows are drawn."""
    rows = results.store.rows(results.cells[0].runs[0].key, "test")
    draw = np.random.default_rng(3)
    lengths = draw.integers(1, 30, len(rows.users))
    targets = np.sort(draw.integers(0, 60, 400)).astype(np.int32)
    starts = np.zeros(400, np.int64)
    train = Split(np.zeros(400, np.int32), starts, starts + 1, targets)
    test = Split(rows.users, np.zeros(len(rows.users), np.int64), lengths.astype(np.int64), rows.items)
    return Dataset("tiny", fingerprint, 60, 9, np.zeros(40, np.int32), train, test, test, {})


def test_users_are_in_groups_of_equal_size_by_their_longest_history() -> None:
    users = np.array([5, 5, 1, 2, 3, 4, 6, 7, 8], np.int32)
    ends = np.array([2, 90, 50, 1, 3, 60, 5, 4, 70], np.int64)
    split = Split(users, np.zeros(9, np.int64), ends, np.zeros(9, np.int32))
    # by length: 2 (1), 3 (3), 7 (4), 6 (5), 1 (50), 4 (60), 8 (70), 5 (90)
    assert user_groups(split).tolist() == [3, 3, 2, 0, 0, 2, 1, 1, 3]


@settings(deadline=None)
@given(st.lists(st.integers(0, 11), min_size=8, max_size=80), st.lists(st.integers(0, 50), min_size=12, max_size=12))
def test_an_item_is_in_one_group_and_rarer_ones_come_first(targets: list[int], counts: list[int]) -> None:
    popularity = np.array(counts, np.int64)
    found = item_groups(np.array(targets, np.int32), popularity)
    assert set(found.tolist()) <= set(range(GROUPS))
    held = dict(zip(targets, found.tolist(), strict=True))
    assert [held[item] for item in targets] == found.tolist()
    for one in held:
        for other in held:
            if counts[one] < counts[other]:
                assert held[one] <= held[other]
    largest = max(targets.count(item) for item in set(targets))
    for number in range(GROUPS):
        assert abs((found == number).sum() - len(targets) / GROUPS) <= largest


def test_metrics_and_gains_of_groups_equal_loops_over_rows(results: ResultSet) -> None:
    data = dataset(results)
    base, prl = grouped(results, lambda name: data)
    assert [(one.group.kind, one.group.number) for one in prl.groups] == [
        (kind, number) for kind in (USERS, ITEMS) for number in range(GROUPS)
    ]
    assert list(base.groups[0].states) == ["readout"]
    users, items = user_groups(data.test), item_groups(data.test.targets, popularity_of(data))
    runs = [results.store.read(run.key).test.rows for run in results.cells[1].runs]
    for one in prl.groups:
        of_rows = users if one.group.kind == USERS else items
        inside = [row for row in range(50) if of_rows[row] == one.group.number]
        assert one.group.rows == len(inside)
        values = {}
        for k in range(3):
            ranks = [[run.step_ranks[row, k] for row in inside] for run in runs]
            seeds = [sum(map(gain, held)) / len(inside) for held in ranks]
            values[k] = sum(seeds) / 3
            assert one.states[f"step_{k}"]["ndcg@20"].mean == pytest.approx(values[k])
        assert one.over_first["step_2"]["ndcg@20"] == pytest.approx((values[2] / values[0] - 1) * 100)
        interval = one.intervals["step_2"]["ndcg@20"]
        assert interval is None or interval.low <= one.over_first["step_2"]["ndcg@20"] <= interval.high


def test_another_data_set_is_refused(results: ResultSet) -> None:
    with pytest.raises(InputError, match=r"not the one that trial .* was tested on.*--data-dir"):
        grouped(results, lambda name: dataset(results, "e" * 16))


def test_what_is_recommended_equals_loops(results: ResultSet) -> None:
    data = dataset(results)
    found = beyond_accuracy(results, lambda name: data)[1]
    counts = [int((data.train.targets == item).sum()) for item in range(60)]
    covered, popular, ranks = [], [], []
    for run in results.cells[1].runs:
        rows = results.store.read(run.key).test.rows
        listed = [item for row in rows.top_items.tolist() for item in row if item >= 0]
        covered.append(len(set(listed)) / 60)
        popular.append(sum(counts[item] for item in listed) / len(listed))
        ranks.append(sum(1 / rank for rank in rows.readout_ranks.tolist()) / 50)
    assert found.coverage.mean == pytest.approx(sum(covered) / 3)
    assert found.popularity.mean == pytest.approx(sum(popular) / 3)
    assert found.mrr.mean == pytest.approx(sum(ranks) / 3)
    assert coverage_of(np.array([[0, 1, -1]], np.int32), 4) == 0.5
    assert popularity_at(np.array([[0, 1, -1]], np.int32), np.array([4, 2, 9, 9])) == 3.0
