"""A reader's result and the rules of its recipe -> a data set, with a count of what every rule left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..data.card import SPLITS
from ..data.dataset import Split
from ..data.events import Events
from ..data.histories import lay_out
from ..data.interactions import Interactions
from ..data.items import ItemAttributes
from ..data.ready_rows import ReadyRows
from ..data.recipe_result import Assembled, RecipeResult
from ..data.summary import UNSEEN_HISTORY, UNSEEN_TARGET, moment
from ..recipe import protocol
from ..recipe.recipe import RatingRule, Recipe
from . import rules
from .row_rules import Funnel, novelty

Describe: TypeAlias = Callable[[Collection[str]], ItemAttributes | None]
"""The attributes of the items with these tokens; None if the source describes none."""


_WITHOUT_RATINGS = "a recipe without ratings"


@dataclass(frozen=True)
class _FlatRows:
    """Rows over a flat array, before the rules on rows; `filtered` is (why, interactions left out) by rule."""

    rows: Funnel
    user_tokens: NDArray[np.object_]
    filtered: tuple[tuple[str, int], ...]
    counts: Mapping[str, int]
    notes: Mapping[str, Any]


def build(recipe: Recipe, source: Events | ReadyRows, describe: Describe) -> RecipeResult:
    """The data set that a recipe's rules give; `describe` asks the source for its items, once.

    Interactions first: duplicates, ratings, core. Then rows, each an interaction with all earlier ones of its user as
    history: the target's rating, the target's text, empty histories, the history's texts, the shortest history, unseen
    targets, unseen histories. Every rule sees what the rules before it left.

    Raises:
        DatasetError: duplicates if they are refused, or a rule that needs what the source does not have.
    """
    item_tokens = source.interactions.item_tokens if isinstance(source, Events) else source.item_tokens
    described = titled = None
    if any(_asked(recipe, role) for role in ("target", "history")):
        described = describe(item_tokens.tolist())
        titled = _titled(recipe, described, item_tokens)
    flat_rows = (
        _lay_events(recipe, source, titled) if isinstance(source, Events) else _lay_ready(recipe, source, titled)
    )
    rows = flat_rows.rows
    _require_titles(recipe, rows, titled, "history")
    _require_length(recipe, rows)
    _drop_unseen(recipe, rows, len(item_tokens))
    fixed = isinstance(source, ReadyRows) and source.fixed_numbers
    arrays, times = _compact(rows, flat_rows.user_tokens, item_tokens, max_history=recipe.max_history, fixed=fixed)
    if titled is None and recipe.text.fields:
        described = describe(arrays.item_tokens.tolist())
    titles, texts = _texts(recipe, described, arrays.item_tokens)
    attributes = described or ItemAttributes({}, ())
    guessed = (*source.guessed, *attributes.guessed)
    warnings = [*source.warnings, *rows.loud()]
    every_time = [of_split for of_split in times.values() if of_split is not None and len(of_split)]
    return RecipeResult(
        recipe=recipe.name,
        assembled=arrays,
        titles=titles,
        texts=texts,
        sources=(*source.sources, *attributes.sources),
        protocol=protocol.words(recipe, has_times=not isinstance(source, Events) or source.time_unit != "order"),
        source_counts=flat_rows.counts,
        filtered=flat_rows.filtered,
        time_range=_range(np.concatenate(every_time)) if every_time else None,
        notes={
            **flat_rows.notes,
            **attributes.notes,
            **({"items_without_text": int((texts == "").sum())} if texts is not None else {}),
            **novelty(arrays),
            "longest_history": max(int((one.ends - one.starts).max(initial=0)) for one in arrays.splits.values()),
            "split_times": {
                name: list(_range(of_split) or ()) for name, of_split in times.items() if of_split is not None
            },
            "bad_lines": [asdict(bad) for bad in (*source.bad_lines, *attributes.bad_lines)],
            **({"guessed": [asdict(guess) for guess in guessed]} if guessed else {}),
            **({"warnings": warnings} if warnings else {}),
            "recipe_settings": recipe.settings(),
            "recipe_fingerprint": recipe.fingerprint(),
        },
    )


def _titled(recipe: Recipe, described: ItemAttributes | None, tokens: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(N,) whether each item has a title."""
    if described is None:
        raise DatasetError("the recipe has required_text, and the source describes no item. Remove required_text.")
    title = next(iter(recipe.text.fields))
    return np.array([bool(described.values.get(token, {}).get(title)) for token in tokens], dtype=bool)


def _texts(
    recipe: Recipe, described: ItemAttributes | None, tokens: NDArray[np.object_]
) -> tuple[NDArray[np.object_] | None, NDArray[np.object_] | None]:
    """(N,) titles and (N,) texts, None if no item has one."""
    if described is None:
        return None, None
    title = next(iter(recipe.text.fields))
    attributes: list[Mapping[str, str]] = [described.values.get(token, {}) for token in tokens]
    titles = np.array([of_item.get(title, "") for of_item in attributes], dtype=object)
    texts = np.array([recipe.text.of(of_item) for of_item in attributes], dtype=object)
    return (titles if (titles != "").any() else None), (texts if (texts != "").any() else None)


