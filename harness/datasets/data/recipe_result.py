"""The result of a recipe: arrays, and what the card records of their origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parsing.raw import Source
from .dataset import Dataset, Split


@dataclass(frozen=True)
class Assembled:
    """Data without a card and a place on disk; arrays as in `Dataset`. In every row `flat[ends]` is the target.

    Attributes:
        num_items: N.
        num_users: U.
        flat: (M,) int32.
        splits: "train", "valid" and "test".
        item_tokens: (N,) ids in the source.
        user_tokens: (U,) the same of the users.
        dropped: reason -> number of rows left out for it, by split.
    """

    num_items: int
    num_users: int
    flat: NDArray[np.int32]
    splits: Mapping[str, Split]
    item_tokens: NDArray[np.object_]
    user_tokens: NDArray[np.object_]
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class RecipeResult:
    """Arrays, and everything that the card records of their origin.

    Attributes:
        recipe: name of the recipe.
        titles: (N,) title of each item, None if the source has none.
        protocol: the choices that a table should state: split, filters, catalogue, equal times, histories.
        source_counts: users, items and interactions of the source, before any filter.
        filtered: (why, number of interactions) of the filters before the rows were cut, in order.
        time_range: first and last time in the source's unit, of the interactions left; None without times.
        notes: more facts for the card.
        texts: (N,) text of each item, for item vectors, "" for none; None if the source has no texts.
    """

    recipe: str
    assembled: Assembled
    titles: NDArray[np.object_] | None
    sources: tuple[Source, ...]
    protocol: Mapping[str, str]
    source_counts: Mapping[str, int]
    filtered: tuple[tuple[str, int], ...] = ()
    time_range: tuple[float, float] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    texts: NDArray[np.object_] | None = None


def dataset_of(arrays: Assembled, *, name: str, card: Mapping[str, Any]) -> Dataset:
    """The data set of arrays and their card; the arrays become read-only."""
    columns = [column for split in arrays.splits.values() for column in vars(split).values()]
    for values in (arrays.flat, *columns):
        values.flags.writeable = False
    return Dataset(
        name=name,
        fingerprint=card["fingerprint"],
        num_items=arrays.num_items,
        num_users=arrays.num_users,
        flat=arrays.flat,
        train=arrays.splits["train"],
        valid=arrays.splits["valid"],
        test=arrays.splits["test"],
        card=card,
    )
