"""Who writes to a results folder: one process at a time, and the others are told which.

The lock is a file in the folder, `run.lock`, that says who holds it, and an flock on it. The kernel gives an flock up
when its process ends, however it ends, so within a machine (and over NFS, whose server keeps flocks) nothing is left to
judge. Where two machines do not see each other's flocks, or there are none, a holder lives as long as the file's time
of change moves, which a thread of the holder sees to. Times are those of the file system, compared with each other: no
clock of a host matters.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import StoreError, StoreInUse

NAME = "run.lock"
SCHEMA = 1

BEAT_S = 5.0
"""Seconds between two signs of life."""
STALE_S = 60.0
"""Seconds without one after which a holder is suspected to be dead, and watched."""
WATCH_S = 3 * BEAT_S
POLL_S = 1.0

_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_SETTLE_S = 0.5
_GONE_AGAIN = 1000


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        doing: such as "suite 'smoke'".
        pid: of the process.
        host: its machine.
        boot: identifier of the machine's boot, "" where there is none.
        began: when the process began, in ticks of its machine; 0 where nobody knows.
        since: Unix time.
    """

    doing: str
    pid: int
    host: str
    boot: str
    began: int
    since: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.doing} (process {self.pid} on {self.host}, since {since})"


_UNKNOWN = Holder("another process", 0, "an unknown machine", "", 0, 0.0)


class Lock:
    """A lock that is held.

    Args:
        path: of the file.
        handle: the open file, with the flock.
    """

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="results lock", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Be sure that the folder is still the one that was locked.

        Raises:
            StoreError: it was removed or replaced, or the lock was taken away.
        """
        if not _same(self._path, self._handle):
            raise StoreError(
                f"{self._path.parent} was removed or replaced while this run wrote to it, so the run has stopped. What "
                "it stored before is where that folder is now, if anywhere. Go on with the same command."
            )

    def release(self) -> None:
        """Give it up; the file goes where it is still ours."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            if _same(self._path, self._handle):
                self._path.unlink()
        os.close(self._handle)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with contextlib.suppress(OSError):  # `check` is what says that the folder is gone
                os.utime(self._handle)


@contextlib.contextmanager
def hold(root: Path, doing: str, *, wait: bool, say: Callable[[str], None]) -> Iterator[Lock]:
    """Hold the lock of a results folder.

    Args:
        root: the folder; made where it is not there, and removed again where nothing came into it.
        doing: what the others are told.
        wait: until whoever holds it has ended, rather than refuse.
        say: told whom it waits for.

    Raises:
        StoreInUse: somebody holds it.
        StoreError: the folder cannot be written.
    """
    made = not root.exists()
    try:
        lock = _acquire(root, doing, wait=wait, say=say)
    except OSError as error:
        raise StoreError(f"{root} cannot be written: {error.strerror or error}.") from error
    try:
        yield lock
    finally:
        lock.release()
        if made:
            with contextlib.suppress(OSError):
                root.rmdir()


def holder_of(root: Path) -> Holder | None:
    """Who holds the lock of a results folder by its own word; None where nobody says so."""
    try:
        return _parsed((root / NAME).read_bytes())
    except OSError:
        return None


def this_process(doing: str) -> Holder:
    """This process, as it would hold a lock now."""
    return _us(doing)


def alive(holder: Holder) -> bool | None:
    """Whether a process is there; None where it is another machine's, or nobody knows."""
    us = _us("")
    if not holder.began or not holder.boot or (holder.boot, holder.host) != (us.boot, us.host):
        return None
    return _began(holder.pid) == holder.began


def _acquire(root: Path, doing: str, *, wait: bool, say: Callable[[str], None]) -> Lock:
    said: Holder | None = None
    while True:
        got = _attempt(root, doing)
        if isinstance(got, Lock):
            return got
        if not wait:
            raise StoreInUse(
                f"{root} is being written to by {got}. Wait for its end (run --wait), or name another folder with "
                "--results; plan, report and show work meanwhile."
            )
        if got != said:
            say(f"waiting for {got}")
            said = got
        time.sleep(POLL_S)


def _attempt(root: Path, doing: str) -> Lock | Holder:
    """The lock, or who has it."""
    path = root / NAME
    while True:
        handle = _opened(path)
        try:
            locked = _flock(handle)
            if locked is False:
                return _named(handle)
            if not _same(path, handle):  # given up and removed since we opened it
                continue
            holder = _parsed(os.pread(handle, 1 << 16, 0))
            if holder is not None and _lives(path, holder, kernel=locked is True):
                return holder
            us = _us(doing)
            content = json.dumps({"schema": SCHEMA, **asdict(us)}, indent=1).encode() + b"\n"
            os.ftruncate(handle, 0)
            os.pwrite(handle, content, 0)
            if locked is None:
                time.sleep(_SETTLE_S)  # of several that came at once the last to write has it
                if _parsed(os.pread(handle, 1 << 16, 0)) != us:
                    continue
            kept, handle = handle, -1
            return Lock(path, kept)
        finally:
            if handle >= 0:
                os.close(handle)


def _opened(path: Path) -> int:
    """A handle of the file, made with its folder where they are not there."""
    for _ in range(_GONE_AGAIN):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):  # whoever made the folder gave it up empty just now
            if os.path.lexists(path.parent):  # a file, or a link that leads nowhere
                raise
    raise StoreError(f"{path.parent} goes as often as it is made. Name another folder with --results.")


def _flock(handle: int) -> bool | None:
    """Whether we have it now; None where this file system or machine has no flocks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        if error.errno in _NO_FLOCK:
            return None
        raise
    return True


def _lives(path: Path, holder: Holder, *, kernel: bool) -> bool:
    """Whether whoever is named in the file still holds it, although we could open it.

    Args:
        path: of the file.
        holder: who is named.
        kernel: whether we have the flock: no process of this kernel can have it, too.
    """
    us = _us("")
    if holder.boot and holder.boot == us.boot:
        if kernel:
            return False
        if holder.host == us.host:
            return _began(holder.pid) == holder.began != 0
    return _beats(path)


def _beats(path: Path) -> bool:
    """Whether the file's time of change moves, or has moved of late."""
    changed = path.stat().st_mtime
    if _now(path.parent) - changed < STALE_S:
        return True
    end = time.monotonic() + WATCH_S
    while time.monotonic() < end:
        time.sleep(min(BEAT_S, WATCH_S) / 5)
        if path.stat().st_mtime != changed:
            return True
    return False


def _now(folder: Path) -> float:
    """The time by the clock that gives files of this folder their times."""
    probe = folder / f".clock-{uuid.uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _named(handle: int) -> Holder:
    """Who is named in the file of a lock that is held; it may be about to say so."""
    for _ in range(10):
        holder = _parsed(os.pread(handle, 1 << 16, 0))
        if holder is not None:
            return holder
        time.sleep(0.05)
    return _UNKNOWN


def _parsed(content: bytes) -> Holder | None:
    try:
        held: dict[str, Any] = json.loads(content)
        return Holder(
            doing=str(held["doing"]),
            pid=int(held["pid"]),
            host=str(held["host"]),
            boot=str(held["boot"]),
            began=int(held["began"]),
            since=float(held["since"]),
        )
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def _us(doing: str) -> Holder:
    pid = os.getpid()
    return Holder(doing, pid, socket.gethostname(), _boot(), _began(pid), round(time.time(), 3))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _began(pid: int) -> int:
    """When a process of this machine began; 0 where there is none, or where nobody knows."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False
