"""Files that describe items: the texts of the wanted ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...utils.errors import DatasetError
from ..data.items import ItemAttributes
from ..parsing.event_columns import as_tokens
from ..parsing.line_by_line import LINE, json_objects, shown
from ..parsing.raw import describe
from ..parsing.table_files import TableFile

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ItemTable:
    """A file that describes items.

    Attributes:
        file: how it is read.
        item: the column with the item.
        columns: the columns with its texts, as in the file.
        derive: the texts of those columns -> the names in recipes; None if they are the same.
        optional: of JSON lines, whether texts may be missing from all objects.
    """

    file: TableFile
    item: str
    columns: tuple[str, ...]
    derive: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None
    optional: bool = False


def read_items(
    tables: Sequence[ItemTable],
    fields: Mapping[str, Sequence[str]],
    wanted: Collection[str],
    *,
    repeated: Literal["refuse", "first"],
) -> ItemAttributes:
    """Token -> label -> text of the `wanted` items, from files that share a log.

    `fields` maps labels to columns; several are joined by ", ". With `repeated` a second description of an item is a
    line that cannot be read ("refuse"), or skipped and counted ("first").

    Raises:
        DatasetError: a line that cannot be read, unless such lines are skipped; none of the wanted items is described.
    """
    known, log = frozenset(wanted), tables[0].file.log
    values: dict[str, dict[str, str]] = {}
    described = again = 0
    for table in tables:
        for line, token, texts in _described(table, known):
            described += 1
            if token not in known:
                continue
            if token in values:
                again += 1
                if repeated == "refuse":
                    message = f"{table.item}: '{token}' is described on an earlier line already"
                    log.add(table.file.path, line, "the item is described on an earlier line", message)
                continue
            values[token] = {
                label: ", ".join(filter(None, (texts[column].strip() for column in columns)))
                for label, columns in fields.items()
            }
    log.refuse()
    if known and not values:
        names = ", ".join(str(table.file.path) for table in tables)
        raise DatasetError(f"{names}: none of the {len(known):,} items, such as '{next(iter(wanted))}', is described.")
    notes = {"items_not_described": len(known) - len(values)}
    if again and repeated == "first":
        notes["items_described_again"] = again
    sources = tuple(describe(table.file.path) for table in tables)
    return ItemAttributes(
        values, sources, bad_lines=log.found(), guessed=log.guessed(), notes=notes, described=described - again
    )


def _described(table: ItemTable, wanted: Collection[str]) -> Iterator[tuple[int, str, Mapping[str, str]]]:
    """Line, token and texts of each row of a file; the texts of wanted items only."""
    file = table.file
    derive = table.derive or (lambda texts: texts)
    rows = _objects(table, wanted) if file.format == "jsonl" else _rows(table)
    for line, token, texts in rows:
        if not token.strip():
            file.log.add(file.path, line, f"{table.item} is empty", f"{table.item}: is empty")
        else:
            yield line, token, derive(dict(zip(table.columns, texts, strict=True))) if token in wanted else {}


def _objects(table: ItemTable, wanted: Collection[str]) -> Iterator[tuple[int, str, Sequence[str]]]:
    file, columns = table.file, table.columns
    keys = (table.item,) if table.optional else (table.item, *columns)
    for line, value in json_objects(file.path, keys, file.log, file.progress):
        token = shown(value.get(table.item)) or ""
        if not isinstance(value.get(table.item), str | None):
            file.log.add(file.path, line, f"{table.item} is not text", f"{table.item}: {token[:60]}")
            continue
        texts = [_joined(value.get(column)) for column in columns] if token in wanted else []
        if None not in texts:
            yield line, token, [text for text in texts if text is not None]
            continue
        why = f"{columns[texts.index(None)]} is neither text, a number nor a list of such"
        file.log.add(file.path, line, why)


def _joined(value: Any) -> str | None:
    """A JSON value as text: text, a number, or a list of such; None for anything else."""
    parts = value if isinstance(value, list) else [value]
    if any(isinstance(part, list | dict) for part in parts):
        return None
    texts = [json.dumps(part) if isinstance(part, bool) else part for part in parts if part is not None]
    return " ".join(texts).strip().encode(errors="replace").decode()


def _rows(table: ItemTable) -> Iterator[tuple[int, str, Sequence[str]]]:
    """Line, token and texts of each row, "" for what is missing."""
    import polars as pl

    for frame in table.file.frames((table.item, *table.columns), tokens=(table.item,)):
        texts = [as_tokens(frame[table.item], table.item), *(_texts(frame[column]) for column in table.columns)]
        named = pl.DataFrame([column.alias(str(place)) for place, column in enumerate(texts)])
        for line, (token, *of_row) in zip(frame[LINE], named.fill_null("").iter_rows(), strict=True):
            yield line, token, of_row


def _texts(column: pl.Series) -> pl.Series:
    """A column as text; lists joined by a space."""
    import polars as pl

    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    kind = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
    if kind.is_nested() or kind in (pl.Binary, pl.Duration):
        raise DatasetError(f"the column '{column.name}' is of type {column.dtype}; text or numbers are wanted.")
    if kind == column.dtype:
        return column.cast(pl.String)
    return column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
