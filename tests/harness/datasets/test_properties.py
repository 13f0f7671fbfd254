"""Laws of the pipeline, for any interactions and any rules."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data.events import Events
from rearec_bench.harness.datasets.data.interactions import Interactions
from rearec_bench.harness.datasets.data.items import train_counts
from rearec_bench.harness.datasets.data.recipe_result import Assembled, RecipeResult
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.datasets.rules import rules
from rearec_bench.harness.datasets.rules.build import build

from .builders import interactions
from .reference_preparation import tie

SPLITS = ("train", "valid", "test")
BASE: dict[str, Any] = {"reader": "csv", "columns": {"user": "u", "item": "i", "time": "t", "rating": "r"}}
Log = list[tuple[int, int, int]]

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9)
LOGS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(1, 5)), min_size=1, max_size=50)
"""(user, time, rating) of each interaction, in the order of the file."""

QUANTILES = [{"quantiles": ["0.5", "0.75"]}, {"quantiles": ["0.8", "0.9"]}]
TIME_SPLITS = st.sampled_from([*QUANTILES, {"time_range": ["0.4", "0.8"]}, {"times": [3, 7]}, {"times": [-1, 20]}])
RULES = st.fixed_dictionaries(
    {"split": TIME_SPLITS},
    optional={
        "core": st.integers(1, 3).map(lambda k: {"users": k}),
        "min_history": st.fixed_dictionaries(dict.fromkeys(SPLITS, st.integers(1, 3))),
        "max_history": st.integers(1, 4),
        "equal_times": st.sampled_from(["hash", "file"]),
        "ratings": st.fixed_dictionaries({"above": st.integers(0, 4), "of": st.sampled_from(["all", "target"])}),
    },
)


def followed(recipe: Recipe, held: Interactions, ratings: Sequence[int]) -> RecipeResult:
    events = Events(held, np.array(ratings, dtype=np.float32), sources=())
    return build(recipe, events, lambda wanted: None)


def rows_of(arrays: Assembled) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Split, history and target of every row, in the source's words."""
    for name, split in arrays.splits.items():
        for start, end, target in zip(split.starts, split.ends, split.targets, strict=True):
            assert start < end and arrays.flat[end] == target
            yield name, tuple(arrays.item_tokens[arrays.flat[start:end]]), arrays.item_tokens[target]


# ---- the core


def is_core(pairs: Sequence[tuple[int, int]], users_k: int, items_k: int) -> bool:
    users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
    return min(users.values(), default=users_k) >= users_k and min(items.values(), default=items_k) >= items_k


@given(PAIRS, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_the_core_is_the_largest_one(pairs: list[tuple[int, int]], users_k: int, items_k: int) -> None:
    kept = rules.k_core(interactions(*zip(*pairs, strict=True), [0] * len(pairs)), users_k, items_k)  # type: ignore[arg-type]
    core = set(np.flatnonzero(kept).tolist())
    assert is_core([pairs[place] for place in core], users_k, items_k)
    for size in range(1, len(pairs) + 1):
        for chosen in itertools.combinations(range(len(pairs)), size):
            if is_core([pairs[place] for place in chosen], users_k, items_k):
                assert core.issuperset(chosen)


# ---- rows


def unlike(log: Log) -> Interactions:
    """Every interaction has an item of its own, so that a row tells whose it is and when."""
    users, times, _ = zip(*log, strict=True)
    return interactions(users, range(len(log)), times)


def place_of(token: str) -> int:
    return int(token.removeprefix("i"))


@given(LOGS, RULES)
@settings(max_examples=60, deadline=None)
def test_every_history_is_the_exact_past_of_its_user_in_the_split_of_its_time(log: Log, chosen: dict[str, Any]) -> None:
    recipe = Recipe(**BASE, **chosen, unseen="keep")
    made = followed(recipe, unlike(log), [rating for *_, rating in log])
    rule, core = recipe.ratings, recipe.core
    left = [n for n, (*_, rating) in enumerate(log) if rule is None or rule.of == "target" or rating > rule.above]
    counts = Counter(log[n][0] for n in left)
    left = [n for n in left if core is None or counts[log[n][0]] >= core.users]
    expected = []
    for user in sorted(counts):
        past = sorted((n for n in left if log[n][0] == user), key=lambda n: (log[n][1], place(n, user, recipe)))
        for end in range(1, len(past)):
            if rule is None or log[past[end]][2] > rule.above:
                history = past[:end] if recipe.max_history is None else past[:end][-recipe.max_history :]
                expected.append((history, past[end], end))
    wanted = [(name, [*map(place_of, history)], place_of(target)) for name, history, target in rows_of(made.assembled)]
    least = recipe.min_history
    named = [
        (name, history, target)
        for name in SPLITS
        for history, target, length in expected
        if split_of(log[target][1], made) == name and length >= getattr(least, name)
    ]
    assert wanted == named
    times = {name: [log[target][1] for part, _, target in named if part == name] for name in SPLITS}
    expected_times = {name: [min(of_split), max(of_split)] if of_split else [] for name, of_split in times.items()}
    assert made.notes["split_times"] == expected_times


def place(number: int, user: int, recipe: Recipe) -> int:
    """Where an interaction stands among those of its user and time."""
    return number if recipe.equal_times == "file" else tie(f"u{user}", f"i{number}")


def split_of(time: float, made: RecipeResult) -> str:
    first, second = made.notes["boundaries"]
    return "train" if time <= first else "valid" if time <= second else "test"


@given(LOGS)
@settings(max_examples=40, deadline=None)
def test_popularity_counts_each_training_interaction_once(log: Log) -> None:
    users, times, items = zip(*log, strict=True)  # ratings serve as items
    recipe = Recipe(**BASE, split={"times": [4, 8]}, equal_times="file")
    arrays = followed(recipe, interactions(users, items, times), [5] * len(log)).assembled
    expected: Counter[str] = Counter()
    for person in set(users):
        trained = [f"i{item}" for user, time, item in log if user == person and time <= 4]
        expected.update(trained if len(trained) >= 2 else [])
    assert dict(zip(arrays.item_tokens, train_counts(arrays).tolist(), strict=True)) == dict(expected)


SHARED = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 7)), min_size=1, max_size=60, unique_by=lambda x: x
)


