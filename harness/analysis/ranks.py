"""The rank of each row on each data set with its interval, the groups that cannot be told apart, and average ranks.

Every two rows of a data set are tested over users and seeds (`crossed.py`), corrected by Holm for all pairs of the
table. A row's rank lies between 1 + the rows that are significantly better and n - those significantly worse, for all
rows at once with a confidence of 95% (Holm's simultaneous intervals for ranks). Groups are the largest sets of rows of
which no two differ: a compact letter display (Piepho 2004).

Over data sets: Friedman's test of the ranks and Nemenyi's critical difference of average ranks (Demšar 2006).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .compare import METRICS, Place
from .crossed import UserShares, paired_difference, user_shares
from .resultset import CellResults, ResultSet
from .significance import LEVEL, holm

USUAL = "ndcg@20"
"""The metric of ranks where the one that validation chose by has no columns in tables."""

Pairs = set[tuple[int, int]]
"""(better, worse) by their places in a sequence."""


@dataclass(frozen=True)
class Ranked:
    """A row of one data set.

    Attributes:
        rank: 1 + the rows with a better mean.
        low: 1 + the rows that are significantly better.
        high: the number of rows, less those significantly worse.
        groups: numbers of the groups that it belongs to.
    """

    row: CellResults
    mean: float
    rank: int
    low: int
    high: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class AverageRank:
    """A row over data sets: its place without the data set, the mean of its ranks (ties share theirs), its groups."""

    place: tuple[str, str, int | None]
    rank: float
    groups: tuple[int, ...]


@dataclass(frozen=True)
class AcrossDatasets:
    """Rows that are ranked on every data set, the best first.

    Attributes:
        rows: empty where there are too few data sets.
        p: of Friedman's test.
        difference: Nemenyi's critical one of average ranks.
        datasets: how many there are, of those `needed` at least for any two rows to differ.
        ranked: how many rows there are on all of them.
    """

    rows: tuple[AverageRank, ...]
    p: float | None
    difference: float | None
    datasets: int
    needed: int
    ranked: int


@dataclass(frozen=True)
class Ranks:
    """The ranks of a suite.

    Attributes:
        datasets: data set to its rows, the best first; only those with two rows or more.
        tests: pairs that were tested.
        untested: pairs that could not be: tested on different rows, or with fewer than two seeds in common.
    """

    metric: str
    datasets: Mapping[str, tuple[Ranked, ...]]
    tests: int
    untested: int
    across: AcrossDatasets | None


def rank_rows(results: ResultSet) -> Ranks:
    """The ranks of the rows whose every run is done; baselines have none, and a row on its own backbone has one.

    Raises:
        StoreError: the rows of a trial cannot be read.
    """
    metric = metric_of_ranks(results)
    cells: dict[str, list[CellResults]] = {}
    for cell in results.models().once().cells:
        if cell.runs and cell.stats[metric].complete:
            cells.setdefault(cell.dataset, []).append(cell)
    cells = {name: sorted(here, key=lambda cell: -_mean(cell, metric)) for name, here in cells.items() if len(here) > 1}
    tested: list[tuple[str, int, int, float, float]] = []
    untested = 0
    for name, here in cells.items():
        shares = [user_shares(cell, results.store, metric) for cell in here]
        for first, second in combinations(range(len(here)), 2):
            mean, p = _tested(shares[first], shares[second])
            untested += p is None
            if p is not None:
                tested.append((name, first, second, mean, p))
    corrected = holm([p for *_, p in tested])
    differ: dict[str, Pairs] = {name: set() for name in cells}
    for (name, first, second, mean, _), p in zip(tested, corrected, strict=True):
        if p < LEVEL:
            differ[name].add((first, second) if mean > 0 else (second, first))
    datasets = {name: _ranked(here, metric, differ[name]) for name, here in cells.items()}
    return Ranks(metric, datasets, len(tested), untested, _across(datasets))


def metric_of_ranks(results: ResultSet) -> str:
    """The metric that validation chose by, or `USUAL`."""
    chosen = {run.spec.metric for cell in results.models().cells for run in cell.runs}
    return chosen.pop() if len(chosen) == 1 and chosen <= set(METRICS) else USUAL


def letter_groups(count: int, differ: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """The largest sets of 0 to count - 1 that hold no pair of `differ`: insert and absorb (Piepho 2004)."""
    sets = [frozenset(range(count))]
    for pair in differ:
        split = [part for held in sets for part in ([held - {one} for one in pair] if held >= set(pair) else [held])]
        sets = [part for part in dict.fromkeys(split) if not any(part < other for other in split)]
    return sorted(tuple(sorted(part)) for part in sets)


def critical_difference(rows: int, datasets: int) -> float:
    """Nemenyi's, of average ranks at `LEVEL`."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - LEVEL, rows, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(rows * (rows + 1) / (6 * datasets))


def _tested(first: UserShares | None, second: UserShares | None) -> tuple[float, float | None]:
    difference = None if first is None or second is None else paired_difference(first, second)
    return (0.0, None) if difference is None else (difference.mean, difference.p)


def _mean(cell: CellResults, metric: str) -> float:
    mean = cell.stats[metric].mean
    assert mean is not None  # noqa: S101 - it has runs
    return mean


def _ranked(cells: Sequence[CellResults], metric: str, differ: Pairs) -> tuple[Ranked, ...]:
    means = [_mean(cell, metric) for cell in cells]
    groups = letter_groups(len(cells), sorted(differ))
    return tuple(
        Ranked(
            cell,
            mean,
            rank=1 + sum(other > mean for other in means),
            low=1 + sum(worse == at for _, worse in differ),
            high=len(cells) - sum(better == at for better, _ in differ),
            groups=tuple(number for number, group in enumerate(groups) if at in group),
        )
        for at, (cell, mean) in enumerate(zip(cells, means, strict=True))
    )


def _across(datasets: Mapping[str, tuple[Ranked, ...]]) -> AcrossDatasets | None:
    """None for fewer than three rows that all data sets have."""
    means: list[Mapping[Place, float]] = [
        {("", *one.row.place[1:]): one.mean for one in ranked} for ranked in datasets.values()
    ]
    places = [place for place in (means[0] if means else ()) if all(place in other for other in means)]
    if len(places) < 3:
        return None
    furthest = len(places) - 1
    needed = math.floor((critical_difference(len(places), 1) / furthest) ** 2) + 1
    if len(means) < needed:
        return AcrossDatasets((), None, None, len(means), needed, len(places))
    from scipy.stats import friedmanchisquare, rankdata

    scores = np.array([[here[place] for place in places] for here in means])  # (D, rows)
    ranks = rankdata(-scores, axis=1).mean(axis=0)
    difference, p = critical_difference(len(places), len(means)), float(friedmanchisquare(*scores.T).pvalue)
    order = [int(at) for at in np.argsort(ranks, kind="stable")]
    apart = [
        (first, second)
        for first, second in combinations(range(len(order)), 2)
        if p < LEVEL and ranks[order[second]] - ranks[order[first]] > difference
    ]
    groups = letter_groups(len(order), apart)
    rows = tuple(
        AverageRank(places[at][1:], float(ranks[at]), tuple(n for n, group in enumerate(groups) if number in group))
        for number, at in enumerate(order)
    )
    return AcrossDatasets(rows, p, difference, len(means), needed, len(places))
