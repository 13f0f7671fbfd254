"""Row files as the authors' released code reads them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.item_attributes import ItemAttributes
from ..data.published import Rows
from ..data.ready_rows import ReadyRows, ReadySplit
from ..parsing import raw
from ..parsing.bad_lines import BadLines, OnBadLine
from ..parsing.raw import ReadProgress
from ..recipe.recipe import Recipe
from .tables import Table, split_paths

COLUMNS = ("user_id", "item_id", "history_id", "timestamp")


class Released:
    """Reads `{name}.{train,valid,test}.remap.csv`, plain or gzipped.

    Nothing is renumbered: users and items are 0 to the largest, and all of them are ranked.
    """

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Role -> name of the file."""
        return {split: (f"{{name}}.{split}.remap.csv",) for split in ("train", "valid", "test")}

    def read(self, source: Path, recipe: Recipe, *, progress: ReadProgress, on_bad_line: OnBadLine) -> ReadyRows:
        """Read the three files; see `Reader.read`.

        Raises:
            DatasetError: a missing file or column, a value that is not a number, a row without history, no row at all.
        """
        paths = split_paths(source, recipe, self.files)
        splits, bad_lines = [], []
        for path in paths:
            split, bad = _read_split(path, on_bad_line)
            splits.append(split)
            bad_lines += bad
            progress(path.stat().st_size, path.stat().st_size, path.name)
        train, valid, test = splits
        rows = [split.rows for split in splits]
        largest_user = max(int(of_split.users.max(initial=-1)) for of_split in rows)
        items = [column for of_split in rows for column in (of_split.targets, of_split.history)]
        largest_item = max(int(column.max(initial=-1)) for column in items)
        return ReadyRows(
            train=train,
            valid=valid,
            test=test,
            user_tokens=_numbers_to(largest_user),
            item_tokens=_numbers_to(largest_item),
            sources=tuple(map(raw.describe, paths)),
            bad_lines=tuple(bad_lines),
            fixed_numbers=True,
        )

    def attributes(
        self,
        source: Path,
        recipe: Recipe,
        wanted: Collection[str],
        *,
        progress: ReadProgress,
        on_bad_line: OnBadLine,
    ) -> ItemAttributes | None:
        """The files tell nothing of items."""
        return None


READER = Released()


def _numbers_to(largest: int) -> NDArray[np.object_]:
    return np.array([str(number) for number in range(largest + 1)], dtype=object)


def _read_split(path: Path, on_bad_line: OnBadLine) -> tuple[ReadySplit, list[BadLines]]:
    table = Table(path, COLUMNS, on_bad_line=on_bad_line)
    table.whole_numbers("user_id")
    table.whole_numbers("item_id")
    table.numbers("timestamp")
    lists = _refuse_histories(table)
    rows = Rows(
        table.values("user_id").astype(np.int64),
        table.values("item_id").astype(np.int64),
        np.array([item for history in lists for item in history], dtype=np.int64),
        np.array([len(history) for history in lists], dtype=np.int64),
    )
    return ReadySplit(rows, times=table.values("timestamp"), lines=table.lines), table.bad_lines


def _refuse_histories(table: Table) -> list[list[int]]:
    """The histories of the rows that have one, of whole numbers."""

    def empty(row: int, more: int) -> str:
        others = f" (and on {more:,} more lines)" if more else ""
        return f"history_id: is empty{others}; a row needs at least one earlier item. Remove such rows."

    table.refuse((table.frame["history_id"].str.strip() == "").to_numpy(), "history_id is empty", empty)
    words = [text.split() for text in table.frame["history_id"]]
    lists = [_whole(history) for history in words]

    def broken(row: int, more: int) -> str:
        return f"history_id: '{_first_wrong(words[row])}' is not a whole number from 0."

    table.refuse(np.array([one is None for one in lists], dtype=bool), "history_id is not whole numbers from 0", broken)
    return [one for one in lists if one is not None]


def _whole(words: list[str]) -> list[int] | None:
    try:
        numbers = [int(word) for word in words]
    except ValueError:
        return None
    return numbers if min(numbers) >= 0 and max(numbers) < raw.LARGEST else None


def _first_wrong(words: list[str]) -> str:
    return next((word for word in words if not (word.isdecimal() and int(word) < raw.LARGEST)), words[0])
