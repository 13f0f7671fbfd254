"""The cells of a table with what they say: where they stand, which metric they are of, and how they are marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from .metrics import Family, Metric
from .numbers import Printed, printed

_PERCENT = Fraction(1, 100)
_CELL = re.compile(
    r"\(?\s*(?P<sign>[-+−–↑↓]?)\s*(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<percent>%?)"
    r"(?:\s*(?:±|\+/-)\s*(?P<spread>\d*\.\d+)\s*%?)?\s*(?P<arrow>[↑↓]?)\s*\)?[\s*†‡§]*"
)
_BESIDE = re.compile(r"(?<=[\d*†‡§%])\s*(?:\(\s*[-+−–↑↓]\s*[\d.]+\s*%\s*[↑↓]?\s*\)|[+↑↓]\s*[\d.]+\s*%)$")
_SIGNS = {**dict.fromkeys("-−–↓", "-"), **dict.fromkeys("+↑", "+")}
NOTHING = {"", "-", "–", "—", "--", "---", "n/a", "na", "nan", "none", "/", "null", "\\"}
"""What a cell without a number holds."""


@dataclass(frozen=True)
class Text:
    """The words of a cell, without marks."""

    words: str
    bold: bool = False
    underlined: bool = False


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        table: the file it is from.
        where: what its columns and rows are called, but the row itself and the metric: data set, backbone and so on.
        row: what is compared with others: a method.
        block: lines of one number stand between the same rules.
        line: of the table, from 0, or its column where rows of the comparison are columns.
        metric: None for an average over metrics.
        kind: "value", or "gain": of the row, in percent.
        unit: "fraction", "percent", or "" where the table does not say which; of a gain only the last two.
        spread: a standard deviation over seeds, if it is said to be one.
        seeds: runs behind it; None if not said.
        signed: whether a sign or an arrow is printed.
        own_gain: a gain that stands beside the value that it is of; else it is of one before it.
    """

    table: str
    where: tuple[str, ...]
    row: str
    block: int
    line: int
    metric: Metric | None
    kind: Literal["value", "gain"]
    number: Printed
    unit: str = ""
    spread: Printed | None = None
    seeds: int | None = None
    bold: bool = False
    underlined: bool = False
    signed: bool = False
    own_gain: bool = False

    def __str__(self) -> str:
        return f"{self.number.text}{'%' if self.kind == 'gain' or self.unit == 'percent' else ''}"

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return "  ".join(dict.fromkeys([*filter(None, self.where), self.row, str(self.metric or "average")]))


@dataclass
class Reading:
    """What was read of tables: cells, and how many were left out, by reason."""

    cells: list[Cell] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Content:
    """The number of a cell, and what is printed beside it."""

    number: Printed
    percent: bool
    spread: Printed | None
    signed: bool
    gain_beside: bool = False


def content(words: str) -> Content | None:
    """What a cell holds; None if it is not one number, with its spread and marks, maybe with a gain beside it."""
    words = " ".join(words.split())
    alone = _BESIDE.sub("", words)
    found = _CELL.fullmatch(alone)
    if found is None:
        return None
    sign = found["sign"] or (found["arrow"] if found["percent"] else "")
    number = printed(_SIGNS.get(sign, "") + found["number"])
    spread = printed(found["spread"]) if found["spread"] else None
    return Content(number, bool(found["percent"]), spread, bool(sign), alone != words) if number else None


def in_fractions(cells: Iterable[Cell], percent: Collection[Family], *, maybe: bool) -> list[Cell]:
    """The values of one table as fractions of one, each family of metrics by its own numbers.

    A family is in percent if a number is above 1 or has its sign (`percent`); it is a fraction if no number of the
    table is, and the text around the table speaks of no percentage (`maybe`). Otherwise its unit stays unknown.
    """
    cells = list(cells)
    highest: dict[Family, Fraction] = {}
    for cell in cells:
        if cell.kind == "value" and cell.metric:
            family = cell.metric.family
            highest[family] = max(highest.get(family, cell.number.value), cell.number.value)
    sure = {family for family, top in highest.items() if top <= 100 and (top > 1 or family in percent)}
    units = {
        family: "percent" if family in sure else "" if top > 1 or sure or maybe else "fraction"
        for family, top in highest.items()
    }
    return [_in_unit(cell, units) for cell in cells]


def _in_unit(cell: Cell, units: Mapping[Family, str]) -> Cell:
    if cell.kind == "gain" or cell.metric is None:
        return cell
    unit = units[cell.metric.family]
    if unit != "percent":
        return replace(cell, unit=unit)
    spread = cell.spread and cell.spread.scaled(_PERCENT)
    return replace(cell, unit=unit, number=cell.number.scaled(_PERCENT), spread=spread)
