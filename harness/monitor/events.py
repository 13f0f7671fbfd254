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
    """How far a suite is; `trials` is an estimate where not `exact`."""

    over: int  # trials that have ended, whenever they ran
    trials: int  # max number of them
    diverged: int
    failed: int
    left_s: float  # estimated seconds until the end
    pruned: int = 0
    exact: bool = True


@dataclass(frozen=True)
class RunStarting:
    """The run writes to its results folder; Ray has not started."""

    suite: str
    over: int
    trials: int
    details: Mapping[str, Any]  # how the run was started, as JSON values


@dataclass(frozen=True)
class TrialDamaged:
    """A stored trial cannot be read; it runs again."""

    key: str
    reason: str


@dataclass(frozen=True)
class RunStarted:
    """Ray has started, or no trial is left to run."""

    suite: str
    cells: int
    max_concurrent: int  # trials at once; 0 where none is left to run
    place: str  # what they run on, such as "2 cores"
    results: Path
    log: Path
    totals: Totals
    notes: tuple[str, ...] = ()  # cells that cannot run, with the reason


@dataclass(frozen=True)
class TrialStarted:
    """A worker has started a trial."""

    job: Job


@dataclass(frozen=True)
class EpochEnded:
    """A trial has finished an epoch."""

    job: Job
    epoch: int  # counted from 1; 0 for a baseline, which has none
    value: float  # its validation metric
    rows_per_s: float  # of training
    cell_best: float | None  # best value of its cell's search so far; None for final runs
    left_s: float | None = None  # a new estimate of the seconds until the end; None for none


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
class TrialHandedOver:
    """A worker is done with a trial and free for the next one; the result is being written."""

    job: Job


@dataclass(frozen=True)
class TrialEnded:
    """A trial is over and its result is stored."""

    job: Job
    summary: TrialSummary
    totals: Totals


@dataclass(frozen=True)
class Tick:
    """Some time has passed, usually a fraction of a second."""


@dataclass(frozen=True)
class RunStopping:
    """No more trials start."""

    why: str  # see `stopping.Ending`
    running: int  # trials under way
    message: str
    by_signal: bool  # Ctrl-C or SIGTERM


@dataclass(frozen=True)
class RunEnded:
    """The run is over."""

    how: str  # see `stopping.Ending`; or "error"
    error: str  # type and message, "" for none
    over: int
    trials: int
    counts: Mapping[str, int]  # status to trials
    seconds: float


@dataclass(frozen=True)
class RunAbandoned:
    """The process ends at once, after a second signal."""


Event = (RunStarting | RunStarted | RunStopping | RunEnded | RunAbandoned | Tick) | (
    TrialDamaged
    | TrialStarted
    | EpochEnded
    | TrialNote
    | WorkerLost
    | OutOfMemory
    | TrialSuspended
    | TrialHandedOver
    | TrialEnded
)


class Listener(Protocol):
    """Receives the events of a run."""

    def handle(self, event: Event) -> None:
        """Process an event; irrelevant ones are ignored."""
