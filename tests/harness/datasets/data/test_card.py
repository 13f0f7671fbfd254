"""The card's counts, against deliberately naive recomputation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data.card import SPLITS, make_card, statistics
from rearec_bench.harness.datasets.data.dataset import Split
from rearec_bench.harness.datasets.data.recipe_result import Assembled, RecipeResult
from rearec_bench.harness.datasets.generate import synthetic, tiny

ITEMS, USERS = 5, 4
SLICES = st.lists(
    st.tuples(st.integers(0, 19), st.integers(1, 19), st.integers(0, USERS - 1)).filter(lambda row: row[0] < row[1]),
    max_size=12,
)


def arrays_of(flat: list[int], rows: dict[str, list[tuple[int, int, int]]]) -> Assembled:
    held = np.array(flat, dtype=np.int32)
    splits = {}
    for name, of_split in rows.items():
        starts, ends, users = (np.array([row[place] for row in of_split], dtype=np.int64) for place in range(3))
        splits[name] = Split(users.astype(np.int32), starts, ends, held[ends])
    items, users = (np.array([str(n) for n in range(count)], dtype=object) for count in (ITEMS, USERS))
    return Assembled(ITEMS, USERS, held, splits, item_tokens=items, user_tokens=users)


def naive(arrays: Assembled) -> dict[str, object]:
    flat = arrays.flat.tolist()
    rows = {
        name: list(zip(split.users.tolist(), split.starts.tolist(), split.ends.tolist(), strict=True))
        for name, split in arrays.splits.items()
    }
    per_user = {
        name: [sum(row[0] == user for row in rows[name]) for user in sorted({row[0] for row in rows[name]})]
        for name in SPLITS
    }
    seen = {item for _, start, end in rows["train"] for item in flat[start : end + 1]}

    def mean(values: list[int]) -> float:
        return round(sum(values) / len(values), 4) if values else 0.0

    return {
        "users": len({row[0] for name in SPLITS for row in rows[name]}),
        "items": ITEMS,
        "interactions": sum(map(len, rows.values())),
        "sequence_items": len(flat),
        "rows": {name: len(rows[name]) for name in SPLITS},
        "row_users": {name: len(per_user[name]) for name in SPLITS},
        "mean_history": {name: mean([end - start for _, start, end in rows[name]]) for name in SPLITS},
        "mean_rows_per_user": {name: mean(per_user[name]) for name in SPLITS},
        "max_rows_per_user": {name: max(per_user[name], default=0) for name in SPLITS},
        "repeats": {name: sum(flat[end] in flat[start:end] for _, start, end in rows[name]) for name in SPLITS},
        "unseen_targets": {name: sum(flat[end] not in seen for _, _, end in rows[name]) for name in SPLITS[1:]},
    }


@given(st.lists(st.integers(0, ITEMS - 1), min_size=20, max_size=20), SLICES, SLICES, SLICES)
@settings(max_examples=80, deadline=None)
def test_statistics_are_those_counted_one_by_one(flat: list[int], train: list, valid: list, test: list) -> None:  # type: ignore[type-arg]
    arrays = arrays_of(flat, {"train": train, "valid": valid, "test": test})
    assert statistics(arrays) == naive(arrays)


@pytest.mark.parametrize("made", [tiny.make(), synthetic.make(synthetic.Size(60, 20))], ids=["tiny", "synthetic"])
def test_every_step_of_the_funnel_leaves_what_it_does_not_drop(made: RecipeResult) -> None:
    card = make_card(made, "mine")
    rows, dropped = card["statistics"]["rows"], card["dropped"]
    assert len(dropped) >= 2
    for split in SPLITS:
        before = [rows[split] + sum(step["rows"][split] for step in dropped[place:]) for place in range(len(dropped))]
        assert [step["left"][split] for step in dropped] == [*before[1:], rows[split]]


def test_interactions_left_out_are_counted_down_from_the_source() -> None:
    made = tiny.make()
    filtered = (("rating not above 3", 4), ("not in the 5-core", 0), ("repeated", 1))
    held = replace(made, source_counts={"interactions": 10}, filtered=filtered)
    entries = make_card(held, "mine")["filtered"]
    told = [(entry["interactions"], entry["left"], entry["share"]) for entry in entries]
    assert told == [(4, 6, 0.4), (0, 6, 0.0), (1, 5, 0.1)]
