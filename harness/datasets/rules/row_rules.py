"""Rows during filtering: which are left, what each rule dropped, and what in them is new to a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.assembled import Assembled, covered
from ..data.card import SPLITS
from ..data.dataset import Split


@dataclass(frozen=True)
class Candidates:
    """Rows over a flat array; R of them. The history of row r is `flat[starts[r]:ends[r]]`, its target `flat[ends[r]]`.

    Attributes:
        users: (R,).
        starts: (R,).
        ends: (R,).
        parts: (R,) int8: TRAIN, VALID or TEST.
        times: (R,) float64, of the target; None if the source has none.
    """

    users: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    parts: NDArray[np.int8]
    times: NDArray[np.float64] | None = None

    @classmethod
    def of_targets(cls, users: NDArray[np.int64], parts: NDArray[np.int8]) -> Self:
        """Rows without histories: the flat array is that of the targets."""
        places = np.arange(len(users))
        return cls(users, places, places, parts)


class Funnel:
    """Candidates, those of them that are left, and how many each rule dropped."""

    def __init__(
        self, flat: NDArray[np.int32], rows: Candidates, *, dropped: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        self.flat = flat
        self.users, self.starts, self.ends = rows.users, rows.starts, rows.ends
        self.parts, self.times = rows.parts, rows.times
        self.kept = np.ones(len(rows.users), dtype=bool)
        self.dropped: dict[str, dict[str, int]] = {why: dict(counts) for why, counts in (dropped or {}).items()}

    @property
    def targets(self) -> NDArray[np.int32]:
        """(R,) int32."""
        return self.flat[self.ends]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(R,) items in each history."""
        return self.ends - self.starts

    def within(self, splits: Collection[str]) -> NDArray[np.bool_]:
        """(R,) whether each row belongs to one of these splits."""
        return np.isin(self.parts, [SPLITS.index(split) for split in splits])

    def drop(self, wrong: NDArray[np.bool_], why: str) -> None:
        """Drop the rows left that a mask (R,) marks, for the reason `why`."""
        lost = self.kept & wrong
        counts = np.bincount(self.parts[lost], minlength=len(SPLITS))
        self.dropped[why] = {name: int(count) for name, count in zip(SPLITS, counts, strict=True)}
        self.kept &= ~wrong

    def history_has(self, items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(R,) whether a row's history has one of the items that a mask (N,) marks."""
        before = np.concatenate([[0], np.cumsum(items[self.flat], dtype=np.int64)])
        return before[self.ends] > before[self.starts]

    def covered(self, rows: NDArray[np.bool_], starts: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """(M,) the places of the flat array that the rows of a mask (R,) use, as history or as target.

        `starts` (R,) may replace where the histories start.
        """
        return covered(len(self.flat), (self.starts if starts is None else starts)[rows], self.ends[rows])


def novelty(arrays: Assembled) -> dict[str, Any]:
    """What validation and test contain that training lacks, as JSON values for a card.

    They are `items_not_in_training` (neither target nor in a history of a training row), and `unseen`, a list of what
    is unseen with the number of `rows` and their `share` by split.
    """
    trained_to_predict = np.bincount(arrays.train.targets, minlength=arrays.num_items) > 0
    seen = np.zeros(arrays.num_items, dtype=bool)
    seen[arrays.flat[covered(len(arrays.flat), arrays.train.starts, arrays.train.ends)]] = True
    unseen_before = np.concatenate([[0], np.cumsum(~seen[arrays.flat], dtype=np.int64)])
    counts: dict[str, dict[str, int]] = {
        "the target is the target of no training row": {},
        "the target is in no training row, neither as target nor in the history": {},
        "an item of the history is in no training row": {},
    }
    later: Mapping[str, Split] = {"valid": arrays.valid, "test": arrays.test}
    for name, rows in later.items():
        masks = (
            ~trained_to_predict[rows.targets],
            ~seen[rows.targets],
            unseen_before[rows.ends] > unseen_before[rows.starts],
        )
        for by_split, which in zip(counts.values(), masks, strict=True):
            by_split[name] = int(which.sum())
    return {
        "items_not_in_training": int((~seen).sum()),
        "unseen": [
            {
                "what": what,
                "rows": by_split,
                "share": {name: round(count / max(1, len(later[name])), 6) for name, count in by_split.items()},
            }
            for what, by_split in counts.items()
        ],
    }
