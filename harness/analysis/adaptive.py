"""Adaptive depth: the score of choosing each row's number of steps without its target.

The methods of `early_exit.py` are compared with the readout, the fixed depth that is best on validation, and the
ceiling, an oracle. Each run chooses its rules on its own validation rows; its test rows' signals give the depths; only
then are test ranks looked up. (Validation also chose the hyper-parameters and the epoch, so gains on it would be
optimistic and are not reported.) A depth's state ranks alone: an adaptive readout of ERL that stops at step k uses the
state of step k, not the mean of those before it.

Intervals are bootstraps over test users, with the runs averaged per row, for the trained models and their choices:
every quantity is recomputed in each resample, so that gains and shares are paired. Student's t over the seeds' own
values is given beside them: it keeps the users fixed, and new seeds bring new choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..records.results import Rows, TrialSummary
from ..store.store import Store
from ..trial.metrics import row_gains
from ..utils.errors import StoreError
from .compare import METRICS, Row, row_against, stat
from .early_exit import EVIDENCE, DepthRule, Depths, Floats, choose_fixed, choose_router, choose_stop, signals_of
from .intervals import Interval, cluster_means, percentile_interval, t_interval
from .paired_rows import gains_of, same_rows
from .resultset import CellResults, ResultSet

CHOSEN_BY = "ndcg@20"
"""The validation metric that rules are chosen by."""

READOUT, FIXED, DIVERGENCE, ROUTER, CEILING = "readout", "fixed", "divergence", "router", "ceiling"
RULES = (FIXED, *EVIDENCE, ROUTER)
METHODS = (READOUT, *RULES, CEILING)

_MIN_ROOM = 1e-12  # a ceiling that is not above the readout by more has no shares


@dataclass(frozen=True)
class Estimate:
    """One quantity.

    Attributes:
        value: over all rows and runs; None if undefined.
        std: between seeds, of the seeds' own values; None for fewer than two.
        users: 95% bootstrap interval over users; None if a resample leaves it undefined.
        seeds: 95% interval of Student's t over the seeds' own values; None for fewer than two.
    """

    value: float | None
    std: float | None
    users: Interval | None
    seeds: Interval | None


@dataclass(frozen=True)
class Method:
    """One way to choose depths; metrics are on test, gains and shares in percent.

    Attributes:
        name: one of `METHODS`.
        over_readout: gain over the readout; empty for the readout.
        over_against: gain over the compared row; empty without such a row.
        share: of the way from the readout to the ceiling; empty for both of them.
        steps: mean number of steps per row.
    """

    name: str
    metrics: Mapping[str, Estimate]
    over_readout: Mapping[str, Estimate]
    over_against: Mapping[str, Estimate]
    share: Mapping[str, Estimate]
    steps: Estimate


@dataclass(frozen=True)
class Adaptive:
    """Adaptive depth of one cell.

    Attributes:
        row: the readout's metrics, of all done runs.
        methods: in the order of `METHODS`, without divergence if a run lacks it; empty if no run can be used.
        seeds: number of runs behind the methods, of `planned`.
        left_out: seeds of done runs without validation rows to choose on.
        older: seeds left out because their entropy and margin are at one temperature for all steps, and those of the
            other runs at each step's own.
        by_step: whether some runs have temperatures that differ between steps.
        one_temperature: whether all runs are of the version that knew one temperature alone.
        undiverged: seeds of runs that an earlier version has stored, without divergences.
    """

    row: Row
    methods: tuple[Method, ...]
    seeds: int
    planned: int
    left_out: tuple[int, ...]
    older: tuple[int, ...] = ()
    by_step: bool = False
    one_temperature: bool = False
    undiverged: tuple[int, ...] = ()


def has_streams(cell: CellResults) -> bool:
    """Whether its states are those of several streams."""
    return any(run.spec.states != run.spec.steps + 1 for run in cell.runs)


def adaptive(results: ResultSet) -> tuple[Adaptive, ...]:
    """Adaptive depth of every cell of a model that has steps; streams have no order in which to stop.

    Raises:
        StoreError: the rows of a trial cannot be read, or trials that are averaged have other rows.
    """

    @cache
    def read_out(key: str, seed: int, steps: int) -> _Tested:
        test = results.store.ranks(key, "test")
        columns = _columns(test.readout_ranks, np.full(len(test.users), steps))
        return _Tested(key, seed, test.users, test.items, columns[:, None])

    cells = []
    for cell in results.cells:
        if cell.steps != 0 and not has_streams(cell):
            other = row_against(cell, results.cells)
            runs = other.runs if other is not None else ()
            against = [read_out(run.key, run.spec.seed, run.spec.steps) for run in runs]
            cells.append(_adaptive(cell, against=against, store=results.store))
    return tuple(cells)


def choose_rules(validation: Rows) -> dict[str, DepthRule]:
    """The rules that are best on validation, by name in `RULES`."""
    signals = signals_of(validation)
    gains = row_gains(validation.step_ranks, CHOSEN_BY)  # (R, K + 1)
    return {
        FIXED: choose_fixed(gains),
        **{evidence: choose_stop(evidence, signals, gains) for evidence in EVIDENCE},
        ROUTER: choose_router(signals, gains, validation.users),
    }


def choose_depths(validation: Rows, test: Rows) -> dict[str, Depths]:
    """The depth of each test row, (R,), by name in `RULES`; uses neither test ranks nor test items."""
    signals = signals_of(test)
    return {name: rule.depths(signals) for name, rule in choose_rules(validation).items()}


@dataclass(frozen=True)
class _Tested:
    """One run's test rows; `scores` is (R, methods, metrics + 1): what each row adds to each metric, and its steps."""

    key: str
    seed: int
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: Floats


