"""The books of a run: what is said when, and in which order; nothing of Ray is started."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from rearec_bench.harness.cost.time import DataSize, Estimate
from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import FINISHED, WAIT, SuiteQueue
from rearec_bench.harness.run import tracker as tracker_module
from rearec_bench.harness.run import tune_driver
from rearec_bench.harness.run.tracker import RunStopped, RunTracker
from rearec_bench.harness.run.tune_driver import Arrivals, Events, QueueSearcher
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

from ..fake_trial import FakeTrial

SUITE = """
name: books
datasets: [tiny]
backbones: [sasrec]
strategies: [erl: {kl_weight: {search: {low: 0.01, high: 0.1}}}]
steps: [1]
seeds: [1]
search: {trials: 2}
"""


class TrackedRun:
    """A tracker with what stands around it, and a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        file = folder / "books.yaml"
        file.write_text(SUITE)
        suite = load_suite(file)
        self.store = Store(folder / "results")
        self.said = StringIO()
        self.queue = SuiteQueue(expand(suite), fingerprints={"tiny": "f"}, device="cpu", stored=self.store.lookup)
        sizes = {"tiny": DataSize(100, 10, 5.0)}
        self.tracker = RunTracker(
            suite,
            header={},
            queue=self.queue,
            store=self.store,
            reporter=LineReporter(self.said),
            estimate=Estimate([], sizes),
        )

    def finish(self, job: Job) -> None:
        """Put a trial's result on disk."""
        trial = FakeTrial(job.spec, None)
        self.store.write(trial.result())

    def indexed(self) -> list[str]:
        """Keys of the search trials in index.json."""
        (cell,) = self.store.read_suite("books")[1]["cells"].values()
        return list(cell["search"])

    def logged(self) -> list[str]:
        """Events of the log."""
        text = (self.store.suite_folder("books") / "run.jsonl").read_text()
        return [json.loads(line)["event"] for line in text.splitlines()]


@pytest.fixture
def made(tmp_path: Path) -> TrackedRun:
    return TrackedRun(tmp_path)


class Reference:
    """Of a result on its way to the disk; it arrives when it is told to."""

    def __init__(self, answer: str | Exception = "") -> None:
        self.answer = answer
        self.arrived = False


@pytest.fixture
def references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's `wait` and `get` for `Reference`; who waits makes the first one arrive."""

    def wait(all_of: list[Reference], *, num_returns: int, timeout: float) -> tuple[list[Reference], list[Reference]]:
        if timeout and not any(one.arrived for one in all_of):
            all_of[0].arrived = True
        ready = [one for one in all_of if one.arrived][:num_returns]
        return ready, [one for one in all_of if one not in ready]

    def get(one: Any) -> Any:
        if isinstance(one.answer, Exception):
            raise one.answer
        return one.answer

    monkeypatch.setattr(tune_driver.ray, "wait", wait)
    monkeypatch.setattr(tune_driver.ray, "get", get)


def collector(flush: Callable[[], None] = lambda: None) -> Any:
    def remote() -> Reference:
        flush()
        return Reference()

    return SimpleNamespace(flush=SimpleNamespace(remote=remote))


def test_a_trial_is_over_once_its_result_is_on_disk_and_its_worker_is_free_before(
    made: TrackedRun, references: None
) -> None:
    with made.tracker as tracker:
        job = tracker.take("t1")
        assert isinstance(job, Job) and tracker.running == 1
        arrivals = Arrivals(tracker, collector())
        saved = Reference()
        arrivals.expect("t1", saved)
        assert (tracker.running, made.queue.totals()[0], bool(arrivals)) == (0, 0, True)
        arrivals.take()
        assert made.queue.totals()[0] == 0 and tracker.take("t2") is WAIT, "the next suggestion needs this result"
        made.finish(job)
        saved.arrived = True
        arrivals.take()
        assert (made.queue.totals()[0], bool(arrivals)) == (1, False)
        assert isinstance(tracker.take("t2"), Job)


def test_log_terminal_and_index_follow_after_the_idle_worker_has_its_next_trial(
    made: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(tracker_module.time, "perf_counter", lambda: now[0])
    with made.tracker as tracker:
        job = tracker.take("t1")
        made.finish(job)
        tracker.handed_over("t1")
        tracker.over("t1", unsaved="")
        tracker.tick()
        assert made.logged() == [] and made.said.getvalue() == ""
        assert isinstance(tracker.take("t2"), Job)
        tracker.tick()
        assert made.logged() == ["done"] and job.key[:8] in made.said.getvalue()
        assert made.indexed() == [], "an index is written once a second at most"
        now[0] += 2.0
        tracker.tick()
        assert made.indexed() == [job.key]


def test_what_is_left_to_enter_is_entered_however_a_run_ends(made: TrackedRun) -> None:
    with pytest.raises(KeyError), made.tracker as tracker:
        job = tracker.take("t1")
        made.finish(job)
        tracker.handed_over("t1")
        tracker.over("t1", unsaved="")
        raise KeyError
    assert made.logged() == ["done"]
    assert made.indexed() == [job.key]


def test_a_result_that_is_lost_with_its_worker_is_looked_for_on_disk_and_then_runs_again(
    made: TrackedRun, references: None
) -> None:
    with made.tracker as tracker:
        died = ray.exceptions.OwnerDiedError.__new__(ray.exceptions.OwnerDiedError)
        job = tracker.take("t1")
        lost = Arrivals(tracker, collector())
        lost.expect("t1", Reference(died))
        lost.take(wait_s=1.0)
        assert (made.queue.totals()[0], made.logged()) == (0, ["lost"])
        again = tracker.take("t2")
        assert isinstance(again, Job) and (again.key, again.attempt) == (job.key, 2)
        late = Arrivals(tracker, collector(flush=lambda: made.finish(again)))
        late.expect("t2", Reference(died))
        late.take(wait_s=1.0)
        assert made.queue.totals()[0] == 1, "the collector wrote it before it answered"


def test_who_needs_a_result_that_is_under_way_waits_for_it(made: TrackedRun, references: None) -> None:
    with made.tracker as tracker:
        arrivals = Arrivals(tracker, collector())
        searcher = QueueSearcher(tracker, lambda: 2, arrivals)
        first = searcher.suggest("t1")
        assert isinstance(first, dict)
        made.finish(next(iter(made.queue.in_flight)))
        arrivals.expect("t1", Reference())
        second = searcher.suggest("t2")
        assert isinstance(second, dict) and second != first


def test_a_result_that_cannot_be_written_stops_the_run_with_its_reason(made: TrackedRun, references: None) -> None:
    with made.tracker as tracker:
        arrivals = Arrivals(tracker, collector())
        events = Events(tracker, arrivals)
        tracker.take("t1")
        saved = Reference("the disk is full")
        result = {"done": True, "saved": saved}
        events.on_trial_result(0, [], SimpleNamespace(trial_id="t1"), result)
        assert result == {"done": True}, "Tune keeps the last result of every trial"
        saved.arrived = True
        with pytest.raises(RunStopped):
            events.on_step_end(1, [])
        assert str(tracker.stopped_by) == "the disk is full"


def test_a_finished_run_leaves_the_loop(made: TrackedRun) -> None:
    with made.tracker as tracker:
        while isinstance(job := tracker.take("t"), Job):
            made.finish(job)
            tracker.handed_over("t")
            tracker.over("t", unsaved="")
        assert job is FINISHED
        with pytest.raises(RunStopped):
            tracker.tick()
        assert tracker.totals().left_s == 0.0
