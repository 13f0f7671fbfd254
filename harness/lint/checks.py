"""One comparison of what a table prints with what it may print, and the names of the constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from .cells import Cell
from .numbers import Interval, View

GROWTH, NDCG, MRR, BOTH = "cut-offs grow", "NDCG in recall", "MRR in recall", "NDCG and MRR"
HITS, SPREAD, GAINS, AVERAGES = "whole hits", "deviations", "improvements", "averages"
BOLD, UNDERLINED, SAME = "bold", "underlined", "same row"
ONE_TARGET = (NDCG, MRR, BOTH)
"""What holds with one target a test row, and not with several."""
RULES = (GROWTH, NDCG, MRR, BOTH, HITS, SPREAD, GAINS, AVERAGES, BOLD, UNDERLINED, SAME)

NO_ROWS, NO_SEEDS = "without a number of rows (--rows)", "without a number of runs (--seeds)"
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
    """

    rule: str
    cell: Cell
    words: str | Callable[[], str]
    sides: Callable[[View], Sides]
    unit: str | None = None
    says: bool = True


@dataclass(frozen=True)
class LeftOut:
    """What a constraint could not look at, and why."""

    rule: str
    why: str


Found = Iterator[Check | LeftOut]


def nearest(value: Interval, possible: list[Interval]) -> Sides:
    """A value, and what of the possible ones is nearest to it."""
    return value, min(possible, key=value.gap)


def at_least(value: Interval, least: Fraction) -> Sides:
    """A value that has no upper bound."""
    return value, Interval(least, max(least, value.high))
