"""Which groups gain from depth: test metrics by group of users and of items, at the readout and at each step.

Groups as in the paper's Figure 4: users in four groups of equal size by length of history, items in four groups by
popularity in training with equal numbers of test rows. Where the paper leaves it open: a user's length is that of its
longest test history, uncut; users of one length are split by their number; an item is never split, so the numbers of
rows are equal as far as items allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.data.dataset import Dataset, Split
from ..records.results import Ranks
from ..trial.baselines import popularity_of
from ..utils.errors import InputError
from .compare import METRICS, Row, Stat, stat, state_names
from .intervals import Interval, cluster_means, difference_interval
from .paired_rows import gains_of
from .resultset import CellResults, ResultSet

GROUPS = 4
USERS, ITEMS = "users", "items"
READOUT = "readout"

Load = Callable[[str], Dataset]
"""A data set by its name."""

Groups = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """One group of test rows.

    Attributes:
        kind: `USERS` or `ITEMS`.
        number: 0 for the shortest histories or the rarest items.
        low: its shortest history, or its rarest item's number of training rows.
        high: the longest, or the most popular.
    """

    kind: str
    number: int
    rows: int
    low: int
    high: int


@dataclass(frozen=True)
class GroupStates:
    """One group under one cell.

    Attributes:
        states: "readout", "step_0" and so on to metric to mean over runs; empty if no run is done.
        over_first: state to metric to gain over step 0 in percent; None if step 0 scores zero.
        intervals: the same, 95% over the group's users (bootstrap, runs averaged).
    """

    group: Group
    states: Mapping[str, Mapping[str, Stat]]
    over_first: Mapping[str, Mapping[str, float | None]]
    intervals: Mapping[str, Mapping[str, Interval | None]]


@dataclass(frozen=True)
class Grouped:
    """A cell by groups: four of users, then four of items; none if no run is done."""

    row: Row
    groups: tuple[GroupStates, ...]


def user_groups(split: Split) -> Groups:
    """(R,) the group of each row's user: equally many users in each, by their longest history."""
    users, places, lengths = _longest_histories(split)
    order = np.lexsort((users, lengths))
    group = np.empty(len(users), np.int64)
    group[order] = np.arange(len(users)) * GROUPS // len(users)
    return np.asarray(group[places])


def item_groups(targets: NDArray[np.int32], popularity: NDArray[np.int64]) -> Groups:
    """(R,) the group of each row's target, by popularity; equally many rows in each as far as an item stays in one.

    `targets` is (R,); `popularity` (N,) is how often each item is the target of a training row.
    """
    items, places, rows = np.unique(targets, return_inverse=True, return_counts=True)
    order = np.lexsort((items, popularity[items]))
    before = np.cumsum(rows[order]) - rows[order]
    group = np.empty(len(items), np.int64)
    group[order] = ((2 * before + rows[order]) * GROUPS) // (2 * len(targets))
    return np.asarray(group[places])


def grouped(results: ResultSet, load: Load) -> tuple[Grouped, ...]:
    """Every cell of a suite by groups.

    Raises:
        InputError: a data set is not prepared, or is not the one that the trials were tested on.
        StoreError: the rows of a trial cannot be read.
    """
    cells = []
    by_dataset: dict[str, tuple[tuple[Group, NDArray[np.bool_]], ...]] = {}
    for cell in results.cells:
        if not cell.runs:
            cells.append(Grouped(cell, ()))
            continue
        if cell.dataset not in by_dataset:
            by_dataset[cell.dataset] = _groups(check_dataset(load(cell.dataset), cell))
        tests = [results.store.ranks(run.key, "test") for run in cell.runs]
        states = [_states(rows, run.spec.steps) for rows, run in zip(tests, cell.runs, strict=True)]
        groups = by_dataset[cell.dataset]
        cells.append(
            Grouped(cell, tuple(_group(group, inside, tests[0].users, states, cell) for group, inside in groups))
        )
    return tuple(cells)


def check_dataset(dataset: Dataset, cell: CellResults) -> Dataset:
    """The data set, if it is the one that a cell's runs were tested on; an InputError otherwise."""
    for run in cell.runs:
        if run.spec.dataset_fingerprint != dataset.fingerprint:
            raise InputError(
                f"the prepared data set {cell.dataset} is not the one that trial {run.key[:8]} was tested on: its "
                f"fingerprint is {dataset.fingerprint}, the trial's {run.spec.dataset_fingerprint}. Name the folder "
                "that holds the other one with --data-dir, or repeat the suite:  rearec-bench run SUITE"
            )
    return dataset


def _longest_histories(split: Split) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """The users of a split, (U,), the index into them of each row, (R,), and the longest history of each, (U,)."""
    users, places = np.unique(split.users, return_inverse=True)
    lengths = np.zeros(len(users), np.int64)
    np.maximum.at(lengths, places, split.ends - split.starts)
    return users, places, lengths


def _groups(dataset: Dataset) -> tuple[tuple[Group, NDArray[np.bool_]], ...]:
    test, popularity = dataset.test, popularity_of(dataset)
    _, places, lengths = _longest_histories(test)
    groups = []
    for kind, of_rows, values in (
        (USERS, user_groups(test), lengths[places]),
        (ITEMS, item_groups(test.targets, popularity), popularity[test.targets]),
    ):
        for number in range(GROUPS):
            inside = of_rows == number
            here = values[inside]
            low, high = (int(here.min()), int(here.max())) if len(here) else (0, 0)
            groups.append((Group(kind, number, int(inside.sum()), low, high), inside))
    return tuple(groups)


def _states(rows: Ranks, steps_taken: int) -> dict[str, NDArray[np.int32]]:
    """Ranks of each state, (R,)."""
    names = state_names(rows.step_ranks.shape[1], steps_taken)
    steps = {name: rows.step_ranks[:, k] for k, name in enumerate(names)}
    return {READOUT: rows.readout_ranks, **(steps if len(steps) > 1 else {})}


def _group(
    group: Group,
    inside: NDArray[np.bool_],
    users: NDArray[np.int32],
    runs: list[dict[str, NDArray[np.int32]]],
    cell: CellResults,
) -> GroupStates:
    names = [name for name in runs[0] if all(name in run for run in runs)]
    if not group.rows:
        return GroupStates(group, {}, {}, {})
    gains = {  # (runs, rows of the group, metrics)
        name: np.stack([gains_of(run[name][inside]) for run in runs]) for name in names
    }
    states = {
        name: {
            metric: stat(by_run[:, :, at].mean(axis=1).tolist(), planned=len(cell.seeds))
            for at, metric in enumerate(METRICS)
        }
        for name, by_run in gains.items()
    }
    if "step_0" not in gains:
        return GroupStates(group, states, {}, {})
    others = [name for name in names if name != "step_0"]
    columns = np.concatenate([gains[name].mean(axis=0) for name in ("step_0", *others)], axis=1)
    resampled = cluster_means(columns, users[inside])  # (B, states x metrics)
    width = len(METRICS)
    over: dict[str, dict[str, float | None]] = {}
    intervals: dict[str, dict[str, Interval | None]] = {}
    for place, name in enumerate(others, 1):
        over[name], intervals[name] = {}, {}
        for at, metric in enumerate(METRICS):
            first, here = columns[:, at].mean(), columns[:, place * width + at].mean()
            over[name][metric] = float((here / first - 1) * 100) if first > 0 else None
            firsts = resampled[:, at]
            ratios = (resampled[:, place * width + at] / firsts - 1) * 100 if (firsts > 0).all() else np.empty(0)
            intervals[name][metric] = difference_interval(ratios)
    return GroupStates(group, states, over, intervals)
