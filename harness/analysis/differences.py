"""Differences between two results folders: trials of one key, and the cells of tables, with intervals.

A cell's change is that of its mean over seeds. Two intervals show whether it can be chance: over users, a bootstrap
of the difference per test row (runs averaged, the same users resampled on both sides); over seeds, Student's t of the
differences of runs with the same seed. An interval that excludes zero marks a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..records.comparison import differences
from ..store.store import Store
from ..utils.errors import DamagedError
from .compare import METRICS, Place, Stat
from .intervals import Interval, cluster_means, difference_interval, t_interval
from .paired_rows import paired_rows, same_rows
from .resultset import CellResults, ResultSet, load_results


@dataclass(frozen=True)
class TrialDifferences:
    """The trials of two folders.

    Attributes:
        only: keys that the first, and that the second alone contains.
        same: number of trials equal except for times and machine.
        different: key to the first difference.
        damaged: (0 or 1 for the folder, key) to reason; these are not compared.
    """

    only: tuple[tuple[str, ...], tuple[str, ...]]
    same: int
    different: Mapping[str, str]
    damaged: Mapping[tuple[int, str], str]


@dataclass(frozen=True)
class CellDifference:
    """One metric of one cell that is not the same in both.

    Attributes:
        change: second less first; None where one of them has no run.
        users: 95% over users; None where the runs were tested on different rows, or on none.
        seeds: 95% over the seeds that both have; None for fewer than two.
    """

    place: Place
    metric: str
    first: Stat
    second: Stat
    change: float | None
    users: Interval | None = None
    seeds: Interval | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """Which intervals exclude zero: "users", "seeds"."""
        intervals = (("users", self.users), ("seeds", self.seeds))
        return tuple(name for name, around in intervals if around is not None and not around.low <= 0 <= around.high)


@dataclass(frozen=True)
class SuiteDifferences:
    """A suite of that name in two folders.

    Attributes:
        alike: number of cells with the same numbers in both.
        only: cells that the first, and that the second alone has.
        other_rows: cells whose runs were tested on different rows, so that users cannot be paired.
    """

    name: str
    cells: tuple[CellDifference, ...]
    alike: int
    only: tuple[tuple[Place, ...], tuple[Place, ...]]
    other_rows: tuple[Place, ...] = field(default=())


def compare_trials(
    first: Store, second: Store, *, reach: Callable[[int, int], None] = lambda done, total: None
) -> TrialDifferences:
    """Compare every trial that both stores have; `reach` gets the number compared and the total.

    Raises:
        StoreError: a store cannot be read, for another reason than damage.
    """
    ours, theirs = first.keys(), second.keys()
    same = 0
    different: dict[str, str] = {}
    damaged: dict[tuple[int, str], str] = {}
    both = sorted(ours & theirs)
    for number, key in enumerate(both, 1):
        results = []
        for place, store in enumerate((first, second)):
            try:
                results.append(store.read(key))
            except DamagedError as error:
                damaged[place, key] = error.why
        if len(results) == 2:
            distinctions = differences(results[0], results[1])
            same += not distinctions
            if distinctions:
                different[key] = distinctions[0]
        reach(number, len(both))
    return TrialDifferences((tuple(sorted(ours - theirs)), tuple(sorted(theirs - ours))), same, different, damaged)


def compare_suite(name: str, first: Store, second: Store) -> SuiteDifferences:
    """Compare the cells of a suite that both have; damaged trials are left out on both sides.

    Raises:
        StoreError: a suite's own files are damaged.
    """
    damaged: tuple[dict[str, str], dict[str, str]] = ({}, {})
    while True:
        sides = [
            load_results(name, store=store, damaged=lost) for store, lost in zip((first, second), damaged, strict=True)
        ]
        try:
            return _compare(sides[0], sides[1])
        except DamagedError as error:
            side = 0 if error.path.parent == first.trials else 1
            if error.path.name in damaged[side]:
                raise
            damaged[side][error.path.name] = error.why


def _compare(first: ResultSet, second: ResultSet) -> SuiteDifferences:
    ours, theirs = ({cell.place: cell for cell in side.cells if not cell.unsupported} for side in (first, second))
    cells: list[CellDifference] = []
    other_rows: list[Place] = []
    alike = 0
    for place in (place for place in ours if place in theirs):
        pair = (ours[place], theirs[place])
        if all(_same(*(cell.stats[metric] for cell in pair)) for metric in METRICS):
            alike += 1
            continue
        before, after = paired_rows(pair[0], first.store), paired_rows(pair[1], second.store)
        users: list[Interval | None] = [None] * len(METRICS)
        if before is not None and after is not None and same_rows(before, after):
            if len(before.users):
                means = cluster_means(after.gains - before.gains, before.users)
                users = [difference_interval(column) for column in means.T]
        elif all(cell.runs for cell in pair):
            other_rows.append(place)
        cells += [_difference(place, metric, pair, users[at]) for at, metric in enumerate(METRICS)]
    only = (
        tuple(place for place in ours if place not in theirs),
        tuple(place for place in theirs if place not in ours),
    )
    return SuiteDifferences(first.name, tuple(cells), alike, only, tuple(other_rows))


def _difference(
    place: Place, metric: str, pair: tuple[CellResults, CellResults], users: Interval | None
) -> CellDifference:
    first, second = (cell.stats[metric] for cell in pair)
    change = None if first.mean is None or second.mean is None else second.mean - first.mean
    before, after = ({run.spec.seed: (run.test or {})[metric] for run in cell.runs} for cell in pair)
    seeds = t_interval([after[seed] - before[seed] for seed in before if seed in after])
    return CellDifference(place, metric, first, second, change, users, seeds)


def _same(first: Stat, second: Stat) -> bool:
    return (first.mean, first.std, first.seeds) == (second.mean, second.std, second.seeds)
