"""The items of a data set: tokens, titles, texts, popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .assembled import Assembled, covered
from .dataset import Dataset
from .recipe_result import RecipeResult


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
    used = covered(len(arrays.flat), arrays.train.starts, arrays.train.ends)
    return np.bincount(arrays.flat[used], minlength=arrays.num_items)
