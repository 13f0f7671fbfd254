"""The suite's queue: which trial runs next, over all cells; knows what is stored and runs nothing twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from .cell_trials import MOST_ATTEMPTS, CellProgress, CellTrials, Job, Lookup
from .results import TrialSummary

if TYPE_CHECKING:
    from .plan import Cell


class Signal(Enum):
    """What the queue answers when it has no job to give."""

    WAIT = "wait"
    FINISHED = "finished"


WAIT = Signal.WAIT
FINISHED = Signal.FINISHED


class SuiteQueue:
    """All trials of a suite, in the order in which they should run.

    Args:
        cells: the suite's cells; those with `unsupported` are left out.
        fingerprints: data set name to fingerprint.
        device: "cpu" or "cuda".
        stored: the summary of a stored trial, or None where it is not stored or should run again.
        cost: seconds (or anything proportional) of one trial of a cell; the big ones start first.
        limit: most trials to start, None for all.
        vectors: data set name to the fingerprint of its item vectors, where a text-based backbone needs them.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        *,
        fingerprints: Mapping[str, str],
        device: str,
        stored: Lookup,
        cost: Callable[[Cell], float] = lambda cell: 1.0,
        limit: int | None = None,
        vectors: Mapping[str, str] | None = None,
    ) -> None:
        self.device = device
        self._stored = stored
        self._limit = limit
        self._started = 0
        self._summaries: dict[str, TrialSummary] = {}
        self._missing: set[str] = set()
        self._in_flight: dict[str, Job] = {}
        self._again: list[Job] = []
        runnable = [cell for cell in cells if cell.unsupported is None]
        self._cells = [
            CellTrials(
                cell,
                fingerprint=fingerprints[cell.dataset],
                device=device,
                lookup=self.summary,
                vectors=(vectors or {}).get(cell.dataset, ""),
            )
            for cell in runnable
        ]
        self._of = {trials.cell.id: trials for trials in self._cells}
        self._issued = [0] * len(runnable)
        self._costs = [cost(cell) for cell in runnable]
        self._biggest: dict[str, float] = {}
        for cell, seconds in zip(runnable, self._costs, strict=True):
            self._biggest[cell.dataset] = max(seconds, self._biggest.get(cell.dataset, 0.0))

    @property
    def started(self) -> int:
        """Trials given out so far, each counted once however often its worker died."""
        return self._started

    @property
    def in_flight(self) -> tuple[Job, ...]:
        """Trials given out whose end is not known yet."""
        return tuple(self._in_flight.values())

    def next(self) -> Job | Signal:
        """The next trial to run; WAIT where one of those in flight must end first; FINISHED where none is left."""
        job = self._again.pop(0) if self._again else self._first()
        if job is None:
            return WAIT if self._in_flight else FINISHED
        self._in_flight[job.key] = job
        return job

    def tell(self, summary: TrialSummary) -> None:
        """Take in the end of a trial."""
        self._summaries[summary.key] = summary
        self._in_flight.pop(summary.key, None)

    def lost(self, key: str) -> bool:
        """Take in that the worker of a trial died.

        Returns:
            Whether the trial will be given out once more; otherwise it stays in flight until its failure is told.
        """
        job = self._in_flight[key]
        if job.attempt >= MOST_ATTEMPTS:
            return False
        del self._in_flight[key]
        self._again.append(dataclasses.replace(job, attempt=job.attempt + 1))
        return True

    def summary(self, key: str) -> TrialSummary | None:
        """The summary of a trial that is over, None of any other."""
        if key not in self._summaries and key not in self._missing:
            found = self._stored(key)
            if found is None:
                self._missing.add(key)
            else:
                self._summaries[key] = found
        return self._summaries.get(key)

    def look_again(self, key: str) -> TrialSummary | None:
        """`summary`, asking the store anew where it is not known."""
        self._missing.discard(key)
        return self.summary(key)

    def totals(self) -> tuple[int, int]:
        """How many trials of the suite are over, and how many there are at most.

        The second number falls when a search makes a duplicate suggestion or finds nothing to repeat.
        """
        keys = self._keys()
        undetermined = sum(trials.undetermined() for trials in self._cells)
        return sum(self.summary(key) is not None for key in keys), len(keys) + undetermined

    @property
    def left(self) -> int:
        """Trials that may still have to run."""
        over, total = self.totals()
        return total - over

    def over(self) -> tuple[TrialSummary, ...]:
        """The suite's trials that are over."""
        found = (self.summary(key) for key in sorted(self._keys()))
        return tuple(summary for summary in found if summary is not None)

    def best(self, cell: Cell) -> float | None:
        """Best validation metric of a cell's search so far."""
        return self._of[cell.id].progress().best

    def progress(self) -> tuple[CellProgress, ...]:
        """Where each cell stands, in the order of the suite."""
        return tuple(trials.progress() for trials in self._cells)

    def index(self) -> dict[str, Any]:
        """Which stored trials stand behind which cell, for the suite's index.json."""
        return {trials.cell.id: trials.index() for trials in self._cells}

    def _keys(self) -> set[str]:
        return {key for trials in self._cells for key in trials.determined()}

    def _first(self) -> Job | None:
        if self._limit is not None and self._started >= self._limit:
            return None
        while ready := [
            (self._rank(position, job), position, job)
            for position, trials in enumerate(self._cells)
            for job in trials.jobs()
            if job.key not in self._in_flight
        ]:
            _, position, job = min(ready, key=lambda entry: entry[0])
            if self.look_again(job.key) is None:  # otherwise another process has stored it since we looked
                self._issued[position] += 1
                self._started += 1
                return job
        return None

    def _rank(self, position: int, job: Job) -> tuple[Any, ...]:
        """Big data sets first; then final runs, cells in turn, long trials, and the order of the suite."""
        cell = job.cell
        searching = job.purpose == "search"
        biggest = -self._biggest[cell.dataset]
        return (biggest, cell.dataset, searching, self._issued[position], -self._costs[position], position, job.index)


def repeatable(
    load: Lookup, *, retry_failed: bool = False, stale: Callable[[TrialSummary], bool] | None = None
) -> Lookup:
    """`load`, blind to the trials that should run again.

    Args:
        load: the stored summary of a key, None where there is none.
        retry_failed: trials that failed or diverged run again.
        stale: trials for which it is true run again; None for none.
    """

    def stored(key: str) -> TrialSummary | None:
        summary = load(key)
        if summary is None or (retry_failed and summary.status != "done") or (stale is not None and stale(summary)):
            return None
        return summary

    return stored
