"""Only one process at a time writes to a results folder; the others learn which one.

The lock is an flock on the file `run.lock`, which also names its holder. The kernel releases an flock when its process
ends, however it ends. On file systems whose flocks other machines may not see, a lease (`run.lease`, touched every
20 seconds) has to be free too.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import StoreError, StoreInUse
from .files import writing

if TYPE_CHECKING:
    from filelock import SoftFileLease

NAME = "run.lock"
LEASE = "run.lease"
LEASE_S = 60.0
"""Seconds without a change after which a lease's holder counts as dead."""
POLL_S = 0.5

_BRIEF_S = 0.2  # a reader that asks who writes has the lock for an instant
_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_LOCAL = frozenset(
    ("apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)


@dataclass(frozen=True)
class Writer:
    """A process that writes to a results folder.

    Attributes:
        doing: such as "suite 'smoke'".
        pid: 0 if unknown.
        since: Unix time.
    """

    doing: str
    pid: int
    host: str
    since: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.doing} (process {self.pid} on {self.host}, since {since})"


_UNKNOWN = Writer("another process", 0, "an unknown machine", 0.0)


class Lock:
    """A lock that this process has."""

    def __init__(self, root: Path, lease: SoftFileLease | None) -> None:
        self._root = root
        self._lease = lease
        self._file = (root / NAME).stat()

    def check(self) -> None:
        """Check that the folder is still the one that was locked.

        Raises:
            StoreError: it was removed or replaced, or the lease was lost.
        """
        same = False
        with contextlib.suppress(OSError):
            same = os.path.samestat((self._root / NAME).stat(), self._file)
        if not same or (self._lease is not None and self._lease.compromise is not None):
            raise StoreError(
                f"{self._root} was removed or replaced while this run wrote to it, so the run has stopped. What it "
                "stored before is where that folder is now, if anywhere. Rerun the command to resume."
            )

    def remove(self) -> None:
        """Remove the file, if it is still the one that was locked."""
        with contextlib.suppress(OSError, StoreError):
            self.check()
            (self._root / NAME).unlink()


@contextlib.contextmanager
def hold(root: Path, doing: str, *, wait: bool, say: Callable[[str], None]) -> Iterator[Lock]:
    """The lock of a results folder during the block; the folder is created, and removed again if empty at the end.

    `doing` is shown to other processes. `wait` waits for another writer to end rather than refuse; `say` gets its name.

    Raises:
        StoreInUse: another process writes.
        StoreError: the folder cannot be written.
    """
    created = not root.exists()
    with contextlib.ExitStack() as stack:
        if created:
            stack.callback(_remove_empty, root)
        with writing(root):
            turn = _Turn(root, wait=wait, say=say)
            _lock_file(turn, stack)
            lease = _lease(turn, stack)
            writer = Writer(doing, os.getpid(), socket.gethostname(), round(time.time(), 3))
            (root / NAME).write_text(json.dumps(asdict(writer), indent=1) + "\n")
            lock = Lock(root, lease)
        stack.callback(lock.remove)
        yield lock


def writer_of(root: Path) -> Writer | None:
    """The process that writes to a results folder now, if any; only reads, so any user may ask at any time."""
    try:
        handle = os.open(root / NAME, os.O_RDONLY)
    except OSError:
        return None
    from filelock import lock_descriptor

    try:
        alive = not lock_descriptor(handle, blocking=False)
    except OSError:  # a file system without flocks, or one where only writers may have them
        alive = False
    finally:
        os.close(handle)
    if not alive:
        with contextlib.suppress(OSError):
            alive = time.time() - (root / LEASE).stat().st_mtime < LEASE_S
    return _named(root) if alive else None


@dataclass
class _Turn:
    """How this process waits for its turn to write."""

    root: Path
    wait: bool
    say: Callable[[str], None]
    announced: Writer | None = None

    def refused(self) -> None:
        """Another process writes: report it, or refuse."""
        writer = _named(self.root)
        if not self.wait:
            raise StoreInUse(
                f"{self.root} is being written to by {writer}. Wait for its end (run --wait), or name another folder "
                "with --results; plan, report and show work meanwhile."
            )
        if writer != self.announced:
            self.say(f"waiting for {writer}")
            self.announced = writer


def _lock_file(turn: _Turn, stack: contextlib.ExitStack) -> None:
    from filelock import FileLock, Timeout

    lock = FileLock(turn.root / NAME, thread_local=False, fallback_to_soft=False)
    while True:
        try:
            turn.root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock.acquire(timeout=_BRIEF_S, poll_interval=_BRIEF_S / 10))
            return
        except Timeout:
            turn.refused()
            time.sleep(POLL_S)
        except FileNotFoundError:  # its creator has just removed it, empty
            continue
        except FileExistsError:
            if os.path.lexists(turn.root) and not turn.root.is_dir():  # a file, or a link that leads nowhere
                raise
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise
            return


def _lease(turn: _Turn, stack: contextlib.ExitStack) -> SoftFileLease | None:
    """The lease, if the file system needs one. A holder that does not touch it for `LEASE_S` loses it."""
    if not _needs_lease(turn.root):
        return None
    from filelock import SoftFileLease, Timeout

    path = turn.root / LEASE
    lease = SoftFileLease(path, lease_duration=LEASE_S, thread_local=False)
    while True:
        moved = partial(_changed, path, since=_mtime(path))
        try:
            stack.enter_context(lease.acquire(timeout=1.5 * LEASE_S, poll_interval=POLL_S, cancel_check=moved))
            return lease
        except Timeout:
            turn.refused()


def _changed(path: Path, *, since: float | None) -> bool:
    return _mtime(path) not in (None, since)


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _needs_lease(root: Path) -> bool:
    """Whether the folder's file system may be shared with other machines."""
    device = root.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == number:
                return kind.split()[0] not in _LOCAL
    return True


def _named(root: Path) -> Writer:
    with contextlib.suppress(OSError, LookupError, TypeError, ValueError):
        content = json.loads((root / NAME).read_text())
        return Writer(str(content["doing"]), int(content["pid"]), str(content["host"]), float(content["since"]))
    return _UNKNOWN
