"""Means over seeds, improvements and the best rows: one rule for our results and for the paper's printed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..records.results import Metrics, TrialSummary
from .resultset import CellResults, ResultSet, Row

METRICS = ("ndcg@10", "ndcg@20", "recall@10", "recall@20")
"""The four metrics of the paper's tables, in their order."""

AVERAGE = "avg"

AnyRow = TypeVar("AnyRow", bound=Row)
"""Rows of one kind: a measured row is compared with measured rows, a stored one with stored ones."""


@dataclass(frozen=True)
class Stat:
    """One metric over seeds.

    Attributes:
        mean: of the done runs; None without any.
        std: between seeds (n - 1); None for fewer than two.
        seeds: number of runs behind it, of `planned`.
    """

    mean: float | None
    std: float | None
    seeds: int
    planned: int

    @property
    def complete(self) -> bool:
        """Whether every planned run is done."""
        return self.seeds == self.planned > 0


@dataclass(frozen=True, kw_only=True)
class Measured(Row):
    """One row with its stats per metric, before it is compared."""

    stats: Mapping[str, Stat]


@dataclass(frozen=True)
class Compared:
    """One row of a comparison.

    Attributes:
        against: the row it is compared with, if any.
        improvements: per metric in percent of that row, unrounded; empty without it.
        average: mean of the four unrounded improvements; None unless all four exist.
        best: metrics (and "avg") in which no row of the same data set and backbone is better.
    """

    row: Measured
    against: Measured | None
    improvements: Mapping[str, float]
    average: float | None
    best: frozenset[str]


def stat(values: Sequence[float], *, planned: int) -> Stat:
    """Mean and standard deviation of the done runs."""
    n = len(values)
    if n == 0:
        return Stat(None, None, 0, planned)
    mean = math.fsum(values) / n
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else None
    return Stat(mean, std, n, planned)


def stats_of(cell: CellResults, metrics_of: Callable[[TrialSummary], Metrics]) -> dict[str, Stat]:
    """The four metrics over a cell's final runs; `metrics_of` picks a run's metrics, such as its readout's on test."""
    by_run = [metrics_of(run) for run in cell.runs]
    return {name: stat([metrics[name] for metrics in by_run], planned=len(cell.seeds)) for name in METRICS}


def measure(results: ResultSet) -> tuple[Measured, ...]:
    """The readout's test metrics of every cell."""
    return tuple(
        Measured(
            dataset=cell.dataset,
            backbone=cell.backbone,
            strategy=cell.strategy,
            against=cell.against,
            steps=cell.steps,
            stats=stats_of(cell, lambda run: run.test or {}),
            unsupported=cell.unsupported,
            is_baseline=cell.is_baseline,
        )
        for cell in results.cells
    )


def compare(rows: Sequence[Measured]) -> tuple[Compared, ...]:
    """Each row against the one that its `against` names, and the best of each data set, backbone and metric.

    Only rows whose planned runs are all done can be best: a mean over only the seeds that succeeded would be biased.
    """
    others = [row_against(row, rows) for row in rows]
    gains = [
        improvements(row.stats, other.stats) if other is not None else {}
        for row, other in zip(rows, others, strict=True)
    ]
    averages = [_average(gain) for gain in gains]
    best: list[set[str]] = [set() for _ in rows]
    for places in _together(rows):
        for metric in METRICS:
            means = {place: rows[place].stats[metric] for place in places}
            full = {place: stat.mean for place, stat in means.items() if stat.complete and stat.mean is not None}
            _mark(best, metric, full, min_rows=2)
        full = {
            place: average
            for place in places
            if (average := averages[place]) is not None and average > 0 and _complete(rows[place], others[place])
        }
        _mark(best, AVERAGE, full, min_rows=1)
    return tuple(
        Compared(row, other, gain, average, frozenset(marks))
        for row, other, gain, average, marks in zip(rows, others, gains, averages, best, strict=True)
    )


def row_against(row: AnyRow, rows: Iterable[AnyRow]) -> AnyRow | None:
    """The row that another is compared with; None if it names none or itself, or if that row is missing."""
    return None if row.against in ("", row.strategy) else row_beside(row, row.against, rows)


def row_beside(row: AnyRow, name: str, rows: Iterable[AnyRow]) -> AnyRow | None:
    """The row of a name in the same data set and backbone, and of the same K if there are several."""
    named = [other for other in rows if not other.is_baseline and other.place[:3] == (row.dataset, row.backbone, name)]
    if len(named) > 1:
        named = [other for other in named if other.steps == row.steps]
    return named[0] if len(named) == 1 else None


def percent(value: float | None, against: float | None) -> float | None:
    """(value - against) / against * 100; None if either is missing or `against` is 0."""
    if value is None or not against:
        return None
    return (value - against) / against * 100


def improvements(stats: Mapping[str, Stat], against: Mapping[str, Stat]) -> dict[str, float]:
    """Per metric the mean's gain in percent of the other row's, unrounded, if defined."""
    gains = {name: percent(stats[name].mean, against[name].mean) for name in METRICS}
    return {name: gain for name, gain in gains.items() if gain is not None}


def _average(gains: Mapping[str, float]) -> float | None:
    return math.fsum(gains[name] for name in METRICS) / len(METRICS) if len(gains) == len(METRICS) else None


def _together(rows: Sequence[Measured]) -> list[list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if not row.is_baseline:
            groups.setdefault((row.dataset, row.backbone), []).append(place)
    return list(groups.values())


def _complete(row: Measured, against: Measured | None) -> bool:
    return all(each.stats[name].complete for each in (row, against) if each is not None for name in METRICS)


def _mark(best: list[set[str]], metric: str, values: Mapping[int, float], *, min_rows: int) -> None:
    if len(values) >= min_rows:
        top = max(values.values())
        for place, value in values.items():
            if value == top:
                best[place].add(metric)
