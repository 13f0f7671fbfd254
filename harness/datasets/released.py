"""Row files as the authors' released code reads them, taken as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from . import raw
from .assemble import Assembled
from .dataset import Split
from .made import Made

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "valid", "test")
COLUMNS = ("user_id", "item_id", "history_id", "timestamp")


def make(source: Path, name: str, *, advice: str) -> Made:
    """Read `{name}.{train,valid,test}.remap.csv` or `.csv.gz`.

    Nothing is dropped and nothing is renumbered: users and items are 0..max, and all of them are ranked. Histories
    that continue one another (a row's history is the end of the row's before, with its target) share their place in
    the flat array; others get a copy of their own.

    Args:
        source: the folder.
        name: what the files are called.
        advice: what to do where a file is missing.

    Returns:
        What the card and the disk need; rows in the order of the files.

    Raises:
        DatasetError: a missing file or column, a value that is not a number, a row without history.
    """
    paths = [raw.find(source, [f"{name}.{s}.remap.csv", f"{name}.{s}.remap.csv.gz"], advice=advice) for s in SPLITS]
    tables = [_read(path) for path in paths]
    rows = _Rows(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))
    flat, starts, ends = share_histories(rows.users, rows.targets, rows.history, rows.lengths)
    bounds = np.cumsum([0, *(len(table[0]) for table in tables)])
    splits = [
        Split(
            users=rows.users[low:high].astype(np.int32),
            starts=starts[low:high],
            ends=ends[low:high],
            targets=rows.targets[low:high].astype(np.int32),
        )
        for low, high in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    num_items = int(max(rows.targets.max(), rows.history.max())) + 1
    num_users = int(rows.users.max()) + 1
    trained = np.zeros(num_items, dtype=bool)
    trained[rows.targets[: bounds[1]]] = True
    trained[rows.history[: rows.lengths[: bounds[1]].sum()]] = True
    tokens = np.array([str(item) for item in range(num_items)], dtype=object)
    assembled = Assembled(num_items, num_users, flat.astype(np.int32), *splits, item_tokens=tokens)
    return Made(
        recipe="released",
        assembled=assembled,
        titles=None,
        sources=tuple(map(raw.describe, paths)),
        protocol={
            "split": "as published",
            "filters": "none here: rows as published",
            "catalogue": "all ids from 0 to the largest, whether training has them or not",
            "equal_times": "as published",
            "history": "as published",
        },
        source_counts={"rows": len(rows.users)},
        time_range=(float(rows.times.min()), float(rows.times.max())),
        notes={
            "items_not_in_training": int((~trained).sum()),
            "longest_history": int(rows.lengths.max()),
        },
    )


class _Rows:
    def __init__(
        self,
        users: NDArray[np.int64],
        targets: NDArray[np.int64],
        history: NDArray[np.int64],
        lengths: NDArray[np.int64],
        times: NDArray[np.float64],
    ) -> None:
        self.users, self.targets, self.history, self.lengths, self.times = users, targets, history, lengths, times


def _read(
    path: Path,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    frame = raw.read_columns(path, COLUMNS, separator=",")
    if frame.empty:
        raise DatasetError(f"{path} holds no row, only a header.")
    users = raw.whole_numbers(path, frame, "user_id")
    targets = raw.whole_numbers(path, frame, "item_id")
    times = raw.numbers(path, frame, "timestamp")
    history, lengths = _histories(path, frame)
    return users, targets, history, lengths, times


def _histories(path: Path, frame: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lists = frame["history_id"].str.split()
    lengths = lists.str.len().to_numpy(dtype=np.int64)
    if (lengths == 0).any():
        row = int(np.argmax(lengths == 0))
        more = int((lengths == 0).sum()) - 1
        others = f" ({more:,} more such lines)" if more else ""
        raise DatasetError(
            f"{path}:{row + 2}  history_id: is empty{others}; a row needs at least one earlier item. Remove these rows."
        )
    words = np.concatenate(lists.to_numpy())
    try:
        history = words.astype(np.int64)
    except (ValueError, OverflowError):
        history = None
    if history is None or history.min() < 0 or history.max() >= 2**31 - 1:
        wrong = next(
            n for n, word in enumerate(words) if not (word.isascii() and word.isdigit() and int(word) < 2**31 - 1)
        )
        row = int(np.searchsorted(np.cumsum(lengths), wrong, side="right"))
        raise DatasetError(f"{path}:{row + 2}  history_id: '{words[wrong]}' is not a whole number from 0.")
    return history, lengths


def share_histories(
    users: NDArray[np.int64], targets: NDArray[np.int64], history: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Lay rows with histories of their own into one flat array, without storing shared stretches twice.

    A row continues the user's row before it where its history is an end of (that row's history, that row's target).
    Each chain of rows is stored as its first history followed by its targets, so that `flat[ends]` is the target.

    Args:
        users: (R,).
        targets: (R,).
        history: (sum of lengths,) all histories, one after the other.
        lengths: (R,) of each history, at least 1.

    Returns:
        The flat array, and start and end of each row's history in it.
    """
    stops = np.cumsum(lengths)
    order = np.argsort(users, kind="stable")
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
