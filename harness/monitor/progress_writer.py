"""The listener that keeps a run's progress file (`store/progress_file.py`) up to date."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections import Counter
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from ..store import progress_file
from ..store.progress_file import REFRESH_S, CellCounts, Phase, RunningTrial, RunProgress, cell_label
from ..utils.text import printable
from . import events, lines
from .events import Event

if TYPE_CHECKING:
    from ..plan.queue import SuiteQueue

_MIN_S = 1.0  # between two writes of one phase
_RATE_S = 3600.0
_LONGEST = 400  # of an error, shown by `status`


class ProgressWriter:
    """Writes the progress file of a run: at each event, at most once a second, and while nothing happens.

    `folder` is the suite's; `command` resumes the run, as typed; `budget_s` is its time budget, None for none.
    """

    def __init__(self, folder: Path, *, queue: SuiteQueue, command: str = "", budget_s: float | None = None) -> None:
        self._folder = folder
        self._queue = queue
        self._command = command
        self._since = time.time()
        self._budget_ends_at = None if budget_s is None else self._since + budget_s
        self._phase: Phase = "starting"
        self._ending = self._place = ""
        self._max_concurrent = 0
        self._ends_at: float | None = None
        self._running: dict[str, RunningTrial] = {}
        self._began_at = time.monotonic()
        self._ended_at: list[float] = []
        self._written_at = 0.0
        self._number = 0

    def handle(self, event: Event) -> None:
        """Record an event, and write the file if it is time."""
        phase = self._phase
        match event:
            case events.RunStarted(place=place, max_concurrent=max_concurrent, totals=totals):
                self._phase, self._place, self._max_concurrent = "running", place, max_concurrent
                self._began_at = time.monotonic()
                self._ends_at = time.time() + totals.left_s
            case events.TrialStarted(job):
                self._running[job.key] = RunningTrial(
                    key=job.key,
                    cell=job.cell.id,
                    label=lines.cell_label(job),
                    place=lines.place(job),
                    attempt=job.attempt,
                    since=time.time(),
                    epoch=0,
                    metric=job.spec.metric,
                    value=None,
                    rows_per_s=None,
                )
            case events.EpochEnded(job, epoch, value, rows_per_s, left_s=left_s):
                if left_s is not None:
                    self._ends_at = time.time() + left_s
                if (trial := self._running.get(job.key)) is not None:
                    self._running[job.key] = dataclasses.replace(trial, epoch=epoch, value=value, rows_per_s=rows_per_s)
            case (
                events.TrialHandedOver(job)
                | events.WorkerLost(job)
                | events.OutOfMemory(job)
                | events.TrialSuspended(job)
            ):
                self._running.pop(job.key, None)
            case events.TrialEnded(job, totals=totals):
                self._running.pop(job.key, None)
                self._ends_at = time.time() + totals.left_s
                self._ended_at.append(time.monotonic())
            case events.RunStopping():
                self._phase = "stopping"
            case events.RunEnded(how, error):
                self._phase = "ended"
                self._ending = shorten(error.splitlines()[0], _LONGEST, placeholder=" ...") if error else how
                self._running.clear()
            case _:
                pass
        passed_s = time.monotonic() - self._written_at
        is_new = self._phase != phase or isinstance(event, events.RunStarting)
        if is_new or passed_s >= (REFRESH_S if isinstance(event, events.Tick) else _MIN_S):
            self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        self._number += 1
        over, trials = self._queue.totals()
        progress = RunProgress(
            schema=1,
            suite=self._folder.name,
            pid=os.getpid(),
            host=socket.gethostname(),
            since=self._since,
            command=printable(self._command),
            folder=working_folder(),
            number=self._number,
            at=time.time(),
            phase=self._phase,
            ending=self._ending,
            place=self._place,
            max_concurrent=self._max_concurrent,
            over=over,
            trials=trials,
            ends_at=self._ends_at,
            rate_per_h=self._rate_per_h(),
            budget_ends_at=self._budget_ends_at,
            cells=self._cells(),
            running=tuple(self._running.values()),
        )
        progress_file.write(self._folder, progress)

    def _cells(self) -> tuple[CellCounts, ...]:
        running = Counter(trial.cell for trial in self._running.values())
        return tuple(
            CellCounts(cell.id, cell_label(cell), dict(over), running[cell.id], max(left - running[cell.id], 0))
            for cell, over, left in self._queue.standings()
        )

    def _rate_per_h(self) -> float | None:
        """Trials per hour over the last hour, or since the run began."""
        now = time.monotonic()
        self._ended_at = [moment for moment in self._ended_at if now - moment <= _RATE_S]
        seconds = min(now - self._began_at, _RATE_S)
        return len(self._ended_at) * 3600.0 / seconds if self._ended_at and seconds > 0 else None


def working_folder() -> str:
    """The working folder of this process; "" where it was removed."""
    try:
        return printable(os.getcwd())
    except OSError:
        return ""
