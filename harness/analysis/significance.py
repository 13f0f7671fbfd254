"""Paired tests of each row against the one it is compared with, corrected within a table.

Two tests, as with intervals (`intervals.py`). Over users: each user's mean over its test rows, of the row and of
the one it is compared with, averaged over their runs; a paired t-test on these. Over seeds: a paired t-test
on the metrics of runs with the same seed. Rows of one user are not independent, so no test counts rows.

The p-values over users are corrected for the number of comparisons in the table (Holm 1979), because a table of a
hundred differences without any effect shows five at p < 0.05. A user weighs the same in the test however many test
rows it has; in the metric rows weigh the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from .compare import METRICS, Place, Row, percent, row_against
from .intervals import ROUNDING, Interval, cluster_means, detectable_difference, difference_interval, t_interval
from .paired_rows import Floats, PairedRows, paired_rows, same_rows, user_means
from .resultset import ResultSet

LEVEL = 0.05
OVER_USERS, OVER_BOTH = "users", "both"


@dataclass(frozen=True)
class Comparison:
    """One metric of a row against the row that it is compared with.

    Attributes:
        change: mean of the row less that of the other, over rows and runs.
        percent: the same in percent of the other; None if that is 0.
        p_users: of the paired t-test on users' means; None for fewer than two users, or without variance.
        p_holm: the same, corrected for the comparisons of the table.
        p_seeds: of the paired t-test on runs with the same seed; None for fewer than two, or without variance.
        effect: mean over standard deviation of the users' differences (Cohen's d_z); None if they do not vary.
        users: number of users.
        seeds: number of seeds that both have.
        complete: whether every planned run of both is done.
        users_interval: 95% of the change over users, a cluster bootstrap over rows; None unless asked for.
        seeds_interval: 95% of the change over seeds, Student's t; None for fewer than two.
        detectable_users: smallest difference of users' means found at 80% power without correction.
        detectable_seeds: the same over seeds.
    """

    row: Row
    against: Row
    metric: str
    change: float
    percent: float | None
    p_users: float | None
    p_holm: float | None
    p_seeds: float | None
    effect: float | None
    users: int
    seeds: int
    complete: bool
    users_interval: Interval | None = None
    seeds_interval: Interval | None = None
    detectable_users: float | None = None
    detectable_seeds: float | None = None

    @property
    def mark(self) -> str:
        """`OVER_USERS`, `OVER_BOTH` if seeds differ too, or ""; only complete comparisons have a mark.

        Users' means weigh users alike, the change rows: where the two have different signs, there is no mark either.
        """
        if not self.complete or self.p_holm is None or self.p_holm >= LEVEL or (self.effect or 0.0) * self.change <= 0:
            return ""
        over_seeds = self.p_seeds is not None and self.p_seeds < LEVEL
        return OVER_BOTH if over_seeds else OVER_USERS


@dataclass(frozen=True)
class Significance:
    """The comparisons of a table.

    Attributes:
        comparisons: in the order of the rows, four metrics each.
        unpaired: rows that cannot be paired: they were tested on other rows than the compared ones.
    """

    comparisons: tuple[Comparison, ...]
    unpaired: tuple[Row, ...]

    @property
    def tests(self) -> int:
        """How many p-values over users are corrected together."""
        return sum(comparison.p_users is not None for comparison in self.comparisons)

    def marks(self) -> Mapping[tuple[Place, str], str]:
        """(a row's place, metric) to its mark, if any."""
        return {(each.row.place, each.metric): each.mark for each in self.comparisons if each.mark}


def significance(results: ResultSet, *, intervals: bool = True) -> Significance:
    """Every row of a suite against the one that it names; without `intervals` much faster.

    Raises:
        StoreError: the rows of a trial cannot be read.
    """
    cells = {cell.place: cell for cell in results.cells}

    @cache
    def rows_of(place: Place) -> PairedRows | None:
        return paired_rows(cells[place], results.store)

    comparisons: list[Comparison] = []
    unpaired: list[Row] = []
    for row in results.cells:
        other = row_against(row, results.cells)
        if other is None or not row.runs or not other.runs:
            continue
        ours, theirs = rows_of(row.place), rows_of(other.place)
        if ours is None or theirs is None or not same_rows(ours, theirs):
            unpaired.append(row)
        else:
            comparisons += _compare(row, other, ours, theirs, intervals=intervals)
    return Significance(tuple(_corrected(comparisons)), tuple(unpaired))


def paired_test(differences: Sequence[float] | Floats) -> float | None:
    """The p-value of the two-sided paired t-test that the mean difference is zero.

    None for fewer than two, and where they are all equal up to rounding: without variance there is no test.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2 or not np.isfinite(values).all() or _alike(values):
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(values, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down procedure."""
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, alpha=LEVEL, method="holm")[1]]


def effect_size(differences: Floats) -> float | None:
    """Cohen's d of paired differences: their mean over their standard deviation; None if they do not vary."""
    if len(differences) < 2 or _alike(differences):
        return None
    return float(differences.mean() / differences.std(ddof=1))


def _alike(differences: Floats) -> bool:
    """Whether differences vary by no more than the rounding of metrics, which are between 0 and 1."""
    return bool(np.ptp(differences) <= ROUNDING)


def _compare(row: Row, against: Row, ours: PairedRows, theirs: PairedRows, *, intervals: bool) -> list[Comparison]:
    change = ours.gains - theirs.gains  # (R, metrics)
    by_user = user_means(change, ours.users)  # (users, metrics)
    shared = [seed for seed in ours.by_seed if seed in theirs.by_seed]
    by_seed = np.array([ours.by_seed[seed] - theirs.by_seed[seed] for seed in shared]).reshape(-1, len(METRICS))
    resampled = cluster_means(change, ours.users) if intervals else None
    comparisons = []
    for at, metric in enumerate(METRICS):
        first, second = row.stats[metric], against.stats[metric]
        assert first.mean is not None and second.mean is not None  # noqa: S101 - both have runs
        comparison = Comparison(
            row=row,
            against=against,
            metric=metric,
            change=first.mean - second.mean,
            percent=percent(first.mean, second.mean),
            p_users=paired_test(by_user[:, at]),
            p_holm=None,
            p_seeds=paired_test(by_seed[:, at]),
            effect=effect_size(by_user[:, at]),
            users=len(by_user),
            seeds=len(shared),
            complete=first.complete and second.complete,
        )
        if resampled is not None:
            comparison = replace(
                comparison,
                users_interval=difference_interval(resampled[:, at]),
                seeds_interval=t_interval(by_seed[:, at].tolist()),
                detectable_users=detectable_difference(by_user[:, at].tolist()),
                detectable_seeds=detectable_difference(by_seed[:, at].tolist()),
            )
        comparisons.append(comparison)
    return comparisons


def _corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    corrected = iter(holm([each.p_users for each in comparisons if each.p_users is not None]))
    return [each if each.p_users is None else replace(each, p_holm=next(corrected)) for each in comparisons]
