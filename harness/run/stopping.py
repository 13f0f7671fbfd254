"""How a run ends before its work is done: by the end of its time budget, by Ctrl-C, by SIGTERM.

At the end of a time budget no new trial starts, and those under way may finish within a grace. After it, and at once
where somebody stops the run, the trials are called back: each takes a checkpoint and ends. What has not come back
within `SUSPEND_S` is left behind, and resumes from its last checkpoint.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

Ending = Literal["complete", "limit", "interrupted", "terminated", "time budget"]
"""How a run ended without an error; "limit": `max_trials` have run."""

SUSPEND_S = 15.0
"""Seconds that trials have to save a checkpoint; Slurm kills 30 s after SIGTERM, and Ray's shutdown needs some."""
GRACE_SHARE = 0.1
MAX_GRACE_S = 600.0


class Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt not an Exception."""


SIGNALS: dict[int, type[BaseException]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
"""The signals that end a run, and their exceptions."""


def grace_s(budget_s: float) -> float:
    """Seconds that running trials have after a time budget: a tenth of it, ten minutes at most."""
    return min(budget_s * GRACE_SHARE, MAX_GRACE_S)


class StopPolicy:
    """When a run starts no more trials, suspends running ones, and ends; a budget starts now, None is no limit."""

    def __init__(self, budget_s: float | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget_s = budget_s
        self._clock = clock
        self._began = clock()
        self._stopped_at: float | None = None

    def stop(self) -> None:
        """Request the end of the run now."""
        if self._stopped_at is None:
            self._stopped_at = self._clock()

    @property
    def over(self) -> bool:
        """Whether the time budget is over."""
        return self.budget_s is not None and self._clock() - self._began >= self.budget_s

    @property
    def accepts(self) -> bool:
        """Whether trials may start."""
        return self._stopped_at is None and not self.over

    @property
    def suspends(self) -> bool:
        """Whether running trials should be suspended."""
        at = self._suspend_at
        return at is not None and self._clock() >= at

    def leaves(self, *, busy: int, begun: int) -> bool:
        """Whether there is nothing left to wait for; never before the run has a reason to end.

        Args:
            busy: trials given out whose result is not on disk.
            begun: of those, the ones that a worker has begun: others have nothing to save.
        """
        at = self._suspend_at
        if at is not None and self._clock() >= at:
            return not begun or self._clock() - at > SUSPEND_S
        return self.over and not busy

    @property
    def _suspend_at(self) -> float | None:
        if self._stopped_at is not None:
            return self._stopped_at
        return None if self.budget_s is None else self._began + self.budget_s + grace_s(self.budget_s)


class Stoppable(Protocol):
    """A run that a signal stops."""

    @property
    def stopped_by(self) -> BaseException | None:
        """Why it stops, None where it does not."""

    def stop(self, why: BaseException) -> None:
        """Stop soon."""

    def abandon(self) -> None:
        """Clean up before the process ends."""


@contextmanager
def stop_on_signals(run: Stoppable) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM stops the run, the second ends the process; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: object) -> None:
        if run.stopped_by is not None:
            run.abandon()
            os._exit(128 + number)  # Ray's processes die with this one
        run.stop(SIGNALS[number]())

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
