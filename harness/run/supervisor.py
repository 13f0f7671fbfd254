"""Supervises a running trial: ends it when its time is over, and saves checkpoints regularly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ..records.spec import TrialSpec
from ..store.checkpoints import Channel
from ..trial.checkpoint import Checkpoint, pack, unpack
from ..utils.durations import duration
from ..utils.errors import CheckpointError, TrialSuspended, TrialTimedOut

Keep = Literal["none", "best", "all"]

ASK_S = 1.0
"""Seconds between two checks whether the trial should be suspended."""


@runtime_checkable
class Resumable(Protocol):
    """A trial that can be interrupted; others start over."""

    after_batch: Callable[[], None] | None

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on it, over all attempts that were resumed."""

    @property
    def done(self) -> bool:
        """Whether no further epoch will run."""

    def snapshot(self) -> Checkpoint:
        """Its state."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Resume from it."""


@dataclass(frozen=True)
class TrialLimits:
    """How long trials may take and what is saved of them; nothing here can change their numbers.

    Attributes:
        every_s: seconds between two checkpoints; None for none.
        timeout_s: max seconds of a trial, over all attempts that were resumed; None for no limit.
        keep: which trials' last checkpoint stays when they are done: none, that of final runs ("best"), all.
    """

    suite: str
    every_s: float | None = 300.0
    timeout_s: float | None = None
    keep: Keep = "none"

    def keeps(self, spec: TrialSpec) -> bool:
        """Whether the weights of a trial stay after it is done."""
        if spec.is_baseline:
            return False
        return self.keep == "all" or (self.keep == "best" and spec.purpose == "final")


class TrialSupervisor:
    """Supervises one trial.

    Args:
        make: builds the trial.
        channel: to the checkpoints.
        resume: whether it has a checkpoint to resume from.
        should_suspend: whether the trial should be suspended; does not wait for the answer.
        clock: seconds.

    Attributes:
        run: the trial, resumed from its checkpoint if that is usable.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        spec: TrialSpec,
        *,
        limits: TrialLimits,
        channel: Channel,
        resume: bool,
        should_suspend: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notes: list[str] = []
        self._spec = spec
        self._limits = limits
        self._channel = channel
        self._should_suspend = should_suspend
        self._clock = clock
        self._asked = self._started = clock()
        self.run: Any = self._resumed(make) if resume else make()
        if isinstance(self.run, Resumable):
            self._started = clock() - self.run.elapsed_s
            self.run.after_batch = self.check
        self._saved = clock()
        self._able = isinstance(self.run, Resumable) and limits.every_s is not None

    def take_notes(self) -> list[str]:
        """Notes on the trial for the run's log, since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def check(self) -> None:
        """Call this between two batches or epochs.

        Raises:
            TrialTimedOut: its time is over.
            TrialSuspended: it should be suspended; a checkpoint is saved if possible.
        """
        now = self._clock()
        if now - self._asked >= ASK_S:
            self._asked = now
            if self._should_suspend():
                raise TrialSuspended(saved=self._able and self._save())
        timeout_s, every_s = self._limits.timeout_s, self._limits.every_s
        if timeout_s is not None and now - self._started > timeout_s:
            raise TrialTimedOut(f"timed out after {duration(timeout_s)} (resources.timeout)")
        if self._able and every_s is not None and now - self._saved >= every_s:
            self._save()

    def save_last(self) -> bool:
        """Save the trial's weights before its evaluation if they are to stay; whether they are saved."""
        if not (isinstance(self.run, Resumable) and self._limits.keeps(self._spec)):
            return False
        return self._save()

    def _resumed(self, make: Callable[[], Any]) -> Any:
        run = make()
        if not isinstance(run, Resumable):
            return run
        try:
            run.restore(unpack(self._channel.read(self._spec.key)))
        except CheckpointError as error:
            self._notes.append(f"its checkpoint is of no use, it starts over: {error}")
            return make()
        return run

    def _save(self) -> bool:
        try:
            self._channel.write(self._spec.key, pack(self.run.snapshot()), self._limits.suite)
        except (CheckpointError, TypeError) as error:
            self._notes.append(f"no checkpoint of it: {error}")
            self._able = self._able and isinstance(error, CheckpointError)  # a tensor cannot be saved later either
            return False
        finally:
            self._saved = self._clock()
        return True
