"""Rows that bring their own histories, as in published splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """The rows of a file; R of them.

    Attributes:
        users: (R,) whole numbers.
        targets: (R,) whole numbers.
        history: (sum of lengths,) whole numbers, all histories concatenated, oldest item first.
        lengths: (R,) int64, of each history; 0 for a row without.
    """

    users: NDArray[Any]
    targets: NDArray[Any]
    history: NDArray[Any]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)

    def take(self, kept: NDArray[np.bool_]) -> Self:
        """The rows chosen by a mask (R,), in their order."""
        history = self.history if kept.all() else self.history[np.repeat(kept, self.lengths)]
        return replace(
            self, users=self.users[kept], targets=self.targets[kept], history=history, lengths=self.lengths[kept]
        )


def join(parts: Sequence[Rows]) -> Rows:
    """The rows of several files, concatenated."""

    def joined(column: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, column) for part in parts])

    return Rows(joined("users"), joined("targets"), joined("history"), joined("lengths"))
