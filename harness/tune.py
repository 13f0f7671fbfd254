"""The adapters between Ray Tune and the engine: a class Trainable, a Searcher, a Callback. Imports ray."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback, Trainable
from ray.tune.search import Searcher

from .errors import CheckpointError, InputError, RearecError, TrialDiverged, TrialSuspended
from .keeper import Care, Keeper, Resumable
from .ledger import Ledger
from .nodes import Software, cannot_run
from .plugin_files import PluginFile
from .pruning import Reached
from .queue import FINISHED, WAIT, Signal
from .reclaim import Reclaimer
from .registry import resolve
from .results import TrialResult
from .spec import TrialSpec

_CAUSE_LENGTH = 200
_STEP_S = 0.25  # epochs shorter than this are not worth a message each
_WAIT_S = 0.1
_UNLOADABLE = "failed to import on the worker"  # Ray's words


@dataclass(frozen=True)
class WorkerContext:
    """What every worker needs, held once in Ray's object store.

    Attributes:
        datasets: name to reference of the data set's arrays, item vectors among them where a backbone needs them.
        collector: the actor that writes results.
        factory: "module:attribute" of what makes a trial from (spec, data set).
        plugins: of the suite.
        care: how trials are looked after.
        shares_gpu: a trial has a part of a GPU, and could have a whole one.
        software: what all nodes have in common; None where there is one machine.
    """

    datasets: Mapping[str, Any]
    collector: Any
    factory: str
    plugins: tuple[PluginFile, ...]
    care: Care
    shares_gpu: bool = False
    software: Software | None = None


class CheckpointsElsewhere:
    """The collector's checkpoints, as a `Channel` for a worker.

    Args:
        collector: the actor.
    """

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def put(self, key: str, token: str, name: str, offset: int, content: bytes) -> None:
        """See `Checkpoints.put`."""
        self._ask("put", key, token, name, offset, content)

    def commit(self, key: str, token: str, manifest: Mapping[str, Any]) -> None:
        """See `Checkpoints.commit`."""
        self._ask("commit", key, token, manifest)

    def open(self, key: str) -> tuple[dict[str, Any], dict[str, int]]:
        """See `Checkpoints.open`."""
        manifest, sizes = self._ask("open", key)
        return manifest, sizes

    def get(self, key: str, name: str, offset: int, size: int) -> bytes:
        """See `Checkpoints.get`."""
        return bytes(self._ask("get", key, name, offset, size))

    def _ask(self, verb: str, *arguments: Any) -> Any:
        answer, refusal = ray.get(self._collector.checkpoint.remote(verb, *arguments))
        if refusal:
            raise CheckpointError(refusal)
        return answer


class Recall:
    """Whether the run wants its trials back, as the collector has answered the question before this one.

    Args:
        collector: the actor.
    """

    def __init__(self, collector: Any) -> None:
        self._collector = collector
        self._asked: Any = None

    def __call__(self) -> bool:
        """Ask, without waiting for the answer."""
        wanted = False
        if self._asked is not None:
            answered, _ = ray.wait([self._asked], timeout=0)
            if not answered:
                return False
            try:
                wanted = bool(ray.get(self._asked))
            except ray.exceptions.RayError:  # the collector died; Ray starts it anew
                wanted = False
        self._asked = self._collector.recalled.remote()
        return wanted


class TuneTrial(Trainable):  # type: ignore[misc]
    """One trial in a worker, one epoch or more in a step; the process is used again for the next trial."""

    def setup(self, config: dict[str, Any], context: WorkerContext) -> None:
        """Take the first trial."""
        self._context = context
        self._saved: Any = None
        self._full = False
        self._reclaimer = Reclaimer()
        self._refusal = _refusal(context)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._spec = TrialSpec.from_json(json.loads(new_config["spec"]))
        self._resume, self._alone = new_config["resume"], new_config["alone"]
        self._keeper: Keeper | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Train for a while, at least one epoch; after the last one, send the result to where it is written.

        The trial is over once the reference in "saved" has its value. The driver waits for that, and this worker goes
        on meanwhile. "short_of_memory" says why it should run again, alone on a GPU; "refused", why it cannot run here.
        """
        if self._refusal:
            return {"done": True, "refused": self._refusal}
        said = self._step()
        if said["done"]:
            self._reclaimer.after_trial(shares_gpu=self._context.shares_gpu)
        return said

    def _step(self) -> dict[str, Any]:
        progress: dict[str, Any] = {}
        try:
            keeper = self._kept()
            run = keeper.run
            if isinstance(run, Resumable) and run.done:
                return self._end(keeper)
            until = time.monotonic() + _STEP_S
            while not progress or time.monotonic() < until:
                epoch = run.epoch()
                progress = {
                    "epoch": epoch.epoch,
                    "value": epoch.validation[self._spec.metric],
                    "rows_per_s": epoch.rows_per_s,
                }
                if epoch.done:
                    return {**progress, **self._end(keeper)}
                if reason := self._verdict(run, epoch.epoch):
                    return {**progress, **self._hand_over(run.pruned(reason))}
                keeper.look()
            return {**progress, "done": False, "notes": keeper.said()}
        except TrialSuspended as suspended:
            return {**progress, **self._put_aside(suspended)}
        except Exception as error:
            return {**progress, **self._cut_short(error)}

    def cleanup(self) -> None:
        """Before the process ends: wait until what it has sent is on disk."""
        if self._saved is not None:
            ray.wait([self._saved])

    def _kept(self) -> Keeper:
        if self._full:
            _free_gpu()
            self._full = False
        if self._keeper is None:
            dataset = ray.get(self._context.datasets[self._spec.dataset])
            self._keeper = Keeper(
                partial(resolve(self._context.factory), self._spec, dataset),
                self._spec,
                care=self._context.care,
                channel=CheckpointsElsewhere(self._context.collector),
                resume=self._resume,
                recalled=Recall(self._context.collector),
            )
        return self._keeper

    def _verdict(self, run: Any, epoch: int) -> str:
        """Why the trial ends after this epoch, "" where it goes on; asks at the rungs of its pruner."""
        pruner, metric = self._spec.pruner, self._spec.metric
        rungs = pruner.rungs(self._spec.training.max_epochs) if pruner is not None else ()
        if epoch not in rungs:
            return ""
        reached = Reached.of(run.history, metric=metric, rungs=rungs)
        return str(ray.get(self._context.collector.verdict.remote(self._spec.key, reached, pruner, metric)))

    def _end(self, keeper: Keeper) -> dict[str, Any]:
        keep = keeper.last()
        return self._hand_over(keeper.run.result(), keep=keep)

    def _put_aside(self, suspended: TrialSuspended) -> dict[str, Any]:
        notes = self._keeper.said() if self._keeper is not None else []
        self._let_go()
        return {"done": True, "suspended": suspended.saved, "notes": notes}

    def _cut_short(self, error: Exception) -> dict[str, Any]:
        """What becomes of a trial that an error has ended."""
        from .trial import failed_result, is_out_of_memory

        run = self._keeper.run if self._keeper is not None else None
        if isinstance(error, TrialDiverged) and run is not None:
            return self._hand_over(run.diverged(str(error)))
        if is_out_of_memory(error) and self._context.shares_gpu and not self._alone:
            self._let_go()
            self._full = True
            return {"done": True, "short_of_memory": f"{type(error).__name__}: {error}".splitlines()[0]}
        if run is not None and hasattr(run, "failed"):
            return self._hand_over(run.failed(error))
        return self._hand_over(failed_result(self._spec, error))

    def _hand_over(self, result: TrialResult, *, keep: bool = False) -> dict[str, Any]:
        notes = self._keeper.said() if self._keeper is not None else []
        self._let_go()
        self.cleanup()  # one result under way at a time, so that slow disks do not fill the memory
        result = replace(result, environment={**result.environment, **_occupied()})
        self._saved = self._context.collector.write.remote(result, keep)
        return {"done": True, "saved": self._saved, "notes": notes}

    def _let_go(self) -> None:
        """Free the trial's model now: it and its keeper refer to each other, and Python looks for cycles seldom."""
        if self._keeper is not None and isinstance(self._keeper.run, Resumable):
            self._keeper.run.after_batch = None
        self._keeper = None


