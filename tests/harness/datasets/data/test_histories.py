"""Histories of published rows, laid into one flat array."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data import histories
from rearec_bench.harness.datasets.data.histories import Rows, lay_out, share_histories

Row = tuple[int, list[int], int]
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(0, 2)),
    min_size=1,
    max_size=25,
)


def laid_out(rows: list[Row], lay: Callable[..., Any] = share_histories, **options: Any) -> list[np.ndarray]:
    """Flat items, starts and ends, from which every row reads back."""
    columns = (
        np.array([user for user, _, _ in rows], dtype=np.int32),
        np.array([target for _, _, target in rows], dtype=np.int32),
        np.array([item for _, history, _ in rows for item in history], dtype=np.int32),
        np.array([len(history) for _, history, _ in rows], dtype=np.int64),
    )
    flat, starts, ends = lay(Rows(*columns), **options)
    for (_, history, target), start, end in zip(rows, starts, ends, strict=True):
        assert flat[start:end].tolist() == history
        assert flat[end] == target
    return [flat, starts, ends]


@given(ROWS, st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_row_reads_back_its_own_history_and_target(rows: list[Row], by_length: bool) -> None:
    laid_out(rows, by_length=by_length)


@given(st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=9), min_size=1, max_size=4), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_prefixes_of_a_sequence_cut_or_not_are_stored_once(sequences: list[list[int]], longest: int) -> None:
    rows = [
        (user, sequence[max(0, place - longest) : place], sequence[place])
        for place in range(1, 9)
        for user, sequence in enumerate(sequences)
        if place < len(sequence)
    ]
    assert len(laid_out(rows)[0]) == sum(map(len, sequences))


def test_a_history_that_does_not_follow_from_the_row_before_gets_a_place_of_its_own() -> None:
    assert len(laid_out([(0, [1, 2], 0), (0, [1, 2, 1], 2)])[0]) == 3 + 4


def test_histories_of_different_users_are_never_shared() -> None:
    assert len(laid_out([(0, [1], 2), (1, [1, 2], 0)])[0]) == 2 + 3


@given(st.permutations(range(1, 8)))
@settings(max_examples=40, deadline=None)
def test_by_length_prefixes_are_stored_once_in_whatever_order_they_stand(places: list[int]) -> None:
    sequence = [3, 1, 4, 1, 5, 9, 2, 6]
    rows = [(0, sequence[:place], sequence[place]) for place in places]
    assert laid_out(rows, by_length=True)[0].tolist() == sequence


# Whole histories: prefixes

WHOLE = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 1), max_size=6), st.integers(0, 1)), min_size=0, max_size=25
)


prefixes = partial(laid_out, lay=lay_out, layout="prefixes")


@pytest.fixture(params=[1, 2**21])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many items are compared at once."""
    monkeypatch.setattr(histories, "_PIECE", request.param)


@pytest.mark.usefixtures("piece")
@given(WHOLE)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_whole_history_lies_in_the_next_longer_one_exactly_where_that_begins_with_it(rows: list[Row]) -> None:
    flat, starts, ends = prefixes(rows)
    assert flat.dtype == np.int32
    assert len(flat) <= sum(len(history) + 1 for _, history, _ in rows)
    owner: dict[int, int] = {}
    for (user, _, _), start, end in zip(rows, starts, ends, strict=True):
        assert all(owner.setdefault(place, user) == user for place in range(start, end + 1))
    assert len(owner) == len(flat)
    order = sorted(range(len(rows)), key=lambda row: (rows[row][0], len(rows[row][1])))
    for row, after in itertools.pairwise(order):
        sequence, longer = ([*rows[one][1], rows[one][2]] for one in (row, after))
        begins = rows[row][0] == rows[after][0] and longer[: len(sequence)] == sequence
        assert (starts[row] == starts[after]) == begins


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=80, deadline=None)
def test_all_rows_of_a_user_take_the_room_of_the_longest(sequences: list[list[int]], random: Random) -> None:
    rows = [
        (user, sequence[:place], sequence[place])
        for user, sequence in enumerate(sequences)
        for place in range(len(sequence))
        if place == len(sequence) - 1 or random.random() < 0.7
    ]
    random.shuffle(rows)
    flat, _, _ = prefixes(rows)
    assert flat.tolist() == [item for sequence in sequences for item in sequence]


def test_users_with_the_same_history_and_users_whose_histories_part_ways() -> None:
    same = [(0, [1, 2], 3), (1, [1, 2], 3), (1, [1], 2)]
    assert prefixes(same)[0].tolist() == [1, 2, 3, 1, 2, 3]
    diverging = [(0, [1], 2), (0, [1, 2], 3), (0, [1, 4], 3), (0, [1, 2, 3], 5)]
    flat, starts, _ = prefixes(diverging)
    assert len(flat) == 3 + 3 + 4  # [1, 2] lies in [1, 2, 3], after which comes [1, 4, 3] of the same length
    assert starts.tolist() == [0, 0, 3, 6]


def test_no_rows_make_an_empty_array() -> None:
    assert [len(one) for one in prefixes([])] == [0, 0, 0]
