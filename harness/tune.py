"""The adapters between Ray Tune and the engine: a class Trainable, a Searcher, a Callback. Imports ray."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback, Trainable
from ray.tune.search import Searcher

from .errors import TrialDiverged
from .ledger import Ledger
from .queue import FINISHED, Signal
from .registry import REGISTRIES, load_plugin, resolve
from .results import TrialResult
from .spec import TrialSpec

_CAUSE_LENGTH = 200


@dataclass(frozen=True)
class WorkerContext:
    """What every worker needs, held once in Ray's object store.

    Attributes:
        datasets: name to reference of the data set's arrays, item vectors among them where a backbone needs them.
        collector: the actor that writes results.
        factory: "module:attribute" of what makes a trial from (spec, data set).
        plugins: plug-in files of the suite.
    """

    datasets: Mapping[str, Any]
    collector: Any
    factory: str
    plugins: tuple[str, ...]


class TuneTrial(Trainable):  # type: ignore[misc]
    """One trial in a worker; one step is one epoch, and the process is used again for the next trial."""

    def setup(self, config: dict[str, Any], context: WorkerContext) -> None:
        """Take the first trial."""
        self._context = context
        for plugin in context.plugins:
            load_plugin(Path(plugin), REGISTRIES)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._spec = TrialSpec.from_json(json.loads(new_config["spec"]))
        self._run: Any = None
        return True

    def step(self) -> dict[str, Any]:
        """Train one epoch; in the last one, hand the result over and wait until it is on disk."""
        progress: dict[str, Any] = {}
        try:
            if self._run is None:
                dataset = ray.get(self._context.datasets[self._spec.dataset])
                self._run = resolve(self._context.factory)(self._spec, dataset)
            epoch = self._run.epoch()
            progress = {
                "epoch": epoch.epoch,
                "value": epoch.validation[self._spec.metric],
                "rows_per_s": epoch.rows_per_s,
            }
            return {**progress, **self._end(self._run.result())} if epoch.done else {**progress, "done": False}
        except TrialDiverged as error:
            return {**progress, **self._end(self._run.diverged(str(error)))}
        except Exception as error:
            from .trial import failed_result

            return {**progress, **self._end(failed_result(self._spec, error))}

    def _end(self, result: TrialResult) -> dict[str, Any]:
        self._run = None
        unsaved = ray.get(self._context.collector.write.remote(result))
        return {"done": True, "unsaved": unsaved}


class QueueSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune what the suite's queue says, and tells the ledger what came of it.

    Args:
        ledger: of the run.
        most: trials at once.
    """

    def __init__(self, ledger: Ledger, most: int) -> None:
        super().__init__()
        self._ledger = ledger
        self._most = most

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune snapshots its searchers, and the store is the only truth."""
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing is saved; see `__getstate__`."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial, FINISHED, or None to be asked again later."""
        if self._ledger.running >= self._most:
            return None
        job = self._ledger.take(trial_id)
        if isinstance(job, Signal):
            return Searcher.FINISHED if job is FINISHED else None
        return {"spec": json.dumps(job.spec.to_json())}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An epoch is over."""
        with _heard(self._ledger):
            self._ledger.epoch(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial is over; those whose worker died come through `Events`, which knows why."""
        if not error and result:
            with _heard(self._ledger):
                self._ledger.over(trial_id, unsaved=str(result.get("unsaved") or ""))


class Events(Callback):  # type: ignore[misc]
    """What the Searcher is not told: that a trial has really started, why a worker died, and the passing of time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getstate__(self) -> dict[str, Any]:
        """Nothing; see `QueueSearcher.__getstate__`."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has taken the trial."""
        with _heard(self._ledger):
            self._ledger.started(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The worker is gone."""
        with _heard(self._ledger):
            self._ledger.lost(trial.trial_id, _cause(trial))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Draw, and leave the loop where the run should stop."""
        self._ledger.tick()


@contextmanager
def _heard(ledger: Ledger) -> Iterator[None]:
    """Stops the run at an error of the driver's own, which Tune would take for the trial's and pass over."""
    try:
        yield
    except Exception as error:
        ledger.stop(error)


def _cause(trial: Any) -> str:
    """Why a worker died, in one line: the last failure of those that Tune wrote down."""
    try:
        text = Path(trial.error_file or "").read_text(errors="replace")
    except OSError:
        return "its worker ended without a word"
    said = text.rpartition("Failure # ")[2].partition("\n")[2]
    detail = said.partition("Worker exit detail: ")[2].partition(" Some common causes")[0]
    lines = [line.strip() for line in (detail or said).splitlines() if line.strip()]
    return lines[0][:_CAUSE_LENGTH] if lines else "its worker ended without a word"
