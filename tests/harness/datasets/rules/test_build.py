"""The rules of a recipe one by one, on logs small enough to count by hand or to recompute with lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.datasets.data.events import Events
from rearec_bench.harness.datasets.data.interactions import from_tokens
from rearec_bench.harness.datasets.data.items import ItemAttributes
from rearec_bench.harness.datasets.data.recipe_result import RecipeResult
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.datasets.rules.build import build
from rearec_bench.harness.utils.errors import DatasetError

EVENTS = "u a 1 5, u b 2 1, u a 2 4, u b 2 2, u a 9 3, v b 1 5, v a 3 5, v c 4 5, v a 5 1"  # user, item, time, rating
LOG = [(user, item, int(time), int(rating)) for user, item, time, rating in map(str.split, EVENTS.split(", "))]
COLUMNS = {"user": "u", "item": "i", "rating": "r", "time": "t"}


def made(
    log: list[tuple[str, str, int, int]] = LOG, *, titles: dict[str, str] | None = None, **rules: Any
) -> RecipeResult:
    recipe = Recipe.model_validate(
        {"name": "x", "reader": "csv", "columns": COLUMNS, "split": "leave_one_out", "equal_times": "file", **rules}
    )
    users, items, times, ratings = zip(*log, strict=True)
    names = (np.array(column, dtype=object) for column in (users, items))
    events = Events(from_tokens(*names, np.array(times, dtype=np.float64)), np.array(ratings, dtype=np.float32), ())
    values = {item: {"title": title} for item, title in (titles or {}).items()}
    return build(recipe, events, lambda _: ItemAttributes(values, ()) if titles is not None else None)


def rows(data: RecipeResult, split: str) -> list[tuple[str, str]]:
    """(history, target) with the items' letters run together."""
    arrays = data.assembled
    letters = arrays.item_tokens[arrays.flat]
    chosen = arrays.splits[split]
    return [("".join(letters[s:e]), letters[e]) for s, e in zip(chosen.starts, chosen.ends, strict=True)]


@pytest.mark.parametrize(
    ("policy", "lines", "left"),
    [
        ("keep", ["abab" + "a", "baca"], 9),
        ("once", ["aba" + "a", "baca"], 8),
        ("first", ["ab", "bac"], 5),
        ("last", ["ba", "bca"], 5),
    ],
)
def test_duplicates(policy: str, lines: list[str], left: int) -> None:
    data = made(duplicates=policy, unseen="keep", min_history=1)
    whole = [history + target for split in ("train", "valid", "test") for history, target in rows(data, split)]
    assert [max((row for row in whole if line.startswith(row)), key=len) for line in lines] == lines
    assert dict(data.source_counts)["interactions"] - sum(count for _, count in data.filtered) == left


def test_repeated_interactions_are_counted_where_they_are_kept() -> None:
    assert made().notes["repeated_interactions_kept"] == 1
    assert made(equal_times="hash").notes["repeated_interactions_kept"] == 1
    assert "repeated_interactions_kept" not in made(duplicates="once").notes


def test_duplicates_can_be_refused() -> None:
    with pytest.raises(DatasetError, match=r"user 'u' has item 'b' twice at the time 2 \(1 such interactions\)"):
        made(duplicates="error")
    with pytest.raises(DatasetError, match="at the time 2024-03-01 09:12:44 UTC"):
        made([("u", "a", 1709284364, 5)] * 2, duplicates="error")


def test_a_source_without_times_is_not_said_to_order_them_by_a_hash() -> None:
    recipe = Recipe.model_validate({"reader": "recbole", "split": "leave_one_out", "unseen": "keep"})
    events = Events(from_tokens("uuuuu", "abcab", np.arange(5.0)), None, (), time_unit="order")
    assert build(recipe, events, lambda _: None).protocol["equal_times"] == "no times: the order of the files"


def test_ratings_of_all_leave_the_others_out() -> None:
    data = made(ratings={"at_least": 3}, split={"quantiles": [0.98, 0.99]}, unseen="keep")
    assert rows(data, "train")[:2] == [("a", "a"), ("b", "a")]
    assert data.filtered == (("rating not at least 3", 3),)


def test_histories_are_cut_to_their_last_items() -> None:
    whole, cut = made(unseen="keep"), made(unseen="keep", max_history=2)
    for split in ("train", "valid", "test"):
        assert rows(cut, split) == [(history[-2:], target) for history, target in rows(whole, split)]
    assert cut.notes["longest_history"] == 2


def test_items_that_only_cut_histories_had_leave_the_catalogue() -> None:
    log = [("u", letter, place, 5) for place, letter in enumerate("xabcde")]
    data = made(log, unseen="keep", max_history=1, split={"times": [4, 5]}, min_history=3)
    assert rows(data, "train") == [("b", "c"), ("c", "d")]
    assert data.assembled.item_tokens.tolist() == ["b", "c", "d", "e"]


def test_a_title_may_be_asked_for_by_split_and_role() -> None:
    titles = {"a": "A", "b": "", "c": "C"}
    log = [("u", letter, place, 5) for place, letter in enumerate("acbaca")]
    text = {"text": {"fields": {"title": "t"}}, "unseen": "keep", "split": {"times": [3, 4]}}
    assert len(rows(made(log, titles=titles, **text), "train")) == 3
    of_target = made(log, titles=titles, required_text={"train": ["target"]}, **text)
    assert rows(of_target, "train") == [("a", "c"), ("acb", "a")]
    of_both = made(log, titles=titles, required_text={"train": ["target", "history"]}, **text)
    assert rows(of_both, "train") == [("a", "c")]
    assert rows(of_both, "test") == [("acbac", "a")]
    with pytest.raises(DatasetError, match="the source describes no item"):
        made(log, required_text={"train": ["target"]}, **text)


def test_unseen_targets_and_histories_are_dropped_or_kept_apart() -> None:
    log = [("u", letter, place, 5) for place, letter in enumerate("abxay")]
    common = {"split": {"times": [1, 2]}}
    assert rows(made(log, unseen="drop", **common), "test") == []
    assert rows(made(log, unseen={"target": "drop", "history": "keep"}, **common), "test") == [("abx", "a")]
    assert rows(made(log, unseen={"target": "keep", "history": "drop"}, **common), "valid") == [("ab", "x")]
    kept = made(log, unseen="keep", **common)
    assert rows(kept, "test") == [("abx", "a"), ("abxa", "y")]
    assert kept.notes["items_not_in_training"] == 2


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"ratings": {"above": 3}}, "the source has no ratings"),
        ({"split": {"quantiles": [0.8, 0.9]}}, "needs times"),
        ({"duplicates": "once"}, "duplicates: once is about equal times, .* Say duplicates: first"),
        ({"duplicates": "error"}, "duplicates: error is about equal times"),
    ],
)
def test_rules_for_ratings_and_times_need_them(rule: dict[str, Any], words: str) -> None:
    recipe = Recipe.model_validate({"reader": "csv", "columns": COLUMNS, "split": "leave_one_out", **rule})
    tokens = np.array(["a", "b"], dtype=object)
    with pytest.raises(DatasetError, match=words):
        build(recipe, Events(from_tokens(tokens, tokens, np.zeros(2)), None, (), time_unit="order"), lambda _: None)
