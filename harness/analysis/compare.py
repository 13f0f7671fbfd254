"""Means over seeds, improvements and the best rows: one rule for our results and for the paper's printed ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..records.results import Metrics

METRICS = ("ndcg@10", "ndcg@20", "recall@10", "recall@20")
"""The four metrics of the paper's tables, in their order."""

AVERAGE = "avg"

_ROUNDING = 1e-12
"""Means that differ by less, or by less of themselves, are equal: only the order of a sum differs."""
_NO_GAIN = 0.005
"""Percent; less is shown as 0.00."""


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


Place = tuple[str, str, str, int | None]
"""Data set, backbone, row and K: what a row of a table is called."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a comparison.

    Attributes:
        backbone: the backbone's label; for a baseline its own.
        strategy: the row's name: the strategy's label, with the swept values, if any.
        against: name of the row that it is compared with; "" for none.
        steps: K; None if validation chooses it, or if the paper does not state it.
        unsupported: why it cannot run; "" if it can.
        is_baseline: counts of training rows rather than a model; compared with no row, never best.
        stats: test metrics of the readout over its runs.
    """

    dataset: str
    backbone: str
    strategy: str
    against: str
    steps: int | None
    unsupported: str = ""
    is_baseline: bool = False
    stats: Mapping[str, Stat] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """The row's position in tables."""
        return self.dataset, self.backbone, self.strategy, self.steps


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class Compared:
    """One row of a comparison.

    Attributes:
        against: the row it is compared with, if any.
        improvements: per metric in percent of that row, unrounded; empty without it.
        average: mean of the four unrounded improvements; None unless all four exist.
        best: metrics (and "avg") in which no row of the same data set and backbone is better.
    """

    row: Row
    against: Row | None
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


def stats_of(runs: Sequence[Metrics], *, planned: int) -> dict[str, Stat]:
    """The four metrics over runs."""
    return {name: stat([metrics[name] for metrics in runs], planned=planned) for name in METRICS}


def state_names(count: int, steps: int | None) -> list[str]:
    """What the states of a row are called: step_0 to step_K; with streams step_0, stream_1_step_1 and so on.

    Args:
        count: T.
        steps: K; None where rows differ in it.
    """
    if not steps or count <= steps + 1:
        return [f"step_{k}" for k in range(count)]
    streams = range(1, (count - 1) // steps + 1)
    return ["step_0", *(f"stream_{stream}_step_{k}" for stream in streams for k in range(1, steps + 1))]


def compare(rows: Sequence[Row]) -> tuple[Compared, ...]:
    """Each row against the one that its `against` names, and the best of each data set, backbone and metric.

    Only rows whose planned runs are all done can be best: a mean over only the seeds that succeeded would be biased.
    """
    others = [row_against(row, rows) for row in rows]
    gains = [
        improvements(row.stats, other.stats) if other is not None else {}
        for row, other in zip(rows, others, strict=True)
    ]
    averages = [
        math.fsum(gain[name] for name in METRICS) / len(METRICS) if len(gain) == len(METRICS) else None
        for gain in gains
    ]
    best: list[set[str]] = [set() for _ in rows]
    for places in _together(rows):
        for metric in METRICS:
            means = {place: rows[place].stats[metric] for place in places}
            full = {place: stat.mean for place, stat in means.items() if stat.complete and stat.mean is not None}
            _mark(best, metric, full, min_rows=2)
        full = {
            place: average
            for place in places
            if (average := averages[place]) is not None and average > _NO_GAIN and _complete(rows[place], others[place])
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


def _together(rows: Sequence[Row]) -> list[list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if not row.is_baseline:
            groups.setdefault((row.dataset, row.backbone), []).append(place)
    return list(groups.values())


def _complete(row: Row, against: Row | None) -> bool:
    return all(each.stats[name].complete for each in (row, against) if each is not None for name in METRICS)


def _mark(best: list[set[str]], metric: str, values: Mapping[int, float], *, min_rows: int) -> None:
    if len(values) >= min_rows:
        top = max(values.values())
        for place, value in values.items():
            if math.isclose(value, top, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
                best[place].add(metric)
