"""SQL over a results folder: DuckDB in memory, with views of the stored trials, their epochs and their rows.

    trials   a line per trial and cell of each suite, as `frames.Frames.trials`
    epochs   a line per trial and epoch, as `frames.Frames.epochs`
    rows     a line per trial, split and ranked row

Names of columns are those of the frames with `_` for every `.` and `@`. No file is written, and none is read but those
behind `rows`. A column of test numbers asks a function of ours before it gives any, so that DuckDB, and not the words
of a statement, says whether they were looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from ..utils.errors import InputError
from .format import SPLITS
from .frames import load_results
from .store import Store

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

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
_LOOKED = "looked_at_test"
_NO_NUMBERS = ("user", "item")  # of a test row: part of the data
_ROWS = re.compile(r"\b(rows|tables)\b", re.IGNORECASE)  # the view is made where it is asked for


@dataclass(frozen=True)
class Answer:
    """The result of a query: names of columns, and lines of values."""

    columns: tuple[str, ...]
    lines: tuple[tuple[Any, ...], ...]


def query(store: Store, sql: str, *, shown: Callable[[], None]) -> Answer:
    """The answer to one statement over all stored trials; damaged ones are left out.

    `shown` is called where the statement has looked at test numbers, whether it was answered or not.

    Raises:
        InputError: DuckDB is not installed, or refuses the statement; there is no such folder.
        StoreError: a suite's own files are damaged.
    """
    try:
        import duckdb
    except ImportError as error:
        raise InputError(f"results sql needs DuckDB, which is not installed. Type:  {INSTALL}") from error
    frames = load_results(store.root)
    looks: list[int] = []
    with duckdb.connect(":memory:") as database:
        try:
            statements = duckdb.extract_statements(sql)
            if len(statements) != 1:
                raise InputError(f"that is {len(statements)} statements of SQL, and one is answered.")
            _settle(database, frames.trials, frames.epochs, store, looks, rows=bool(_ROWS.search(sql)))
            answer = database.execute(statements[0])
            columns = tuple(column[0] for column in answer.description or ())
            lines = tuple(map(tuple, answer.fetchall())) if columns else ()
        except (duckdb.Error, OSError, ValueError) as error:  # ValueError: of a damaged Parquet file
            raise InputError(f"DuckDB: {error}") from error
        finally:
            if looks:
                shown()
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{columns.count(name)} columns of the answer are called '{name}'. Name them with AS.")
    return Answer(columns, lines)


def _settle(
    database: duckdb.DuckDBPyConnection,
    trials: pd.DataFrame,
    epochs: pd.DataFrame,
    store: Store,
    looks: list[int],
    *,
    rows: bool,
) -> None:
    """Make the views, then take away from the database whatever reaches a file or a setting.

    What is behind a view has no name; each look at test numbers adds to `looks`.
    """
    import pyarrow as pa

    def looked(asked: Any) -> Any:
        looks.append(len(asked))
        return pa.array([True] * len(asked))

    database.execute("SET python_enable_replacements = false")
    database.create_function(_LOOKED, looked, ["BOOLEAN"], "BOOLEAN", type="arrow", side_effects=True)
    database.register("epochs", _table(epochs))
    table = _table(trials)
    named = {name: _column(name, of_test=name.startswith("test_")) for name in table.column_names}
    _relation(database, table, named).create_view("trials")
    if rows:
        _rows(database, sorted(set(trials["key"])), store).create_view("rows")
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


def _rows(database: duckdb.DuckDBPyConnection, keys: Sequence[str], store: Store) -> duckdb.DuckDBPyRelation:
    """The rows of both splits; a column that one of them lacks is empty there."""
    parts: dict[str, tuple[ds.Dataset, dict[str, str]]] = {}
    for split in SPLITS:
        if (dataset := _dataset(split, keys, store)) is not None:
            parts[split] = (
                dataset,
                {
                    name: _column(stored, of_test=split == "test" and name not in _NO_NUMBERS)
                    for stored, name in _named(dataset.schema.names)
                },
            )
    every = dict.fromkeys(name for _, columns in parts.values() for name in columns)
    found = [
        _relation(
            database,
            dataset,
            {"key": "key", "split": "'validation'" if split == "valid" else f"'{split}'"}
            | {name: columns.get(name, "NULL") for name in every},
        )
        for split, (dataset, columns) in parts.items()
    ]
    return reduce(lambda one, other: one.union(other), found) if found else database.sql("SELECT NULL AS key LIMIT 0")


def _relation(database: duckdb.DuckDBPyConnection, stored: Any, columns: Mapping[str, str]) -> duckdb.DuckDBPyRelation:
    """Columns of a table or dataset of pyarrow, by name."""
    return database.from_arrow(stored).project(", ".join(f'{given} AS "{name}"' for name, given in columns.items()))


def _column(name: str, *, of_test: bool) -> str:
    return f'CASE WHEN {_LOOKED}(key IS NOT NULL) THEN "{name}" END' if of_test else f'"{name}"'


def _dataset(split: str, keys: Iterable[str], store: Store) -> ds.Dataset | None:
    """The stored rows of one split with the key of their trial; None where there are none."""
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    files = [path for key in keys if (path := store.folder(key) / f"{split}.parquet").is_file()]
    if not files:
        return None
    stored = pa.unify_schemas([pq.read_schema(path).remove_metadata() for path in files])
    wide = [field.with_type(pa.float32()) if field.type == pa.float16() else field for field in stored]
    return ds.dataset(
        [str(path) for path in files],
        schema=pa.schema([*wide, pa.field("key", pa.string())]),
        format="parquet",
        partitioning=ds.partitioning(pa.schema([pa.field("key", pa.string())])),
        partition_base_dir=str(store.trials),
    )


def _named(stored: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The columns of a Parquet file with their names in the view."""
    for column in stored:
        kind, _, number = column.partition(".")
        name = _COLUMNS.get(kind, f"{kind}_step")
        place = int(number or 0) + (kind in _FROM_ONE)
        if column != "key":
            yield column, f"{name}_{place}" if number else name
