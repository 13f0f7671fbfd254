"""A worker's side of Ray Tune: a class Trainable that runs trials, and its ways to the collector. Imports ray."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ray
from ray.tune import Trainable

from ..plan.pruning import Reached
from ..records.results import TrialResult
from ..records.spec import TrialSpec
from ..trial.memory import MemoryTrimmer
from ..utils.errors import CheckpointError, InputError, TrialSuspended
from ..utils.registry import resolve
from .nodes import Software
from .plugins import PluginFile
from .supervisor import Resumable, TrialLimits, TrialSupervisor

_STEP_S = 0.25  # epochs shorter than this do not get one message each


@dataclass(frozen=True)
class WorkerContext:
    """What every worker needs, stored once in Ray's object store.

    Attributes:
        datasets: name to the data set with its arrays, or to Ray's reference of it.
        factory: "module:attribute" of the function that makes a trial from (spec, data set).
        shares_gpu: a trial has a part of a GPU, and could have a whole one.
        software: what all nodes have in common; None on one machine.
        collector: the actor that writes results.
    """

    datasets: Mapping[str, Any]
    factory: str
    plugins: tuple[PluginFile, ...]
    limits: TrialLimits
    shares_gpu: bool = False
    software: Software | None = None
    collector: Any = None


class RemoteCheckpoints:
    """The collector's checkpoints, as a `Channel` for a worker."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def write(self, key: str, files: Mapping[str, bytes], suite: str) -> None:
        """See `Checkpoints.write`."""
        self._ask("write", key, dict(files), suite)

    def read(self, key: str) -> dict[str, bytes]:
        """See `Checkpoints.read`."""
        return dict(self._ask("read", key))

    def _ask(self, verb: str, *arguments: Any) -> Any:
        answer, refusal = ray.get(self._collector.checkpoint.remote(verb, *arguments))
        if refusal:
            raise CheckpointError(refusal)
        return answer


class SuspensionRequest:
    """Whether the run asks its trials to suspend, by the collector's answer to the previous question."""

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
            except ray.exceptions.RayError:  # the collector died; Ray restarts it
                wanted = False
        self._asked = self._collector.suspension_requested.remote()
        return wanted


