"""Rays that do not start, what fits on how many nodes, and how many trials run while nodes come and go."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from rearec_bench.harness.run import cluster as harness
from rearec_bench.harness.run.cluster import Cluster, Room, cluster
from rearec_bench.harness.run.nodes import Node
from rearec_bench.harness.run.raylet import raylet_of
from rearec_bench.harness.utils.errors import InputError, RearecError


def failing(calls: list[dict[str, object]]) -> Callable[..., None]:
    def init(**options: object) -> None:
        calls.append(options)
        raise Exception("The current node timed out during startup.")

    return init


def of(*nodes: tuple[float, float]) -> Cluster:
    """A cluster of nodes with so many cores and GPUs each."""
    found = tuple(Node(f"id{number}", f"10.0.0.{number}", *have) for number, have in enumerate(nodes))
    return Cluster(Path(), found, owned=False, address="10.0.0.0:6379")


def test_a_ray_that_does_not_start_is_tried_again_and_then_an_error_with_advice(monkeypatch) -> None:
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(ray, "init", failing(calls))
    with (
        pytest.raises(RearecError, match=r"^Ray does not start on this machine: The current .*again later"),
        cluster(address=None, cpus=1, store_bytes=0, died=print),
    ):
        pass
    assert len(calls) == 2
    assert calls[0]["include_dashboard"] is False


@pytest.mark.parametrize(
    ("nodes", "cpu", "gpu", "count"),
    [
        (((3, 0), (3, 0)), 2, 0, 2),  # 6 cores, and yet not 3 trials of 2
        (((1.5, 0), (1.5, 0)), 1, 0, 2),
        (((8, 1), (8, 1)), 1, 0.4, 4),  # 2 on each GPU
        (((8, 1), (8, 1)), 1, 0.3, 6),
        (((16, 3), (16, 3)), 1, 2, 2),  # a trial does not spread over nodes
        (((0, 8), (2, 1)), 1, 0.25, 2),  # GPUs without cores are of no use
        (((0, 0), (4, 0)), 0.5, 0, 8),
    ],
)
def test_parts_of_several_nodes_do_not_add_up_to_a_trial(
    nodes: tuple[tuple[float, float], ...], cpu: float, gpu: float, count: int
) -> None:
    assert of(*nodes).fits(cpu=cpu, gpu=gpu) == count


def test_a_trial_that_is_larger_than_every_node_is_refused_with_the_sums() -> None:
    with pytest.raises(InputError, match=r"4 cores .* and 6 cores and 0 GPUs are there, on no node .*\(2 nodes\)"):
        of((3, 0), (3, 0)).fits(cpu=4, gpu=0)


def test_one_trial_and_a_half_gpus_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot have 1\.5 GPUs .* parts of one, or whole numbers"):
        of((8, 4)).fits(cpu=1, gpu=1.5)


def test_room_follows_nodes_that_come_and_go_but_stays_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(harness.time, "monotonic", lambda: now[0])
    there = [Node("a", "a", 2, 0)]
    room = of((2, 0)).room(cpu=1, gpu=0, limit=3, look=lambda: tuple(there))
    assert room() == 2
    there.append(Node("b", "b", 2, 0))
    now[0] += 1.0
    assert room() == 2, "it is not looked at all the time"
    now[0] += 10.0
    assert room() == 3, "4 fit, and 3 are allowed"
    there.clear()
    now[0] += 10.0
    assert room() == 0


def test_room_on_one_machine_is_counted_once() -> None:
    def never() -> int:
        raise AssertionError

    room = Room(4, None, never, fixed=True)
    room._looked_at = float("-inf")
    assert room() == 4


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_the_raylet_of_a_ray_that_was_joined_is_found_by_its_node() -> None:
    """A run whose own node is killed ends with words, whoever started the node."""
    pretending = ["/somewhere/raylet", "-c", "read line", "--node_id=abc123"]
    with subprocess.Popen(pretending, executable="/bin/sh", stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while raylet_of("abc123") is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert raylet_of("abc123") == process.pid
        assert raylet_of("abc12") is None
        process.stdin.close()
    assert raylet_of("abc123") is None
