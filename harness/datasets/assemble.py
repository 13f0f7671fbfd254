"""Interactions and their splits -> one flat array and rows that are slices of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from . import rules
from .dataset import Split
from .interactions import Interactions


@dataclass(frozen=True)
class Assembled:
    """What a recipe hands over; the arrays are those of `Dataset`. In every row `flat[ends]` is the target.

    Attributes:
        num_items: N.
        num_users: U.
        flat: (M,) int32.
        train: rows to train on.
        valid: rows of validation.
        test: rows of test.
        item_tokens: (N,) what the source calls each item.
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


def assemble(interactions: Interactions, parts: NDArray[np.int8]) -> Assembled:
    """Make rows: each interaction with at least one earlier one of its user.

    The catalogue is every item of a training row, as target or in the history. A row whose target is not in it is
    dropped, and so is a row with such an item in its history; both are counted. What follows a user's first unknown
    item is then in no row, and does not enter the flat array.

    Args:
        interactions: M of them, each user's together and in time order.
        parts: (M,) TRAIN, VALID or TEST of each.

    Returns:
        The arrays. Rows are ordered by user and time; users without a row are gone.
    """
    users, items = interactions.users, interactions.items
    first, place = rules.positions(users)
    is_row = place >= 1
    known = np.zeros(len(interactions.item_tokens), dtype=bool)
    known[items[_reached_by(is_row & (parts == rules.TRAIN), users, len(interactions.user_tokens))]] = True

    unknown = ~known[items]
    before = np.cumsum(unknown) - unknown
    clean_history = before == before[first] if len(first) else np.zeros(0, dtype=bool)
    kept = clean_history & ~unknown
    rows = is_row & kept
    has_rows = np.zeros(len(interactions.user_tokens), dtype=bool)
    has_rows[users[rows]] = True

    in_flat = kept & has_rows[users]
    flat_place = np.cumsum(in_flat) - 1
    item_index = np.cumsum(known) - 1
    user_index = np.cumsum(has_rows) - 1

    def split(part: int) -> Split:
        chosen = np.flatnonzero(rows & (parts == part))
        return Split(
            users=user_index[users[chosen]].astype(np.int32),
            starts=flat_place[first[chosen]].astype(np.int64),
            ends=flat_place[chosen].astype(np.int64),
            targets=item_index[items[chosen]].astype(np.int32),
        )

    dropped = {
        "the target is in no training row": _count(is_row & unknown, parts),
        "an item of the history is in no training row": _count(is_row & ~unknown & ~clean_history, parts),
    }
    return Assembled(
        num_items=int(known.sum()),
        num_users=int(has_rows.sum()),
        flat=item_index[items[in_flat]].astype(np.int32),
        train=split(rules.TRAIN),
        valid=split(rules.VALID),
        test=split(rules.TEST),
        item_tokens=interactions.item_tokens[known],
        dropped=dropped,
    )


def _reached_by(rows: NDArray[np.bool_], users: NDArray[np.int64], num_users: int) -> NDArray[np.bool_]:
    """Interactions that are the target or in the history of one of these rows."""
    last = np.full(num_users, -1, dtype=np.int64)
    np.maximum.at(last, users[rows], np.flatnonzero(rows))
    return np.arange(len(users)) <= last[users]


def _count(dropped: NDArray[np.bool_], parts: NDArray[np.int8]) -> dict[str, int]:
    names = ((rules.TRAIN, "train"), (rules.VALID, "valid"), (rules.TEST, "test"))
    return {name: int((dropped & (parts == part)).sum()) for part, name in names}
