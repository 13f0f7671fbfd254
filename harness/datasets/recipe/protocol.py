"""A recipe's rules as text, as tables and cards state them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from .recipe import Core, PerSplit, Recipe

HASHED_TIES = "equal times of a user ordered by a hash of (user, item)"
WHOLE_HISTORY = "all earlier interactions of the user, at least one"
_SPLITS = {
    "leave_one_out": "leave one out: last item test, the one before validation",
    "given": "as published",
}


def words(recipe: Recipe, *, has_times: bool = True) -> dict[str, str]:
    """A recipe's choices as tables state them: split, filters, catalogue, equal_times, history -> text.

    `has_times` is whether the source has them, which of some readers its files alone tell.
    """
    ties = HASHED_TIES if recipe.equal_times == "hash" else "equal times in the order of the file"
    raw = recipe.reader in ("csv", "jsonl", "parquet")
    if (raw and "time" not in recipe.columns) or (recipe.equal_times == "hash" and not has_times):
        ties = "no times: the order of the files"
    history = "as published" if recipe.ready else WHOLE_HISTORY
    return {
        "split": _split(recipe),
        "filters": "; ".join(_filters(recipe)) or ("none" if raw else "none here: as published"),
        "catalogue": _catalogue(recipe),
        "equal_times": "as published" if recipe.ready else ties,
        "history": history if recipe.max_history is None else f"{history}, the last {recipe.max_history}",
    }


def core_left_out(core: Core) -> str:
    """What the core leaves out."""
    if core.users == core.items:
        return f"outside the {core.users}-core"
    return f"outside the core of users with {core.users} and items with {core.items} interactions"


def duplicates_left_out(recipe: Recipe) -> str:
    """What the rule for duplicates leaves out."""
    said = {"first": "not the first", "last": "not the last"}
    if recipe.duplicates in said:
        return f"{said[recipe.duplicates]} of the same user and item"
    return "the same user, item and time again"


def per_split(least: PerSplit) -> str:
    """A number, or one for each split."""
    if least.train == least.valid == least.test:
        return str(least.train)
    return f"{least.train}/{least.valid}/{least.test}"


def _split(recipe: Recipe) -> str:
    at = recipe.split.at
    if at is None:
        return _SPLITS[recipe.split.kind]
    if recipe.split.kind == "times":
        return f"at the times {at[0]} and {at[1]}"
    shares = f"{_percent(at[0])}/{_percent(at[1])}%"
    return f"by time at {shares}" + (" of the time range" if recipe.split.kind == "time_range" else "")


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}"


def _filters(recipe: Recipe) -> Iterator[str]:
    if recipe.duplicates == "once":
        yield "repeated lines once"
    elif recipe.duplicates in ("first", "last"):
        yield f"the {recipe.duplicates} of a user's interactions with an item"
    if recipe.ratings is not None:
        yield f"ratings {recipe.ratings.words}" + (" (targets only)" if recipe.ratings.of == "target" else "")
    if recipe.core is not None:
        users, items = recipe.core.users, recipe.core.items
        core = f"{users}-core on users and items" if users == items else f"core of {users} (users) and {items} (items)"
        yield f"{core}, to the fixed point"
    if max(recipe.min_history.train, recipe.min_history.valid, recipe.min_history.test) > 1:
        yield f"at least {per_split(recipe.min_history)} items before a target"
    for split in ("train", "valid", "test"):
        roles = getattr(recipe.required_text, split)
        if roles:
            yield f"titles needed in {split} ({' and '.join(roles)})"


def _catalogue(recipe: Recipe) -> str:
    if recipe.reader == "released":
        return "all ids from 0 to the largest, whether training has them or not"
    if recipe.unseen.target == recipe.unseen.history == "drop":
        return "every item of a training row, as target or in the history; rows with an item outside it are dropped"
    kept = {"target": recipe.unseen.target, "history": recipe.unseen.history}
    unseen = " or ".join(role for role, choice in kept.items() if choice == "keep")
    return f"every item of a row of any split; rows with an unseen {unseen} are kept"
