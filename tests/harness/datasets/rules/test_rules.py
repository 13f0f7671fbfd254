"""The rules, against deliberately naive recomputation."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data.interactions import Interactions
from rearec_bench.harness.datasets.rules import rules

from ..builders import interactions
from ..reference_preparation import tie

NOTHING = interactions([0], [0], [0]).take(np.zeros(0, dtype=np.int64))


def words(log: Interactions) -> list[tuple[str, str, float]]:
    return [
        (log.user_tokens[user], log.item_tokens[item], time)
        for user, item, time in zip(log.users, log.items, log.times, strict=True)
    ]


STEPS = (1.0, 1e3, 0.25, 2.0**52, -1e15, float("inf"))
"""Of times: whole seconds, milliseconds, fractions, and such as do not fit into one number with a user."""


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=60), st.sampled_from(STEPS))
@settings(max_examples=80, deadline=None)
def test_orders_are_those_of_the_plain_sorts(log: list[tuple[int, int, int]], step: float) -> None:
    data = NOTHING
    if log:
        users, items, times = zip(*log, strict=True)
        data = interactions(users, items, [(time + 1) * step for time in times])
    expected = sorted(words(data), key=lambda row: (row[0], row[2], tie(row[0], row[1])))
    assert words(data.take(rules.time_order(data))) == expected
    assert rules.time_order(data).tolist() == np.lexsort((rules.tie_hashes(data), data.times, data.users)).tolist()
    assert rules.time_order(data, hashed=False).tolist() == np.lexsort((data.times, data.users)).tolist()


def test_the_hash_of_a_pair_is_a_known_number_on_every_machine() -> None:
    log = interactions([0], [3], [0])
    assert int(rules.tie_hashes(log)[0]) == tie("u0", "i3") == 0x188D67FF96F83F36


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80))
@example(list(range(11)))  # 80% and 90% of the way are interactions themselves
@example([0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 9, 9])  # equal times at the end
@example([0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 8, 9])  # both boundaries are 7
@settings(max_examples=60, deadline=None)
def test_boundaries_are_those_of_a_sorted_list_in_exact_arithmetic(times: list[int]) -> None:
    array = np.array(times, dtype=np.float64)
    ordered = sorted(times)
    expected = tuple(float(ordered[(len(times) - 1) * percent // 100]) for percent in (80, 90))
    assert rules.time_boundaries(array, (Decimal("0.8"), Decimal("0.9"))) == expected
    parts = rules.split_by_time(array, expected)
    naive = [0 if time <= expected[0] else 1 if time <= expected[1] else 2 for time in times]
    assert parts.tolist() == naive


def test_leave_one_out_takes_the_last_two_of_users_with_three_or_more() -> None:
    users = np.array([0, 0, 0, 0, 1, 1, 2, 3, 3, 3])
    assert rules.split_leave_one_out(users).tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 1, 2]


def test_positions_count_within_each_user() -> None:
    first, place = rules.positions(np.array([4, 4, 4, 9, 2, 2]))
    assert first.tolist() == [0, 0, 0, 3, 4, 4]
    assert place.tolist() == [0, 1, 2, 0, 0, 1]


def test_no_interactions_have_no_parts_and_no_positions() -> None:
    nobody = np.zeros(0, dtype=np.int64)
    assert [len(column) for column in (rules.split_leave_one_out(nobody), *rules.positions(nobody))] == [0, 0, 0]
