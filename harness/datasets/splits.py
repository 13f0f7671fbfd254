"""Ready splits: train, valid and test as CSV files whose rows bring their histories, taken as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from . import raw
from .assemble import Assembled
from .card import SPLITS
from .interactions import number_tokens
from .made import Made
from .published import Rows, assemble_rows, join, novelty
from .texts import item_text, read_attributes

COLUMNS = ("user_id", "item_id", "history")
ITEMS = "items.jsonl"
ATTRIBUTES = ("title", "description", "brand")
"""What an item's text tells of it, in this order."""

_ITEM = re.compile(r"[^\s,;|\"'\[\](){}]+")
_MISSING = ("nan", "none", "null", "<na>")


def make(source: Path, *, advice: str) -> Made:
    """Read `{train,valid,test}.csv` or `.csv.gz`, and `items.jsonl` or `.jsonl.gz` where there is one.

    The catalogue is every item of a row, as target or in the history, in whichever split: a row whose target training
    never shows stays, as published, and the card counts them. Items that only `items.jsonl` has are not ranked. Rows
    without history are left out and counted.

    Args:
        source: the folder.
        advice: what to do where a file is missing.

    Returns:
        What the card and the disk need; rows in the order of the files.

    Raises:
        DatasetError: a missing file or column, an id that is none, a row that is there twice, a broken line of
            `items.jsonl`, or one that knows none of the items.
    """
    paths = [raw.find(source, [f"{split}.csv", f"{split}.csv.gz"], advice=advice) for split in SPLITS]
    described = next((path for name in (ITEMS, f"{ITEMS}.gz") if (path := source / name).is_file()), None)
    tables = [read_table(path) for path in paths]
    parts, user_tokens, item_tokens = _number(tables)
    assembled = assemble_rows(
        parts,
        num_users=len(user_tokens),
        item_tokens=item_tokens,
        dropped={"the history is empty": {split: table.left_out for split, table in zip(SPLITS, tables, strict=True)}},
        layout="lengths",
    )
    _refuse_repeated(tables, assembled)
    told = _tell(item_tokens, described)
    longest = int(join(parts).lengths.max(initial=0))
    return Made(
        recipe="splits",
        assembled=assembled,
        titles=told.titles,
        sources=tuple(map(raw.describe, paths if described is None else [*paths, described])),
        protocol={
            "split": "as published",
            "filters": "none here: rows as published, but for those without history",
            "catalogue": "every item of a row of any split, target or in the history, whether training has it or not",
            "equal_times": "as published",
            "history": f"as published, at most {longest} items",
        },
        source_counts={"rows": sum(len(table) + table.left_out for table in tables), **told.counts},
        notes={
            **novelty(parts, len(item_tokens)),
            "items_without_text": told.without_text,
            "longest_history": longest,
        },
        texts=told.texts,
    )


@dataclass(frozen=True)
class Table:
    """The rows of a file that have a history; R of them.

    Attributes:
        path: the file.
        lines: (R,) int64, where each row stands.
        users: (R,) tokens.
        targets: (R,) tokens.
        histories: R lists of tokens, oldest first.
        left_out: number of rows without history.
    """

    path: Path
    lines: NDArray[np.int64]
    users: NDArray[Any]
    targets: NDArray[Any]
    histories: list[list[str]]
    left_out: int

    def __len__(self) -> int:
        return len(self.lines)


def read_table(path: Path) -> Table:
    """Read one file.

    Args:
        path: plain or gzipped CSV with the columns user_id, item_id, history (items separated by spaces).

    Raises:
        DatasetError: a missing column, an empty user or item, a word that is no item, no row at all.
    """
    frame = raw.read_columns(path, COLUMNS, separator=",")
    if frame.empty:
        raise DatasetError(f"{path} holds no row, only a header.")
    frame = frame.apply(lambda column: column.str.strip())
    users, targets = (raw.tokens(path, frame, column) for column in ("user_id", "item_id"))
    histories = [text.split() for text in frame["history"]]
    _refuse_words(path, "item_id", [[item] for item in targets])
    _refuse_words(path, "history", histories)
    kept = np.flatnonzero([len(words) > 0 for words in histories])
    return Table(
        path=path,
        lines=kept + 2,
        users=users[kept],
        targets=targets[kept],
        histories=[histories[row] for row in kept],
        left_out=len(histories) - len(kept),
    )


