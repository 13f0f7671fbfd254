"""The ceiling of reasoning, and how much of it is luck.

The optimum is the score of the best step of each test row, chosen by its target. Only this analysis uses test ranks
to choose. It ranges over steps 0..K; the readout is compared with it. The best of K + 1 ranks is better than any one
of them even if the steps are only noise, so three controls are reported with the optimum:

- cross-fitted: the best step of each row is chosen on one seed's model and scored on another seed's. A row's gain
  from its depth stays, luck goes; on pure noise the gain is zero.
- noised: the optimum of K + 1 noised copies of the readout, at the cosine that the steps have to it.
- models: the optimum of K + 1 models of the compared row under different seeds, without any step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..records.results import Metrics, Ranks
from ..store.store import Store
from ..trial.metrics import metrics_of, row_gains
from .compare import METRICS, Row, Stat, improvements, row_against, stats_of
from .paired_rows import same_rows
from .resultset import CellResults, ResultSet

CROSSED, NOISED, MODELS = "crossed", "noised", "models"
CONTROLS = (CROSSED, NOISED, MODELS)


@dataclass(frozen=True)
class Control:
    """One control of a ceiling.

    Attributes:
        over: gain in percent per metric, unrounded: over the readout, for "models" over the compared row.
    """

    stats: Mapping[str, Stat]
    over: Mapping[str, float]


@dataclass(frozen=True)
class Ceiling:
    """One cell's ceiling; gains are in percent per metric, unrounded.

    Attributes:
        row: the readout's metrics.
        steps: metrics of each step's state, 0 to K; empty if no run is done.
        optimum: metrics of the best step per test row; None without reasoning steps or done runs.
        over_readout: gain of the mean optimum over the mean readout.
        over_against: the same over the compared row.
        controls: by name in `CONTROLS`, if the runs allow: "crossed" needs two, "models" K + 1 of the compared row.
    """

    row: Row
    steps: tuple[Mapping[str, Stat], ...]
    optimum: Mapping[str, Stat] | None
    over_readout: Mapping[str, float]
    over_against: Mapping[str, float]
    controls: Mapping[str, Control] = field(default_factory=dict)


def ceilings(results: ResultSet) -> tuple[Ceiling, ...]:
    """The ceiling of every cell; a StoreError if the rows of a trial cannot be read."""

    @cache
    def test_rows(key: str) -> Ranks:
        return results.store.ranks(key, "test")

    def ceiling(cell: CellResults) -> Ceiling:
        other = row_against(cell, results.cells)
        others = [test_rows(run.key) for run in other.runs] if other is not None else []
        return _ceiling(cell, other, others, store=results.store)

    return tuple(map(ceiling, results.cells))


def step_stats(cell: CellResults) -> tuple[dict[str, Stat], ...]:
    """Test metrics of each state that all runs of a cell have; empty if no run is done."""
    deepest = min((len(run.test_steps) for run in cell.runs), default=0)
    planned = len(cell.seeds)
    return tuple(stats_of([run.test_steps[k] for run in cell.runs], planned=planned) for k in range(deepest))


def cross_fitted(steps: Sequence[NDArray[np.int32]]) -> list[dict[str, float]]:
    """The paper's four metrics of each run at the depths that are best in the other runs, averaged over these.

    `steps` are ranks (R, K + 1) of the same test rows, one array per run; a single run gives nothing. If several depths
    are equally good in the other run, a row counts with their mean.
    """
    if len(steps) < 2:
        return []
    best = [ranks == ranks.min(axis=1, keepdims=True) for ranks in steps]
    weights = [chosen / chosen.sum(axis=1, keepdims=True) for chosen in best]  # (R, K + 1) each
    total = np.sum(weights, axis=0)
    by_run = []
    for ranks, own in zip(steps, weights, strict=True):
        others = (total - own) / (len(steps) - 1)
        by_run.append({name: float((row_gains(ranks, name) * others).sum(axis=1).mean()) for name in METRICS})
    return by_run


def best_of_models(readouts: Sequence[NDArray[np.int32]], count: int) -> list[Metrics]:
    """Metrics of the best of `count` models per test row: each run with the next ones, cyclically.

    `readouts` are ranks (R,) of the same test rows, one array per run; fewer runs than `count` give nothing.
    """
    n = len(readouts)
    if n < count:
        return []
    windows = [[readouts[(start + place) % n] for place in range(count)] for start in range(n if n > count else 1)]
    return [metrics_of(np.min(window, axis=0)) for window in windows]


def _ceiling(cell: CellResults, against: Row | None, others: Sequence[Ranks], *, store: Store) -> Ceiling:
    steps = step_stats(cell)
    deepest = len(steps)
    if deepest < 2:
        return Ceiling(cell, (), None, {}, {})
    tests = [store.ranks(run.key, "test") for run in cell.runs]
    planned = len(cell.seeds)
    optimum = stats_of([metrics_of(rows.step_ranks.min(axis=1)) for rows in tests], planned=planned)
    return Ceiling(
        row=cell,
        steps=steps,
        optimum=optimum,
        over_readout=improvements(optimum, cell.stats),
        over_against=improvements(optimum, against.stats) if against is not None else {},
        controls=_controls(cell, against, tests, others, deepest=deepest, planned=planned),
    )


def _controls(
    row: Row,
    against: Row | None,
    tests: Sequence[Ranks],
    others: Sequence[Ranks],
    *,
    deepest: int,
    planned: int,
) -> dict[str, Control]:
    noised = [metrics_of(rows.control_ranks.min(axis=1)) for rows in tests if rows.control_ranks.shape[1] > 1]
    crossed = cross_fitted([rows.step_ranks for rows in tests]) if _paired(tests) else []
    models = best_of_models([rows.readout_ranks for rows in others], deepest) if _paired(others) else []
    controls = {}
    for name, metrics, beside in ((CROSSED, crossed, row), (NOISED, noised, row), (MODELS, models, against)):
        if metrics and beside is not None:
            stats = stats_of(metrics, planned=len(metrics) if name == MODELS else planned)
            controls[name] = Control(stats, improvements(stats, beside.stats))
    return controls


def _paired(tests: Sequence[Ranks]) -> bool:
    return same_rows(*tests) and len({rows.step_ranks.shape for rows in tests}) <= 1
