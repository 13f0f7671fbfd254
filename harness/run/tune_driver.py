"""The driver's side of Ray Tune: one Tuner for a run, a Searcher and a Callback between it and the tracker.

Imports ray.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..plan.queue import FINISHED, WAIT, Signal
from ..utils.errors import RearecError
from .cluster import Cluster
from .nodes import cannot_run
from .tracker import RunTracker
from .tune_worker import TuneTrial, WorkerContext
from .writer import Collector

_CAUSE_LENGTH = 200
_WAIT_S = 0.1
_FLUSH_S = 30.0
_HASTY_FLUSH_S = 10.0  # where an error has ended the run
_UNLOADABLE = "failed to import on the worker"  # Ray's words


def run_trials(
    joined: Cluster, tracker: RunTracker, context: WorkerContext, *, slots: Callable[[], int], cpu: float, gpu: float
) -> None:
    """Run the trials of the tracker's queue on a joined Ray, until the tracker ends the run.

    Args:
        context: what workers need; data sets and collector are put into Ray here.
        slots: returns how many trials may run at once now.
        cpu: cores of one trial.
        gpu: GPUs of one trial.

    Raises:
        RunStopped: the run is complete, or should stop.
    """
    tracker.tick()
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    collector = (
        ray.remote(Collector)
        .options(num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)
        .remote(str(tracker.root.absolute()), tracker.queue.searched())
    )
    arrivals = Arrivals(tracker, collector)
    datasets = {name: ray.put(data) for name, data in context.datasets.items()}
    context = replace(context, datasets=datasets, collector=collector)

    def occupied(config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        share = max(gpu, 1.0) if config["alone"] else gpu
        return tune.PlacementGroupFactory([{"CPU": cpu, "GPU": share} if gpu > 0 else {"CPU": cpu}])

    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(TuneTrial, context=context), occupied),
        tune_config=tune.TuneConfig(
            search_alg=QueueSearcher(tracker, slots, arrivals),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(joined.scratch / "tune"),
            callbacks=[Events(tracker, arrivals)],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        with suppress(ray.exceptions.RayError):  # without Ray, only the results on disk count
            hasty = isinstance(tracker.stopped_by, Exception)
            ray.get(collector.flush.remote(), timeout=_HASTY_FLUSH_S if hasty else _FLUSH_S)


class Arrivals:
    """Results that the collector is writing; a trial is over once its own is on disk."""

    def __init__(self, tracker: RunTracker, collector: Any) -> None:
        self._tracker = tracker
        self._collector = collector
        self._expected: dict[Any, str] = {}
        self._suspension_requested = False

    def __bool__(self) -> bool:
        """Whether any result is being written."""
        return bool(self._expected)

    def expect(self, trial_id: str, saved: Any) -> None:
        """A worker has sent a result; `saved` is the reference of the collector's answer."""
        self._tracker.handed_over(trial_id)
        self._expected[saved] = trial_id

    def suspend(self) -> None:
        """Ask the workers to suspend their trials; once is enough."""
        if not self._suspension_requested:
            self._suspension_requested = True
            self._collector.request_suspension.remote()

    def take(self, *, wait_s: float = 0.0) -> None:
        """Report written results to the tracker; on request, wait for the first."""
        if not self._expected:
            return
        arrived, _ = ray.wait(list(self._expected), num_returns=1 if wait_s else len(self._expected), timeout=wait_s)
        for saved in arrived:
            trial_id = self._expected.pop(saved)
            try:
                unsaved = ray.get(saved)
            except ray.exceptions.RayError as error:  # the worker died while its result was sent
                ray.get(self._collector.flush.remote())
                self._tracker.lost(trial_id, f"{type(error).__name__} before its result was on disk")
            else:
                self._tracker.over(trial_id, unsaved=unsaved)


class QueueSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune the trials of the suite's queue; `slots` returns how many may run at once now."""

    def __init__(self, tracker: RunTracker, slots: Callable[[], int], arrivals: Arrivals) -> None:
        super().__init__()
        self._tracker = tracker
        self._slots = slots
        self._arrivals = arrivals

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune snapshots its searchers, and the store is the only truth."""
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing is saved; see `__getstate__`."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial, FINISHED, or None to be asked again later.

        Where the next one depends on a result that is still being written, this waits for it: Tune asks again only
        after it has slept, and lets the idle worker go.
        """
        self._tracker.max_concurrent = limit = max(self._slots(), 1)  # without a slot Tune waits for one
        if self._tracker.running >= limit:
            return None
        job = self._tracker.take(trial_id)
        while job is WAIT and self._arrivals and not self._tracker.ending:
            with _heard(self._tracker):
                self._arrivals.take(wait_s=_WAIT_S)
            job = self._tracker.take(trial_id)
        if self._tracker.ending:
            self._tracker.tick()  # may end the run: Tune asks repeatedly where it has no other trial
        if isinstance(job, Signal):
            return Searcher.FINISHED if job is FINISHED else None
        return {
            "spec": json.dumps(job.spec.to_json()),
            "resume": self._tracker.resumable(job),
            "alone": job.alone,
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch is over."""
        with _heard(self._tracker):
            self._tracker.epoch(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Does nothing: `Events` receives the ends of trials, with references and reasons that Tune omits here."""


class Events(Callback):  # type: ignore[misc]
    """What a Searcher does not receive: that a trial has really started or ended, why a worker died, passing time."""

    def __init__(self, tracker: RunTracker, arrivals: Arrivals) -> None:
        self._tracker = tracker
        self._arrivals = arrivals

    def __getstate__(self) -> dict[str, Any]:
        """Nothing; see `QueueSearcher.__getstate__`."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has taken the trial."""
        with _heard(self._tracker):
            self._tracker.started(trial.trial_id)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **i: Any) -> None:
        """Handle a worker's message; a reference is removed, as Tune keeps each trial's last result."""
        saved, short = result.pop("saved", None), result.get("short_of_memory")
        suspended = result.get("suspended")
        with _heard(self._tracker):
            for note in result.pop("notes", ()):
                self._tracker.note(trial.trial_id, note)
            if short is not None:
                self._tracker.short_of_memory(trial.trial_id, short)
            if suspended is not None:
                self._tracker.suspended(trial.trial_id, saved=suspended)
            if saved is not None:
                self._arrivals.expect(trial.trial_id, saved)
            if "refused" in result:
                self._refused(trial.trial_id, result["refused"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Forget what Tune has counted of the trial's results: it keeps its trials to the end of the run."""
        trial.run_metadata = type(trial.run_metadata)()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The worker has ended."""
        with _heard(self._tracker):
            failure = _last_failure(trial)
            if _UNLOADABLE in failure:
                self._refused(trial.trial_id, f"a node cannot run trials: {cannot_run(failure)}")
            else:
                self._tracker.lost(trial.trial_id, _cause(failure))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Record results, kill trials that hang, draw, and leave the loop where the run should stop."""
        with _heard(self._tracker):
            self._arrivals.take()
            if self._tracker.suspends:
                self._arrivals.suspend()
            hung = self._tracker.hung()
            for trial in trials if hung else ():
                if trial.trial_id in hung:
                    _kill(trial)
        self._tracker.tick()

    def _refused(self, trial_id: str, why: str) -> None:
        """A node differs from the others: its failures are not the trial's, so none is stored."""
        self._tracker.note(trial_id, why)
        raise RearecError(
            f"{why}. What has run elsewhere is stored. Install the same on that node, or take it out of the cluster "
            "(ray stop), then rerun the command to resume. More: docs/cluster.md."
        )


@contextmanager
def _heard(tracker: RunTracker) -> Iterator[None]:
    """Stops the run at an error of the driver's own, which Tune would take for the trial's and pass over."""
    try:
        yield
    except Exception as error:
        tracker.stop(error)


def _kill(trial: Any) -> None:
    """Kill the worker of a trial; Tune treats it like any other death of a worker."""
    worker = trial.temporary_state.ray_actor
    if worker is not None:
        ray.kill(worker)


def _last_failure(trial: Any) -> str:
    """The last error that Tune recorded, else ""."""
    try:
        text = Path(trial.error_file or "").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition("Failure # ")[2].partition("\n")[2]


def _cause(failure: str) -> str:
    """Why a worker died, in one line."""
    detail = failure.partition("Worker exit detail: ")[2].partition(" Some common causes")[0]
    lines = [line.strip() for line in (detail or failure).splitlines() if line.strip()]
    return lines[0][:_CAUSE_LENGTH] if lines else "its worker ended without a reason"
