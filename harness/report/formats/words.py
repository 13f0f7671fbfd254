"""Cells as words; the one place that rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...utils.text import fixed
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
    if cell.kind == "count":
        return fixed(cell.value, 0, minus=marks.minus, group=",")
    if cell.kind == "p":
        return f"{marks.less}0.001" if cell.value < 0.001 else f"{cell.value:.3f}"
    if cell.kind == "change":
        return fixed(cell.value, cell.digits, plus="+", minus=marks.minus, group=",") + _mark(cell, marks)
    if cell.kind == "range":
        return "..".join(fixed(end, cell.digits, minus=marks.minus) for end in (cell.value, cell.high))
    if cell.kind == "share":
        return f"{fixed(cell.value, cell.digits, minus=marks.minus)}{marks.percent}"
    words = _value(cell, cell.value, marks, spread=spread) if cell.kind == "value" else _gain(cell.value, marks)
    if cell.kind == "gain":
        words = f"({words})"
    nothing = cell.kind != "value" and fixed(cell.value, 2) == "0.00"
    return (marks.bold(words) if cell.best and not nothing else words) + _mark(cell, marks)


def _mark(cell: TableCell, marks: Marks) -> str:
    return marks.raised(cell.mark) if cell.mark else ""


def _value(cell: TableCell, value: float, marks: Marks, *, spread: bool) -> str:
    words = fixed(value, cell.digits, minus=marks.minus)
    if spread and cell.std is not None:
        words += f"{marks.plus_minus}{cell.std:.{cell.digits}f}"
    if cell.seeds < cell.planned:
        words += f" ({cell.seeds}/{cell.planned})"
    return words


def _gain(value: float, marks: Marks) -> str:
    return f"{fixed(value, 2, plus=marks.up, minus=marks.down)}{marks.percent}"
