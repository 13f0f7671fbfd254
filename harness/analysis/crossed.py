"""Paired differences over users and seeds at once: both are samples, and every user meets every seed.

A difference has an error over users (their means over the seeds) and one over seeds (the metric of each), and their
squares add up. Each has its own degrees of freedom: few seeds tell their spread badly, many users theirs well. The
test is that of Behrens and Fisher, the difference against the sum of the two errors, each times its own Student's t. It
keeps its level whichever of the two prevails, and errs on the safe side.

A user weighs by its test rows, as in the metric, so that the mean of the users' shares is the metric itself.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..store.store import Store
from ..trial.metrics import row_gains
from .intervals import ROUNDING, cluster_sums
from .paired_rows import Floats, same_rows
from .resultset import CellResults

_ENDS, _POINTS = 16.0, 513
"""Of the grid that Student's t is summed on, in units of arsinh."""


@dataclass(frozen=True)
class UserShares:
    """What each user adds to a metric of a cell's runs; U users, S seeds.

    Attributes:
        users: (R,), of the test rows.
        items: (R,), their targets.
        shares: (U, S); the mean over users is the metric of each run.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    shares: Floats
    seeds: tuple[int, ...]

    def of(self, seeds: Collection[int]) -> UserShares:
        """The same of some seeds alone."""
        kept = [at for at, seed in enumerate(self.seeds) if seed in seeds]
        return UserShares(self.users, self.items, self.shares[:, kept], tuple(self.seeds[at] for at in kept))


@dataclass(frozen=True)
class Difference:
    """A paired difference of two cells in a metric.

    Attributes:
        mean: over users and seeds.
        per_user: variance of one user's mean difference over the seeds.
        per_seed: variance of the difference of one run.
        rest: variance of one user under one seed, what user and seed alone do not explain.
    """

    mean: float
    per_user: float
    per_seed: float
    rest: float
    users: int
    seeds: int

    @property
    def p(self) -> float | None:
        """Of the test over users and seeds; None without variance over either."""
        over_users, over_seeds = math.sqrt(self.per_user / self.users), math.sqrt(self.per_seed / self.seeds)
        if min(over_users, over_seeds) <= ROUNDING:
            return None
        return behrens_fisher(self.mean, over_users, over_seeds, self.users - 1, self.seeds - 1)


def user_shares(cell: CellResults, store: Store, metric: str) -> UserShares | None:
    """Of a cell's final runs; None without runs, or where these were tested on other rows."""
    runs = [store.ranks(run.key, "test") for run in cell.runs]
    if not runs or not same_rows(*runs):
        return None
    gains = np.stack([row_gains(run.readout_ranks, metric) for run in runs], axis=1)  # (R, S)
    sums, rows = cluster_sums(gains, runs[0].users)  # (U, S), (U,)
    means = gains.mean(axis=0)
    shares = (sums - rows[:, None] * means) * len(rows) / len(gains) + means
    return UserShares(runs[0].users, runs[0].items, shares, tuple(run.spec.seed for run in cell.runs))


def paired_difference(first: UserShares, second: UserShares) -> Difference | None:
    """The first less the second over the seeds of both.

    None for fewer than two users or seeds, or where the two were tested on other rows.
    """
    seeds = [seed for seed in first.seeds if seed in second.seeds]
    if len(seeds) < 2 or len(first.shares) < 2 or not same_rows(first, second):
        return None
    ours, theirs = ([each.seeds.index(seed) for seed in seeds] for each in (first, second))
    return difference_of(first.shares[:, ours] - second.shares[:, theirs])


def difference_of(values: Floats) -> Difference:
    """The mean of (U, S) differences and their variances."""
    users, seeds = values.shape
    by_user, by_seed, mean = values.mean(axis=1), values.mean(axis=0), float(values.mean())
    rest = values - by_user[:, None] - by_seed + mean
    return Difference(
        mean,
        float(by_user.var(ddof=1)),
        float(by_seed.var(ddof=1)),
        float((rest**2).sum() / ((users - 1) * (seeds - 1))),
        users,
        seeds,
    )


def behrens_fisher(mean: float, first: float, second: float, first_freedom: int, second_freedom: int) -> float:
    """The two-sided p-value that a mean is zero whose error is the sum of two, each with its degrees of freedom."""
    from scipy.special import stdtr

    if first < second:  # the sum is over the smaller one, so that its steps are small beside the other's spread
        first, second, first_freedom, second_freedom = second, first, second_freedom, first_freedom
    values, weights = _student(second_freedom)
    return min(float(2 * weights @ stdtr(first_freedom, (second * values - abs(mean)) / first)), 1.0)


@cache
def _student(freedom: int) -> tuple[Floats, Floats]:
    """Values of Student's t, close together where it is dense, and the probability of each."""
    from scipy.stats import t

    grid = np.linspace(-_ENDS, _ENDS, _POINTS)
    weights = t.pdf(np.sinh(grid), freedom) * np.cosh(grid)
    return np.sinh(grid), weights / weights.sum()
