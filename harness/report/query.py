"""The answer to a query as a table."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from ..store.sql import Answer
from .table import ColumnGroup, Line, RowGroup, Table, TableCell


def answer_table(answer: Answer) -> Table:
    """A table of an answer; its first column is the lines' labels."""
    first, *others = answer.columns or ("",)
    lines = tuple(
        Line(_words(line[0]), tuple(TableCell("text", text=_words(value)) for value in line[1:]))
        for line in answer.lines
    )
    return Table(
        name="sql",
        title="sql",
        caption="Stored results",
        columns=(ColumnGroup(first, tuple(others)),),
        groups=(RowGroup((), lines),) if lines else (),
        protocol=() if lines else ("No lines.",),
        fields=answer.columns,
        records=tuple(dict(zip(answer.columns, map(_plain, line), strict=True)) for line in answer.lines),
        heading=first,
    )


def _words(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """A value as in JSON: text where that has no other form."""
    if isinstance(value, Decimal):
        return float(value)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return [_plain(inner) for inner in value] if isinstance(value, list) else str(value)
