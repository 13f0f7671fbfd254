"""Two nodes on one machine: one that joins a run gets work, one that is killed loses none of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from rearec_bench.harness.run.cluster_access import environment
from rearec_bench.harness.store.store import Store

from ..suites import plugin_text
from .helpers import HERE, command_of, finish, logged, until

pytestmark = pytest.mark.slow

WAIT_S = 600.0
SUITE = """
name: nodes
plugins: [echo_nodes.py]
datasets: [tiny]
backbones: [sasrec]
strategies:
  - echo_nodes
  - erl: {kl_weight: {search: [0.001, 0.01]}}
  - prl: {temperature: {search: {low: 0.1, high: 5.0}}}
steps: [1]
seeds: [1, 2]
search: {trials: 5}
training: {max_epochs: 2}
"""


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of one node with one core."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("HELD_NODES", str(tmp_path / "held"))
    folder = tempfile.mkdtemp(prefix="rn", dir="/tmp")
    with environment({"RAY_AUTH_MODE": "disabled"}):
        cluster = Cluster(initialize_head=True, head_node_args={"temp_dir": folder, "include_dashboard": False})
        try:
            yield cluster
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def places(store: Store) -> dict[str, str]:
    """Trial to the node that it ran on."""
    return {key: store.summary(key).environment["node"] for key in sorted(store.keys())}


def happened(store: Store) -> list[str]:
    """The events of the run's log."""
    return [event["event"] for event in logged(store, "nodes")]


def test_a_node_that_joins_gets_work_and_a_node_that_is_killed_loses_none(head: Cluster, tmp_path: Path) -> None:
    file, plugin = tmp_path / "suite.yaml", tmp_path / "echo_nodes.py"
    file.write_text(SUITE)
    plugin.write_text(plugin_text("echo_nodes"))
    whole = Store(tmp_path / "whole")
    finish(command_of(file, whole.root, "fake_trial:FakeTrial"))
    store = Store(tmp_path / "results")
    command = command_of(file, store.root, "where_trial:WhereTrial", head.address)
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: bool(store.keys()), of=driver, seconds=WAIT_S)
        first = head.head_node.node_id
        (tmp_path / "held.new").write_text(first)
        (tmp_path / "held.new").replace(tmp_path / "held")
        plugin.unlink()  # nodes need no file system in common
        second = head.add_node(num_cpus=1, include_dashboard=False)
        until(lambda: second.node_id in places(store).values(), of=driver, seconds=WAIT_S)
        until((tmp_path / f"held.{second.node_id}.waits").exists, of=driver, seconds=WAIT_S)
        head.remove_node(second, allow_graceful=False)
        until(lambda: "lost" in happened(store), of=driver, seconds=WAIT_S)  # its worker lives on for a moment
        (tmp_path / "held").unlink()
        said, complained = driver.communicate(timeout=WAIT_S)
    finally:
        driver.kill()
        driver.wait()
    assert driver.returncode == 0, complained
    outcome = json.loads(said.splitlines()[-1])
    assert (outcome["left"], outcome["failed"]) == (0, [])
    assert "1 at a time on 1 core " in said
    assert set(places(store).values()) == {first, second.node_id}
    assert happened(store).count("lost") == 1, "the trial that was under way on the node that was killed"
    assert store.keys() == whole.keys()
    assert store.read_suite("nodes")[1]["cells"] == whole.read_suite("nodes")[1]["cells"]
    for key in sorted(whole.keys()):
        assert store.read(key).validation.readout == whole.read(key).validation.readout
