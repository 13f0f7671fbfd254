"""Ends a run whose Ray has died under it, which Ray itself would let wait for ever."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ..utils.errors import RearecError

_GONE = (
    "Ray has died under this run: its raylet was killed, or the machine ran out of memory. What is stored is whole; "
    "the same command goes on."
)
_PERIOD_S = 1.0
_LEAVE_S = 20.0


class RayletWatch:
    """Looks whether the raylet that this process needs is there, in a thread; to be entered while it should be.

    Args:
        died: told in that thread once the raylet is gone; should make the run leave.
        find: the raylet's process; None where it cannot be known, and nothing is watched.
        end: ends this process where it has not left after a while.
    """

    def __init__(
        self,
        died: Callable[[RearecError], None],
        *,
        find: Callable[[], int | None] | None = None,
        end: Callable[[RearecError], None] | None = None,
        period_s: float = _PERIOD_S,
        leave_s: float = _LEAVE_S,
    ) -> None:
        self._died = died
        self._find = find or own_raylet
        self._end = end or _end
        self._period_s = period_s
        self._leave_s = leave_s
        self._over = threading.Event()
        self._left = threading.Event()
        self._raylet: int | None = None

    def __enter__(self) -> RayletWatch:
        self._raylet = self._find()
        if self._raylet is not None:
            threading.Thread(target=self._look, daemon=True, name="raylet").start()
        return self

    def __exit__(self, *exception: object) -> None:
        """From now on the raylet may end."""
        self._over.set()

    @property
    def error(self) -> RearecError | None:
        """What to say where the raylet is gone, None where it runs or is not known."""
        return None if self._raylet is None or is_running(self._raylet) else RearecError(_GONE)

    def left(self) -> None:
        """Nothing of Ray is waited for any more."""
        self._left.set()

    def _look(self) -> None:
        while not self._over.wait(self._period_s):
            error = self.error
            if error is None or self._over.is_set():
                continue
            self._died(error)
            if not self._left.wait(self._leave_s):
                self._end(error)
            return


def own_raylet() -> int | None:
    """The raylet that this process has started; None where there is none, or no /proc to find it in."""
    return next((pid for pid, parent, _ in _raylets() if parent == os.getpid()), None)


def raylet_of(node_id: str) -> int | None:
    """The raylet of a node on this machine, whoever started it; None where it is not found.

    Args:
        node_id: Ray's.
    """
    return next((pid for pid, _, arguments in _raylets() if f"--node_id={node_id}".encode() in arguments), None)


def _raylets() -> Iterator[tuple[int, int, list[bytes]]]:
    """Process, parent and command line of each."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError, ValueError):
            continue
        if arguments[0].endswith(b"/raylet"):
            yield int(folder.name), parent, arguments


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended: one that nobody has waited for stays in /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _end(error: RearecError) -> None:
    sys.stderr.write(f"\n{error}\n")
    sys.stderr.flush()
    os._exit(1)
