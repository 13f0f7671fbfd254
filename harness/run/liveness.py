"""Ends a run whose Ray has died, where Ray's own calls would wait forever."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable

from ..utils.errors import RearecError

_GONE = (
    "Ray has died during this run: its process here or its head was killed, or the memory was full. Stored results are "
    "intact; rerun the same command to resume."
)
_PERIOD_S = 2.0
_ANSWER_S = 45.0  # after 60 s without the head, Ray ends the process itself, with a dump of the stack
_LEAVE_S = 30.0
_CONNECT_S = 5.0


def accepts(host: str, port: int) -> bool:
    """Whether a process listens there; True also where that cannot be known now, as on a machine that is too busy.

    Ray's health check takes 15 s to report that a raylet has died, and a process that uses its object store before is
    ended by Ray without a message.
    """
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_S):
            return True
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    except OSError:
        return True


class RayWatch:
    """Asks Ray every two seconds, in a thread, whether this machine's node is alive; a context manager.

    Args:
        died: called in that thread with the error once Ray is dead; should end the run.
        is_alive: may block or raise where the node is not alive.
        end: ends this process if the run has not ended after a while.

    Attributes:
        error: what to raise; None while Ray is alive.
    """

    def __init__(
        self,
        died: Callable[[RearecError], None],
        *,
        is_alive: Callable[[], bool],
        end: Callable[[RearecError], None] | None = None,
        period_s: float = _PERIOD_S,
        answer_s: float = _ANSWER_S,
        leave_s: float = _LEAVE_S,
    ) -> None:
        self.error: RearecError | None = None
        self._died = died
        self._is_alive = is_alive
        self._end = end or _end_process
        self._period_s, self._answer_s, self._leave_s = period_s, answer_s, leave_s
        self._closed = threading.Event()
        self._left = threading.Event()

    def __enter__(self) -> RayWatch:
        threading.Thread(target=self._watch, daemon=True, name="ray-watch").start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop watching: Ray may end."""
        self._closed.set()

    def confirm(self) -> RearecError | None:
        """What to raise for an exception that may come from Ray's death, which Ray notices late; else None."""
        for _ in range(int(self._leave_s / self._period_s)):
            if self.error is None and not self._answers():
                self.error = RearecError(_GONE)
            if self.error is not None:
                break
            time.sleep(self._period_s)
        return self.error

    def left(self) -> None:
        """Record that the run does not wait for Ray any more."""
        self._left.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._period_s):
            if self._answers() or self._closed.is_set():
                continue
            self.error = RearecError(_GONE)
            self._died(self.error)
            if not self._left.wait(self._leave_s):
                self._end(self.error)
            return

    def _answers(self) -> bool:
        """Whether Ray answers in time that the node is alive."""
        answers: list[bool] = []

        def ask() -> None:
            try:
                answers.append(self._is_alive())
            except Exception:  # a dead Ray raises exceptions of many types
                answers.append(False)

        thread = threading.Thread(target=ask, daemon=True, name="ray-watch-ask")
        thread.start()
        thread.join(self._answer_s)
        return answers == [True]


def _end_process(error: RearecError) -> None:
    sys.stderr.write(f"\n{error}\n")
    sys.stderr.flush()
    os._exit(1)
