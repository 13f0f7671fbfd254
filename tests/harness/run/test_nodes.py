"""Nodes that do not run what the driver runs are refused before the first trial, or when they join."""

from __future__ import annotations

from typing import Any

import pytest

from rearec_bench.harness.run import nodes as harness
from rearec_bench.harness.run.nodes import Node, Software, cannot_run, compare, differences, software
from rearec_bench.harness.utils.errors import InputError

NODES = (Node("aa" * 20, "10.0.0.1", 8, 1), Node("bb" * 20, "10.0.0.2", 8, 1))
UNPICKLED = """ray::software() (pid=7, ip=10.0.0.2)
  File "serialization.py", line 460, in deserialize_objects
ModuleNotFoundError: No module named 'rearec_bench.harness.run.nodes'"""


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    monkeypatch.setattr(harness, "_answers", lambda nodes, components: list(zip(nodes, answers, strict=True)))


def test_what_this_process_runs_is_named_with_its_versions_and_source() -> None:
    here = software(())
    assert {"Python", "rearec-bench", "the source of rearec-bench", "ray", "torch", "numpy", "optuna"} == set(here)
    assert all(here.values())
    assert "+" not in here["torch"], "builds for CPU and GPU go together"


def test_equal_nodes_are_remembered_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, software(()), software(()))
    assert compare(NODES, (), place="10.0.0.1:6379").asked == {"aa" * 20, "bb" * 20}


def test_all_that_differs_is_said_with_its_node_and_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**software(()), "torch": "2.6.0", "Python": "3.12.1"}
    answering(monkeypatch, other, cannot_run(UNPICKLED))
    with pytest.raises(InputError) as refused:
        compare(NODES, (), place="10.0.0.1:6379")
    here = software(())
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("the nodes of the Ray at 10.0.0.1:6379 do not all run what this process runs")
    assert lines[1:4] == [
        f"  10.0.0.1 (node aaaaaaaa): Python 3.12.1, {here['Python']} for the driver",
        f"  10.0.0.1 (node aaaaaaaa): torch 2.6.0, {here['torch']} for the driver",
        "  10.0.0.2 (node bbbbbbbb): rearec_bench.harness.run.nodes is not installed, or older",
    ]
    assert "ray stop; ray start --address=10.0.0.1:6379" in lines[4]


def test_a_component_of_a_package_that_a_node_lacks_is_a_difference() -> None:
    assert software((("backbone", "nowhere"),))["backbone nowhere"] == "none"
    assert differences({"backbone gru": "mine 1.0"}, {}) == ["backbone gru none, mine 1.0 for the driver"]


def test_a_worker_looks_at_itself_on_a_node_that_joined_late_only(monkeypatch: pytest.MonkeyPatch) -> None:
    common = Software((), software(()), frozenset({"aa"}))
    assert common.refusal("cc") == ""
    monkeypatch.setattr(harness, "software", lambda components: {**common.here, "numpy": "1.0"})
    assert common.refusal("aa") == "", "it was asked before the first trial, and files may be edited since"
    assert common.refusal("cc").startswith("a node that has joined is not like the others: numpy 1.0, ")
