"""Item vectors from a table: a column `item_id`, and the numbers in one column of lists or in columns of their own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ...utils.text import printable
from ..parsing.bad_lines import BadLineLog
from ..parsing.guesses import layout_for
from ..parsing.line_by_line import LINE
from ..parsing.raw import polars_takes
from ..parsing.table_files import TableFile
from ..recipe.recipe import FileSettings
from ..recipe.uses import format_by_name
from .vectors import FROM_FILE, ItemVectors, item_vectors, zero_rows

if TYPE_CHECKING:
    import polars as pl

ITEM = "item_id"
_INDEX = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")
_COUNTERS = ("index", "level_0", "row_index", "row_nr")  # columns of numbers, if they do not count the rows
_SHOWN = 3


def load_table(path: Path, tokens: NDArray[np.object_], *, missing: Literal["error", "zero"] = "error") -> ItemVectors:
    """Item vectors from a table with one row per item, in any order; the card counts rows of other items.

    `path` is `.csv`, `.tsv`, `.parquet` or `.jsonl`. Beside `item_id` (text or whole numbers) it has one column of
    lists (in csv and tsv: numbers separated by spaces or commas, with or without brackets), or columns of numbers,
    which are taken in their order. `tokens` (N,) are the ids of the data set's items; one without a row is an error or
    the zero vector.

    Raises:
        DatasetError: not readable, no such columns, an item twice or without an id, lists of different lengths, a value
            that is missing or not finite (in 32 bits), or items without a row.
    """
    table = _read(path)
    rows = {item: row for row, item in enumerate(table[ITEM].to_list())}
    known = [place for place, token in enumerate(tokens) if token in rows]
    lacking = [token for token in tokens if token not in rows]
    if not known:
        raise DatasetError(
            f"{path} has a row for none of the {len(tokens):,} items: {_listed(lacking)}. Its ids are "
            f"{_listed([*rows])}."
        )
    if lacking and missing == "error":
        raise DatasetError(
            f"{path} has no row for {len(lacking):,} of the {len(tokens):,} items: {_listed(lacking)}. Add them, or "
            "give them the zero vector with  --missing zero"
        )
    numbers = _numbers(path, table[[rows[tokens[place]] for place in known]])  # (n, m)
    values = np.zeros((len(tokens), numbers.shape[1]), dtype=np.float32)
    values[known] = numbers
    card = {
        "encoder": FROM_FILE + printable(path.name),
        "zero_vectors": zero_rows(values),
        "rows_passed_over": len(rows) - len(known),
        "items_without_row": len(lacking),
    }
    return item_vectors(values, card)


def _read(path: Path) -> pl.DataFrame:
    """The table, columns of numbers as such, and item ids as text."""
    import polars as pl

    if not path.is_file():
        raise DatasetError(f"{path}: no such file.")
    table = _table(path)
    if ITEM not in table.columns or table.width < 2 or not table.height:
        raise DatasetError(
            f"{path} has {table.height:,} rows with the columns {_listed(table.columns)}. Each row has {ITEM}, and a "
            "list of numbers or columns of numbers."
        )
    kind = table[ITEM].dtype
    if not kind.is_integer() and kind not in (pl.String, pl.Categorical, pl.Enum):
        raise DatasetError(f"{path}: {ITEM} holds {kind}. Allowed: text or whole numbers.")
    table = table.with_columns(pl.col(ITEM).cast(pl.String))
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    table = table.with_columns(pl.col(texts).str.strip_chars().replace({"": None}))
    numbers = table.select(pl.col(name).cast(pl.Float64, strict=False) for name in texts if name != ITEM)
    table = table.with_columns(column for column in numbers if column.null_count() == table[column.name].null_count())
    _refuse_index(path, table)
    if table[ITEM].null_count():
        raise DatasetError(f"{path}: {table[ITEM].null_count():,} rows have no {ITEM}.")
    twice = table[ITEM].filter(table[ITEM].is_duplicated()).unique(maintain_order=True).to_list()
    if twice:
        raise DatasetError(f"{path}: {len(twice):,} items stand in more than one row: {_listed(twice)}.")
    return table


def _table(path: Path) -> pl.DataFrame:
    """The columns of a table as its file has them, those of text as text."""
    import polars as pl

    log = BadLineLog("error")
    kind = format_by_name(path.name) or layout_for(path, FileSettings(), [ITEM], log)
    if kind == "jsonl" and polars_takes(path):
        with contextlib.suppress(pl.exceptions.PolarsError, OSError):  # what it does not read is read line by line
            return pl.read_ndjson(path, infer_schema_length=None)
    file = TableFile(path, kind, lambda *_: None, log)
    table, _ = file.read(file.names(), lambda frame: (frame.drop(LINE), ()), tokens=())
    if log.found():
        raise DatasetError(f"{path} cannot be read. {log.words()}")
    return table


def _refuse_index(path: Path, table: pl.DataFrame) -> None:
    """A DatasetError for a column that counts the rows, as other programs write it beside the data."""
    import polars as pl

    rows = pl.int_range(table.height, eager=True).cast(pl.Float64)
    for place, column in enumerate(table):
        name = column.name.strip(' "')
        numbers = column.cast(pl.Float64) if name.lower() in _COUNTERS and column.dtype.is_numeric() else None
        if _INDEX.fullmatch(name) or (numbers is not None and (numbers - numbers[0] == rows).all()):
            called = f"called '{name}'" if name else "without a name"
            raise DatasetError(
                f"{path}: column {place + 1}, {called}, is an index and no part of the vectors. Write the table "
                "without it (pandas: index=False)."
            )


def _numbers(path: Path, table: pl.DataFrame) -> NDArray[np.float32]:
    """The (n, m) values of a table's rows."""
    import polars as pl

    items, table = table[ITEM].to_list(), table.drop(ITEM)
    first = table.to_series(0)
    if table.width == 1 and first.dtype == pl.String:
        marks = first.str.strip_chars('[]() "').str.replace_all("null", "nan", literal=True)
        first = marks.str.replace_all(r'[,;\s"]+', " ").str.split(" ")
    try:
        if table.width == 1 and isinstance(first.dtype, pl.List | pl.Array):
            lists = first.cast(pl.List(pl.Float64))
            lengths = lists.list.len().fill_null(0).to_list()
            other = next((row for row, length in enumerate(lengths) if length != lengths[0]), 0)
            if other or not lengths[0]:
                raise DatasetError(
                    f"{path}: the list of {items[other]} has {lengths[other]:,} numbers, that of {items[0]} "
                    f"{lengths[0]:,}. Each has the same number of them, one at least."
                )
            values = lists.explode().to_numpy().reshape(len(items), -1)
        else:
            odd = [column for column in table if not column.dtype.is_numeric() and column.dtype != pl.String]
            if odd:
                raise DatasetError(f"{path}: column {odd[0].name} holds {odd[0].dtype}. Allowed: numbers.")
            numbers = table.cast(pl.Float64, strict=False)
            for column in table:  # one of text has a value that is none
                others = (numbers[column.name].is_null() & column.is_not_null()).arg_true()
                if len(others):
                    what = f"'{column[others[0]]}' in column {column.name} of {items[others[0]]}"
                    raise DatasetError(f"{path} holds what is not a number: {what}.")
            values = numbers.to_numpy()
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise DatasetError(f"{path} holds what is not a number: {reason}.") from error
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(narrow).all(axis=1))
    if len(wrong):
        raise DatasetError(
            f"{path}: {len(wrong):,} rows have a number that is missing, NaN or infinite: "
            f"{_listed([items[row] for row in wrong])}."
        )
    return narrow


def _listed(words: Sequence[str]) -> str:
    more = f", ... ({len(words) - _SHOWN:,} more)" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
