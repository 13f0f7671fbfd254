"""Rows out of interactions, counted by hand; `test_properties` recomputes them for any log."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data.assembled import Assembled
from rearec_bench.harness.datasets.data.dataset import Split
from rearec_bench.harness.datasets.data.events import Events
from rearec_bench.harness.datasets.data.interactions import from_tokens
from rearec_bench.harness.datasets.data.items import train_counts
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.datasets.rules.build import build

USERS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=8).map(
        lambda line: sorted(line, key=lambda entry: entry[1])  # splits follow one another in time
    ),
    min_size=1,
    max_size=6,
)
Sequences = list[list[tuple[int, int]]]


def assembled(sequences: Sequences) -> Assembled:
    log = [
        (f"u{user}", f"i{item}", 100 * part + place)
        for user, line in enumerate(sequences)
        for place, (item, part) in enumerate(line)
    ]
    return built(log, split={"times": [99, 199]})


def built(log: list[tuple[str, str, int]], **rules: Any) -> Assembled:
    recipe = Recipe.model_validate({"reader": "csv", "columns": {"user": "u", "item": "i", "time": "t"}, **rules})
    users, items, times = zip(*log, strict=True)
    names = (np.array(column, dtype=object) for column in (users, items))
    events = Events(from_tokens(*names, np.array(times, dtype=np.float64)), ratings=None, sources=())
    return build(recipe, events, lambda _: None).assembled


def all_splits(arrays: Assembled) -> list[Split]:
    return [arrays.train, arrays.valid, arrays.test]


@given(USERS)
@settings(max_examples=40, deadline=None)
def test_popularity_counts_each_training_interaction_once(sequences: Sequences) -> None:
    arrays = assembled(sequences)
    expected: Counter[str] = Counter()
    for line in sequences:
        trained = [f"i{item}" for item, part in line if part == 0]
        expected.update(trained if len(trained) >= 2 else [])
    counted = dict(zip(arrays.item_tokens, train_counts(arrays).tolist(), strict=True))
    assert counted == dict(expected)


def test_a_row_with_an_unknown_target_or_history_is_dropped_and_counted_by_split() -> None:
    sequences = [[(0, 0), (1, 0), (5, 1), (0, 1), (1, 2)], [(1, 0), (0, 0), (1, 1), (0, 2)]]
    arrays = assembled(sequences)
    assert arrays.dropped == {
        "nothing before it": {"train": 2, "valid": 0, "test": 0},
        "the target is in no training row": {"train": 0, "valid": 1, "test": 0},
        "an item of the history is in no training row": {"train": 0, "valid": 1, "test": 1},
    }
    assert [len(split) for split in all_splits(arrays)] == [2, 1, 1]


def test_an_item_that_only_starts_a_user_without_training_rows_is_unknown() -> None:
    arrays = assembled([[(7, 0), (0, 1)], [(0, 0), (1, 0)]])
    assert arrays.item_tokens.tolist() == ["i0", "i1"]
    assert len(arrays.valid) == 0
    assert arrays.num_users == 1


def test_leave_one_out_puts_the_validation_item_into_the_test_history() -> None:
    log = [(user, item, place) for user, line in (("a", "wxyz"), ("b", "zyxw")) for place, item in enumerate(line)]
    arrays = built(log, split="leave_one_out")
    histories = {
        tuple(arrays.item_tokens[arrays.flat[start:end]])
        for start, end in zip(arrays.test.starts, arrays.test.ends, strict=True)
    }
    assert histories == {("w", "x", "y"), ("z", "y", "x")}
