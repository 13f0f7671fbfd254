"""Rays that do not start, how many trials fit on how many nodes, and folders that killed runs left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from rearec_bench.harness.run import cluster as harness
from rearec_bench.harness.run.cluster import Cluster, cluster
from rearec_bench.harness.run.nodes import Node
from rearec_bench.harness.run.scratch import scratch_folder
from rearec_bench.harness.run.stopping import Terminated
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
        pytest.raises(
            RearecError,
            match=r"^Ray does not start on this machine: The current .*[^.]\. Is it very busy.*Rerun",
        ),
        cluster(address=None, cpus=1, store_bytes=0, died=print),
    ):
        pass
    assert len(calls) == 2
    assert calls[0]["include_dashboard"] is False


@pytest.mark.parametrize(("status", "error"), [(15, Terminated), (1, RearecError)])
def test_sigterm_while_ray_starts_ends_the_run_as_it_does_later(
    monkeypatch: pytest.MonkeyPatch, status: int, error: type[BaseException]
) -> None:
    def init(**options: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ray sets a handler of its own, which ends the process
        sys.exit(status)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(error), cluster(address=None, cpus=1, store_bytes=0, died=print):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


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
        (((8, 0),), 3, 0, 2),
        (((8, 2),), 1, 0.25, 8),
        (((16, 4),), 1, 2, 2),
    ],
)
def test_parts_of_several_nodes_do_not_add_up_to_a_trial(
    nodes: tuple[tuple[float, float], ...], cpu: float, gpu: float, count: int
) -> None:
    assert of(*nodes).fits(cpu=cpu, gpu=gpu) == count


def test_a_trial_that_is_larger_than_every_node_is_refused_with_the_sums() -> None:
    with pytest.raises(InputError, match=r"4 cores .* and 6 cores and 0 GPUs are available, on no node .*\(2 nodes\)"):
        of((3, 0), (3, 0)).fits(cpu=4, gpu=0)


def test_a_missing_gpu_is_an_error_and_not_a_fallback() -> None:
    with pytest.raises(InputError, match=r"0\.25 GPUs .* 0 GPUs are available\. Type --gpu 0"):
        of((2, 0)).fits(cpu=1, gpu=0.25)


def test_one_trial_and_a_half_gpus_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot have 1\.5 GPUs .* parts of one, or whole numbers"):
        of((8, 4)).fits(cpu=1, gpu=1.5)


def test_slots_follow_nodes_that_come_and_go_but_stay_below_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(harness.time, "monotonic", lambda: now[0])
    there = [Node("a", "a", 2, 0)]
    slots = of((2, 0)).slots(cpu=1, gpu=0, limit=3, look=lambda: tuple(there))
    assert slots() == 2
    there.append(Node("b", "b", 2, 0))
    now[0] += 1.0
    assert slots() == 2, "it is not looked at all the time"
    now[0] += 10.0
    assert slots() == 3, "4 fit, and 3 are allowed"
    there.clear()
    now[0] += 10.0
    assert slots() == 0


def test_slots_on_one_machine_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> int:
        raise AssertionError

    now = [0.0]
    monkeypatch.setattr(harness.time, "monotonic", lambda: now[0])
    slots = Cluster(Path(), (Node("a", "a", 4, 0),), owned=True).slots(cpu=1, gpu=0, limit=None, look=never)
    now[0] += 1000.0
    assert slots() == 4


def test_what_killed_runs_left_behind_is_removed_and_what_running_ones_use_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="r") as base:
        monkeypatch.setattr(tempfile, "tempdir", base)
        dead, alive, foreign = (Path(base) / f"rearec-{owner}-x" for owner in (over.pid, os.getpid(), "me"))
        for folder in (dead, alive, foreign):
            (folder / "session").mkdir(parents=True)
        with scratch_folder() as mine:
            assert mine.is_dir() and mine.parent == Path(base)
            assert (dead.exists(), alive.exists(), foreign.exists()) == (False, True, True)
        assert not mine.exists()