def _lay_events(recipe: Recipe, events: Events, titled: NDArray[np.bool_] | None) -> _FlatRows:
    """Rows of interactions: each one is the target, its user's earlier ones the history."""
    everything, has_times = events.interactions, events.time_unit != "order"
    chosen = np.arange(len(everything))
    filtered = []

    def keep(mask: NDArray[np.bool_], why: str) -> None:
        nonlocal chosen
        filtered.append((why, int((~mask).sum())))
        chosen = chosen[mask]

    if recipe.duplicates != "keep":
        keep(_without_duplicates(recipe, everything, has_times=has_times), protocol.duplicates_left_out(recipe))
    rule = recipe.ratings
    liked = _liked(rule, events.ratings)
    if rule is not None and rule.of == "all":
        keep(liked[chosen], f"rating not {rule.words}")
    if recipe.core is not None:
        users, items = recipe.core.users, recipe.core.items
        keep(rules.k_core(everything.take(chosen), users, items), protocol.core_left_out(recipe.core))
    left = everything.take(chosen)
    order = rules.time_order(left, hashed=recipe.equal_times == "hash")
    ordered = left.take(order)
    boundaries = _boundaries(recipe, ordered, has_times=has_times)
    parts = (
        rules.split_leave_one_out(ordered.users)
        if boundaries is None
        else rules.split_by_time(ordered.times, boundaries)
    )
    first, place = rules.positions(ordered.users)
    rows = Funnel(
        ordered.items.astype(np.int32),
        ordered.users,
        first,
        np.arange(len(ordered)),
        parts,
        ordered.times if has_times else None,
    )
    if rule is not None and rule.of == "target":
        rows.drop(~liked[chosen][order], f"the target's rating is not {rule.words}", _WITHOUT_RATINGS)
    _require_titles(recipe, rows, titled, "target")
    rows.drop(place == 0, "nothing before it")
    return _FlatRows(
        rows=rows,
        user_tokens=everything.user_tokens,
        filtered=tuple(filtered),
        counts={
            "users": len(everything.user_tokens),
            "items": len(everything.item_tokens),
            "interactions": len(everything),
        },
        notes={
            **events.notes,
            **({"repeated_interactions_kept": _repeated(recipe, ordered)} if recipe.duplicates == "keep" else {}),
            **({"boundaries": list(boundaries)} if boundaries is not None else {}),
            "users_left": int((np.bincount(left.users) > 0).sum()),
            "items_left": int((np.bincount(left.items) > 0).sum()),
        },
    )


def _lay_ready(recipe: Recipe, ready: ReadyRows, titled: NDArray[np.bool_] | None) -> _FlatRows:
    """Rows as in the files."""
    # what needs no history is asked first, so that only the rows left are laid out
    places = np.arange(len(ready.rows))
    funnel = Funnel(ready.rows.targets.astype(np.int32), ready.rows.users, places, places, ready.parts, ready.times)
    if recipe.ratings is not None:
        disliked = ~_liked(recipe.ratings, ready.ratings)
        funnel.drop(disliked, f"the target's rating is not {recipe.ratings.words}", _WITHOUT_RATINGS)
    _require_titles(recipe, funnel, titled, "target")
    funnel.drop(ready.rows.lengths == 0, "the history is empty")
    kept = funnel.kept
    rows = ready.rows.take(kept)
    flat, starts, ends = lay_out(rows, ready.layout)
    times = None if ready.times is None else ready.times[kept]
    return _FlatRows(
        rows=Funnel(flat, rows.users, starts, ends, ready.parts[kept], times, funnel.dropped, funnel.keeping),
        user_tokens=ready.user_tokens,
        filtered=(),
        counts={"rows": len(ready.rows)},
        notes=ready.notes,
    )


