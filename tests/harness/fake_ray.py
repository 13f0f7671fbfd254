"""Ray's place taken by calls in this process: the same searcher, callbacks, workers and collector, without a process.

Trials take turns, a step each, so that runs are the same every time; `FakeTrial`s that kill their process kill none.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from rearec_bench.harness.run import runner, tune_driver, tune_worker
from rearec_bench.harness.run.cluster import Cluster
from rearec_bench.harness.run.nodes import Node
from rearec_bench.harness.run.tune_driver import Arrivals, Events, QueueSearcher
from rearec_bench.harness.run.tune_worker import TuneTrial, WorkerContext
from rearec_bench.harness.run.writer import Collector

HERE = Path(__file__).resolve().parent


class WorkerDied(BaseException):
    """A worker's process ends."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A reference whose value is there."""

    value: Any


class Actor:
    """Methods with `.remote`, which answer at once."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._actor, name)
        return SimpleNamespace(remote=lambda *arguments: Answer(method(*arguments)))


def die(status: int) -> None:
    raise WorkerDied


def use(patch: pytest.MonkeyPatch, after_step: Callable[[], None] = lambda: None) -> None:
    """Let `run_suite` run its trials in this process while the patch lasts.

    Args:
        patch: undoes it.
        after_step: called whenever each trial under way has taken a step.
    """
    patch.syspath_prepend(HERE)
    import fake_trial

    fake = SimpleNamespace(
        get=lambda found, timeout=None: found.value if isinstance(found, Answer) else found,
        wait=lambda found, num_returns=1, timeout=None: (found, []),
        is_initialized=lambda: False,
        get_runtime_context=lambda: SimpleNamespace(get_node_id=lambda: "here"),
        exceptions=ray.exceptions,
        util=ray.util,
    )
    for module in (tune_driver, tune_worker):
        patch.setattr(module, "ray", fake)
    patch.setattr(tune_worker, "_STEP_S", 0.0)
    patch.setattr(tune_driver, "run_trials", partial(run_trials, after_step))
    patch.setattr(runner, "cluster", cluster)
    patch.setattr(fake_trial, "os", SimpleNamespace(_exit=die, environ={"FAKE_EPOCH_S": "0"}))


@contextlib.contextmanager
def cluster(*, address: str | None, cpus: int | None, store_bytes: int, died: Any) -> Iterator[Cluster]:
    assert address is None
    yield Cluster(Path(), (Node("here", "here", cpus or 2, 0),), owned=True)


def run_trials(
    after_step: Callable[[], None],
    joined: Any,
    tracker: Any,
    context: WorkerContext,
    *,
    slots: Any,
    cpu: float,
    gpu: float,
) -> None:
    """As Tune does it: fill the free slots, then a step of each trial."""
    tracker.tick()
    collector = Actor(Collector(str(tracker.root), tracker.queue.searched()))
    arrivals = Arrivals(tracker, collector)
    searcher, events = QueueSearcher(tracker, slots, arrivals), Events(tracker, arrivals)
    context = replace(context, collector=collector)
    busy: dict[str, tuple[SimpleNamespace, TuneTrial]] = {}
    idle: list[TuneTrial] = []
    numbers = itertools.count()
    while True:
        while isinstance(config := searcher.suggest(name := f"t{next(numbers)}"), dict):
            if idle:
                (worker := idle.pop()).reset_config(config)
            else:
                worker = TuneTrial.__new__(TuneTrial)
                worker.setup(config, context)
            busy[name] = (SimpleNamespace(trial_id=name, error_file="", run_metadata=SimpleNamespace()), worker)
            events.on_trial_start(0, [], busy[name][0])
        for name, (trial, worker) in list(busy.items()):
            result = step(trial, worker, searcher, events)
            if result is None or result["done"]:
                del busy[name]
                idle += [worker] if result else []
        after_step()
        events.on_step_end(0, [trial for trial, _ in busy.values()])


def step(trial: SimpleNamespace, worker: TuneTrial, searcher: QueueSearcher, events: Events) -> dict[str, Any] | None:
    """What the worker has answered, None where it has died."""
    try:
        result = worker.step()
    except WorkerDied:
        events.on_trial_error(0, [], trial)
        return None
    if not result["done"]:
        searcher.on_trial_result(trial.trial_id, result)
    events.on_trial_result(0, [], trial, result)
    if result["done"]:
        events.on_trial_complete(0, [], trial)
    return result
