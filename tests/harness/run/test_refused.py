"""A node that cannot run trials as the others do ends the run; of its trial nothing is stored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from rearec_bench.harness.plan.queue import WAIT
from rearec_bench.harness.run import nodes
from rearec_bench.harness.run.nodes import Software, software
from rearec_bench.harness.run.plugins import PluginFile
from rearec_bench.harness.run.tracker import RunStopped
from rearec_bench.harness.run.tune_driver import Arrivals, Events, QueueSearcher
from rearec_bench.harness.run.tune_worker import TuneTrial, WorkerContext, ray
from rearec_bench.harness.utils.errors import RearecError

from ..tracked_run import TrackedRun
from .test_tracker import collector

UNLOADABLE = """Failure # 1 (occurred at 2026-01-01_00-00-00)
The actor died because of an error raised in its creation task, ray::TuneTrial.__init__() (ip=10.0.0.2)
RuntimeError: The actor with name TuneTrial failed to import on the worker. This may be because needed library
dependencies are not installed in the worker environment:

ModuleNotFoundError: No module named 'rearec_bench'
"""
KILLED = """Failure # 1 (occurred at 2026-01-01_00-00-00)
The actor died unexpectedly before finishing this task.
Worker exit detail: Worker unexpectedly exits. Some common causes include: ...
"""


def events(run: TrackedRun) -> Events:
    return Events(run.tracker, Arrivals(run.tracker, collector()))


def failed(folder: Path, text: str) -> SimpleNamespace:
    """What Tune hands over of a trial whose worker is gone."""
    (folder / "error.txt").write_text(text)
    return SimpleNamespace(trial_id="t1", error_file=str(folder / "error.txt"))


def test_what_a_worker_refuses_ends_the_run_and_is_not_stored(tmp_path: Path) -> None:
    run = TrackedRun(tmp_path)
    with run.tracker as tracker:
        tracker.take("t1")
        heard = events(run)
        why = "10.0.0.2 (node bbbbbbbb): a node that has joined is not like the others: numpy 1.0, 2.0 for the driver"
        heard.on_trial_result(0, [], SimpleNamespace(trial_id="t1"), {"done": True, "refused": why})
        with pytest.raises(RunStopped):
            heard.on_step_end(1, [])
        assert isinstance(tracker.stopped_by, RearecError)
        assert str(tracker.stopped_by).startswith(
            f"{why}. What has run elsewhere is stored. Install the same on that node"
        )
        assert run.logged()[-1] == "note"
    assert run.store.keys() == set()


def test_a_node_without_the_package_ends_the_run_and_fails_no_trial(tmp_path: Path) -> None:
    run = TrackedRun(tmp_path)
    with run.tracker as tracker:
        tracker.take("t1")
        events(run).on_trial_error(0, [], failed(tmp_path, UNLOADABLE))
        assert str(tracker.stopped_by).startswith("a node cannot run trials: rearec_bench is not installed, or older.")
        assert "lost" not in run.logged()
    assert run.store.keys() == set()


def test_a_worker_that_is_killed_is_no_refusal(tmp_path: Path) -> None:
    run = TrackedRun(tmp_path)
    with run.tracker as tracker:
        tracker.take("t1")
        events(run).on_trial_error(0, [], failed(tmp_path, KILLED))
        assert tracker.stopped_by is None
        assert run.logged()[-1] == "lost"


def test_no_more_trials_are_given_out_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrackedRun(tmp_path)
    room = [1]
    with run.tracker as tracker:
        searcher = QueueSearcher(tracker, lambda: room[0], Arrivals(tracker, collector()))
        assert isinstance(searcher.suggest("t1"), dict)
        taken: list[str] = []
        monkeypatch.setattr(tracker, "take", lambda trial_id: taken.append(trial_id) or WAIT)
        searcher.suggest("t2")
        assert taken == [], "one fits"
        room[0] = 2
        searcher.suggest("t2")
        assert taken == ["t2"], "a node has joined"
        assert tracker.max_concurrent == 2


@pytest.mark.parametrize("late", [False, True])
def test_a_worker_on_a_node_that_differs_runs_no_trial(late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    here = SimpleNamespace(get_node_id=lambda: "bb" * 20)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: here)
    common = Software((), software(()), frozenset() if late else frozenset({"bb" * 20}))
    monkeypatch.setattr(nodes, "software", lambda components: {**common.here, "numpy": "1.0"})
    worker = TuneTrial.__new__(TuneTrial)
    worker.reset_config = lambda config: True
    context = WorkerContext({}, "", (), None, software=common)  # type: ignore[arg-type]
    worker.setup({}, context)
    assert bool(worker._refusal) == late
    if late:
        said = worker.step()
        assert (
            said["done"]
            and "(node bbbbbbbb): a node that has joined is not like the others: numpy 1.0" in said["refused"]
        )


def test_a_worker_that_cannot_import_a_plug_in_runs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "bb" * 20))

    def load(plugin: PluginFile) -> None:
        raise nodes.InputError("the plug-in mine.py cannot be imported: No module named 'more'.")

    monkeypatch.setattr(PluginFile, "load", load)
    worker = TuneTrial.__new__(TuneTrial)
    worker.reset_config = lambda config: True
    worker.setup({}, WorkerContext({}, "", (PluginFile("mine.py", b""),), None))  # type: ignore[arg-type]
    assert worker.step()["refused"].endswith("the plug-in mine.py cannot be imported: No module named 'more'")
