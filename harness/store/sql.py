"""SQL over a results folder: DuckDB in memory, with views of the stored trials, their epochs and their rows.

    trials   a line per trial and cell of each suite, as `frames.Frames.trials`
    epochs   a line per trial and epoch, as `frames.Frames.epochs`
    rows     a line per trial, split and ranked row

Names of columns are those of the frames with `_` for every `.` and `@`. No file is written, and none is read but those
behind `rows`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..utils.errors import InputError
from .format import SPLITS
from .frames import load_results
from .store import Store

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

INSTALL = "pip install 'rearec-bench[sql]'"
_COLUMNS = {
    "users": "user",
    "items": "item",
    "readout_ranks": "rank",
    "step_ranks": "rank_step",
    "control_ranks": "control_rank_step",
    "top_items": "top",
}
"""Column of a Parquet file to its name in the view, as in `Frames.rows`."""
_FROM_ONE = ("top_items", "cosine", "divergence")  # places, and steps that have one before them
_ROWS = re.compile(r"\b(rows|tables)\b", re.IGNORECASE)  # the view is made where it is asked for


@dataclass(frozen=True)
class Answer:
    """The result of a query: names of columns, and lines of values."""

    columns: tuple[str, ...]
    lines: tuple[tuple[Any, ...], ...]


def query(store: Store, sql: str) -> Answer:
    """The answer to one statement over all stored trials; damaged ones are left out.

    Raises:
        InputError: DuckDB is not installed, or refuses the statement; there is no such folder.
        StoreError: a suite's own files are damaged.
    """
    try:
        import duckdb
    except ImportError as error:
        raise InputError(f"results sql needs DuckDB, which is not installed. Type:  {INSTALL}") from error
    frames = load_results(store.root)
    with duckdb.connect(":memory:") as database:
        try:
            statements = duckdb.extract_statements(sql)
            if len(statements) != 1:
                raise InputError(f"that is {len(statements)} statements of SQL, and one is answered.")
            _settle(database, frames.trials, frames.epochs, store, rows=bool(_ROWS.search(sql)))
            answer = database.execute(statements[0])
            columns = tuple(column[0] for column in answer.description or ())
            lines = tuple(map(tuple, answer.fetchall())) if columns else ()
        except (duckdb.Error, OSError, ValueError) as error:  # ValueError: of a damaged Parquet file
            raise InputError(f"DuckDB: {error}") from error
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{columns.count(name)} columns of the answer are called '{name}'. Name them with AS.")
    return Answer(columns, lines)


def _settle(
    database: duckdb.DuckDBPyConnection, trials: pd.DataFrame, epochs: pd.DataFrame, store: Store, *, rows: bool
) -> None:
    """Make the views, then take away from the database whatever reaches a file or a setting."""
    database.execute("SET python_enable_replacements = false")
    database.register("trials", _table(trials))
    database.register("epochs", _table(epochs))
    if rows:
        parts = [_split(database, split, sorted(set(trials["key"])), store) for split in SPLITS]
        selects = [part for part in parts if part]
        database.execute(f"CREATE VIEW rows AS {' UNION ALL BY NAME '.join(selects) or 'SELECT NULL AS key LIMIT 0'}")
    database.execute("SET temp_directory = ''")  # what does not fit into memory is refused
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def _table(frame: pd.DataFrame) -> pa.Table:
    """A frame whose columns have one type each: text where values differ in type."""
    import pyarrow as pa

    columns = {}
    for name in frame.columns:
        values = [None if value is None or value != value else value for value in frame[name].tolist()]
        try:
            column = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            column = pa.array([None if value is None else str(value) for value in values])
        columns[re.sub(r"[.@]", "_", str(name))] = column
    return pa.table(columns)


def _split(database: duckdb.DuckDBPyConnection, split: str, keys: Iterable[str], store: Store) -> str:
    """A SELECT of the rows of one split, "" where there are none."""
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    files = [path for key in keys if (path := store.folder(key) / f"{split}.parquet").is_file()]
    if not files:
        return ""
    stored = pa.unify_schemas([pq.read_schema(path).remove_metadata() for path in files])
    wide = [field.with_type(pa.float32()) if field.type == pa.float16() else field for field in stored]
    dataset = ds.dataset(
        [str(path) for path in files],
        schema=pa.schema([*wide, pa.field("key", pa.string())]),
        format="parquet",
        partitioning=ds.partitioning(pa.schema([pa.field("key", pa.string())])),
        partition_base_dir=str(store.trials),
    )
    database.register(f"stored_{split}", dataset)
    named = ", ".join(f'"{column}" AS {name}' for column, name in _named(stored.names))
    return f"SELECT key, '{'validation' if split == 'valid' else split}' AS split, {named} FROM stored_{split}"  # noqa: S608


def _named(stored: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The columns of a Parquet file with their names in the view."""
    for column in stored:
        kind, _, number = column.partition(".")
        name = _COLUMNS.get(kind, f"{kind}_step")
        place = int(number or 0) + (kind in _FROM_ONE)
        yield column, f"{name}_{place}" if number else name
