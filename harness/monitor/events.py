"""What happens in a run, as events for its listeners: the log, the terminal, the progress file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..records.results import TrialSummary

if TYPE_CHECKING:
    from ..plan.cell_trials import Job


@dataclass(frozen=True)
class Totals:
    """How far a suite is.

    Attributes:
        over: trials that have ended, whenever they ran.
        trials: max number of trials.
        diverged: of those over.
        failed: of those over.
        left_s: estimated seconds until the end.
        pruned: of those over.
        exact: False where `trials` is an estimate.
    """

    over: int
    trials: int
    diverged: int
    failed: int
    left_s: float
    pruned: int = 0
    exact: bool = True


@dataclass(frozen=True)
class RunStarting:
    """The run writes to its results folder; Ray has not started.

    Attributes:
        suite: its name.
        over: trials of the suite that are over.
        trials: max number of trials.
        details: how the run was started, as JSON values.
    """

    suite: str
    over: int
    trials: int
    details: Mapping[str, Any]


@dataclass(frozen=True)
class TrialDamaged:
    """A stored trial cannot be read; it runs again."""

    key: str
    reason: str


@dataclass(frozen=True)
class RunStarted:
    """Ray has started, or no trial is left.

    Attributes:
        suite: its name.
        cells: number of cells.
        max_concurrent: trials at once; 0 where none is left to run.
        place: what they run on, such as "2 cores".
        results: the store's folder.
        log: the run's log.
        totals: how far the suite is.
        notes: cells that cannot run, with the reason.
    """

    suite: str
    cells: int
    max_concurrent: int
    place: str
    results: Path
    log: Path
    totals: Totals
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialStarted:
    """A worker has started a trial."""

    job: Job


@dataclass(frozen=True)
class EpochEnded:
    """A trial has finished an epoch.

    Attributes:
        job: the trial.
        epoch: counted from 1; 0 for a baseline, which has none.
        value: its validation metric.
        rows_per_s: training rows per second.
        cell_best: the best value of its cell's search so far; None for final runs, and before the first.
    """

    job: Job
    epoch: int
    value: float
    rows_per_s: float
    cell_best: float | None


@dataclass(frozen=True)
class TrialNote:
    """A worker reports a problem that does not end its trial."""

    job: Job
    note: str


@dataclass(frozen=True)
class WorkerLost:
    """The worker of a trial died."""

    job: Job
    reason: str
    runs_again: bool


@dataclass(frozen=True)
class OutOfMemory:
    """A trial ran out of GPU memory beside others; it runs again alone."""

    job: Job
    reason: str


@dataclass(frozen=True)
class TrialSuspended:
    """A trial has ended early on request; a later run resumes it, from its current state where that was saved."""

    job: Job
    saved: bool


@dataclass(frozen=True)
class TrialEnded:
    """A trial is over and its result is stored."""

    job: Job
    summary: TrialSummary
    totals: Totals


@dataclass(frozen=True)
class Tick:
    """Some time has passed, a fraction of a second usually."""


@dataclass(frozen=True)
class RunStopping:
    """No more trials start.

    Attributes:
        why: see `stopping.Ending`.
        running: trials under way.
        message: for the user.
        by_signal: Ctrl-C or SIGTERM.
    """

    why: str
    running: int
    message: str
    by_signal: bool


@dataclass(frozen=True)
class RunEnded:
    """The run is over.

    Attributes:
        how: see `stopping.Ending`; or "error".
        error: type and message of the error that ended it, "" for none.
        over: trials of the suite that are over.
        trials: max number of trials.
        counts: status to trials.
        seconds: of the run.
    """

    how: str
    error: str
    over: int
    trials: int
    counts: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class RunAbandoned:
    """The process ends at once, after a second signal."""


Event = (
    RunStarting
    | TrialDamaged
    | RunStarted
    | TrialStarted
    | EpochEnded
    | TrialNote
    | WorkerLost
    | OutOfMemory
    | TrialSuspended
    | TrialEnded
    | Tick
    | RunStopping
    | RunEnded
    | RunAbandoned
)


class Listener(Protocol):
    """Whatever follows a run."""

    def handle(self, event: Event) -> None:
        """Take in an event; those that do not matter to it change nothing."""
