"""Rows that bring their own histories, as in published splits, and one flat array that stores them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Layout = Literal["files", "lengths", "prefixes"]
"""How rows share the flat array: see `lay_out`."""

LaidOut: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]
"""The flat array, and start and end of each row's history in it; `flat[ends]` is the target."""

_PIECE = 2**21  # items compared or copied at once; a bound on memory


@dataclass(frozen=True)
class Rows:
    """Rows with histories of their own; R of them.

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


def lay_out(rows: Rows, layout: Layout) -> LaidOut:
    """Store rows with histories of their own in one flat array.

    `layout` is "files" for histories cut by their publisher in files that keep each user's rows in order, "lengths" for
    such files in no order (`share_histories` both), "prefixes" for whole histories (`share_prefixes`).
    """
    return share_prefixes(rows) if layout == "prefixes" else share_histories(rows, by_length=layout == "lengths")


def share_histories(rows: Rows, *, by_length: bool = False) -> LaidOut:
    """Store rows with histories of their own in one flat array, shared parts only once.

    A row continues the user's row before it if its history is an end of (that row's history, that row's target).
    Each chain of rows is stored as its first history followed by its targets, so that `flat[ends]` is the target.

    With `by_length` a user's rows are ordered by the length of their histories (at least 1), equal ones as they stand,
    which finds the chains of files whose rows are in no order. Otherwise rows stay as they stand.
    """
    users, targets, history, lengths = rows.users, rows.targets, rows.history, rows.lengths
    stops = np.cumsum(lengths)
    order = np.lexsort((lengths, users)) if by_length else np.argsort(users, kind="stable")
    continues = np.zeros(len(order), dtype=bool)  # (R,) in `order`
    before, after = order[:-1], order[1:]
    continues[1:] = (users[before] == users[after]) & (lengths[after] <= lengths[before] + 1)
    pairs = np.flatnonzero(continues)
    spans = lengths[order[pairs]]
    pair = np.repeat(np.arange(len(pairs)), spans)
    back = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)  # 0: the last item
    own = history[stops[order[pairs]][pair] - 1 - back]
    earlier = order[pairs - 1]
    expected = np.where(back == 0, targets[earlier][pair], history[stops[earlier][pair] - np.maximum(back, 1)])
    broken = np.bincount(pair[own != expected], minlength=len(pairs)) > 0
    continues[pairs[broken]] = False

    heads = np.flatnonzero(~continues)  # in `order`
    chain_rows = np.diff(np.append(heads, len(order)))
    head_lengths = lengths[order[heads]]
    bases = np.cumsum(head_lengths + chain_rows) - (head_lengths + chain_rows)
    chain = np.cumsum(~continues) - 1
    in_chain = np.arange(len(order)) - heads[chain]
    ends = np.empty(len(order), dtype=np.int64)
    ends[order] = bases[chain] + head_lengths[chain] + in_chain

    flat = np.empty(int((head_lengths + chain_rows).sum()), dtype=np.int32)
    flat[ends] = targets
    flat[_ranges(bases, head_lengths)] = history[_ranges(stops[order[heads]] - head_lengths, head_lengths)]
    return flat, ends - lengths, ends


def share_prefixes(rows: Rows) -> LaidOut:
    """Store rows with whole histories in one flat array: each user's longest once, the shorter ones inside it.

    A row's sequence is its history followed by its target. If the sequence of the same user's next longer row begins
    with it, the row is stored there; otherwise at a place of its own. The order of rows whose histories differ in
    length does not matter.
    """
    users, targets, history, lengths = rows.users, rows.targets, rows.history, rows.lengths
    order = np.lexsort((lengths, users))
    begins = np.cumsum(lengths) - lengths
    inside = np.zeros(len(order), dtype=bool)  # (R,) in `order`: lies within the row after it
    inside[:-1] = users[order[:-1]] == users[order[1:]]
    pairs = np.flatnonzero(inside)
    for piece in _pieces(lengths[order[pairs]]):
        shorter, longer = order[pairs[piece]], order[pairs[piece] + 1]
        inside[pairs[piece]] = _is_prefix(rows, begins, shorter, longer)

    wholes = np.flatnonzero(~inside)  # in `order`
    sizes = lengths[order[wholes]] + 1
    bases = np.cumsum(sizes) - sizes
    starts = np.empty(len(order), dtype=np.int64)
    starts[order] = bases[np.cumsum(~inside) - ~inside]
    ends = starts + lengths

    flat = np.empty(int(sizes.sum()), dtype=np.int32)
    flat[ends] = targets
    for piece in _pieces(sizes):
        whole = order[wholes[piece]]
        flat[_ranges(starts[whole], lengths[whole])] = history[_ranges(begins[whole], lengths[whole])]
    return flat, starts, ends


def _is_prefix(
    rows: Rows, begins: NDArray[np.int64], shorter: NDArray[np.int64], longer: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether (history, target) of one row is how that of another, at least as long, begins; of each pair."""
    targets, history, lengths = rows.targets, rows.history, rows.lengths
    spans = lengths[shorter]
    differ = history[_ranges(begins[shorter], spans)] != history[_ranges(begins[longer], spans)]
    same = np.ones(len(shorter), dtype=bool)
    same[np.searchsorted(np.cumsum(spans), np.flatnonzero(differ), side="right")] = False
    equally_long = spans == lengths[longer]
    next_items = np.array(targets[longer])
    next_items[~equally_long] = history[(begins[longer] + spans)[~equally_long]]
    return same & (targets[shorter] == next_items)


def _pieces(spans: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of rows with at most `_PIECE` items, or of one row."""
    ends = np.cumsum(spans)
    low = 0
    while low < len(spans):
        before = ends[low - 1] if low else 0
        high = max(low + 1, int(np.searchsorted(ends, before + _PIECE, side="right")))
        yield slice(low, high)
        low = high


def _ranges(begins: NDArray[np.int64], spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places begin, begin + 1, ... of each span, concatenated."""
    return np.arange(spans.sum()) + np.repeat(begins - (np.cumsum(spans) - spans), spans)
