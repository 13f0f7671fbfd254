"""A whole suite through Ray in a temporary store, for benchmarks of the harness.

A fake trial (`tests/harness/fake_trial.py`) trains nothing but is real to everything else: it is suggested, sent to a
worker, reports its epochs, and is written to the store with rows and metrics.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.run.runner import TRIAL, RunOptions, run_suite
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

FAKE = "fake_trial:FakeTrial"
REAL_TRIAL = TRIAL


@dataclass(frozen=True)
class Span:
    """When a trial worked, in Unix seconds; from before its model was built until its result was complete."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True)
class Ran:
    """A finished run: its outcome, its trials in the order in which they began, the bytes of its store."""

    outcome: RunOutcome
    spans: tuple[Span, ...]
    stored_bytes: int

    @property
    def wall_s(self) -> float:
        """Seconds of the run after Ray had started."""
        return self.outcome.wall_s - self.outcome.ray_s

    def idle(self, workers: int) -> float:
        """Share of the workers' time in which they had no trial, from the first trial's start to the last one's.

        The end of a run, when there are fewer trials left than workers, is not idleness between trials.
        """
        begin, last = self.spans[0].start, self.spans[-1].start
        busy = sum(min(span.end, last) - span.start for span in self.spans)
        return 1 - busy / (workers * (last - begin))


def run(
    suite: str,
    *,
    workers: int,
    trial: str,
    environment: Mapping[str, str] | None = None,
    beside: Callable[[Store], contextmanager[None]] | None = None,  # type: ignore[type-arg]
) -> Ran:
    """Run a suite, whose text this is, in a temporary folder, each worker on a core.

    `trial` is "module:attribute" of what makes a trial, `environment` is for the workers, and `beside` is entered with
    the store while the suite runs.
    """
    fakes = str(Path(__file__).resolve().parents[1] / "harness")
    variables = {"PYTHONPATH": os.pathsep.join([fakes, os.environ.get("PYTHONPATH", "")]), **(environment or {})}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, variables):
        file = Path(folder) / "suite.yaml"
        file.write_text(suite)
        store = Store(Path(folder) / "results")
        with beside(store) if beside else nullcontext():
            outcome = run_suite(
                load_suite(file),
                store=store,
                data_dir=Path(folder),
                options=RunOptions(trial=trial, cpus=workers),
                reporter=LineReporter(StringIO()),
            )
        if outcome.left or outcome.failed:
            raise RuntimeError(f"the suite did not end as it should: {outcome}")
        spans = sorted((_span(path) for path in store.root.glob("trials/*/result.json")), key=lambda span: span.start)
        size = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
        return Ran(outcome, tuple(spans), size)


def fake_run(suite: str, *, epoch_s: float, workers: int, **more: Any) -> Ran:
    """Run a suite of fake trials, whose epochs keep a core busy for so long, or sleep where FAKE_SLEEP is set."""
    spin = {"FAKE_SPIN": "1"} if "FAKE_SLEEP" not in os.environ else {}
    return run(suite, workers=workers, trial=FAKE, environment={"FAKE_EPOCH_S": str(epoch_s), **spin}, **more)


def listed(count: int) -> str:
    """The numbers from 1, as a suite lists them."""
    return ", ".join(map(str, range(1, count + 1)))


def _span(path: Path) -> Span:
    timings = json.loads(path.read_bytes())["timings"]
    return Span(timings["started_at"], timings["started_at"] + timings["total_s"])
