"""Sequence files: one user a line, `user item item ...` in time order, split by leaving one out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import DatasetError
from . import raw, rules
from .assemble import assemble
from .interactions import from_tokens
from .made import CATALOGUE_OF_TRAINING, WHOLE_HISTORY, Made

FILE = "sequences.txt"


def make(source: Path, *, advice: str) -> Made:
    """Read a sequence file.

    Args:
        source: the file, or a folder that holds `sequences.txt`.
        advice: what to do where it is missing.

    Returns:
        What the card and the disk need. Each user's last item is test, the one before it validation (and part of the
        test row's history), every earlier one from the second on a training row.

    Raises:
        DatasetError: a missing file, a line without items, a user on two lines.
    """
    path = source if source.is_file() else raw.find(source, [FILE], advice=advice)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text: {error}.") from error
    words = [line.split() for line in lines]
    _check(path, words)
    words = [line for line in words if line]
    counts = np.array([len(line) - 1 for line in words], dtype=np.int64)
    users = np.repeat(np.array([line[0] for line in words], dtype=object), counts)
    items = np.array([item for line in words for item in line[1:]], dtype=object)
    times = np.arange(len(items), dtype=np.float64)
    interactions = from_tokens(users, items, times)
    source_counts = {
        "users": len(interactions.user_tokens),
        "items": len(interactions.item_tokens),
        "interactions": len(interactions),
    }
    interactions = interactions.take(np.lexsort((interactions.times, interactions.users)))
    parts = rules.split_leave_one_out(interactions.users)
    return Made(
        recipe="sequences",
        assembled=assemble(interactions, parts),
        titles=None,
        sources=(raw.describe(path),),
        protocol={
            "split": "leave one out: last item test, the one before validation",
            "filters": "none here: sequences as published",
            "catalogue": CATALOGUE_OF_TRAINING,
            "equal_times": "as published",
            "history": WHOLE_HISTORY + " (of a test row: the validation item too)",
        },
        source_counts=source_counts,
        notes={"users_with_fewer_than_3_items_all_in_training": int((counts < 3).sum())},
    )


def _check(path: Path, words: list[list[str]]) -> None:
    seen: dict[str, int] = {}
    for number, line in enumerate(words, start=1):
        if not line:
            continue
        if len(line) == 1:
            raise DatasetError(f"{path}:{number}  user '{line[0]}' has no items. A line is: user item item ...")
        if line[0] in seen:
            raise DatasetError(f"{path}:{number}  user '{line[0]}' stands on line {seen[line[0]]} already.")
        seen[line[0]] = number
    if not seen:
        raise DatasetError(f"{path} is empty. A line is: user item item ...")