def _refuse_words(path: Path, column: str, rows: Sequence[Sequence[str]]) -> None:
    wrong = {word for word in {word for words in rows for word in words} if not _is_item(word)}
    if wrong:
        row, word = next((row, word) for row, words in enumerate(rows) for word in words if word in wrong)
        raise DatasetError(
            f"{path}:{row + 2}  {column}: '{word}' is no item. An item is a name without spaces, commas, quotes or "
            "brackets; those of a history are separated by spaces, oldest first."
        )


def _is_item(word: str) -> bool:
    return _ITEM.fullmatch(word) is not None and word.lower() not in _MISSING


def _number(tables: Sequence[Table]) -> tuple[list[Rows], NDArray[np.object_], NDArray[np.object_]]:
    """The rows in numbers, and the tokens of users and items."""
    users, user_tokens = number_tokens(np.concatenate([table.users for table in tables]))
    targets = np.concatenate([table.targets for table in tables])
    words = [word for table in tables for history in table.histories for word in history]
    items, item_tokens = number_tokens(np.concatenate([targets, np.array(words, dtype=object)]))
    lengths = [np.array([len(history) for history in table.histories], dtype=np.int64) for table in tables]
    ends = np.cumsum([len(table) for table in tables])[:-1]
    word_ends = np.cumsum([of_table.sum() for of_table in lengths])[:-1]
    columns = (
        np.split(users, ends),
        np.split(items[: len(targets)], ends),
        np.split(items[len(targets) :], word_ends),
        lengths,
    )
    return [Rows(*of_table) for of_table in zip(*columns, strict=True)], user_tokens, item_tokens


def _refuse_repeated(tables: Sequence[Table], arrays: Assembled) -> None:
    """A row that is there twice counts twice, and in two splits gives the answer away.

    Right is a row equal to an earlier one only where it continues the user's row before it: once histories are cut, a
    user who takes the same items again and again has such rows.
    """
    places = [(table.path, int(line)) for table in tables for line in table.lines]
    rows = [
        (user, target, *history)
        for table in tables
        for user, target, history in zip(table.users, table.targets, table.histories, strict=True)
    ]
    continues = _continues(arrays)
    first: dict[tuple[str, ...], int] = {}
    for row, content in enumerate(rows):
        earlier = first.setdefault(content, row)
        if earlier != row and not continues[row]:
            (path, line), (other, other_line) = places[row], places[earlier]
            raise DatasetError(
                f"{path}:{line}  the same user, item and history stand in {other.name}:{other_line} already. "
                "Remove repeated rows."
            )


def _continues(arrays: Assembled) -> NDArray[np.bool_]:
    """(R,) whether a row's history ends with the target of the user's row before it, in the same place."""
    splits = (arrays.train, arrays.valid, arrays.test)
    ends = np.concatenate([split.ends for split in splits])
    continues = np.zeros(len(ends), dtype=bool)
    order = np.argsort(ends)
    continues[order[1:]] = np.diff(ends[order]) == 1
    return continues


@dataclass(frozen=True)
class _Told:
    """What is told of the N items of the rows.

    Attributes:
        titles: (N,) "" where there is none; None where no item has one.
        texts: (N,) the same.
        without_text: number of items that have no text.
        counts: how many items are described, and how many of them are in no row; empty where none is.
    """

    titles: NDArray[np.object_] | None
    texts: NDArray[np.object_] | None
    without_text: int
    counts: Mapping[str, int]


def _tell(item_tokens: NDArray[np.object_], path: Path | None) -> _Told:
    """Look the items up in the file that describes them, if there is one."""
    if path is None:
        return _Told(titles=None, texts=None, without_text=len(item_tokens), counts={})
    attributes = read_attributes(path, ATTRIBUTES)
    known = sum(token in attributes for token in item_tokens)
    if len(item_tokens) and not known:
        raise DatasetError(
            f"{path} has none of the {len(item_tokens):,} items of the rows. Its first item_id is "
            f"'{next(iter(attributes))}', theirs '{item_tokens[0]}'."
        )
    of_items: list[Mapping[str, str]] = [attributes.get(token, {}) for token in item_tokens]
    titles = np.array([one.get("title", "") for one in of_items], dtype=object)
    texts = np.array([item_text(one) for one in of_items], dtype=object)
    return _Told(
        titles=titles if (titles != "").any() else None,
        texts=texts if (texts != "").any() else None,
        without_text=int((texts == "").sum()),
        counts={"items described": len(attributes), "of them in no row": len(attributes) - known},
    )
