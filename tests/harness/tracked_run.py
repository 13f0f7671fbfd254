"""A run without Ray: a tracker with its queue, store, log, terminal and progress file; tests end its trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from rearec_bench.harness.cost.time import DataSize, Estimate
from rearec_bench.harness.monitor.events import RunStarted
from rearec_bench.harness.monitor.progress_writer import ProgressWriter
from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import SuiteQueue
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.run.tracker import RunTracker
from rearec_bench.harness.store import progress_file
from rearec_bench.harness.store.progress_file import RunProgress
from rearec_bench.harness.store.store import Store

from .fake_trial import FakeTrial
from .suites import suite_in


class TrackedRun:
    """A run of a small suite in a folder; `details` are what its log says of it."""

    def __init__(
        self,
        folder: Path,
        *,
        strategies: str = "erl: {kl_weight: {search: {low: 0.01, high: 0.1}}}",
        seeds: str = "1",
        trials: int = 2,
        lr: str = "0.001",
        timeout: str = "none",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        suite = suite_in(
            folder,
            name="fake",
            strategies=f"[{strategies}]",
            seeds=f"[{seeds}]",
            search=f"{{trials: {trials}}}",
            training=f"{{lr: {lr}}}",
            resources=f"{{timeout: {timeout}}}",
        )
        self.store = Store(folder / "results")
        self.folder = self.store.suite_folder("fake")
        self.out = StringIO()
        self.queue = SuiteQueue(expand(suite), fingerprints={"tiny": "f"}, device="cpu", stored=self.store.lookup)
        self.tracker = RunTracker(
            suite,
            header={},
            queue=self.queue,
            store=self.store,
            listeners=(LineReporter(self.out), ProgressWriter(self.folder, queue=self.queue, command="rerun it")),
            estimate=Estimate([], {"tiny": DataSize(100, 10, 5.0)}),
            details=details,
        )

    def begin(self, *notes: str) -> None:
        """Let Ray have started."""
        place = (1, 2, "2 cores", self.store.root, self.tracker.log_path)
        self.tracker.emit(RunStarted("fake", *place, self.tracker.totals(), notes))

    def start(self, trial_id: str) -> Job:
        """Give out a trial, and let a worker start it."""
        job = self.tracker.take(trial_id)
        assert isinstance(job, Job)
        self.tracker.started(trial_id)
        return job

    def write(self, job: Job, **changed: Any) -> None:
        """Put a trial's result on disk."""
        self.store.write(TrialResult(spec=job.spec, **changed) if changed else FakeTrial(job.spec, None).result())

    def end(self, trial_id: str, job: Job, **changed: Any) -> None:
        """Let a trial end, its result arrive, and the listeners be given both."""
        self.arrive(trial_id, job, **changed)
        self.tracker.settle()

    def arrive(self, trial_id: str, job: Job, **changed: Any) -> None:
        """Let a trial end and its result arrive."""
        self.write(job, **changed)
        self.tracker.handed_over(trial_id)
        self.tracker.over(trial_id, unsaved="")

    def indexed(self) -> list[str]:
        """Keys of the search trials in index.json."""
        (cell,) = self.store.read_suite("fake")[1]["cells"].values()
        return list(cell["search"])

    def lines(self) -> list[dict[str, Any]]:
        """Lines of the log."""
        return [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]

    def logged(self) -> list[str]:
        """Events of the log."""
        return [line["event"] for line in self.lines()]

    def progress(self) -> RunProgress:
        """The progress file."""
        progress = progress_file.read(self.folder)
        assert progress is not None
        return progress
