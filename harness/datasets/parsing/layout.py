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
from .raw import BLANKS, first_line, is_text

LONGEST_FIELD = 2**20
"""Characters of a field in quotes; one that seems longer is a quote that is not closed."""


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        separator: between fields; quotes are known only if it is one character.
        quotes: fields may stand in double quotes, doubled within.
        header: whether the first line names the columns; otherwise they are called `names`, or 1, 2, ...
        names: of the columns of a file without header; () for numbers.
        encoding: as Python knows it; "" for that of the byte order mark, UTF-8 without one.
        guess_encoding: without an encoding, text that is not UTF-8 is read in an 8-bit one.
    """

    separator: str = ","
    quotes: bool = True
    header: bool = True
    names: tuple[str, ...] = ()
    encoding: str = ""
    guess_encoding: bool = False


Format: TypeAlias = Layout | Literal["jsonl", "parquet"]


def column_names(path: Path, layout: Layout) -> tuple[str, ...]:
    """The columns of a delimited file: those of its header, or else their names or numbers; errors as `lines_of`."""
    number, line = first_line(path, encoding=layout.encoding)
    text = line.rstrip("\r\n")
    if layout.header and not is_text(text):
        raise DatasetError(f"{path}:{number}  is not {layout.encoding or 'UTF-8'} text. A recipe says  encoding: NAME")
    if layout.header and "\0" in text:
        raise DatasetError(f"{path}:{number}  has NUL characters, as UTF-16 has. A recipe says  encoding: utf-16-le")
    fields = fields_of(text, layout)
    if layout.header:
        return tuple(name.strip(BLANKS) for name in fields)
    return layout.names or tuple(str(place) for place in range(1, len(fields) + 1))


def fields_of(text: str, layout: Layout) -> list[str]:
    """The fields of a line without its end; of an unclosed quote the rest of the line."""
    if layout.quotes and '"' in text and len(layout.separator) == 1:
        csv.field_size_limit(LONGEST_FIELD)
        try:
            return next(csv.reader([text], delimiter=layout.separator))
        except csv.Error:
            return text.split(layout.separator)
    return text.split(layout.separator)


def is_place(column: str) -> bool:
    """Whether a column may be one of a file without header: a number from 1."""
    return column.isascii() and column.isdecimal() and not column.startswith("0")


def places_of(columns: Sequence[str], names: Sequence[str], path: Path, layout: Layout) -> list[int]:
    """The indices of some columns of a delimited file; a DatasetError if one is missing or appears twice."""
    for column in columns:
        if names.count(column) != 1:
            number, _ = first_line(path, encoding=layout.encoding)
            raise DatasetError(f"{path}:{number}  {no_column(column, names, layout)}")
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
