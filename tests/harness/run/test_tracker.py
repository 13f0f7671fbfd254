"""What a tracker does with the trials of a run, and in which order; nothing of Ray is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.queue import FINISHED, WAIT
from rearec_bench.harness.run import index, tune_driver
from rearec_bench.harness.run import tracker as tracker_module
from rearec_bench.harness.run.tracker import RunStopped
from rearec_bench.harness.run.tune_driver import Arrivals, Events, QueueSearcher

from ..tracked_run import TrackedRun


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
    run: TrackedRun, references: None
) -> None:
    with run.tracker as tracker:
        job = tracker.take("t1")
        assert isinstance(job, Job) and tracker.running == 1
        arrivals = Arrivals(tracker, collector())
        saved = Reference()
        arrivals.expect("t1", saved)
        assert (tracker.running, run.queue.totals()[0], bool(arrivals)) == (0, 0, True)
        arrivals.take()
        assert run.queue.totals()[0] == 0 and tracker.take("t2") is WAIT, "the next suggestion needs this result"
        run.write(job)
        saved.arrived = True
        arrivals.take()
        assert (run.queue.totals()[0], bool(arrivals)) == (1, False)
        assert isinstance(tracker.take("t2"), Job)


def test_listeners_and_index_follow_after_the_idle_worker_has_its_next_trial(
    run: TrackedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(index.time, "perf_counter", lambda: now[0])
    with run.tracker as tracker:
        job = run.start("t1")
        run.arrive("t1", job)
        tracker.tick()
        assert run.logged() == ["begin", "start"] and run.out.getvalue() == ""
        assert isinstance(tracker.take("t2"), Job)
        tracker.tick()
        assert run.logged() == ["begin", "start", "done"] and job.key[:8] in run.out.getvalue()
        assert run.indexed() == [], "an index is written once a second at most"
        now[0] += 2.0
        tracker.tick()
        assert run.indexed() == [job.key]


def test_what_has_ended_is_recorded_however_a_run_ends(run: TrackedRun) -> None:
    with pytest.raises(KeyError), run.tracker:
        job = run.start("t1")
        run.arrive("t1", job)
        raise KeyError("lost")
    assert run.indexed() == [job.key]
    *_, done, error, end = run.lines()
    assert [line["event"] for line in (done, error, end)] == ["done", "error", "end"]
    assert (error["level"], error["reason"], end["how"]) == ("error", "KeyError: 'lost'", "error")


def test_a_result_that_is_lost_with_its_worker_is_looked_for_on_disk_and_then_runs_again(
    run: TrackedRun, references: None
) -> None:
    with run.tracker as tracker:
        died = ray.exceptions.OwnerDiedError.__new__(ray.exceptions.OwnerDiedError)
        job = tracker.take("t1")
        assert isinstance(job, Job)
        lost = Arrivals(tracker, collector())
        lost.expect("t1", Reference(died))
        lost.take(wait_s=1.0)
        assert (run.queue.totals()[0], run.logged()[-1]) == (0, "lost")
        again = tracker.take("t2")
        assert isinstance(again, Job) and (again.key, again.attempt) == (job.key, 2)
        late = Arrivals(tracker, collector(flush=lambda: run.write(again)))
        late.expect("t2", Reference(died))
        late.take(wait_s=1.0)
        assert run.queue.totals()[0] == 1, "the collector wrote it before it answered"


def test_a_trial_whose_worker_dies_each_time_fails(run: TrackedRun) -> None:
    with run.tracker as tracker:
        for attempt in ("t1", "t2", "t3"):
            job = run.start(attempt)
            tracker.lost(attempt, "killed")
        summary = run.store.summary(job.key)
        assert (summary.status, summary.reason) == ("failed", "its worker died 3 times: killed")
        assert run.logged().count("lost") == 3


def test_a_trial_that_hangs_after_its_time_is_named_once_and_fails_when_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(tracker_module.time, "monotonic", lambda: now[0])
    run = TrackedRun(tmp_path, timeout="2m")
    with run.tracker as tracker:
        job = run.start("t1")
        now[0] += 120 + 59
        assert tracker.hung() == ()
        now[0] += 2
        assert (tracker.hung(), tracker.hung()) == (("t1",), ())
        tracker.lost("t1", "killed")
        assert run.store.summary(job.key).reason == "timed out after 2 min (resources.timeout): it hung"


def test_the_next_suggestion_waits_for_a_result_that_is_on_its_way(run: TrackedRun, references: None) -> None:
    with run.tracker as tracker:
        arrivals = Arrivals(tracker, collector())
        searcher = QueueSearcher(tracker, lambda: 2, arrivals)
        first = searcher.suggest("t1")
        assert isinstance(first, dict)
        run.write(next(iter(run.queue.in_flight)))
        arrivals.expect("t1", Reference())
        second = searcher.suggest("t2")
        assert isinstance(second, dict) and second != first


def test_a_result_that_cannot_be_written_stops_the_run_with_its_reason(run: TrackedRun, references: None) -> None:
    with run.tracker as tracker:
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


def test_a_finished_run_leaves_the_loop(run: TrackedRun) -> None:
    with run.tracker as tracker:
        while isinstance(job := tracker.take("t"), Job):
            run.end("t", job)
        assert job is FINISHED
        with pytest.raises(RunStopped):
            tracker.tick()
        assert tracker.totals().left_s == 0.0
