"""Row files as the authors' released code reads them, taken as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from . import raw
from .card import SPLITS
from .made import Made
from .published import Rows, assemble_rows, join, novelty

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("user_id", "item_id", "history_id", "timestamp")


def make(source: Path, name: str, *, advice: str) -> Made:
    """Read `{name}.{train,valid,test}.remap.csv` or `.csv.gz`.

    Nothing is dropped and nothing is renumbered: users and items are 0..max, and all of them are ranked. Histories
    that continue one another share their place in the flat array.

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
    parts, times = zip(*map(read_rows, paths), strict=True)
    rows, all_times = join(parts), np.concatenate(times)
    num_items = int(max(rows.targets.max(), rows.history.max())) + 1
    assembled = assemble_rows(
        parts,
        num_users=int(rows.users.max()) + 1,
        item_tokens=np.array([str(item) for item in range(num_items)], dtype=object),
    )
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
        source_counts={"rows": len(rows)},
        time_range=(float(all_times.min()), float(all_times.max())),
        notes={**novelty(parts, num_items), "longest_history": int(rows.lengths.max())},
    )


def read_rows(path: Path) -> tuple[Rows, NDArray[np.float64]]:
    """Read one file.

    Args:
        path: plain or gzipped CSV with the columns user_id, item_id, history_id, timestamp.

    Returns:
        The rows, and (R,) their times in the source's unit.

    Raises:
        DatasetError: a missing column, a value that is not a number, a row without history, no row at all.
    """
    frame = raw.read_columns(path, COLUMNS, separator=",")
    if frame.empty:
        raise DatasetError(f"{path} holds no row, only a header.")
    users = raw.whole_numbers(path, frame, "user_id")
    targets = raw.whole_numbers(path, frame, "item_id")
    times = raw.numbers(path, frame, "timestamp")
    history, lengths = _histories(path, frame)
    return Rows(users, targets, history, lengths), times


def _histories(path: Path, frame: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lists = [text.split() for text in frame["history_id"]]
    lengths = np.array([len(words) for words in lists], dtype=np.int64)
    if (lengths == 0).any():
        row = int(np.argmax(lengths == 0))
        others = f" (and on {int((lengths == 0).sum()) - 1:,} more lines)" if (lengths == 0).sum() > 1 else ""
        raise DatasetError(
            f"{path}:{row + 2}  history_id: is empty{others}; a row needs at least one earlier item. Remove such rows."
        )
    history = np.empty(int(lengths.sum()), dtype=np.int64)
    end = 0
    for row, words in enumerate(lists):
        start, end = end, end + len(words)
        try:
            history[start:end] = [int(word) for word in words]
        except (ValueError, OverflowError):
            history[start:end] = -1
        if history[start:end].min() < 0 or history[start:end].max() >= raw.LARGEST:
            raise DatasetError(f"{path}:{row + 2}  history_id: '{_first_wrong(words)}' is not a whole number from 0.")
    return history, lengths


def _first_wrong(words: list[str]) -> str:
    return next((word for word in words if not (word.isdecimal() and int(word) < raw.LARGEST)), words[0])