def _liked(rule: RatingRule | None, ratings: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    if rule is None:
        return np.zeros(0, dtype=bool)
    if ratings is None:
        raise DatasetError("the recipe has a rule for ratings, and the source has no ratings. Remove `ratings:`.")
    if rule.above is not None:
        return ratings > np.float32(rule.above)
    return ratings >= np.float32(rule.at_least)


def _without_duplicates(recipe: Recipe, events: Interactions, *, has_times: bool) -> NDArray[np.bool_]:
    same_time = recipe.duplicates in ("once", "error")
    if same_time and not has_times:
        raise DatasetError(
            f"duplicates: {recipe.duplicates} is about equal times, and the source has no times. Say duplicates: first "
            "(or last, or keep)."
        )
    repeated = rules.repeated(events, same_time=same_time, keep_last=recipe.duplicates == "last")
    if recipe.duplicates == "error" and repeated.any():
        first = int(np.argmax(repeated))
        user, item = events.user_tokens[events.users[first]], events.item_tokens[events.items[first]]
        raise DatasetError(
            f"user '{user}' has item '{item}' twice at the time {moment(events.times[first])} "
            f"({int(repeated.sum()):,} such interactions). Remove them, or set duplicates: once (or keep) in the "
            "recipe."
        )
    return ~repeated


def _repeated(recipe: Recipe, ordered: Interactions) -> int:
    """How many interactions repeat another one's user, item and time."""
    if recipe.equal_times == "file":
        return int(rules.repeated(ordered, same_time=True).sum())
    columns = (ordered.users, ordered.items, ordered.times)  # equal ones have equal hashes, and stand together
    return int(np.logical_and.reduce([column[1:] == column[:-1] for column in columns]).sum())


def _boundaries(recipe: Recipe, events: Interactions, *, has_times: bool) -> tuple[float, float] | None:
    kind, at = recipe.split.kind, recipe.split.at
    if at is None:
        return None
    if not has_times:
        raise DatasetError(f"split: {kind} needs times, and the source has none. Say split: leave_one_out.")
    if kind == "times":
        return float(at[0]), float(at[1])
    if not len(events):
        return float("inf"), float("inf")
    if kind == "time_range":
        return rules.range_boundaries(events.times, at)
    return rules.time_boundaries(events.times, at)


def _asked(recipe: Recipe, role: str) -> list[str]:
    """The splits whose rows must have a title of their target, or of their history."""
    return [split for split in SPLITS if role in getattr(recipe.required_text, split)]


def _require_titles(recipe: Recipe, rows: Funnel, titled: NDArray[np.bool_] | None, role: str) -> None:
    asked = _asked(recipe, role)
    if titled is None or not asked:
        return
    setting = f"a recipe without {role} in required_text"
    if role == "target":
        rows.drop(rows.within(asked) & ~titled[rows.targets], "the target has no title", setting)
    else:
        rows.drop(rows.within(asked) & rows.history_has(~titled), "an item of the history has no title", setting)


def _require_length(recipe: Recipe, rows: Funnel) -> None:
    least = np.array([getattr(recipe.min_history, split) for split in SPLITS])
    if least.max() > 1:
        why = f"fewer than {protocol.per_split(recipe.min_history)} items before it"
        rows.drop(rows.lengths < least[rows.parts], why, "min_history: 1")


def _drop_unseen(recipe: Recipe, rows: Funnel, num_items: int) -> None:
    """Drop rows with items that are in no training row left, neither as target nor in the history."""
    known = np.zeros(num_items, dtype=bool)
    known[rows.flat[rows.covered(rows.kept & (rows.parts == rules.TRAIN))]] = True
    target, history = recipe.unseen.target, recipe.unseen.history
    if target == "drop":
        setting = f"unseen: {{target: keep, history: {history}}}"
        rows.drop(~known[rows.targets], UNSEEN_TARGET, setting)
    if history == "drop":
        setting = f"unseen: {{target: {target}, history: keep}}"
        rows.drop(rows.history_has(~known), UNSEEN_HISTORY, setting)


def _compact(
    rows: Funnel,
    user_tokens: NDArray[np.object_],
    item_tokens: NDArray[np.object_],
    *,
    max_history: int | None,
    fixed: bool,
) -> tuple[Assembled, Mapping[str, NDArray[np.float64] | None]]:
    """The parts that the remaining rows need, renumbered unless the numbers are the source's own."""
    starts = rows.starts if max_history is None else np.maximum(rows.starts, rows.ends - max_history)
    needed = rows.covered(rows.kept, starts)
    flat = rows.flat[needed]
    place = np.cumsum(needed) - 1
    has_items = np.ones(len(item_tokens), dtype=bool)
    has_users = np.ones(len(user_tokens), dtype=bool)
    if not fixed:
        has_items = np.bincount(flat, minlength=len(has_items)) > 0
        has_users = np.bincount(rows.users[rows.kept], minlength=len(has_users)) > 0
    item_number = (np.cumsum(has_items) - 1).astype(np.int32)
    user_number = (np.cumsum(has_users) - 1).astype(np.int32)
    splits, times = {}, {}
    for part, name in enumerate(SPLITS):
        chosen = np.flatnonzero(rows.kept & (rows.parts == part))
        splits[name] = Split(
            users=user_number[rows.users[chosen]],
            starts=place[starts[chosen]],
            ends=place[rows.ends[chosen]],
            targets=item_number[rows.targets[chosen]],
        )
        times[name] = None if rows.times is None else rows.times[chosen]
    arrays = Assembled(
        num_items=int(has_items.sum()),
        num_users=int(has_users.sum()),
        flat=item_number[flat],
        item_tokens=item_tokens[has_items],
        user_tokens=user_tokens[has_users],
        dropped=rows.dropped,
        splits=splits,
    )
    return arrays, times


def _range(times: NDArray[np.float64]) -> tuple[float, float] | None:
    return (float(times.min()), float(times.max())) if len(times) else None
