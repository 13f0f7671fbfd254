"""Rows that come with histories of their own, as published splits have them, and what is new to a model in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .assemble import Assembled
from .card import SPLITS
from .dataset import Split
from .histories import Layout, lay_out


@dataclass(frozen=True)
class Rows:
    """The rows of a file; R of them.

    Attributes:
        users: (R,) int64.
        targets: (R,) int64.
        history: (sum of lengths,) int64, all histories one after the other, oldest item first.
        lengths: (R,) int64, of each history, at least 1.
    """

    users: NDArray[np.int64]
    targets: NDArray[np.int64]
    history: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)


def join(parts: Sequence[Rows]) -> Rows:
    """The rows of several files, one after the other."""

    def joined(column: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, column) for part in parts])

    return Rows(joined("users"), joined("targets"), joined("history"), joined("lengths"))


def assemble_rows(
    parts: Sequence[Rows],
    *,
    num_users: int,
    item_tokens: NDArray[np.object_],
    dropped: Mapping[str, Mapping[str, int]] | None = None,
    layout: Layout = "files",
) -> Assembled:
    """Lay published rows into one flat array, as they are and in their order.

    Args:
        parts: rows of training, validation and test.
        num_users: U.
        item_tokens: (N,) what the source calls each item.
        dropped: reason -> number of rows left out before, by split.
        layout: as of `lay_out`.

    Returns:
        The arrays. Histories that belong together share their place in the flat array.
    """
    rows = join(parts)
    flat, starts, ends = lay_out(rows.users, rows.targets, history=rows.history, lengths=rows.lengths, layout=layout)

    def split(low: int, high: int) -> Split:
        return Split(
            users=rows.users[low:high].astype(np.int32),
            starts=starts[low:high],
            ends=ends[low:high],
            targets=rows.targets[low:high].astype(np.int32),
        )

    bounds = np.cumsum([0, *map(len, parts)]).tolist()
    train, valid, test = (split(low, high) for low, high in pairwise(bounds))
    return Assembled(
        num_items=len(item_tokens),
        num_users=num_users,
        flat=flat,
        train=train,
        valid=valid,
        test=test,
        item_tokens=item_tokens,
        dropped=dropped or {},
    )


def novelty(parts: Sequence[Rows], num_items: int) -> dict[str, Any]:
    """What validation and test ask for that training does not show.

    Args:
        parts: rows of training, validation and test.
        num_items: N.

    Returns:
        JSON values for a card: `items_not_in_training` (neither target nor in a history of a training row), and
        `unseen`, a list of what is unseen with the number of `rows` and their `share` by split.
    """
    trained_to_predict = np.zeros(num_items, dtype=bool)
    trained_to_predict[parts[0].targets] = True
    seen = trained_to_predict.copy()
    seen[parts[0].history] = True
    counts: dict[str, dict[str, int]] = {
        "the target is the target of no training row": {},
        "the target is in no training row, neither as target nor in the history": {},
        "an item of the history is in no training row": {},
    }
    sizes = {}
    for name, rows in zip(SPLITS[1:], parts[1:], strict=True):
        sizes[name] = max(1, len(rows))
        of_row = np.repeat(np.arange(len(rows)), rows.lengths)
        found = (
            len(rows) - int(trained_to_predict[rows.targets].sum()),
            len(rows) - int(seen[rows.targets].sum()),
            len(np.unique(of_row[~seen[rows.history]])),
        )
        for by_split, count in zip(counts.values(), found, strict=True):
            by_split[name] = count
    return {
        "items_not_in_training": int((~seen).sum()),
        "unseen": [
            {
                "what": what,
                "rows": by_split,
                "share": {name: round(by_split[name] / sizes[name], 6) for name in by_split},
            }
            for what, by_split in counts.items()
        ],
    }
