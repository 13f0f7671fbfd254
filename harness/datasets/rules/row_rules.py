"""Rows during filtering: which are left, what each rule dropped, and what in them is new to a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.card import SPLITS
from ..data.items import covered, train_counts
from ..data.recipe_result import Assembled
from ..data.summary import UNSEEN

LOUD = 0.2
"""Of the rows of a split: a rule that takes more gets a warning."""


@dataclass
class Funnel:
    """Rows over a flat array, those of them that are left, and how many each rule dropped; R of them.

    The history of row r is `flat[starts[r]:ends[r]]`, its target `flat[ends[r]]`.

    Attributes:
        parts: (R,) int8: TRAIN, VALID or TEST.
        times: (R,) float64, of the target; None if the source has none.
        dropped: reason -> number of rows left out for it, by split.
        keeping: reason -> the setting of a recipe that keeps such rows, if there is one.
        kept: (R,) bool.
    """

    flat: NDArray[np.int32]
    users: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    parts: NDArray[np.int8]
    times: NDArray[np.float64] | None = None
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    keeping: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = np.ones(len(self.users), dtype=bool)

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

    def drop(self, wrong: NDArray[np.bool_], why: str, keeping: str = "") -> None:
        """Drop the rows left that a mask (R,) marks, for the reason `why`; the setting `keeping` would keep them."""
        if keeping:
            self.keeping[why] = keeping
        lost = self.kept & wrong
        counts = np.bincount(self.parts[lost], minlength=len(SPLITS))
        self.dropped[why] = {name: int(count) for name, count in zip(SPLITS, counts, strict=True)}
        self.kept &= ~wrong

    def loud(self) -> Iterator[str]:
        """A warning for each rule with a setting that took more than `LOUD` of the rows of a split."""
        left = np.bincount(self.parts[self.kept], minlength=len(SPLITS))
        for why, setting in self.keeping.items():
            told = []
            for part, split in enumerate(SPLITS):
                lost = self.dropped[why][split]
                total = int(left[part]) + sum(of_rule[split] for of_rule in self.dropped.values())
                if lost > LOUD * total:
                    told.append(f"{lost:,} of {total:,} rows of {split} ({lost / total:.0%})")
            if told:
                yield f"left out, since {why}: {', '.join(told)}. To keep them:  {setting}"

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
    trained_to_predict = np.bincount(arrays.splits["train"].targets, minlength=arrays.num_items) > 0
    seen = train_counts(arrays) > 0
    unseen_before = np.concatenate([[0], np.cumsum(~seen[arrays.flat], dtype=np.int64)])
    later = {name: arrays.splits[name] for name in SPLITS[1:]}
    masks = {
        "the target is the target of no training row": [~trained_to_predict[rows.targets] for rows in later.values()],
        UNSEEN: [~seen[rows.targets] for rows in later.values()],
        "an item of the history is in no training row": [
            unseen_before[rows.ends] > unseen_before[rows.starts] for rows in later.values()
        ],
    }
    unseen = []
    for what, of_splits in masks.items():
        counts = {name: int(mask.sum()) for name, mask in zip(later, of_splits, strict=True)}
        share = {name: round(count / max(1, len(later[name])), 6) for name, count in counts.items()}
        unseen.append({"what": what, "rows": counts, "share": share})
    return {"items_not_in_training": int((~seen).sum()), "unseen": unseen}
