"""A run leaves when its raylet is gone, and is ended where it cannot."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rearec_bench.harness.run.raylet import RayletWatch, is_running, own_raylet
from rearec_bench.harness.utils.errors import RearecError

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@pytest.fixture
def raylet(tmp_path: Path):
    """A child whose program is called raylet; a killed one stays a zombie, as Ray's does."""
    program = tmp_path / "raylet"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "60"])
    yield child
    child.kill()
    child.wait()


def test_the_raylet_is_found_among_the_children_and_a_zombie_is_not_running(raylet: subprocess.Popen[bytes]) -> None:
    assert own_raylet() == raylet.pid and is_running(raylet.pid)
    raylet.send_signal(9)
    gone = threading.Event()
    for _ in range(500):
        if not is_running(raylet.pid):
            break
        gone.wait(0.01)
    assert not is_running(raylet.pid) and Path(f"/proc/{raylet.pid}").exists()
    raylet.wait()
    assert own_raylet() is None and not is_running(raylet.pid)


@pytest.mark.parametrize("leaves", [True, False])
def test_its_death_is_told_and_a_run_that_stays_is_ended(raylet: subprocess.Popen[bytes], leaves: bool) -> None:
    told: list[RearecError] = []
    died, ended = threading.Event(), threading.Event()

    def tell(error: RearecError) -> None:
        told.append(error)
        died.set()

    watch = RayletWatch(tell, end=lambda error: ended.set(), period_s=0.01, leave_s=0.3)
    with watch:
        assert not died.wait(0.1)
        raylet.send_signal(9)
        assert died.wait(10)
        if leaves:
            watch.left()
        assert ended.wait(5.0 if not leaves else 0.6) is not leaves
    assert len(told) == 1 and "the same command goes on" in str(told[0])


def test_a_raylet_that_ends_with_its_run_is_no_news(raylet: subprocess.Popen[bytes]) -> None:
    told: list[RearecError] = []
    watch = RayletWatch(told.append, period_s=0.01, leave_s=0.01, end=told.append)
    with watch:
        pass
    raylet.kill()
    raylet.wait()
    threading.Event().wait(0.1)
    assert told == []


def test_without_a_raylet_nothing_is_watched() -> None:
    before = threading.active_count()
    with RayletWatch(lambda error: sys.exit(1), find=lambda: None):
        assert threading.active_count() == before
