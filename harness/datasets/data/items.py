"""The items of a data set: tokens, titles, texts, popularity; and their attributes in a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..parsing.bad_lines import BadLines, Guess
from ..parsing.raw import Source
from .dataset import Dataset
from .recipe_result import Assembled, RecipeResult


@dataclass(frozen=True)
class ItemAttributes:
    """Attributes of items in a source.

    Attributes:
        values: item token -> label of a text field -> its value, "" for none; of the wanted items that are described.
            All labels of the recipe's text, in their order.
        bad_lines: lines that were skipped, by file and reason.
        guessed: how files were read where the recipe does not say it.
        notes: facts for the card, such as how many items are described twice.
        described: number of items that the files describe, wanted or not.
    """

    values: Mapping[str, Mapping[str, str]]
    sources: tuple[Source, ...]
    bad_lines: tuple[BadLines, ...] = ()
    guessed: tuple[Guess, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    described: int = 0


@dataclass(frozen=True)
class Items:
    """N items, in the order of their ids.

    Attributes:
        tokens: (N,) ids in the source.
        titles: (N,) title of each, "" for none; None if the source has no titles.
        train_counts: (N,) int64, how often each occurs in the training part of the sequences: its popularity.
        texts: (N,) input of the item vectors, "" for none: the source's texts, or else the titles; None if the source
            has neither, or was prepared before texts were kept.
    """

    tokens: NDArray[np.object_]
    titles: NDArray[np.object_] | None
    train_counts: NDArray[np.int64]
    texts: NDArray[np.object_] | None = None


def items_of(result: RecipeResult) -> Items:
    """The items of a recipe's result."""
    texts = result.titles if result.texts is None else result.texts
    return Items(result.assembled.item_tokens, result.titles, train_counts(result.assembled), texts)


def train_counts(arrays: Assembled | Dataset) -> NDArray[np.int64]:
    """(N,) int64: how often each item occurs in the training sequences, every occurrence counted once."""
    train = arrays.splits["train"]
    used = covered(len(arrays.flat), train.starts, train.ends)
    return np.bincount(arrays.flat[used], minlength=arrays.num_items)


def covered(length: int, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(length,) bool: which places of an array R rows use, as history (from `starts`) or as target (at `ends`)."""
    change = np.bincount(starts, minlength=length)  # rows that begin here, less those that ended one place before
    change[1:] -= np.bincount(ends, minlength=length)[:-1]
    np.cumsum(change, out=change)
    return change > 0
