"""What difference a suite can detect against each reference, and how many seeds and test rows a difference takes.

The variances behind it are those of the paired difference (`crossed.py`): between users, between seeds, and what is
left. They say what the errors over users and over seeds will be with other numbers of either. The tests are those of
the significance table, uncorrected, and the one over users and seeds at once. Few seeds tell their own spread badly,
so that between seeds it is the mean of the rows that have one data set, backbone and reference.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .compare import Place, row_against
from .crossed import Difference, UserShares, paired_difference, user_shares
from .intervals import CONFIDENCE, POWER, detectable
from .paired_rows import Floats
from .ranks import metric_of_ranks
from .resultset import CellResults, ResultSet

_MOST = 10**9
"""Seeds, users or rows; more are called none."""
_NODES = 200
"""Of the distribution of an error over seeds."""


@dataclass(frozen=True)
class Components:
    """Variances of a paired difference: of users, of seeds, and of what is left of one user under one seed."""

    users: float
    seeds: float
    rest: float

    def over_users(self, users: int, seeds: int) -> float:
        """The error over users of a mean of so many."""
        return math.sqrt((self.users + self.rest / seeds) / users)

    def over_seeds(self, users: int, seeds: int) -> float:
        """The same over seeds."""
        return math.sqrt((self.seeds + self.rest / users) / seeds)


@dataclass(frozen=True)
class Resolution:
    """A row against its reference: what the suite detects, in percent of the reference, and what a difference takes.

    Attributes:
        stored: seeds that the prediction is from.
        seeds: of the suite.
        rows: test rows.
        over_users: smallest difference that is found with a probability of 80% over users, the runs as they are.
        over_seeds: the same over seeds, the users as they are.
        over_both: the same over users and seeds at once.
        rows_users: test rows that the difference asked for takes over users; None where no number is enough.
        seeds_seeds: seeds that it takes over seeds.
        seeds_both: seeds that it takes over both with the suite's rows.
        rows_both: rows that it takes over both with the suite's seeds.
    """

    row: CellResults
    against: CellResults
    stored: int
    seeds: int
    rows: int
    over_users: float
    over_seeds: float
    over_both: float
    rows_users: int | None
    seeds_seeds: int | None
    seeds_both: int | None
    rows_both: int | None


@dataclass(frozen=True)
class Resolutions:
    """Those of a suite.

    Attributes:
        unknown: rows of which too little is stored: fewer than two seeds beside the reference's.
        without: rows whose stored seeds have no spread in percent of the reference: it scores zero, the difference
            does not vary, or the two were tested on other rows.
    """

    metric: str
    rows: tuple[Resolution, ...]
    unknown: tuple[CellResults, ...]
    without: tuple[CellResults, ...]


def resolutions(results: ResultSet, asked: float) -> Resolutions:
    """What the suite detects of each row, and what a difference of `asked` percent takes.

    Raises:
        StoreError: the rows of a trial cannot be read.
    """
    metric = metric_of_ranks(results)
    cells = {cell.place: cell for cell in results.models().cells}

    @cache
    def shares_of(place: Place) -> UserShares | None:
        return user_shares(cells[place], results.store, metric)

    found: list[tuple[CellResults, CellResults, int, Difference]] = []
    unknown, without = [], []
    for cell in cells.values():
        other = row_against(cell, cells.values())
        if other is None or cell.unsupported or other.unsupported:
            continue
        ours, theirs = shares_of(cell.place), shares_of(other.place)
        difference = None if ours is None or theirs is None else paired_difference(ours, theirs)
        if len({run.spec.seed for run in cell.runs} & {run.spec.seed for run in other.runs}) < 2:
            unknown.append(cell)
        elif ours is None or difference is None or difference.p is None or not other.stats[metric].mean:
            without.append(cell)
        else:
            found.append((cell, other, len(ours.users), difference))
    together: dict[tuple[str, str, str], list[Difference]] = {}
    for cell, other, _, each in found:
        together.setdefault((cell.dataset, cell.backbone, other.strategy), []).append(each)
    return Resolutions(
        metric,
        tuple(
            _resolution(
                cell,
                other,
                rows,
                each,
                metric,
                components_of(each, together[cell.dataset, cell.backbone, other.strategy]),
                asked=asked,
            )
            for cell, other, rows, each in found
        ),
        tuple(unknown),
        tuple(without),
    )


def components_of(difference: Difference, beside: Sequence[Difference]) -> Components:
    """The variances of a difference; that of seeds is the mean of those beside it, its own among them."""
    return Components(
        users=max(difference.per_user - difference.rest / difference.seeds, 0.0),
        seeds=float(np.mean([max(one.per_seed - one.rest / one.users, 0.0) for one in beside])),
        rest=difference.rest,
    )


def power_over_both(parts: Components, users: int, seeds: int, difference: float) -> float:
    """The probability that a true difference is found over users and seeds at once."""
    from scipy.special import ndtr, stdtrit

    quantile = (1 + CONFIDENCE) / 2
    of_users = stdtrit(users - 1, quantile) * parts.over_users(users, seeds)
    drawn = parts.over_seeds(users, seeds) ** 2 * _spreads(seeds - 1)  # squared errors over seeds
    limit = np.sqrt(of_users**2 + stdtrit(seeds - 1, quantile) ** 2 * drawn)
    spread = math.sqrt(parts.users / users + parts.seeds / seeds + parts.rest / (users * seeds))
    return float((ndtr((difference - limit) / spread) + ndtr((-difference - limit) / spread)).mean())


def _resolution(
    cell: CellResults,
    other: CellResults,
    rows: int,
    found: Difference,
    metric: str,
    parts: Components,
    *,
    asked: float,
) -> Resolution:
    base = other.stats[metric].mean
    assert base  # noqa: S101 - those of another are left out
    users, seeds, wanted = found.users, max(len(cell.seeds), 2), asked / 100 * base

    def over_users(count: int) -> bool:
        return detectable(parts.over_users(count, seeds), count - 1) <= wanted

    def over_seeds(count: int) -> bool:
        return detectable(parts.over_seeds(users, count), count - 1) <= wanted

    def over_both(count: int) -> bool:
        return power_over_both(parts, count, seeds, wanted) >= POWER

    return Resolution(
        cell,
        other,
        found.seeds,
        len(cell.seeds),
        rows,
        over_users=100 / base * detectable(parts.over_users(users, seeds), users - 1),
        over_seeds=100 / base * detectable(parts.over_seeds(users, seeds), seeds - 1),
        over_both=100 / base * _detected(parts, users, seeds),
        rows_users=rows_of(_least(over_users), rows, users),
        seeds_seeds=_least(over_seeds),
        seeds_both=_least(lambda count: power_over_both(parts, users, count, wanted) >= POWER),
        rows_both=rows_of(_least(over_both), rows, users),
    )


def rows_of(count: int | None, rows: int, users: int) -> int | None:
    """The test rows of so many users, as many each as `users` have in `rows`, rounded up."""
    return None if count is None else -(-count * rows // users)


def _detected(parts: Components, users: int, seeds: int) -> float:
    """The smallest difference that is found over both with the probability `POWER`."""
    from scipy.optimize import brentq

    high = 2 * (parts.over_users(users, seeds) + parts.over_seeds(users, seeds))
    while power_over_both(parts, users, seeds, high) < POWER:
        high *= 2
    return float(brentq(lambda value: power_over_both(parts, users, seeds, value) - POWER, 0.0, high, rtol=1e-4))


def _least(enough: Callable[[int], bool]) -> int | None:
    """The smallest number from 2 on that is enough, if more are enough as well; None if none is."""
    numbers = range(2, _MOST + 1)
    at = bisect_left(numbers, True, key=enough)
    return numbers[at] if at < len(numbers) else None


@cache
def _spreads(freedom: int) -> Floats:
    """A sample's variance over the true one, evenly over its distribution."""
    from scipy.special import chdtri

    return np.asarray(chdtri(freedom, 1 - (np.arange(_NODES) + 0.5) / _NODES) / freedom)
