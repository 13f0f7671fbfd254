"""Ctrl-C and SIGTERM while a suite runs: the first ends it between two steps, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from .stopping import SIGNALS


class Stoppable(Protocol):
    """What a signal stops."""

    @property
    def stopped_by(self) -> BaseException | None:
        """Why it stops, None where it does not."""

    def stop(self, why: BaseException) -> None:
        """Stop soon."""

    def abandon(self) -> None:
        """The process is about to end."""


@contextmanager
def heard(run: Stoppable) -> Iterator[None]:
    """Signals stop a run; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: object) -> None:
        if run.stopped_by is not None:
            run.abandon()
            os._exit(128 + number)  # Ray's processes die with this one
        run.stop(SIGNALS[number]())

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept_from_ray() -> Iterator[None]:
    """Ray, which would end the process at SIGTERM where it stands, leaves the handler that is there."""
    import ray._private.utils as ray_utils

    setter: Callable[..., None] | None = getattr(ray_utils, "set_sigterm_handler", None)
    before = signal.getsignal(signal.SIGTERM)
    if setter is not None:
        ray_utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        if setter is not None:
            ray_utils.set_sigterm_handler = setter
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
