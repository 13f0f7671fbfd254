"""A table as content, independent of its format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Kind = Literal["value", "gain", "average", "share", "range", "count", "change", "p", "text", "empty"]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class TableCell:
    """One cell.

    Attributes:
        kind: "value": a metric or another bare number; "gain": a gain in percent, in brackets; "average": a mean of
            gains, or a gain without brackets; "share": a percentage; "range": from a value to another; "count": a
            number of things; "change": a difference with its sign; "p": a p-value; "text": words; "empty": nothing.
        value: unrounded; None where there is none.
        std: standard deviation over seeds; None where there is none.
        seeds: runs behind it.
        planned: runs that were to be behind it; where they are more than `seeds`, both are shown.
        best: whether it is marked as best.
        text: of a text cell.
        digits: decimals of a value, a share, a range or a change.
        high: where a range ends; its start is the value.
        mark: raised behind a value; the table's lines explain it.
        of: data set, backbone, row and K of the cell whose runs are behind it; None where there is no single one.
    """

    kind: Kind
    value: float | None = None
    std: float | None = None
    seeds: int = 1
    planned: int = 1
    best: bool = False
    text: str = ""
    digits: int = 4
    high: float = 0.0
    mark: str = ""
    of: tuple[str, str, str, int | None] | None = None


EMPTY = TableCell("empty")


@dataclass(frozen=True)
class ColumnGroup:
    """Columns under one heading."""

    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One line: a label and the cells of all columns, group after group."""

    label: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True)
class RowGroup:
    """Lines that belong together, under one or more titles (data set, backbone, ...)."""

    titles: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: in LaTeX.
        groups: row groups, all with equally many titles.
        protocol: lines that end the table: how its numbers were made, and what is missing.
        fields: columns of the tidy records.
        records: one per value, unrounded.
        heading: of the lines' labels, where a format shows one.
    """

    name: str
    title: str
    caption: str
    columns: tuple[ColumnGroup, ...]
    groups: tuple[RowGroup, ...]
    protocol: tuple[str, ...]
    fields: tuple[str, ...]
    records: tuple[Record, ...]
    heading: str = "Row"


def compact(table: Table) -> Table:
    """The same table with its column groups below each other, for narrow terminals."""
    if len(table.columns) < 2 or len({group.columns for group in table.columns}) > 1:
        return table
    width = len(table.columns[0].columns)
    groups = []
    for group in table.groups:
        for place, columns in enumerate(table.columns):
            lines = tuple(replace(line, cells=line.cells[place * width : (place + 1) * width]) for line in group.lines)
            lines = tuple(line for line in lines if any(cell != EMPTY for cell in line.cells))
            if lines:
                groups.append(RowGroup((*group.titles, columns.title), lines))
    return replace(table, columns=(ColumnGroup("", table.columns[0].columns),), groups=tuple(groups))
