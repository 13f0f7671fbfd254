"""Nodes that cannot run trials as the driver does end the run, before the first trial or when they join."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rearec_bench.harness.plan.queue import WAIT
from rearec_bench.harness.run import nodes
from rearec_bench.harness.run.nodes import Node, Software, cannot_run, compare, differences, software
from rearec_bench.harness.run.plugins import PluginFile
from rearec_bench.harness.run.tracker import RunStopped
from rearec_bench.harness.run.tune_driver import Arrivals, Events, QueueSearcher
from rearec_bench.harness.run.tune_worker import TuneTrial, WorkerContext, ray
from rearec_bench.harness.utils.errors import InputError, RearecError

from ..tracked_run import TrackedRun
from .test_tracker import collector

NODES = (Node("aa" * 20, "10.0.0.1", 8, 1), Node("bb" * 20, "10.0.0.2", 8, 1))
UNPICKLED = """ray::software() (pid=7, ip=10.0.0.2)
  File "serialization.py", line 460, in deserialize_objects
ModuleNotFoundError: No module named 'rearec_bench.harness.run.nodes'"""
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


# ---- before the first trial


def test_what_this_process_runs_is_named_with_its_versions_and_source() -> None:
    here = software((("backbone", "nowhere"),))
    assert {"Python", "rearec-bench", "the source of rearec-bench", "ray", "torch", "numpy", "optuna"} < set(here)
    assert all(here.values()) and here["backbone nowhere"] == "none"
    assert "+" not in here["torch"], "builds for CPU and GPU go together"
    assert differences({"backbone gru": "mine 1.0"}, {}) == ["backbone gru none, mine 1.0 for the driver"]


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    monkeypatch.setattr(nodes, "_answers", lambda asked, components: list(zip(asked, answers, strict=True)))


def test_equal_nodes_are_remembered_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, software(()), software(()))
    assert compare(NODES, (), place="10.0.0.1:6379").asked == {"aa" * 20, "bb" * 20}


def test_all_that_differs_is_listed_with_its_node_and_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    here = software(())
    answering(monkeypatch, {**here, "torch": "2.6.0", "Python": "3.12.1"}, cannot_run(UNPICKLED))
    with pytest.raises(InputError) as refused:
        compare(NODES, (), place="10.0.0.1:6379")
    assert str(refused.value).splitlines()[1:4] == [
        f"  10.0.0.1 (node aaaaaaaa): Python 3.12.1, {here['Python']} for the driver",
        f"  10.0.0.1 (node aaaaaaaa): torch 2.6.0, {here['torch']} for the driver",
        "  10.0.0.2 (node bbbbbbbb): rearec_bench.harness.run.nodes is not installed, or older",
    ]
    assert "ray stop; ray start --address=10.0.0.1:6379" in str(refused.value)


# ---- in a worker


def worker(context: WorkerContext, monkeypatch: pytest.MonkeyPatch) -> TuneTrial:
    """A worker on node bb, in this process."""
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "bb" * 20))
    made = TuneTrial.__new__(TuneTrial)
    made.reset_config = lambda config: True
    made.setup({}, context)
    return made


@pytest.mark.parametrize(("asked", "differs"), [("", True), ("bb" * 20, True), ("", False)])
def test_a_worker_compares_itself_on_a_node_that_joined_late_only(
    asked: str, differs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = Software((), software(()), frozenset({asked}))
    changed = {"numpy": "1.0"} if differs else {}
    monkeypatch.setattr(nodes, "software", lambda components: {**common.here, **changed})
    late = worker(WorkerContext({}, "", (), None, software=common), monkeypatch)  # type: ignore[arg-type]
    assert bool(late._refusal) == (differs and not asked)
    if late._refusal:
        assert late.step()["done"]
        assert "(node bbbbbbbb): a node that has joined is not like the others: numpy 1.0" in late.step()["refused"]


def test_a_worker_that_cannot_import_a_plug_in_runs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(plugin: PluginFile) -> None:
        raise InputError("the plug-in mine.py cannot be imported: No module named 'more'.")

    monkeypatch.setattr(PluginFile, "load", load)
    context = WorkerContext({}, "", (PluginFile("mine.py", b""),), None)  # type: ignore[arg-type]
    assert worker(context, monkeypatch).step()["refused"].endswith("No module named 'more'")


# ---- in the driver


def events(run: TrackedRun) -> Events:
    return Events(run.tracker, Arrivals(run.tracker, collector()))


def test_what_a_worker_refuses_ends_the_run_and_is_not_stored(run: TrackedRun) -> None:
    with run.tracker as tracker:
        tracker.take("t1")
        driver = events(run)
        driver.on_trial_result(0, [], SimpleNamespace(trial_id="t1"), {"done": True, "refused": "10.0.0.2: numpy 1.0"})
        with pytest.raises(RunStopped):
            driver.on_step_end(1, [])
        assert isinstance(tracker.stopped_by, RearecError)
        assert str(tracker.stopped_by).startswith("10.0.0.2: numpy 1.0. What has run elsewhere is stored. Install")
        assert run.logged()[-1] == "note"
    assert run.store.keys() == set()


@pytest.mark.parametrize(
    ("text", "stopped", "event"),
    [(UNLOADABLE, "a node cannot run trials: rearec_bench is not installed", "note"), (KILLED, "None", "lost")],
    ids=["without the package", "killed"],
)
def test_a_node_without_the_package_ends_the_run_and_a_worker_that_is_killed_does_not(
    run: TrackedRun, tmp_path: Path, text: str, stopped: str, event: str
) -> None:
    (tmp_path / "error.txt").write_text(text)
    trial = SimpleNamespace(trial_id="t1", error_file=str(tmp_path / "error.txt"))
    with run.tracker as tracker:
        tracker.take("t1")
        events(run).on_trial_error(0, [], trial)
        assert str(tracker.stopped_by).startswith(stopped)
        assert run.logged()[-1] == event
    assert run.store.keys() == set()


def test_no_more_trials_are_given_out_than_there_are_slots(run: TrackedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = [1]
    with run.tracker as tracker:
        searcher = QueueSearcher(tracker, lambda: slots[0], Arrivals(tracker, collector()))
        assert isinstance(searcher.suggest("t1"), dict)
        taken: list[str] = []
        monkeypatch.setattr(tracker, "take", lambda trial_id: taken.append(trial_id) or WAIT)
        searcher.suggest("t2")
        assert taken == [], "one fits"
        slots[0] = 2
        searcher.suggest("t2")
        assert taken == ["t2"], "a node has joined"
        assert tracker.max_concurrent == 2
