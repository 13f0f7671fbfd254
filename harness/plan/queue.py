"""The suite's queue: which trial runs next, over all cells; no stored trial runs twice."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..records.results import Epoch, Status, TrialSummary
from ..records.spec import TrialSpec
from .cell_trials import MAX_ATTEMPTS, CellProgress, CellTrials, Job, Lookup

if TYPE_CHECKING:
    from .cells import Cell


class Signal(Enum):
    """What the queue answers when it has no job to give."""

    WAIT = "wait"
    FINISHED = "finished"


WAIT = Signal.WAIT
FINISHED = Signal.FINISHED


class SuiteQueue:
    """All trials of a suite, in the order in which they should run.

    Args:
        cells: the suite's cells; those with `unsupported` are left out, and of one id the first stands for all.
        fingerprints: data set name to fingerprint.
        stored: the summary of a stored trial, or None where it is not stored or should run again.
        cost: seconds (or anything proportional) of one trial of a cell; the big ones start first.
        limit: max trials to start, None for all.
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
        self._alone: list[Job] = []
        runnable: dict[str, Cell] = {}
        for cell in cells:
            if cell.unsupported is None:
                runnable.setdefault(cell.id, cell)
        self._cells = [
            CellTrials(
                cell,
                fingerprint=fingerprints[cell.dataset],
                device=device,
                lookup=self.summary,
                vectors=(vectors or {}).get(cell.dataset, ""),
            )
            for cell in runnable.values()
        ]
        self._of = {trials.cell.id: trials for trials in self._cells}
        self._issued = [0] * len(runnable)
        self._costs = [cost(cell) for cell in runnable.values()]
        self._biggest: dict[str, float] = {}
        for cell, seconds in zip(runnable.values(), self._costs, strict=True):
            self._biggest[cell.dataset] = max(seconds, self._biggest.get(cell.dataset, 0.0))
        self._holders: dict[str, set[int]] = {}
        self._statuses: Counter[Status] = Counter()
        for position in range(len(self._cells)):
            self._advance(position)

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
        if job is None and self._alone and not self._in_flight:  # others would not leave a whole GPU to it
            job = self._alone.pop(0)
        if job is None:
            return WAIT if self._in_flight else FINISHED
        self._in_flight[job.key] = job
        return job

    def tell(self, summary: TrialSummary) -> None:
        """Take in the end of a trial."""
        job = self._in_flight.pop(summary.key, None)
        self._missing.discard(summary.key)
        before = self._summaries.get(summary.key)
        self._summaries[summary.key] = _lean(summary, job.spec if job is not None else summary.spec)
        if summary.key not in self._holders:
            return
        if before is not None:
            self._statuses[before.status] -= 1
        self._statuses[summary.status] += 1
        for position in self._holders[summary.key].copy():
            self._cells[position].tell(summary.key)
            self._advance(position)

    def short_of_memory(self, key: str) -> None:
        """Take in that a trial ran out of memory beside others: it runs again when nothing else does."""
        self._alone.append(dataclasses.replace(self._in_flight.pop(key), alone=True))

    def lost(self, key: str, *, progressed: bool = False) -> bool:
        """Record that the worker of a trial died.

        Args:
            progressed: the trial left a newer checkpoint, so that this attempt does not count.

        Returns:
            Whether the trial runs again; otherwise it stays in flight until its failure is passed to `tell`.
        """
        job = self._in_flight[key]
        attempt = job.attempt if progressed else job.attempt + 1
        if attempt > MAX_ATTEMPTS:
            return False
        del self._in_flight[key]
        (self._alone if job.alone else self._again).append(dataclasses.replace(job, attempt=attempt))
        return True

    def summary(self, key: str) -> TrialSummary | None:
        """The summary of a trial that is over, without its epochs and steps; None of any other."""
        if key not in self._summaries and key not in self._missing:
            summary = self._stored(key)
            if summary is None:
                self._missing.add(key)
            else:
                self._summaries[key] = _lean(summary, summary.spec)
        return self._summaries.get(key)

    def look_again(self, key: str) -> TrialSummary | None:
        """The summary of a trial, asking the store anew where it is not known to be over."""
        return self._summaries.get(key) or self._stored(key)

    def totals(self) -> tuple[int, int]:
        """How many trials of the suite are over, and how many there are at most.

        The second number falls when a search suggests a duplicate or none of its trials succeeds. With a budget in
        epochs it is an estimate until the searches have ended.
        """
        undetermined = sum(trials.undetermined for trials in self._cells)
        return self._statuses.total(), len(self._holders) + undetermined

    @property
    def exact(self) -> bool:
        """Whether the second number of `totals` is certain, not an estimate."""
        return all(trials.exact for trials in self._cells)

    def count(self, status: Status) -> int:
        """How many trials of the suite are over with this status."""
        return self._statuses[status]

    @property
    def left(self) -> int:
        """Trials that may still have to run."""
        over, total = self.totals()
        return total - over

    def over(self) -> tuple[TrialSummary, ...]:
        """The suite's trials that are over."""
        return tuple(summary for key in sorted(self._holders) if (summary := self.summary(key)) is not None)

    def best(self, cell: Cell) -> float | None:
        """Best validation metric of a cell's search so far."""
        return self._of[cell.id].best()

    def remaining(self) -> Iterator[tuple[Cell, int, int]]:
        """The cells that are not over, each with how many search trials and final runs may still have to run."""
        return (
            (trials.cell, trials.left - trials.finals_left, trials.finals_left) for trials in self._cells if trials.left
        )

    def standings(self) -> Iterator[tuple[Cell, Mapping[Status, int], int]]:
        """Each cell with how many of its trials are over, by status, and how many may still have to run."""
        counts: list[Counter[Status]] = [Counter() for _ in self._cells]
        for key, positions in self._holders.items():
            if key in self._summaries:
                for position in positions:
                    counts[position][self._summaries[key].status] += 1
        for trials, count in zip(self._cells, counts, strict=True):
            yield trials.cell, count, trials.left

    def progress(self) -> tuple[CellProgress, ...]:
        """The progress of each cell, in the order of the suite."""
        return tuple(trials.progress() for trials in self._cells)

    def searched(self) -> dict[str, list[str]]:
        """Cell id to the keys of its search trials that are over, for cells with a pruner."""
        return {trials.cell.id: trials.searched() for trials in self._cells if trials.cell.pruner is not None}

    def index(self) -> dict[str, Any]:
        """Which stored trials belong to which cell, for the suite's index.json."""
        return {trials.cell.id: trials.index() for trials in self._cells}

    def _advance(self, position: int) -> None:
        """Let a cell determine more of its trials, and remember who has them."""
        for key in self._cells[position].advance():
            if key not in self._holders:
                self._holders[key] = set()
                over = self.summary(key)
                if over is not None:
                    self._statuses[over.status] += 1
            self._holders[key].add(position)

    def _first(self) -> Job | None:
        if self._limit is not None and self._started >= self._limit:
            return None
        while ready := list(self._ready()):
            _, position, job = min(ready, key=lambda entry: entry[0])
            stored = self.look_again(job.key)
            if stored is None:
                self._issued[position] += 1
                self._started += 1
                return job
            self.tell(stored)  # another process has stored it in the meantime
        return None

    def _ready(self) -> Iterator[tuple[tuple[Any, ...], int, Job]]:
        """The next job of each cell that has one, with its rank."""
        out = self._in_flight.keys() | {job.key for job in self._alone}
        for position, trials in enumerate(self._cells):
            job = next((job for job in trials.jobs() if job.key not in out), None)
            if job is not None:
                yield self._rank(position, job), position, job

    def _rank(self, position: int, job: Job) -> tuple[Any, ...]:
        """Big data sets first; then final runs, cells in turn, long trials, and the order of the suite."""
        cell = job.cell
        searching = job.purpose == "search"
        biggest = -self._biggest[cell.dataset]
        return (biggest, cell.dataset, searching, self._issued[position], -self._costs[position], position, job.index)


def _lean(summary: TrialSummary, spec: TrialSpec) -> TrialSummary:
    """The summary without step and epoch lists: the last epoch stays, with the best validation metric."""
    kept: tuple[Epoch, ...] = ()
    if summary.history:
        best = max(epoch.validation.get(spec.metric, -math.inf) for epoch in summary.history)
        kept = (Epoch(summary.epochs, {}, {spec.metric: best}, 0.0, 0.0, 0.0),)
    return dataclasses.replace(summary, spec=spec, history=kept, validation_steps=(), test_steps=(), environment={})


def repeatable(
    load: Lookup, *, retry_failed: bool = False, stale: Callable[[TrialSummary], bool] | None = None
) -> Lookup:
    """`load`, but None for trials that should run again: those for which `stale` is true and, on request, failed ones.

    Args:
        retry_failed: trials that failed or diverged run again.
    """

    def stored(key: str) -> TrialSummary | None:
        summary = load(key)
        if summary is None or (stale is not None and stale(summary)):
            return None
        return None if retry_failed and summary.status in ("diverged", "failed") else summary

    return stored
