"""Tracks the trials of a run: each change goes to queue, store and index, and as an event to the listeners."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from ..cost.time import Estimate
from ..monitor import events
from ..monitor.events import Event, Listener, Totals
from ..monitor.log import RunLog
from ..plan.cell_trials import Job
from ..plan.queue import FINISHED, Signal, SuiteQueue
from ..records.results import Status, TrialResult, TrialSummary
from ..store.checkpoints import Checkpoints
from ..store.store import Store
from ..utils.durations import duration
from ..utils.errors import RearecError, StoreError
from ..utils.text import counted
from .index import RunIndex
from .outcome import RunOutcome
from .stopping import Ending, StopPolicy, Terminated, grace_s

if TYPE_CHECKING:
    from ..suite.model import Suite


_ESTIMATE_S = 5.0  # between two estimates of the time that is left
_GRACE_S = 60.0  # a trial whose time is over may finish its batch
_GRACE_SHARE = 0.05


class RunStopped(BaseException):
    """Ends Tune's loop; not an Exception, which Tune would handle as a trial's."""


class RunTracker:
    """The state of a run in its driver; a context manager, which writes index and log.

    Args:
        header: the content of index.json beside the cells.
        listeners: called with every event, after it is logged.
        estimate: of the time that is left; updated with every trial that ends.
        closing: when it ends before its work is done.
        details: how the run was started, for its log, as JSON values.
    """

    def __init__(
        self,
        suite: Suite,
        *,
        header: Mapping[str, Any],
        queue: SuiteQueue,
        store: Store,
        listeners: Iterable[Listener],
        estimate: Estimate,
        closing: StopPolicy | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self._suite = suite
        self.queue = queue
        self._store = store
        self._index = RunIndex(suite, header=header, queue=queue, store=store)
        self.root = store.root
        self.log_path = store.suite_folder(suite.name) / "run.jsonl"
        self._listeners = tuple(listeners)
        self._estimate = estimate
        self._details = details or {}
        self.max_concurrent = 1
        self._jobs: dict[str, Job] = {}
        self._storing: dict[str, Job] = {}
        self._ended: list[tuple[Job, TrialSummary]] = []
        self._due: list[tuple[Job, TrialSummary]] = []
        self._stop: BaseException | None = None
        self._closing = closing or StopPolicy()
        self._stop_reported = self._budget_reported = False
        self._finished = False
        self._checkpoints = Checkpoints(store.root)
        self._limit_s = suite.resources.timeout.seconds
        self._begun: dict[str, float] = {}
        self._epochs: dict[str, tuple[int, float]] = {}  # behind a running trial, and when the last one ended
        self._bests: dict[str, tuple[float, int]] = {}  # best validation metric of a running trial, and its epoch
        self._watched: set[str] = set()  # keys of trials whose epochs are in the estimate
        self._estimated_at = time.monotonic()
        self._stamps: dict[str, int] = {}
        self._killed: set[str] = set()

    def __enter__(self) -> RunTracker:
        self._began_at = time.perf_counter()
        self._index.write()
        self._log = RunLog(self.log_path)
        over, trials = self.queue.totals()
        self.emit(events.RunStarting(self._suite.name, over, trials, self._details))
        for key, reason in self._store.damaged.items():
            self.emit(events.TrialDamaged(key, reason))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._record_all()
        except StoreError as full:
            error = full
            raise
        finally:
            self._emit_end(error)
            self._log.close()

    def emit(self, event: Event) -> None:
        """Log an event, then pass it to the listeners.

        Raises:
            StoreError: the log cannot be written.
        """
        for listener in (self._log, *self._listeners):
            listener.handle(event)

    @property
    def running(self) -> int:
        """Trials that are given out and still running."""
        return len(self._jobs)

    def take(self, trial_id: str) -> Job | Signal:
        """The next job, registered under Tune's id."""
        if self.ending:
            return Signal.WAIT
        job = self.queue.next()
        if isinstance(job, Job):
            self._jobs[trial_id] = job
            self._stamps[trial_id] = self._checkpoints.stamp(job.key)
        self._finished = job is FINISHED
        return job

    def started(self, trial_id: str) -> None:
        """A worker has begun."""
        job = self._jobs[trial_id]
        self._begun[trial_id] = time.monotonic()
        self._epochs[trial_id] = 0, self._begun[trial_id]
        self._bests[trial_id] = 0.0, 0
        self.emit(events.TrialStarted(job))

    def epoch(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """A worker has finished an epoch."""
        job = self._jobs[trial_id]
        best = self.queue.best(job.cell) if job.purpose == "search" else None
        epoch, value, rows_per_s = int(result["epoch"]), float(result["value"]), float(result["rows_per_s"])
        now = time.monotonic()
        before, at = self._epochs.get(trial_id, (0, now))
        if epoch and now > at:
            self._estimate.epoch(job.spec, now - at, epochs=max(epoch - before, 1) if before else 1)
            self._watched.add(job.key)
        self._epochs[trial_id] = epoch, now
        self._bests[trial_id] = max(self._bests.get(trial_id, (0.0, 0)), (value, epoch), key=lambda best: best[0])
        left_s = None
        if now - self._estimated_at >= _ESTIMATE_S:
            self._estimated_at, left_s = now, self._left_s()
        self.emit(events.EpochEnded(job, epoch, value, rows_per_s, best, left_s))

    def resumable(self, job: Job) -> bool:
        """Whether a trial has a checkpoint to resume from."""
        return self._checkpoints.resumable(job.key)

    def note(self, trial_id: str, note: str) -> None:
        """A worker reports a problem that does not end its trial."""
        self.emit(events.TrialNote(self._jobs[trial_id], note))

    def short_of_memory(self, trial_id: str, reason: str) -> None:
        """A trial ran out of GPU memory beside others; it runs again, alone."""
        job = self._jobs.pop(trial_id)
        self.queue.short_of_memory(job.key)
        self.emit(events.OutOfMemory(job, reason))

    def suspended(self, trial_id: str, *, saved: bool) -> None:
        """A trial was suspended, as requested; a later run resumes it."""
        job = self._jobs.pop(trial_id, None)
        if job is not None:
            self.emit(events.TrialSuspended(job, saved))

    def hung(self) -> tuple[str, ...]:
        """Trials to kill: their time is over and they have not ended by themselves; each is returned once."""
        if self._limit_s is None:
            return ()
        latest = time.monotonic() - self._limit_s - max(_GRACE_S, self._limit_s * _GRACE_SHARE)
        begun = {trial_id: self._begun.get(trial_id, latest) for trial_id in self._jobs}
        hung = tuple(trial_id for trial_id, at in begun.items() if at < latest and trial_id not in self._killed)
        self._killed.update(hung)
        return hung

    def handed_over(self, trial_id: str) -> None:
        """A worker is done with a trial, whose result is being written; the trial is not over yet."""
        job = self._storing[trial_id] = self._jobs.pop(trial_id)
        self.emit(events.TrialHandedOver(job))

    def over(self, trial_id: str, *, unsaved: str) -> None:
        """The result of a trial that was handed over is on disk, or could not be written."""
        job = self._storing.pop(trial_id)
        if unsaved:
            self.stop(StoreError(unsaved))
            return
        self._take_in(job, self._store.summary(job.key))

    def lost(self, trial_id: str, cause: str) -> None:
        """A worker died; its trial runs again, or has failed where that happened too often."""
        job = self._jobs.pop(trial_id, None) or self._storing.pop(trial_id, None)
        if job is None:
            return
        summary = self.queue.look_again(job.key)
        if summary is None:
            hung = trial_id in self._killed and self._limit_s is not None
            has_new_checkpoint = self._checkpoints.stamp(job.key) != self._stamps[trial_id]
            runs_again = not hung and self.queue.lost(job.key, progressed=has_new_checkpoint)
            self.emit(events.WorkerLost(job, cause, runs_again))
            if runs_again:
                return
            reason = f"its worker died {job.attempt} times: {cause}"
            if hung:
                reason = f"timed out after {duration(self._limit_s or 0.0)} (resources.timeout): it hung"
            self._store.write(TrialResult(spec=job.spec, status="failed", reason=reason), replace=True)
            summary = self._store.summary(job.key)
        self._take_in(job, summary)  # it may also have died after its result was on disk

    def tick(self) -> None:
        """Called often: draws, and leaves Tune's loop once there is nothing more to do in it.

        Otherwise Tune would snapshot its trials, wait for its actors and analyse its files, which is not needed.

        Raises:
            RunStopped: the run is complete, or should stop.
        """
        try:
            self._record_due()
        except StoreError as error:  # raised here, Tune would handle it as its own
            self.stop(error)
        self.emit(events.Tick())
        if isinstance(self._stop, Exception) or (self._finished and self._stop is None):
            raise RunStopped from self._stop
        self._emit_stopping()
        begun = sum(trial_id in self._begun for trial_id in self._jobs)
        if self._closing.leaves(busy=len(self._jobs) + len(self._storing), begun=begun):
            raise RunStopped from self._stop

    @property
    def ending(self) -> bool:
        """Whether no more trials start."""
        return self._stop is not None or not self._closing.accepts

    @property
    def suspends(self) -> bool:
        """Whether running trials should be suspended."""
        return self._closing.suspends

    def stop(self, why: BaseException) -> None:
        """Make the next or a later `tick` leave Tune's loop: running trials may save a checkpoint first.

        Args:
            why: KeyboardInterrupt or Terminated; any other error stops at once.
        """
        self._stop = self._stop or why
        if not isinstance(why, Exception):
            self._closing.stop()

    @property
    def stopped_by(self) -> BaseException | None:
        """Why the run stops, None where it does not."""
        return self._stop

    def abandon(self) -> None:
        """Restore the terminal before the process ends."""
        self.emit(events.RunAbandoned())

    def settle(self) -> None:
        """Record the results on disk of trials that were running when the run stopped."""
        for job in self.queue.in_flight:
            summary = self.queue.look_again(job.key)
            if summary is not None:
                self._take_in(job, summary)
        self._record_all()

    def outcome(self, *, wall_s: float, ray_s: float) -> RunOutcome:
        """How the run ended."""
        return RunOutcome(
            done=self.queue.count("done"),
            diverged=self.queue.count("diverged"),
            failed=tuple((summary.key, summary.reason) for summary in self.queue.over() if summary.status == "failed"),
            notes=tuple(
                f"{progress.cell.dataset} {progress.cell.backbone} {progress.cell.row}: {progress.note}"
                for progress in self.queue.progress()
                if progress.note
            ),
            interrupted=isinstance(self._stop, KeyboardInterrupt | Terminated),
            left=self.queue.left,
            started=self.queue.started,
            wall_s=wall_s,
            ray_s=ray_s,
            ended_by=self._how(),
        )

    def totals(self) -> Totals:
        """The progress of the suite."""
        over, trials = self.queue.totals()
        return Totals(
            over=over,
            trials=trials,
            diverged=self.queue.count("diverged"),
            failed=self.queue.count("failed"),
            pruned=self.queue.count("pruned"),
            exact=self.queue.exact,
            left_s=self._left_s(),
        )

    def _left_s(self) -> float:
        running = [
            (job.spec, self._epochs.get(trial_id, (0, 0.0))[0], self._bests.get(trial_id, (0.0, 0))[1])
            for trial_id, job in self._jobs.items()
        ]
        return self._estimate.left(
            self.queue.remaining(), self.queue.device, running=running, at_once=self.max_concurrent
        )

    def _how(self) -> Ending:
        if isinstance(self._stop, KeyboardInterrupt):
            return "interrupted"
        if isinstance(self._stop, Terminated):
            return "terminated"
        if not self.queue.left:
            return "complete"
        return "time budget" if self._closing.over else "limit"

    def _emit_stopping(self) -> None:
        """Report once why the run ends before its work is done."""
        if self._stop is not None and not self._stop_reported:
            self._stop_reported = True
            over, trials = self.queue.totals()
            many = f"{over:,} of {counted(trials, 'trial')}"
            are = "is" if over == 1 else "are"
            message = f"stopping (once more: at once). Rerun the command to resume; {many} {are} stored."
            self.emit(events.RunStopping(self._how(), self.running, message, by_signal=True))
        elif self._stop is None and self._closing.over and not self._budget_reported:
            self._budget_reported = True
            budget_s = self._closing.budget_s or 0.0
            message = f"the time budget of {duration(budget_s)} is over: no more trials start"
            if self.running:
                message += f", {self.running} under way may take {duration(grace_s(budget_s))} more"
            self.emit(events.RunStopping("time budget", self.running, f"{message}.", by_signal=False))

    def _emit_end(self, error: BaseException | None) -> None:
        over, trials = self.queue.totals()
        error = error or (self._stop if isinstance(self._stop, Exception) else None)
        kind = "" if isinstance(error, RearecError) else f"{type(error).__name__}: "
        self.emit(
            events.RunEnded(
                how="error" if error is not None else self._how(),
                error="" if error is None else f"{kind}{error}",
                over=over,
                trials=trials,
                counts={status: self.queue.count(status) for status in get_args(Status)},
                seconds=time.perf_counter() - self._began_at,
            )
        )

    def _take_in(self, job: Job, summary: TrialSummary) -> None:
        """Update the queue at once, so that a worker can go on; listeners and index follow in `tick`."""
        self.queue.tell(summary)
        self._ended.append((job, summary))

    def _record_due(self) -> None:
        """Record what ended before the last tick: since then each idle worker has been given its next trial."""
        due, self._due, self._ended = self._due, self._ended, []
        for job, summary in due:
            self._record(job, summary)
        self._index.write_if_due()

    def _record_all(self) -> None:
        """Record everything that ended, and leave the index up to date."""
        for job, summary in (*self._due, *self._ended):
            self._record(job, summary)
        self._due, self._ended = [], []
        self._index.write_if_old()

    def _record(self, job: Job, summary: TrialSummary) -> None:
        self._estimate.add(summary, watched=job.key in self._watched)
        self._index.is_old = True
        self.emit(events.TrialEnded(job, summary, self.totals()))
