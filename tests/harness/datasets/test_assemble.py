"""Rows out of interactions, against a naive list-based recomputation."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets import rules
from rearec_bench.harness.datasets.assemble import Assembled, assemble
from rearec_bench.harness.datasets.dataset import Split
from rearec_bench.harness.datasets.interactions import from_tokens
from rearec_bench.harness.datasets.items import train_counts

USERS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=8), min_size=1, max_size=6
)
Sequences = list[list[tuple[int, int]]]
Rows = Counter[tuple[str, tuple[str, ...], str]]


def assembled(sequences: Sequences) -> Assembled:
    log = [(f"u{user}", f"i{item}", part) for user, line in enumerate(sequences) for item, part in line]
    users, items, parts = (np.array(column, dtype=object) for column in zip(*log, strict=True))
    interactions = from_tokens(users, items, np.arange(len(log), dtype=np.float64))
    return assemble(interactions, parts.astype(np.int8))


def naive_rows(sequences: Sequences) -> tuple[Rows, set[str], dict[str, int]]:
    names = ("train", "valid", "test")
    rows = [
        (names[part], tuple(f"i{earlier}" for earlier, _ in line[:place]), f"i{item}")
        for line in sequences
        for place, (item, part) in enumerate(line)
        if place >= 1
    ]
    catalogue = {name for part, history, item in rows if part == "train" for name in (*history, item)}
    target_unknown = [row for row in rows if row[2] not in catalogue]
    history_unknown = [row for row in rows if row[2] in catalogue and not set(row[1]) <= catalogue]
    kept = Counter(row for row in rows if row[2] in catalogue and set(row[1]) <= catalogue)
    return kept, catalogue, {"target": len(target_unknown), "history": len(history_unknown)}


def rows_of(arrays: Assembled) -> Rows:
    names = arrays.item_tokens
    return Counter(
        (name, tuple(names[item] for item in arrays.flat[start:end]), names[target])
        for name, split in (("train", arrays.train), ("valid", arrays.valid), ("test", arrays.test))
        for start, end, target in zip(split.starts, split.ends, split.targets, strict=True)
    )


def all_splits(arrays: Assembled) -> list[Split]:
    return [arrays.train, arrays.valid, arrays.test]


@given(USERS)
@settings(max_examples=150, deadline=None)
def test_rows_catalogue_and_dropped_counts_equal_the_naive_ones(sequences: Sequences) -> None:
    arrays = assembled(sequences)
    expected, catalogue, dropped = naive_rows(sequences)
    assert rows_of(arrays) == expected
    assert set(arrays.item_tokens) == catalogue
    assert arrays.num_items == len(catalogue)
    assert [sum(rows.values()) for rows in arrays.dropped.values()] == [dropped["target"], dropped["history"]]


@given(USERS)
@settings(max_examples=80, deadline=None)
def test_every_row_is_a_slice_followed_by_its_target(sequences: Sequences) -> None:
    arrays = assembled(sequences)
    for split in all_splits(arrays):
        assert (split.starts < split.ends).all()
        assert (arrays.flat[split.ends] == split.targets).all()
        assert (split.users < arrays.num_users).all()


@given(USERS)
@settings(max_examples=80, deadline=None)
def test_popularity_counts_each_training_interaction_once(sequences: Sequences) -> None:
    ordered = [sorted(line, key=lambda entry: entry[1]) for line in sequences]  # splits follow one another in time
    arrays = assembled(ordered)
    expected: Counter[str] = Counter()
    for line in ordered:
        trained = [f"i{item}" for item, part in line if part == 0]
        expected.update(trained if len(trained) >= 2 else [])
    counted = dict(zip(arrays.item_tokens, train_counts(arrays).tolist(), strict=True))
    assert counted == dict(expected)


def test_a_row_with_an_unknown_target_or_history_is_dropped_and_counted_by_split() -> None:
    sequences = [[(0, 0), (1, 0), (5, 1), (0, 1), (1, 2)], [(1, 0), (0, 0), (1, 1), (0, 2)]]
    arrays = assembled(sequences)
    assert arrays.dropped == {
        "the target is in no training row": {"train": 0, "valid": 1, "test": 0},
        "an item of the history is in no training row": {"train": 0, "valid": 1, "test": 1},
    }
    assert [len(split) for split in all_splits(arrays)] == [2, 1, 1]


def test_an_item_that_only_starts_a_user_without_training_rows_is_unknown() -> None:
    arrays = assembled([[(7, 0), (0, 1)], [(0, 0), (1, 0)]])
    assert arrays.item_tokens.tolist() == ["i0", "i1"]
    assert len(arrays.valid) == 0
    assert arrays.num_users == 1


def test_no_interaction_gives_no_row() -> None:
    nothing = np.array([], dtype=object)
    arrays = assemble(from_tokens(nothing, nothing, np.zeros(0)), np.zeros(0, dtype=np.int8))
    assert (arrays.num_items, arrays.num_users, len(arrays.flat), len(arrays.train)) == (0, 0, 0, 0)


def test_leave_one_out_puts_the_validation_item_into_the_test_history() -> None:
    log = from_tokens(np.array(["a"] * 4 + ["b"] * 4), np.array(list("wxyzzyxw")), np.arange(8.0))
    arrays = assemble(log, rules.split_leave_one_out(log.users))
    histories = {
        tuple(arrays.item_tokens[arrays.flat[start:end]])
        for start, end in zip(arrays.test.starts, arrays.test.ends, strict=True)
    }
    assert histories == {("w", "x", "y"), ("z", "y", "x")}
