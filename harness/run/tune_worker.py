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
from ..trial.memory import Reclaimer
from ..utils.errors import CheckpointError, InputError, TrialSuspended
from ..utils.registry import resolve
from .nodes import Software
from .plugins import PluginFile
from .supervisor import Care, Keeper, Resumable

_STEP_S = 0.25  # epochs shorter than this are not worth a message each


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
                if reason := self._pruned_by(run, epoch.epoch):
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

    def _pruned_by(self, run: Any, epoch: int) -> str:
        """Why the trial ends after this epoch, "" where it goes on; asks at the rungs of its pruner."""
        pruner, metric = self._spec.pruner, self._spec.metric
        rungs = pruner.rungs(self._spec.training.max_epochs) if pruner is not None else ()
        if epoch not in rungs:
            return ""
        reached = Reached.of(run.history, metric=metric, rungs=rungs)
        return str(ray.get(self._context.collector.promote.remote(self._spec.key, reached, pruner, metric)))

    def _end(self, keeper: Keeper) -> dict[str, Any]:
        keep = keeper.last()
        return self._hand_over(keeper.run.result(), keep=keep)

    def _put_aside(self, suspended: TrialSuspended) -> dict[str, Any]:
        notes = self._keeper.said() if self._keeper is not None else []
        self._let_go()
        return {"done": True, "suspended": suspended.saved, "notes": notes}

    def _cut_short(self, error: Exception) -> dict[str, Any]:
        """What becomes of a trial that an error has ended."""
        from ..trial.failure import failed_result, is_out_of_memory

        run = self._keeper.run if self._keeper is not None else None
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
