"""A data set in memory: one flat array of items, and rows that are slices of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..vectors.vectors import ItemVectors


@dataclass(frozen=True)
class Split:
    """Rows of one split; R rows. The history of row r is `flat[starts[r]:ends[r]]`, oldest first, never empty.

    Attributes:
        users: (R,) int32.
        starts: (R,) int64, start of the history in the flat array (all of it: max_len is applied by the reader).
        ends: (R,) int64, one past the history's last item.
        targets: (R,) int32, the item to predict.
    """

    users: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    targets: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Dataset:
    """A prepared data set.

    Attributes:
        name: its name in suites.
        fingerprint: hash of everything below that a model sees.
        num_items: N; items are 0..N-1 and all of them are ranked.
        num_users: U; users are 0..U-1.
        flat: (M,) int32, all users' items in time order (and histories that a published split brings of its own).
        card: sources with checksums, recipe, statistics, fingerprint.
        vectors: of the items, if a text-based backbone asks for them; None otherwise.
    """

    name: str
    fingerprint: str
    num_items: int
    num_users: int
    flat: NDArray[np.int32]
    train: Split
    valid: Split
    test: Split
    card: Mapping[str, Any]
    vectors: ItemVectors | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """The splits "train", "valid" and "test"."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    def split(self, name: str) -> Split:
        """The split "train", "valid" or "test"."""
        return self.splits[name]
