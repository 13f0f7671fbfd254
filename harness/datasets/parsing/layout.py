"""The format of a file of rows: delimited text, JSON lines or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Literal, TypeAlias

from ...utils.errors import DatasetError
from ...utils.messages import hint
from .raw import first_line

_JSON = (".jsonl", ".json", ".ndjson")
_PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        separator: between fields; quotes are known only if it is one character.
        quotes: fields may stand in double quotes, doubled within.
        header: whether the first line names the columns; otherwise they are called `names`, or 1, 2, ...
        names: of the columns of a file without header; () for numbers.
        encoding: "utf-8" or "latin-1".
    """

    separator: str = ","
    quotes: bool = True
    header: bool = True
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"


Format: TypeAlias = Layout | Literal["jsonl", "parquet"]


def format_of(path: Path, layout: Layout) -> Format:
    """A file's format, by its name; `layout` if it is neither JSON lines nor Parquet."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in _JSON:
        return "jsonl"
    return "parquet" if suffix in _PARQUET else layout


def column_names(path: Path, layout: Layout) -> tuple[str, ...]:
    """The columns of a delimited file: those of its header, or else their names or numbers; errors as `lines_of`."""
    line = first_line(path)
    try:
        text = line.decode(layout.encoding).rstrip("\r\n")
        fields = text.split(layout.separator)
        if layout.quotes and '"' in text:
            fields = next(csv.reader([text], delimiter=layout.separator))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}:1  is not UTF-8 text: {error.reason} at byte {error.start + 1}.") from error
    except csv.Error as error:
        raise DatasetError(f"{path}:1  is not a header: {error}.") from error
    if layout.header:
        return tuple(name.strip() for name in fields)
    return layout.names or tuple(str(place) for place in range(1, len(fields) + 1))


def places_of(columns: Sequence[str], names: Sequence[str], path: Path, layout: Layout) -> list[int]:
    """The indices of some columns of a delimited file; a DatasetError if one is missing or appears twice."""
    for column in columns:
        if names.count(column) != 1:
            raise DatasetError(f"{path}:1  {no_column(column, names, layout)}")
    return [names.index(column) for column in columns]


def no_column(column: str, names: Sequence[str], layout: Layout | None = None) -> str:
    """The error for a column that a file lacks, or has twice."""
    header = shorten(", ".join(names), 1000, placeholder=" ...")
    if column in names:
        return f"the column '{column}' is there {names.count(column)} times. The header has: {header}."
    if layout is not None and not layout.header and not layout.names:
        return f"no column {column}. Without a header columns are called by their number: 1 to {len(names)}."
    message = f"no column '{column}'.{hint(column, names)} The header has: {header}."
    if layout is not None and len(names) == 1:
        message += f" Is '{layout.separator}' what separates the fields?  separator: \"...\" in a recipe names another."
    return message
