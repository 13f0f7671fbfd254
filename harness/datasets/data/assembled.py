"""The result of the rules: one flat array, and rows that are slices of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Split


@dataclass(frozen=True)
class Assembled:
    """Data without a card and a place on disk; arrays as in `Dataset`. In every row `flat[ends]` is the target.

    Attributes:
        num_items: N.
        num_users: U.
        flat: (M,) int32.
        item_tokens: (N,) ids in the source.
        dropped: reason -> number of rows left out for it, by split.
    """

    num_items: int
    num_users: int
    flat: NDArray[np.int32]
    train: Split
    valid: Split
    test: Split
    item_tokens: NDArray[np.object_]
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def dataset_of(arrays: Assembled, *, name: str, card: Mapping[str, Any]) -> Dataset:
    """The data set of arrays and their card; the arrays become read-only."""
    splits = (arrays.train, arrays.valid, arrays.test)
    columns = [column for split in splits for column in (split.users, split.starts, split.ends, split.targets)]
    for values in (arrays.flat, *columns):
        values.flags.writeable = False
    return Dataset(
        name=name,
        fingerprint=card["fingerprint"],
        num_items=arrays.num_items,
        num_users=arrays.num_users,
        flat=arrays.flat,
        train=arrays.train,
        valid=arrays.valid,
        test=arrays.test,
        card=card,
    )


def covered(length: int, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(length,) bool: which places of an array R rows use, as history (from `starts`) or as target (at `ends`)."""
    change = np.bincount(starts, minlength=length)  # rows that begin here, less those that ended one place before
    change[1:] -= np.bincount(ends, minlength=length)[:-1]
    np.cumsum(change, out=change)
    return change > 0
