"""Row files in the format of the authors' released code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.item_attributes import ItemAttributes
from ..data.published import Rows
from ..data.ready_rows import ReadyRows, ReadySplit
from ..parsing import raw
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import ITEM, TIME, USER
from ..parsing.layout import Layout
from ..parsing.source_files import RawFiles
from ..parsing.table_files import TableFile, Wrong
from .tables import HISTORY, flat_history, history_lengths, read_tables, split_paths, words

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("user_id", "item_id", "history_id", "timestamp")


class Released:
    """Reads `{name}.{train,valid,test}.remap.csv`, plain or gzipped.

    Nothing is renumbered: users and items are 0 to the largest, and all of them are ranked.
    """

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Role -> name of the file."""
        return {split: (f"{{name}}.{split}.remap.csv",) for split in ("train", "valid", "test")}

    def read(self, raw: RawFiles) -> ReadyRows:
        """Read the three files; see `Reader.read`.

        Raises:
            DatasetError: a missing file or column, a value that is not a number, a row without history, no row at all.
        """
        paths = split_paths(raw, self.files)
        log = BadLineLog(raw.on_bad_line)
        files = [TableFile(path, Layout(), raw.progress, log) for path in paths]
        tables, sources = read_tables(files, COLUMNS, _convert, tokens=())
        rows = [
            Rows(table[USER].to_numpy(), table[ITEM].to_numpy(), flat_history(table).to_numpy(), history_lengths(table))
            for table in tables
        ]
        train, valid, test = (
            ReadySplit(of_split, times=table[TIME].to_numpy()) for of_split, table in zip(rows, tables, strict=True)
        )
        largest_user = max(int(of_split.users.max(initial=-1)) for of_split in rows)
        items = [column for of_split in rows for column in (of_split.targets, of_split.history)]
        largest_item = max(int(column.max(initial=-1)) for column in items)
        return ReadyRows(
            train=train,
            valid=valid,
            test=test,
            user_tokens=_numbers_to(largest_user),
            item_tokens=_numbers_to(largest_item),
            sources=sources,
            bad_lines=log.found(),
            fixed_numbers=True,
        )

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """None: the files do not describe items."""
        return None


READER = Released()


def _numbers_to(largest: int) -> NDArray[np.object_]:
    return np.array([str(number) for number in range(largest + 1)], dtype=object)


def _convert(frame: pl.DataFrame) -> tuple[pl.DataFrame, Sequence[Wrong]]:
    import polars as pl

    numbers = {name: frame[name].cast(pl.Float64, strict=False) for name in ("user_id", "item_id", "timestamp")}
    history = words(frame["history_id"]).list.eval(pl.element().cast(pl.Int64, strict=False))
    is_id = pl.element().is_between(0, raw.LARGEST, closed="left").fill_null(value=False)
    all_ids = (history.list.len() > 0) & history.list.eval(is_id).list.all()
    wrong = [Wrong(name, _not_an_id(numbers[name]), "a whole number from 0") for name in ("user_id", "item_id")]
    wrong.append(Wrong("timestamp", ~np.isfinite(numbers["timestamp"].to_numpy()), "a number"))
    wrong.append(Wrong("history_id", ~all_ids.to_numpy(), "whole numbers from 0"))
    read = pl.DataFrame(
        {
            USER: numbers["user_id"].cast(pl.Int64, strict=False),
            ITEM: numbers["item_id"].cast(pl.Int64, strict=False),
            TIME: numbers["timestamp"],
            HISTORY: history,
        }
    )
    return read, [fault for fault in wrong if fault.rows.any()]


def _not_an_id(column: pl.Series) -> NDArray[np.bool_]:
    values = column.to_numpy()
    return ~((values >= 0) & (values < raw.LARGEST) & (values == np.floor(values)))