class TuneTrial(Trainable):  # type: ignore[misc]
    """One trial in a worker, one epoch or more in a step; the process is used again for the next trial."""

    def setup(self, config: dict[str, Any], context: WorkerContext) -> None:
        """Take the first trial."""
        self._context = context
        self._saved: Any = None
        self._full = False
        self._memory = MemoryTrimmer()
        self._refusal = _refusal(context)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._spec = TrialSpec.from_json(json.loads(new_config["spec"]))
        self._resume, self._alone = new_config["resume"], new_config["alone"]
        self._supervisor: TrialSupervisor | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Train for a while, at least one epoch; after the last one, send the result to the collector.

        The trial is over once the reference in "saved" has its value. The driver waits for that, and this worker goes
        on meanwhile. "short_of_memory" is why it should run again, alone on a GPU; "refused", why it cannot run here.
        """
        if self._refusal:
            return {"done": True, "refused": self._refusal}
        report = self._step()
        if report["done"]:
            self._memory.after_trial(shares_gpu=self._context.shares_gpu)
        return report

    def _step(self) -> dict[str, Any]:
        progress: dict[str, Any] = {}
        try:
            supervisor = self._supervised()
            run = supervisor.run
            if isinstance(run, Resumable) and run.done:
                return self._end(supervisor)
            until = time.monotonic() + _STEP_S
            while not progress or time.monotonic() < until:
                epoch = run.epoch()
                progress = {
                    "epoch": epoch.epoch,
                    "value": epoch.validation[self._spec.metric],
                    "rows_per_s": epoch.rows_per_s,
                }
                if epoch.done:
                    return {**progress, **self._end(supervisor)}
                if reason := self._pruned_by(run, epoch.epoch):
                    return {**progress, **self._hand_over(run.pruned(reason))}
                supervisor.check()
            return {**progress, "done": False, "notes": supervisor.take_notes()}
        except TrialSuspended as suspended:
            return {**progress, **self._put_aside(suspended)}
        except Exception as error:
            return {**progress, **self._cut_short(error)}

    def cleanup(self) -> None:
        """Before the process ends: wait until what it has sent is on disk."""
        if self._saved is not None:
            ray.wait([self._saved])

    def _supervised(self) -> TrialSupervisor:
        if self._full:
            _free_gpu()
            self._full = False
        if self._supervisor is None:
            dataset = ray.get(self._context.datasets[self._spec.dataset])
            self._supervisor = TrialSupervisor(
                partial(resolve(self._context.factory), self._spec, dataset),
                self._spec,
                limits=self._context.limits,
                channel=RemoteCheckpoints(self._context.collector),
                resume=self._resume,
                should_suspend=SuspensionRequest(self._context.collector),
            )
        return self._supervisor

    def _pruned_by(self, run: Any, epoch: int) -> str:
        """Why the trial ends after this epoch, "" where it goes on; checked at the rungs of its pruner."""
        pruner, metric = self._spec.pruner, self._spec.metric
        rungs = pruner.rungs(self._spec.training.epoch_limit) if pruner is not None else ()
        if epoch not in rungs:
            return ""
        reached = Reached.of(run.history, metric=metric, rungs=rungs)
        return str(ray.get(self._context.collector.promote.remote(self._spec.key, reached, pruner, metric)))

    def _end(self, supervisor: TrialSupervisor) -> dict[str, Any]:
        keep = supervisor.save_last()
        return self._hand_over(supervisor.run.result(), keep=keep)

    def _put_aside(self, suspended: TrialSuspended) -> dict[str, Any]:
        notes = self._supervisor.take_notes() if self._supervisor is not None else []
        self._let_go()
        return {"done": True, "suspended": suspended.saved, "notes": notes}

    def _cut_short(self, error: Exception) -> dict[str, Any]:
        """What becomes of a trial that an error has ended."""
        from ..trial.failure import failed_result, is_out_of_memory

        run = self._supervisor.run if self._supervisor is not None else None
        if is_out_of_memory(error) and self._context.shares_gpu and not self._alone:
            self._let_go()
            self._full = True
            return {"done": True, "short_of_memory": f"{type(error).__name__}: {error}".splitlines()[0]}
        if run is not None and hasattr(run, "failed"):
            return self._hand_over(run.failed(error))
        return self._hand_over(failed_result(self._spec, error))

    def _hand_over(self, result: TrialResult, *, keep: bool = False) -> dict[str, Any]:
        notes = self._supervisor.take_notes() if self._supervisor is not None else []
        self._let_go()
        self.cleanup()  # one unwritten result at a time, so that slow disks do not fill the memory
        result = replace(result, environment={**result.environment, **_occupied()})
        self._saved = self._context.collector.write.remote(result, keep)
        return {"done": True, "saved": self._saved, "notes": notes}

    def _let_go(self) -> None:
        """Free the trial's model now: it and its supervisor refer to each other, and Python looks for cycles seldom."""
        if self._supervisor is not None and isinstance(self._supervisor.run, Resumable):
            self._supervisor.run.after_batch = None
        self._supervisor = None


def _occupied() -> dict[str, float]:
    """What of its node this worker has; nothing outside of Ray."""
    if not ray.is_initialized():
        return {}
    assigned = ray.get_runtime_context().get_assigned_resources()
    return {"cpus": float(assigned.get("CPU", 0.0)), "gpus": float(assigned.get("GPU", 0.0))}


def _free_gpu() -> None:
    """Give back what a trial that ran out of memory has left in this process."""
    import gc

    import torch

    gc.collect()
    torch.cuda.empty_cache()  # does nothing where no GPU was used


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