@dataclass(frozen=True)
class _Means:
    """Means over rows: of all runs (), of each resample (B,) or of each seed (S,).

    Attributes:
        methods: (..., methods, metrics + 1), the number of steps last.
        against: (..., metrics) of the compared row; NaN without one.
    """

    methods: Floats
    against: Floats


_Views = tuple[_Means, _Means, _Means]
_Statistic = Callable[[_Means], Floats]


def _adaptive(cell: CellResults, *, against: Sequence[_Tested], store: Store) -> Adaptive:
    scored: list[_Tested] = []
    left_out, older, undiverged = [], [], []
    reasoning = [run for run in cell.runs if run.spec.steps >= 1]
    by_step = any(len(set(run.step_temperatures)) > 1 for run in reasoning)
    for run in reasoning:
        if by_step and not run.step_temperatures:
            older.append(run.spec.seed)
        else:
            valid = store.rows(run.key, "valid") if run.validation is not None else None
            if valid is None or len(valid.users) == 0:
                left_out.append(run.spec.seed)
            else:
                test = store.rows(run.key, "test")
                scored.append(_scored(run, valid, test))
                if valid.divergence is None or test.divergence is None:
                    undiverged.append(run.spec.seed)
    methods: tuple[Method, ...] = ()
    if scored:
        _check_rows([*scored, *against])
        views = _views(scored, against)
        methods = tuple(
            _method(place, views, compared=bool(against))
            for place, name in enumerate(METHODS)
            if name != DIVERGENCE or not undiverged
        )
    return Adaptive(
        cell,
        methods,
        len(scored),
        len(cell.seeds),
        tuple(left_out),
        older=tuple(older),
        by_step=by_step,
        one_temperature=bool(reasoning) and not any(run.step_temperatures for run in reasoning),
        undiverged=tuple(undiverged),
    )


