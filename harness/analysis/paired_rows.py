"""Test rows of several runs, paired: whether they are the same rows, and what each adds to each metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..records.results import Ranks
from ..store.store import Store
from ..trial.metrics import row_gains
from .compare import METRICS
from .intervals import cluster_sums
from .resultset import CellResults

Floats = NDArray[np.float64]


class TestedRows(Protocol):
    """Users and items of R test rows."""

    @property
    def users(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def items(self) -> NDArray[np.int32]: ...  # noqa: D102


@dataclass(frozen=True)
class PairedRows:
    """The test rows of a cell's runs; R rows, S runs.

    Attributes:
        users: (R,).
        items: (R,), the targets.
        gains: (R, metrics), what each row adds to each of `METRICS`, averaged over the runs.
        by_seed: seed to the run's metrics, (metrics,).
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    gains: Floats
    by_seed: Mapping[int, Floats]


def paired_rows(cell: CellResults, store: Store) -> PairedRows | None:
    """The readout's test rows of a cell's final runs; None without runs, or where these were tested on other rows."""
    first: Ranks | None = None
    total: Floats | None = None
    by_seed: dict[int, Floats] = {}
    for run in cell.runs:
        rows = store.ranks(run.key, "test")
        gains = gains_of(rows.readout_ranks)
        if first is None or total is None:
            first, total = rows, gains
        elif not same_rows(first, rows):
            return None
        else:
            total = total + gains
        by_seed[run.spec.seed] = gains.mean(axis=0)
    if first is None or total is None:
        return None
    return PairedRows(first.users, first.items, total / len(by_seed), by_seed)


def same_rows(*tests: TestedRows) -> bool:
    """Whether all were tested on the same rows in the same order, so that they can be paired."""
    return all(
        np.array_equal(tests[0].users, other.users) and np.array_equal(tests[0].items, other.items)
        for other in tests[1:]
    )


def gains_of(ranks: NDArray[np.int32]) -> Floats:
    """(R,) ranks to (R, metrics), what each row adds to each of `METRICS`."""
    return np.stack([row_gains(ranks, metric) for metric in METRICS], axis=1)


def user_means(values: Floats, users: NDArray[np.int32]) -> Floats:
    """Means over each user's rows: (R, M) and (R,) to (users, M), users in the order of their numbers."""
    sums, rows = cluster_sums(values, users)
    return sums / rows[:, None]