class Arrivals:
    """Results on their way to the disk; each trial is over once its own has arrived there.

    Args:
        ledger: of the run.
        collector: the actor that writes them.
    """

    def __init__(self, ledger: Ledger, collector: Any) -> None:
        self._ledger = ledger
        self._collector = collector
        self._expected: dict[Any, str] = {}
        self._recalled = False

    def __bool__(self) -> bool:
        """Whether any result is under way."""
        return bool(self._expected)

    def expect(self, trial_id: str, saved: Any) -> None:
        """A worker has sent a result.

        Args:
            trial_id: Tune's.
            saved: reference of what the collector answers.
        """
        self._ledger.handed_over(trial_id)
        self._expected[saved] = trial_id

    def recall(self) -> None:
        """Ask the workers for their trials back; once is enough."""
        if not self._recalled:
            self._recalled = True
            self._collector.recall.remote()

    def take(self, *, wait_s: float = 0.0) -> None:
        """Tell the ledger what has arrived; wait for a first one if told to."""
        if not self._expected:
            return
        arrived, _ = ray.wait(list(self._expected), num_returns=1 if wait_s else len(self._expected), timeout=wait_s)
        for saved in arrived:
            trial_id = self._expected.pop(saved)
            try:
                unsaved = ray.get(saved)
            except ray.exceptions.RayError as error:  # the worker died while its result was under way
                ray.get(self._collector.flush.remote())
                self._ledger.lost(trial_id, f"{type(error).__name__} before its result was on disk")
            else:
                self._ledger.over(trial_id, unsaved=unsaved)


class QueueSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune what the suite's queue says, and tells the ledger what came of it.

    Args:
        ledger: of the run.
        room: says how many trials may run at once now.
        arrivals: results on their way to the disk.
    """

    def __init__(self, ledger: Ledger, room: Callable[[], int], arrivals: Arrivals) -> None:
        super().__init__()
        self._ledger = ledger
        self._room = room
        self._arrivals = arrivals

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune snapshots its searchers, and the store is the only truth."""
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing is saved; see `__getstate__`."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial, FINISHED, or None to be asked again later.

        Where the next one depends on a result that is on its way to the disk, this waits for it: Tune asks again only
        after it has slept, and lets the idle worker go.
        """
        self._ledger.most = most = max(self._room(), 1)  # with no room Tune waits for it
        if self._ledger.running >= most:
            return None
        job = self._ledger.take(trial_id)
        while job is WAIT and self._arrivals and not self._ledger.ending:
            with _heard(self._ledger):
                self._arrivals.take(wait_s=_WAIT_S)
            job = self._ledger.take(trial_id)
        if self._ledger.ending:
            self._ledger.tick()  # leaves from here: Tune asks again and again where it has no other trial
        if isinstance(job, Signal):
            return Searcher.FINISHED if job is FINISHED else None
        return {
            "spec": json.dumps(job.spec.to_json()),
            "resume": self._ledger.resumable(job),
            "alone": job.alone,
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch is over."""
        with _heard(self._ledger):
            self._ledger.epoch(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: trials end as `Events` hears of them, with the reference or the reason that this is not told."""


class Events(Callback):  # type: ignore[misc]
    """What the Searcher is not told: that a trial has really started or ended, why a worker died, passing time.

    Args:
        ledger: of the run.
        arrivals: results on their way to the disk.
    """

    def __init__(self, ledger: Ledger, arrivals: Arrivals) -> None:
        self._ledger = ledger
        self._arrivals = arrivals

    def __getstate__(self) -> dict[str, Any]:
        """Nothing; see `QueueSearcher.__getstate__`."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has taken the trial."""
        with _heard(self._ledger):
            self._ledger.started(trial.trial_id)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **i: Any) -> None:
        """What a worker says besides; a reference is taken out, as Tune keeps each trial's last result."""
        saved, short = result.pop("saved", None), result.get("short_of_memory")
        suspended = result.get("suspended")
        with _heard(self._ledger):
            for note in result.pop("notes", ()):
                self._ledger.note(trial.trial_id, note)
            if short is not None:
                self._ledger.short_of_memory(trial.trial_id, short)
            if suspended is not None:
                self._ledger.suspended(trial.trial_id, saved=suspended)
            if saved is not None:
                self._arrivals.expect(trial.trial_id, saved)
            if "refused" in result:
                self._refused(trial.trial_id, result["refused"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Forget what Tune has counted of the trial's results: it keeps its trials to the end of the run."""
        trial.run_metadata = type(trial.run_metadata)()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The worker is gone."""
        with _heard(self._ledger):
            said = _last_failure(trial)
            if _UNLOADABLE in said:
                self._refused(trial.trial_id, f"a node cannot run trials: {cannot_run(said)}")
            else:
                self._ledger.lost(trial.trial_id, _cause(said))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Take in what is on disk, end what hangs, draw, and leave the loop where the run should stop."""
        with _heard(self._ledger):
            self._arrivals.take()
            if self._ledger.recalls:
                self._arrivals.recall()
            hung = self._ledger.hung()
            for trial in trials if hung else ():
                if trial.trial_id in hung:
                    _kill(trial)
        self._ledger.tick()

    def _refused(self, trial_id: str, why: str) -> None:
        """A node is not like the others: what it did to a trial says nothing about the trial, so none is stored."""
        self._ledger.note(trial_id, why)
        raise RearecError(
            f"{why}. What has run elsewhere is stored. Install the same on that node, or take it out of the cluster "
            "(ray stop), then go on with the same command. More: docs/cluster.md."
        )


@contextmanager
def _heard(ledger: Ledger) -> Iterator[None]:
    """Stops the run at an error of the driver's own, which Tune would take for the trial's and pass over."""
    try:
        yield
    except Exception as error:
        ledger.stop(error)


def _occupied() -> dict[str, float]:
    """What of its node this worker has; nothing outside of Ray."""
    if not ray.is_initialized():
        return {}
    held = ray.get_runtime_context().get_assigned_resources()
    return {"cpus": float(held.get("CPU", 0.0)), "gpus": float(held.get("GPU", 0.0))}


def _free_gpu() -> None:
    """Give back what a trial that ran out of memory has left in this process."""
    import gc

    import torch

    gc.collect()
    torch.cuda.empty_cache()  # does nothing where no GPU was used


def _kill(trial: Any) -> None:
    """End the worker of a trial; Tune hears of it as of any other that died."""
    worker = trial.temporary_state.ray_actor
    if worker is not None:
        ray.kill(worker)


def _refusal(context: WorkerContext) -> str:
    """Why this process may not run trials, "" where it may."""
    here = ray.get_runtime_context().get_node_id()
    why = context.software.refusal(here) if context.software is not None else ""
    try:
        for plugin in () if why else context.plugins:
            plugin.load()
    except InputError as error:
        why = str(error).rstrip(".")
    return f"{ray.util.get_node_ip_address()} (node {here[:8]}): {why}" if why else ""


def _last_failure(trial: Any) -> str:
    """The last one of those that Tune wrote down; "" where there is none."""
    try:
        text = Path(trial.error_file or "").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition("Failure # ")[2].partition("\n")[2]


def _cause(said: str) -> str:
    """Why a worker died, in one line."""
    detail = said.partition("Worker exit detail: ")[2].partition(" Some common causes")[0]
    lines = [line.strip() for line in (detail or said).splitlines() if line.strip()]
    return lines[0][:_CAUSE_LENGTH] if lines else "its worker ended without a word"
