"""Histories of published rows, laid into one flat array."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.histories import share_histories

Row = tuple[int, list[int], int]
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(0, 2)),
    min_size=1,
    max_size=25,
)


def shared(rows: list[Row], *, by_length: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return share_histories(
        np.array([user for user, _, _ in rows]),
        np.array([target for _, _, target in rows]),
        history=np.array([item for _, history, _ in rows for item in history]),
        lengths=np.array([len(history) for _, history, _ in rows]),
        by_length=by_length,
    )


def check(rows: list[Row], *, by_length: bool = False) -> np.ndarray:
    flat, starts, ends = shared(rows, by_length=by_length)
    for (_, history, target), start, end in zip(rows, starts, ends, strict=True):
        assert flat[start:end].tolist() == history
        assert flat[end] == target
    return flat


@given(ROWS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_row_reads_back_its_own_history_and_target(rows: list[Row], by_length: bool) -> None:
    check(rows, by_length=by_length)


@given(st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=9), min_size=1, max_size=4), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_prefixes_of_a_sequence_cut_or_not_are_stored_once(sequences: list[list[int]], longest: int) -> None:
    rows = [
        (user, sequence[max(0, place - longest) : place], sequence[place])
        for place in range(1, 9)
        for user, sequence in enumerate(sequences)
        if place < len(sequence)
    ]
    assert len(check(rows)) == sum(map(len, sequences))


def test_a_history_that_does_not_follow_from_the_row_before_gets_a_place_of_its_own() -> None:
    assert len(check([(0, [1, 2], 0), (0, [1, 2, 1], 2)])) == 3 + 4


def test_histories_of_different_users_are_never_shared() -> None:
    assert len(check([(0, [1], 2), (1, [1, 2], 0)])) == 2 + 3


@given(st.permutations(range(1, 8)))
@settings(max_examples=40, deadline=None)
def test_by_length_prefixes_are_stored_once_in_whatever_order_they_stand(places: list[int]) -> None:
    sequence = [3, 1, 4, 1, 5, 9, 2, 6]
    rows = [(0, sequence[:place], sequence[place]) for place in places]
    assert check(rows, by_length=True).tolist() == sequence
