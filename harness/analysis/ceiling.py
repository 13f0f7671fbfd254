"""The ceiling of reasoning: what the best step of each test row, chosen after the fact, would have scored.

This is the one place that looks at test ranks to choose. It ranges over steps 0..K; the readout stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..metrics import metrics_of
from ..results import Metrics, TrialSummary
from ..store import Store
from .compare import METRICS, Measured, Stat, measure, percent, reference_of, stats_of
from .resultset import CellResults, ResultSet


@dataclass(frozen=True)
class Ceiling:
    """One cell's ceiling.

    Attributes:
        row: the readout's metrics.
        steps: metrics of each step's state, 0 to K; empty where no run is done.
        optimum: metrics of the best step per test row; None for rows without steps, or where no run is done.
        over_readout: gain of the mean optimum over the mean readout, in percent per metric, unrounded.
        over_reference: the same over the row that this one is compared with.
    """

    row: Measured
    steps: tuple[Mapping[str, Stat], ...]
    optimum: Mapping[str, Stat] | None
    over_readout: Mapping[str, float]
    over_reference: Mapping[str, float]


def ceilings(results: ResultSet) -> tuple[Ceiling, ...]:
    """The ceiling of every cell.

    Raises:
        StoreError: the rows of a trial cannot be read.
    """
    rows = measure(results)
    return tuple(
        _ceiling(cell, row, rows=rows, store=results.store) for cell, row in zip(results.cells, rows, strict=True)
    )


def optimum_of(run: TrialSummary, store: Store) -> Metrics:
    """Metrics of the best step of each test row of a run."""
    return metrics_of(store.rows(run.key, "test").step_ranks.min(axis=1))


def _ceiling(cell: CellResults, row: Measured, *, rows: tuple[Measured, ...], store: Store) -> Ceiling:
    deepest = min((len(run.test_steps) for run in cell.runs), default=0)
    if deepest < 2:
        return Ceiling(row, (), None, {}, {})
    steps = tuple(stats_of(cell, lambda run, k=k: run.test_steps[k]) for k in range(deepest))  # type: ignore[misc]
    optimum = stats_of(cell, lambda run: optimum_of(run, store))
    reference = reference_of(row, rows)
    return Ceiling(
        row=row,
        steps=steps,
        optimum=optimum,
        over_readout=_gains(optimum, row.stats),
        over_reference=_gains(optimum, reference.stats) if reference is not None else {},
    )


def _gains(stats: Mapping[str, Stat], reference: Mapping[str, Stat]) -> dict[str, float]:
    gains = {name: percent(stats[name].mean, reference[name].mean) for name in METRICS}
    return {name: gain for name, gain in gains.items() if gain is not None}
