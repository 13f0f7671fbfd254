"""Beyond the four metrics: reciprocal rank, and coverage and popularity of the top ten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..trial.baselines import popularity_of
from .compare import Row, Stat, stat
from .groups import Load, check_dataset
from .resultset import ResultSet


@dataclass(frozen=True)
class BeyondAccuracy:
    """One cell.

    Attributes:
        mrr: mean reciprocal rank, without cut-off.
        coverage: share of the catalogue among the ten best of at least one test row.
        popularity: mean number of training rows whose target is a recommended item, over all places of the ten best.
    """

    row: Row
    mrr: Stat
    coverage: Stat
    popularity: Stat


def beyond_accuracy(results: ResultSet, load: Load) -> tuple[BeyondAccuracy, ...]:
    """Every cell of a suite; errors as `groups.grouped`."""
    cells = []
    counts: dict[str, NDArray[np.int64]] = {}
    for cell in results.cells:
        planned = len(cell.seeds)
        if cell.runs and cell.dataset not in counts:
            counts[cell.dataset] = popularity_of(check_dataset(load(cell.dataset), cell))
        tops = [results.store.rows(run.key, "test").top_items for run in cell.runs]
        cells.append(
            BeyondAccuracy(
                row=cell,
                mrr=stat([(run.test or {})["mrr"] for run in cell.runs], planned=planned),
                coverage=stat([coverage_of(top, len(counts[cell.dataset])) for top in tops], planned=planned),
                popularity=stat([popularity_at(top, counts[cell.dataset]) for top in tops], planned=planned),
            )
        )
    return tuple(cells)


def coverage_of(top: NDArray[np.int32], num_items: int) -> float:
    """Share of N items that appear in (R, 10) recommendations; -1 means none."""
    return len(np.unique(top[top >= 0])) / num_items


def popularity_at(top: NDArray[np.int32], popularity: NDArray[np.int64]) -> float:
    """Mean popularity (N,) over (R, 10) recommendations; -1 means none."""
    return float(popularity[top[top >= 0]].mean())
