"""What files tell of items: the texts of the wanted ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...utils.errors import DatasetError
from ..data.item_attributes import ItemAttributes
from ..parsing.bad_lines import BadLineLog
from ..parsing.blocks import LineFile, Parsed
from ..parsing.event_columns import as_tokens
from ..parsing.json_lines import WantedObjects
from ..parsing.raw import Source
from ..parsing.table_files import TableFile

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ItemTable:
    """A file that describes items.

    Attributes:
        file: how it is read.
        item: the column with the item.
        columns: the columns with its texts, as the file calls them.
        derive: the texts of those columns -> what a recipe knows them as; None where that is the same.
    """

    file: TableFile
    item: str
    columns: tuple[str, ...]
    derive: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None


def read_items(
    tables: Sequence[ItemTable],
    fields: Mapping[str, Sequence[str]],
    wanted: Collection[str],
    log: BadLineLog,
    *,
    repeated: Literal["refuse", "first"],
) -> ItemAttributes:
    """Read what files tell of items.

    Args:
        tables: the files; they share a log.
        fields: label -> columns; several are joined by ", ".
        wanted: tokens of the items.
        log: of the files.
        repeated: what a second description of an item is: a line that cannot be read, or passed over and counted.

    Returns:
        Token -> label -> text.

    Raises:
        DatasetError: a line that cannot be read, unless such lines are skipped; none of the wanted items is described.
    """
    known = frozenset(wanted)
    values: dict[str, dict[str, str]] = {}
    sources: list[Source] = []
    again = 0
    for table in tables:
        for parsed in _parsed(table, known, log, sources):
            for row, line in zip(_rows(table, parsed.frame), parsed.lines.tolist(), strict=True):
                token, *texts = row
                if token not in known:
                    if not token.strip():
                        log.add(table.file.path, line, f"{table.item} is empty", f"{table.item}: is empty")
                    continue
                if token in values:
                    again += 1
                    if repeated == "refuse":
                        said = f"{table.item}: '{token}' is described on an earlier line already"
                        log.add(table.file.path, line, "the item is described on an earlier line", said)
                    continue
                told: Mapping[str, str] = dict(zip(table.columns, texts, strict=True))
                if table.derive is not None:
                    told = table.derive(told)
                values[token] = {
                    label: ", ".join(filter(None, (told[column].strip() for column in columns)))
                    for label, columns in fields.items()
                }
    log.refuse()
    if known and not values:
        names = ", ".join(str(table.file.path) for table in tables)
        raise DatasetError(f"{names}: none of the {len(known):,} items, such as '{next(iter(wanted))}', is described.")
    notes = {"items_not_described": len(known) - len(values)}
    if again and repeated == "first":
        notes["items_described_again"] = again
    return ItemAttributes(values, tuple(sources), log.found(), notes)


def _parsed(table: ItemTable, wanted: Collection[str], log: BadLineLog, sources: list[Source]) -> Iterator[Parsed]:
    file = table.file
    if file.format != "jsonl":
        yield from file.parsed((table.item, *table.columns), tokens=(table.item,), sources=sources)
        return
    lines = LineFile(file.path, progress=file.progress)
    yield from lines.parsed(WantedObjects(file.path, table.item, table.columns, wanted=wanted, log=log))
    sources.append(lines.source())


def _rows(table: ItemTable, frame: pl.DataFrame) -> Iterator[tuple[str, ...]]:
    """Token and texts of each row, "" for what is missing."""
    import polars as pl

    texts = [as_tokens(frame[table.item], table.item), *(_texts(frame[column]) for column in table.columns)]
    named = pl.DataFrame([column.alias(str(place)) for place, column in enumerate(texts)])
    return named.fill_null("").iter_rows()


def _texts(column: pl.Series) -> pl.Series:
    """A column as text; lists joined by a space."""
    import polars as pl

    if isinstance(column.dtype, pl.List):
        inner = column.dtype.inner
        if isinstance(inner, pl.List | pl.Struct):
            raise DatasetError(f"the column '{column.name}' is of type {column.dtype}; text or numbers are wanted.")
        return column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    if isinstance(column.dtype, pl.Struct):
        raise DatasetError(f"the column '{column.name}' is of type {column.dtype}; text or numbers are wanted.")
    return column.cast(pl.String)
