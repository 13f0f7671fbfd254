"""One comparison of what a table prints with what it may print, and the names of the constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from .cells import Cell
from .numbers import Interval, View, rounded

GROWTH, NDCG, MRR, BOTH = "cut-offs grow", "NDCG in recall", "MRR in recall", "NDCG and MRR"
HITS, SPREAD, GAINS, AVERAGES = "whole hits", "deviations", "improvements", "averages"
BOLD, UNDERLINED, SAME = "bold", "underlined", "same row"
ONE_TARGET = (NDCG, MRR, BOTH)
"""What holds with one target a test row, and not with several."""
RULES = (GROWTH, NDCG, MRR, BOTH, HITS, SPREAD, GAINS, AVERAGES, BOLD, UNDERLINED, SAME)

NO_ROWS, NO_SEEDS = "without a number of rows (--rows)", "without a number of runs (--seeds)"
BY_FALL = "that follow from a cell that falls"
NO_UNIT, NO_GRID = "that may be fractions or percent", "whose rounding hides more than a hit"

Sides = tuple[Interval, Interval]
"""A value, and what it may be."""


@dataclass(frozen=True)
class Check:
    """A comparison.

    Attributes:
        rule: the constraint.
        cell: the one that is named where it fails.
        words: the arithmetic, or what gives it where that takes time.
        sides: of what the printed numbers stand for.
        unit: of both, where it is not the cell's.
        says: whether the words end with what is allowed; otherwise they say it already.
        instead: of growth, its two cells and what they may be if one of them is wrong.
    """

    rule: str
    cell: Cell
    words: str | Callable[[], str]
    sides: Callable[[View], Sides]
    unit: str | None = None
    says: bool = True
    instead: tuple[tuple[Cell, Interval], ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """What a constraint could not look at, and why."""

    rule: str
    why: str


class Fallen:
    """Cells where a metric falls with its cut-off; what would hold with other numbers there follows from the fall."""

    def __init__(self) -> None:
        self._instead: dict[int, Interval] = {}

    def add(self, fall: Check) -> None:
        """Take in what the two cells of a fall may be instead."""
        for cell, other in fall.instead:
            near = self._instead.get(id(cell.number), rounded(cell.number))
            self._instead[id(cell.number)] = Interval(min(near.low, other.low), max(near.high, other.high))

    def explains(self, check: Check) -> bool:
        """Whether a constraint on a row that fails holds with other numbers in those cells."""
        if check.rule not in (GROWTH, *ONE_TARGET) or not self._instead:
            return False
        value, allowed = check.sides(lambda number: self._instead.get(id(number), rounded(number)))
        return not value.gap(allowed)


Found = Iterator[Check | LeftOut]


def nearest(value: Interval, possible: list[Interval]) -> Sides:
    """A value, and what of the possible ones is nearest to it."""
    return value, min(possible, key=value.gap)


def at_least(value: Interval, least: Fraction) -> Sides:
    """A value that has no upper bound."""
    return value, Interval(least, max(least, value.high))
