"""A run leaves when its Ray is gone, and its process is ended if it cannot."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from rearec_bench.harness.run.liveness import RayWatch, accepts
from rearec_bench.harness.utils.errors import RearecError


@contextmanager
def watched(is_alive: Callable[[], bool]) -> Iterator[tuple[RayWatch, threading.Event, threading.Event]]:
    """A watch, and what is set when it has told the run and when it has ended the process."""
    died, ended = threading.Event(), threading.Event()
    times = {"period_s": 0.005, "answer_s": 0.1, "leave_s": 0.1}
    watch = RayWatch(lambda error: died.set(), is_alive=is_alive, end=lambda error: ended.set(), **times)
    with watch:
        yield watch, died, ended


def raising() -> bool:
    raise ConnectionError("no such Ray")


def silent() -> bool:
    return threading.Event().wait(1.0)


@pytest.mark.parametrize("is_alive", [lambda: False, raising, silent])
def test_a_dead_ray_is_told_with_what_to_do(is_alive: Callable[[], bool]) -> None:
    with watched(is_alive) as (watch, died, _):
        assert died.wait(10)
        assert isinstance(watch.error, RearecError) and "rerun the same command" in str(watch.error)


@pytest.mark.parametrize("leaves", [True, False])
def test_the_process_of_a_run_that_stays_is_ended(leaves: bool) -> None:
    with watched(lambda: False) as (watch, died, ended):
        assert died.wait(10)
        if leaves:
            watch.left()
        assert ended.wait(0.3 if leaves else 10) is not leaves


def test_an_exception_that_comes_before_ray_is_known_to_be_dead_is_explained_by_it() -> None:
    answers = [True, True, False]
    with watched(lambda: True) as (watch, died, _):
        pass
    watch._is_alive = lambda: answers.pop(0)
    assert "rerun the same command" in str(watch.confirm())
    with watched(lambda: True) as (watch, died, _):
        assert watch.confirm() is None and not died.is_set()


def test_a_port_accepts_connections_until_its_process_has_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert accepts("127.0.0.1", port)
    assert not accepts("127.0.0.1", port)


def test_a_ray_that_ends_with_its_run_is_no_error() -> None:
    alive = True
    with watched(lambda: alive) as (watch, died, ended):
        assert not died.wait(0.05)
    alive = False
    assert not died.wait(0.05) and not ended.is_set() and watch.error is None
