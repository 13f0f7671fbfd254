"""Cells as words; the one place that rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..table import TableCell


@dataclass(frozen=True)
class Marks:
    """How a format writes what is not a number.

    Attributes:
        plus_minus: between mean and standard deviation.
        bold: wraps the best.
        escape: makes any text safe.
        minus: before a negative number.
        less: before a number that is not reached.
        raised: writes a mark behind a value.
    """

    up: str
    down: str
    plus_minus: str
    percent: str
    bold: Callable[[str], str]
    escape: Callable[[str], str]
    minus: str = "-"
    less: str = "<"
    raised: Callable[[str], str] = str


def cell_words(cell: TableCell, marks: Marks, *, spread: bool) -> str:
    """A cell as a format shows it; `spread` adds standard deviations."""
    if cell.kind == "text":
        return marks.escape(cell.text)
    if cell.kind == "empty":
        return ""
    if cell.value is None:
        return f"{cell.seeds}/{cell.planned}"
    if cell.kind == "plain":
        return f"{cell.value:.2f}"
    if cell.kind == "count":
        return f"{cell.value:,.0f}"
    if cell.kind == "p":
        return f"{marks.less}0.001" if cell.value < 0.001 else f"{cell.value:.3f}"
    if cell.kind == "change":
        return _change(cell.value, marks, cell.digits)
    if cell.kind == "range":
        return f"{_signed(cell.value, marks, cell.digits)}..{_signed(cell.high, marks, cell.digits)}"
    if cell.kind == "share":
        return f"{_signed(cell.value, marks, cell.digits)}{marks.percent}"
    words = _value(cell, marks, spread=spread) if cell.kind == "value" else _gain(cell.value, marks)
    if cell.kind == "gain":
        words = f"({words})"
    nothing = cell.kind != "value" and f"{abs(cell.value):.2f}" == "0.00"
    return (marks.bold(words) if cell.best and not nothing else words) + (marks.raised(cell.mark) if cell.mark else "")


def _value(cell: TableCell, marks: Marks, *, spread: bool) -> str:
    words = f"{cell.value:.{cell.digits}f}"
    if spread and cell.std is not None:
        words += f"{marks.plus_minus}{cell.std:.{cell.digits}f}"
    if cell.seeds < cell.planned:
        words += f" ({cell.seeds}/{cell.planned})"
    return words


def _gain(value: float, marks: Marks) -> str:
    size = f"{abs(value):.2f}"
    arrow = "" if float(size) == 0 else marks.up if value > 0 else marks.down
    return f"{arrow}{size}{marks.percent}"


def _signed(value: float, marks: Marks, digits: int) -> str:
    size = f"{abs(value):.{digits}f}"
    return f"{marks.minus if value < 0 and float(size) else ''}{size}"


def _change(value: float, marks: Marks, digits: int) -> str:
    size = f"{abs(value):,.{digits}f}"
    nothing = not float(size.replace(",", ""))
    return "0" if nothing else f"{marks.minus if value < 0 else '+'}{size}"