@given(SHARED, RULES)
@settings(max_examples=60, deadline=None)
def test_a_row_stays_exactly_if_training_has_all_its_items(log: Log, chosen: dict[str, Any]) -> None:
    users, times, items = zip(*log, strict=True)
    held = interactions(users, items, times)
    chosen = {key: value for key, value in chosen.items() if key != "max_history"}
    kept, dropped = (
        followed(Recipe(**BASE, **chosen, unseen=unseen), held, [5] * len(log)) for unseen in ("keep", "drop")
    )
    every = list(rows_of(kept.assembled))
    trained = {item for name, history, target in every if name == "train" for item in (*history, target)}
    expected = [row for row in every if trained.issuperset((*row[1], row[2]))]
    assert list(rows_of(dropped.assembled)) == expected
    assert set(dropped.assembled.item_tokens) == trained
    if "core" not in chosen:
        assert sum(dropped.assembled.dropped["nothing before it"].values()) == len(set(users))
    counts = {name: sum(row[0] == name for row in every) - sum(row[0] == name for row in expected) for name in SPLITS}
    by_rule = [step for why, step in dropped.assembled.dropped.items() if "in no training row" in why]
    assert {name: sum(step[name] for step in by_rule) for name in SPLITS} == counts


@given(SHARED, st.randoms(), RULES)
@settings(max_examples=30, deadline=None)
def test_the_rows_do_not_depend_on_the_order_of_the_file(log: Log, random: Any, chosen: dict[str, Any]) -> None:
    chosen = {**chosen, "equal_times": "hash"}
    shuffled = list(log)
    random.shuffle(shuffled)
    first, second = (
        followed(Recipe(**BASE, **chosen), interactions(users, items, times), [5] * len(log))
        for users, times, items in (zip(*rows, strict=True) for rows in (log, shuffled))
    )
    assert list(rows_of(first.assembled)) == list(rows_of(second.assembled))
    assert first.assembled.dropped == second.assembled.dropped


# ---- the fingerprint of a recipe

FULL: dict[str, Any] = {
    **BASE,
    "files": {"interactions": "a.csv", "items": "b.csv"},
    "core": 5,
    "ratings": {"above": 3},
    "split": {"quantiles": ["0.8", "0.9"]},
    "text": {"fields": {"title": "name", "brand": "maker"}, "template": "{title} by {brand}"},
    "required_text": {"train": ["target"]},
}
OTHER: dict[str, Any] = {
    "about": "x",
    "origin": "x",
    "holds": "x",
    "named": True,
    "prefix": "x-",
    "reader": "parquet",
    "files": {"interactions": "a.csv", "items": "c.csv"},
    "columns": {**BASE["columns"], "time": "when"},
    "item_columns": {"item": "asin"},
    "separator": ";",
    "header": False,
    "encoding": "latin-1",
    "decimal": ",",
    "time.unit": "milliseconds",
    "time.format": "%Y",
    "ratings": {"above": 4},
    "ratings.at_least": {"at_least": 3},
    "ratings.of": {"above": 3, "of": "target"},
    "ratings.above": {"above": 3.5},
    "duplicates": "once",
    "core": None,
    "core.users": 6,
    "core.items": 6,
    "split": "leave_one_out",
    "split.kind": {"time_range": ["0.8", "0.9"]},
    "split.at": {"quantiles": ["0.8", "0.95"]},
    "min_history": 2,
    **{f"min_history.{name}": 3 for name in SPLITS},
    "required_text": {},
    **{f"required_text.{name}": ["target", "history"] for name in SPLITS},
    "unseen": "keep",
    "unseen.target": "keep",
    "unseen.history": "keep",
    "max_history": 50,
    "equal_times": "file",
    "text": {},
    "text.fields": {"title": "name", "brand": "maker", "price": "price"},
    "text.template": "{title}",
}
WHOLE = ("split.kind", "split.at", "ratings.above", "ratings.at_least", "ratings.of")
"""Fields that are given with their neighbours."""


def fields(model: type[Any], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(kind, "model_fields"):
                yield from fields(kind, f"{prefix}{name}.")


def test_every_field_of_a_recipe_is_tried() -> None:
    assert set(fields(Recipe)) - {"name", "file"} - {name.partition(".")[0] for name in OTHER} - OTHER.keys() == set()


@pytest.mark.parametrize("field", sorted(OTHER))
def test_another_value_of_any_field_but_the_name_is_another_fingerprint(field: str) -> None:
    content = dict(FULL)
    name, _, inner = field.partition(".")
    if not inner or field in WHOLE:
        content[name] = OTHER[field]
    else:
        held = Recipe(**FULL).model_dump(mode="json")[name]
        content[name] = {**held, inner: OTHER[field]}
    if field == "text":
        content |= {"required_text": {}, "files": {"interactions": "a.csv"}}
    if field == "time.format":
        content["time"] = {"format": OTHER[field]}
    first, second = Recipe(**FULL), Recipe(**content)
    assert first.fingerprint() != second.fingerprint() == Recipe(**content, name="b").fingerprint()
    assert first.settings() != second.settings()
