"""Histories that a published split brings of its own, laid into one flat array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def share_histories(
    users: NDArray[np.int64],
    targets: NDArray[np.int64],
    *,
    history: NDArray[np.int64],
    lengths: NDArray[np.int64],
    by_length: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Lay rows with histories of their own into one flat array, without storing shared stretches twice.

    A row continues the user's row before it where its history is an end of (that row's history, that row's target).
    Each chain of rows is stored as its first history followed by its targets, so that `flat[ends]` is the target.

    Args:
        users: (R,).
        targets: (R,).
        history: (sum of lengths,) all histories, one after the other.
        lengths: (R,) of each history, at least 1.
        by_length: a user's rows follow one another by the length of their histories, and only equally long ones as
            they stand; finds the chains of files whose rows are in no order. Otherwise as they stand.

    Returns:
        The flat array, and start and end of each row's history in it.
    """
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
    of_head = np.arange(head_lengths.sum()) - np.repeat(np.cumsum(head_lengths) - head_lengths, head_lengths)
    flat[np.repeat(bases, head_lengths) + of_head] = history[
        np.repeat(stops[order[heads]] - head_lengths, head_lengths) + of_head
    ]
    return flat, ends - lengths, ends
