"""The publisher's splits of Amazon Reviews 2023: rows with whole histories, three files per category."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ...utils.messages import hint
from ..data.item_attributes import ItemAttributes
from ..data.ready_rows import ReadyRows, ReadySplit
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import RATING, TIME, EventColumns, PackedRows, in_one_unit
from ..parsing.layout import Layout, format_of
from ..parsing.source_files import RawFiles
from ..parsing.table_files import TableFile, Wrong
from ..recipe.recipe import Recipe
from .item_tables import ItemTable, read_items
from .table_reader import text_columns
from .tables import HISTORY, numbered, read_tables, split_paths, words

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = {"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp", "history": "history"}


class AmazonSplits:
    """Reads CATEGORY.{train,valid,test}.csv and meta_CATEGORY.jsonl, each plain or gzipped.

    A row has the user's earlier items as its history, separated by spaces, oldest first; it may be empty. Histories
    are whole, so that a user's rows lie in the longest of them.
    """

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Role -> name of the file."""
        splits = {split: (f"*.{split}.csv",) for split in ("train", "valid", "test")}
        return {**splits, "items": ("meta_*.jsonl",)}

    def read(self, raw: RawFiles) -> ReadyRows:
        """Read the three files; see `Reader.read`.

        Raises:
            DatasetError: a missing file or column, a row that cannot be read, seconds among milliseconds, no row at
                all.
        """
        import polars as pl

        paths = split_paths(raw, self.files)
        if raw.recipe.text.fields:
            raw.find("items", self.files)
        columns, history = _columns(raw.recipe)
        rows = PackedRows(columns)
        log = BadLineLog(raw.on_bad_line)
        layout = Layout(separator=raw.recipe.separator or ",")
        files = [TableFile(path, format_of(path, layout), raw.progress, log) for path in paths]

        def convert(frame: pl.DataFrame) -> tuple[pl.DataFrame, Sequence[Wrong]]:
            read, wrong = rows.read(frame)
            return read.with_columns(words(frame[history]).cast(pl.List(rows.items)).alias(HISTORY)), wrong

        tokens = (columns.user, columns.item)
        tables, sources = read_tables(files, [*columns.names, history], convert, tokens=tokens)
        times, unit = pl.concat([table[TIME] for table in tables]).to_numpy(), "seconds"
        if not rows.dated:
            times, unit = in_one_unit(times, raw.recipe.time.unit, f"{raw.source}  {columns.time}")
        of_splits = np.split(times, np.cumsum([table.height for table in tables])[:-1])
        numbers, user_tokens, item_tokens = numbered(tables)
        train, valid, test = (
            ReadySplit(of_split, ratings=table[RATING].to_numpy(), times=of_times)
            for of_split, table, of_times in zip(numbers, tables, of_splits, strict=True)
        )
        return ReadyRows(
            train=train,
            valid=valid,
            test=test,
            user_tokens=user_tokens,
            item_tokens=item_tokens,
            sources=sources,
            bad_lines=log.found(),
            layout="prefixes",
            notes={"time_unit": unit, "repeated_rows_kept": _repeated((train, valid, test), times)},
        )

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """Read the metadata of some items; see `Reader.attributes`."""
        if not raw.recipe.text.fields:
            return None
        log = BadLineLog(raw.on_bad_line)
        item = raw.recipe.item_columns.get("item", _COLUMNS["item"])
        tables = [
            ItemTable(TableFile(path, format_of(path, Layout()), raw.progress, log), item, text_columns(raw.recipe))
            for path in raw.find("items", self.files)
        ]
        return read_items(tables, raw.recipe.text.fields, wanted, log, repeated="first")


READER = AmazonSplits()


def _columns(recipe: Recipe) -> tuple[EventColumns, str]:
    """The columns of rows, and that of histories.

    Raises:
        DatasetError: the recipe names a column for an unknown role.
    """
    for role in recipe.columns:
        if role not in _COLUMNS:
            known = ", ".join(_COLUMNS)
            raise DatasetError(f"columns: unknown '{role}'.{hint(role, _COLUMNS)} Known: {known}.")
    names = {**_COLUMNS, **recipe.columns}
    history = names.pop("history")
    return EventColumns(**names, time_format=recipe.time.format), history


def _repeated(splits: Sequence[ReadySplit], times: NDArray[np.float64]) -> int:
    """Number of rows with the same user, item and time as an earlier one."""
    users = np.concatenate([split.rows.users for split in splits])
    targets = np.concatenate([split.rows.targets for split in splits])
    order = np.lexsort((times, targets, users))
    same = [np.diff(column[order]) == 0 for column in (users, targets, times)]
    return int((same[0] & same[1] & same[2]).sum())