def _scored(run: TrialSummary, valid: Rows, test: Rows) -> _Tested:
    chosen = choose_depths(valid, test)
    rows = np.arange(len(test.users))
    by_method = [
        _columns(test.readout_ranks, np.full(len(rows), run.spec.steps)),
        *(_columns(test.step_ranks[rows, chosen[name]], chosen[name]) for name in RULES),
        _columns(test.step_ranks.min(axis=1), test.step_ranks.argmin(axis=1)),
    ]
    return _Tested(run.key, run.spec.seed, test.users, test.items, np.stack(by_method, axis=1))


def _check_rows(tested: Sequence[_Tested]) -> None:
    first = tested[0]
    for other in tested[1:]:
        if not same_rows(first, other):
            raise StoreError(
                f"trials {first.key[:8]} and {other.key[:8]} were tested on different rows and cannot be compared row "
                "by row. Repeat them:  rearec-bench run SUITE --refresh"
            )


def _columns(ranks: NDArray[np.int32], depths: Depths) -> Floats:
    return np.concatenate([gains_of(ranks), depths[:, None]], axis=1)


def _views(scored: Sequence[_Tested], against: Sequence[_Tested]) -> _Views:
    """The means of all, of each resample of users, and of each seed; each seed against the run of that seed."""
    scores = np.stack([run.scores for run in scored])  # (S, R, methods, metrics + 1)
    rows, shape = scores.shape[1], scores.shape[2:]
    absent = np.full((rows, len(METRICS)), np.nan)
    readouts = {run.seed: run.scores[:, 0, : len(METRICS)] for run in against}  # (R, metrics) each
    compared = np.mean(list(readouts.values()), axis=0) if readouts else absent
    averaged = scores.mean(axis=0)  # (R, methods, metrics + 1)
    resampled = cluster_means(np.concatenate([averaged.reshape(rows, -1), compared], axis=1), scored[0].users)
    width = int(np.prod(shape))
    return (
        _Means(averaged.mean(axis=0), compared.mean(axis=0)),
        _Means(resampled[:, :width].reshape(-1, *shape), resampled[:, width:]),
        _Means(scores.mean(axis=1), np.stack([readouts.get(run.seed, absent).mean(axis=0) for run in scored])),
    )


def _method(place: int, views: _Views, *, compared: bool) -> Method:
    def per_metric(statistic: Callable[[_Means, int], Floats], shown: bool) -> dict[str, Estimate]:
        if not shown:
            return {}
        return {
            metric: _estimate(lambda means, at=at: statistic(means, at), views)  # type: ignore[misc]
            for at, metric in enumerate(METRICS)
        }

    name, readout, ceiling = METHODS[place], METHODS.index(READOUT), METHODS.index(CEILING)
    return Method(
        name=name,
        metrics=per_metric(lambda means, at: means.methods[..., place, at], True),
        over_readout=per_metric(
            lambda means, at: _percent(means.methods[..., place, at], means.methods[..., readout, at]), name != READOUT
        ),
        over_against=per_metric(
            lambda means, at: _percent(means.methods[..., place, at], means.against[..., at]), compared
        ),
        share=per_metric(
            lambda means, at: _share(*(means.methods[..., which, at] for which in (place, readout, ceiling))),
            name not in (READOUT, CEILING),
        ),
        steps=_estimate(lambda means: means.methods[..., place, -1], views),
    )


def _estimate(statistic: _Statistic, views: _Views) -> Estimate:
    overall, resampled, by_seed = (statistic(means) for means in views)
    seeds: list[float] = by_seed.tolist()
    defined = bool(np.isfinite(overall))
    return Estimate(
        value=float(overall) if defined else None,
        std=stat(seeds, planned=len(seeds)).std if np.isfinite(seeds).all() else None,
        users=percentile_interval(resampled) if defined else None,
        seeds=t_interval(seeds) if defined else None,
    )


def _percent(values: Floats, against: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(against > 0, (values - against) / against * 100, np.nan)


def _share(values: Floats, readout: Floats, ceiling: Floats) -> Floats:
    room = ceiling - readout
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(room > _MIN_ROOM, (values - readout) / room * 100, np.nan)
