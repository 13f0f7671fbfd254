"""Writes a run's heartbeat (`heartbeat.py`).

The driver's loop says how things stand; a thread of it writes, so that a loop that waits for Ray does not look dead.
The file is replaced whole, not synced, and a disk that is full or a folder that is gone leaves it as it is.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..records.results import TrialSummary
from ..store.heartbeat import BEAT_S, Beat, CellCount, Phase, Worker, label_of, namespace, this_process, written
from ..utils import files as atomic
from .progress import Progress, RunFacts, Totals, cell_label
from .terminal import place

if TYPE_CHECKING:
    from ..plan.cell_trials import Job
    from ..plan.queue import SuiteQueue

_RATE_S = 3600.0


class Heart:
    """Writes the heartbeat of a run, which tells it as it tells any reporter; a context manager.

    Args:
        path: of the file.
        suite: its name.
        queue: of the run.
        command: that goes on with it, as typed.
        budget_s: seconds of its time budget, None for none.
        every_s: seconds between two beats.
    """

    def __init__(
        self,
        path: Path,
        *,
        suite: str,
        queue: SuiteQueue,
        command: str = "",
        budget_s: float | None = None,
        every_s: float = BEAT_S,
    ) -> None:
        self._path = path
        self._suite = suite
        self._queue = queue
        self._command = command
        self._folder = working_folder()
        self._process = this_process(f"suite '{suite}'")
        self._budget_ends_at = None if budget_s is None else time.time() + budget_s
        self._every_s = every_s
        self._phase: Phase = "starting"
        self._place = ""
        self._most = 0
        self._left_s: float | None = None
        self._left_at = 0.0
        self._workers: dict[str, Worker] = {}
        self._cells_of: dict[str, str] = {}
        self._ended: list[float] = []
        self._began_at = time.monotonic()
        self._told_at = 0.0
        self._number = 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._standing = self._stand()
        self.ending = ""

    def __enter__(self) -> Heart:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Say how the run has ended; `ending` where no error has ended it."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._phase = "ended"
        self._workers.clear()
        if error is not None:
            self.ending = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        self._tell()
        self._write()

    def start(self) -> None:
        """Begin to beat."""
        self._tell()
        self._write()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def begin(self, facts: RunFacts) -> None:
        """The run begins."""
        self._phase, self._place, self._most = "running", facts.place, facts.most
        self._take(facts.totals)
        self._began_at = time.monotonic()
        self._tell()

    def started(self, job: Job) -> None:
        """A worker has begun a trial."""
        self._cells_of[job.key] = job.cell.id
        self._workers[job.key] = Worker(
            key=job.key,
            label=cell_label(job),
            place=place(job),
            attempt=job.attempt,
            since=time.time(),
            epoch=0,
            metric=job.spec.metric,
            value=None,
            rows_per_s=None,
        )

    def epoch(self, job: Job, progress: Progress) -> None:
        """A worker has finished an epoch."""
        held = self._workers.get(job.key)
        if held is not None:
            said = {"epoch": progress.epoch, "value": progress.value, "rows_per_s": progress.rows_per_s}
            self._workers[job.key] = Worker(**{**vars(held), **said})

    def lost(self, job: Job, cause: str) -> None:
        """A worker died."""
        self._workers.pop(job.key, None)

    def suspended(self, job: Job, *, saved: bool) -> None:
        """A trial was called back."""
        self._workers.pop(job.key, None)

    def finished(self, job: Job, summary: TrialSummary, totals: Totals) -> None:
        """A trial is over."""
        self._workers.pop(job.key, None)
        self._take(totals)
        self._ended.append(time.monotonic())

    def tick(self) -> None:
        """Say how things stand, if it is time to."""
        if time.monotonic() - self._told_at >= self._every_s:
            self._tell()

    def said(self, words: str) -> None:
        """No more trials start."""
        self._phase = "stopping"
        self._tell()

    def stopping(self, stored: int) -> None:
        """Somebody stops the run."""
        self._phase = "stopping"
        self._tell()

    def end(self) -> None:
        """Nothing; it ends with its context."""

    def _take(self, totals: Totals) -> None:
        self._left_s, self._left_at = totals.left_s, time.monotonic()

    def _left(self) -> float | None:
        return None if self._left_s is None else max(self._left_s - (time.monotonic() - self._left_at), 0.0)

    def _tell(self) -> None:
        """What the thread writes from now on."""
        self._told_at = time.monotonic()
        self._standing = self._stand()

    def _stand(self) -> dict[str, Any]:
        over, trials = self._queue.totals()
        return {
            "told_at": time.time(),
            "phase": self._phase,
            "place": self._place,
            "most": self._most,
            "over": over,
            "trials": trials,
            "left_s": self._left() if over < trials else 0.0,
            "rate_per_h": self._rate(),
            "cells": self._cells(),
            "workers": tuple(self._workers.values()),
        }

    def _cells(self) -> tuple[CellCount, ...]:
        running = Counter(self._cells_of[key] for key in self._workers)
        found = []
        for cell, over, left in self._queue.standings():
            at_work = running[cell.id]
            waiting = max(left - at_work, 0)
            found.append(
                CellCount(
                    cell.id, label_of(cell), {str(status): count for status, count in over.items()}, at_work, waiting
                )
            )
        return tuple(found)

    def _rate(self) -> float | None:
        """Trials per hour over the last hour, or since the run began."""
        now = time.monotonic()
        self._ended = [moment for moment in self._ended if now - moment <= _RATE_S]
        seconds = min(now - self._began_at, _RATE_S)
        return len(self._ended) * 3600.0 / seconds if self._ended and seconds > 0 else None

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            self._write()

    def _write(self) -> None:
        self._number += 1
        beat = Beat(
            suite=self._suite,
            process=self._process,
            namespace=namespace(),
            command=self._command,
            folder=self._folder,
            number=self._number,
            at=time.time(),
            ending=self.ending,
            budget_ends_at=self._budget_ends_at,
            **self._standing,
        )
        with contextlib.suppress(OSError):
            atomic.swap_file(self._path, written(beat))


def working_folder() -> str:
    """Of this process; "" where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""
