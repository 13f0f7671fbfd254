"""Item vectors from a table: a column `item_id`, and the numbers in one column of lists or in columns of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from .vectors import FROM_FILE, ItemVectors, item_vectors, zero_rows

if TYPE_CHECKING:
    import polars as pl

ITEM = "item_id"
_SHOWN = 3


def load_table(path: Path, tokens: NDArray[np.object_], *, missing: Literal["error", "zero"] = "error") -> ItemVectors:
    """Vectors that someone else made, one row an item, in any order.

    Args:
        path: `.csv`, `.tsv`, `.parquet` or `.jsonl`. Beside `item_id` (text or whole numbers) it has one column of
            lists (in csv and tsv: numbers separated by spaces or commas, with or without brackets), or columns of
            numbers, which are taken in their order.
        tokens: (N,) what the data set calls each item. Rows of other items are passed over and counted.
        missing: what an item without a row gets: an error, or the zero vector.

    Returns:
        The vectors as float32; the card counts the rows that were passed over and the items without a row.

    Raises:
        DatasetError: not readable, no such columns, an item twice or without an id, lists of different lengths, a value
            that is missing or not finite (in 32 bits), or items without a row.
    """
    table = _read(path)
    given = _ids(path, table)
    places = {token: place for place, token in enumerate(tokens)}
    ours = [row for row, item in enumerate(given) if item in places]
    lacking = sorted(set(places) - set(given), key=lambda token: places[token])
    if lacking and missing == "error":
        raise DatasetError(
            f"{path} has no row for {len(lacking):,} of the {len(tokens):,} items: {_listed(lacking)}. Add them, or "
            "give them the zero vector with  --missing zero"
        )
    if not ours:
        raise DatasetError(f"{path} has a row for none of the {len(tokens):,} items. Its ids are {_listed(given)}.")
    held = _numbers(path, table[ours].drop(ITEM), [given[row] for row in ours])  # (n, m)
    values = np.zeros((len(tokens), held.shape[1]), dtype=np.float32)
    values[[places[given[row]] for row in ours]] = held
    card = {
        "encoder": FROM_FILE + path.name,
        "zero_vectors": zero_rows(values),
        "rows_passed_over": len(given) - len(ours),
        "items_without_row": len(lacking),
    }
    return item_vectors(values, card)


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    if not path.is_file():
        raise DatasetError(f"{path}: no such file.")
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        elif path.suffix == ".jsonl":
            table = pl.read_ndjson(path, infer_schema_length=None)
        else:
            separator = "\t" if path.suffix == ".tsv" else ","
            table = pl.read_csv(path, separator=separator, schema_overrides={ITEM: pl.String}, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}.") from error
    if ITEM not in table.columns:
        raise DatasetError(f"{path} has no column {ITEM}. It has: {_listed(table.columns)}.")
    if table.width < 2:
        raise DatasetError(f"{path} has no columns but {ITEM}. Beside it: a column of lists, or columns of numbers.")
    if table.height == 0:
        raise DatasetError(f"{path} has no rows.")
    return table


def _ids(path: Path, table: pl.DataFrame) -> list[str]:
    """What the table calls the items of its rows, as text."""
    import polars as pl

    column = table[ITEM]
    if column.dtype != pl.String and not column.dtype.is_integer():
        raise DatasetError(f"{path}: {ITEM} holds {column.dtype}. Allowed: text or whole numbers.")
    if column.null_count():
        raise DatasetError(f"{path}: {column.null_count():,} rows have no {ITEM}.")
    given = column.cast(pl.String).str.strip_chars()
    twice = given.filter(given.is_duplicated()).unique(maintain_order=True).to_list()
    if twice:
        raise DatasetError(f"{path}: {len(twice):,} items stand in more than one row: {_listed(twice)}.")
    return given.to_list()


def _numbers(path: Path, table: pl.DataFrame, items: Sequence[str]) -> NDArray[np.float32]:
    """The (n, m) values of the rows of some items."""
    import polars as pl

    only = table.to_series(0) if table.width == 1 else None
    if only is not None and only.dtype == pl.String:
        only = only.str.strip_chars("[]() ").str.replace_all(r"[,;\s]+", " ").str.split(" ")
    if only is not None and isinstance(only.dtype, pl.List | pl.Array):
        table = _columns_of(path, only, items)
    with np.errstate(over="ignore"):
        columns = [_floats(path, column).astype(np.float32) for column in table]
    values = np.stack(columns, axis=1)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(wrong):
        raise DatasetError(
            f"{path}: {len(wrong):,} rows have a number that is missing, NaN or infinite: "
            f"{_listed([items[row] for row in wrong.tolist()])}."
        )
    return values


def _floats(path: Path, column: pl.Series) -> NDArray[np.float64]:
    """The numbers of a column, a missing one as NaN; one with "nan" among them has been read as text."""
    import polars as pl

    try:
        if not column.dtype.is_numeric() and column.dtype != pl.String:
            raise pl.exceptions.SchemaError
        return column.cast(pl.Float64).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise DatasetError(
            f"{path}: column {column.name} holds {column.dtype}. Beside {ITEM} there may be one column of lists, or "
            "columns of numbers only."
        ) from error


def _columns_of(path: Path, lists: pl.Series, items: Sequence[str]) -> pl.DataFrame:
    """A column of lists as columns of numbers."""
    import polars as pl

    lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
    lengths = lists.list.len().fill_null(0).to_numpy()
    other = np.flatnonzero(lengths != lengths[0])
    if len(other) or lengths[0] == 0:
        row = int(other[0]) if len(other) else 0
        raise DatasetError(
            f"{path}: the list of {items[row]} has {lengths[row]:,} numbers, that of {items[0]} {lengths[0]:,}. Each "
            "has the same number of them, one at least."
        )
    try:
        numbers = lists.list.to_array(int(lengths[0])).cast(pl.Array(pl.Float64, int(lengths[0])))
    except pl.exceptions.PolarsError as error:
        raise DatasetError(f"{path}: column {lists.name} holds lists of what are no numbers.") from error
    return pl.DataFrame(numbers.to_numpy())


def _listed(words: Sequence[str]) -> str:
    more = f", ... ({len(words) - _SHOWN:,} more)" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
