"""Files and folders written atomically: to a temporary name, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import RearecError, StoreError

_STALE_S = 3600.0
_MARK = "~"


@contextlib.contextmanager
def writing(target: Path, kind: type[RearecError] = StoreError) -> Iterator[None]:
    """An OSError of the block as an error of the harness: `target` cannot be written."""
    try:
        yield
    except OSError as error:
        raise kind(f"{target} cannot be written: {error.strerror or error}.") from error


def write_file(target: Path, content: bytes) -> None:
    """Write a file, replacing an existing one."""
    with new_file(target) as temporary:
        _write_synced(temporary, content)


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """A temporary name to write a file to, for what does not fit into memory at once; it replaces `target` at the end.

    After an exception nothing has changed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary("tmp", target)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def swap_file(target: Path, content: bytes) -> None:
    """Replace a file atomically without syncing, for what may be lost with the machine; its folder must exist."""
    temporary = _temporary("tmp", target)
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_folder(target: Path, files: Mapping[str, bytes], *, replace: bool) -> None:
    """Write a folder of files (name to content); an existing folder is replaced, or kept as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary("tmp", target)
    try:
        temporary.mkdir()
        for name, content in files.items():
            _write_synced(temporary / name, content)
        _sync(temporary)
        if replace:
            _take_place(temporary, target)
            return
        try:
            temporary.rename(target)
        except OSError as error:  # another writer was faster: the first one stays
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder to fill with files, for what does not fit into memory at once.

    At the end of the block it replaces `target`, which stays until then; after an exception nothing has changed. What
    killed writers left beside it is removed first.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    clean(target.parent)
    temporary = _temporary("tmp", target)
    try:
        temporary.mkdir()
        yield temporary
        for path in temporary.rglob("*"):
            _sync(path)
        _sync(temporary)
        _take_place(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(within: Path | None) -> Iterator[Path]:
    """A temporary folder in another, or in the system's own where there is no such folder; removed at the end.

    Where this process is killed, `clean` removes it.
    """
    if within is None or not within.is_dir():
        with tempfile.TemporaryDirectory(prefix="rearec-bench-") as name:
            yield Path(name)
        return
    temporary = _temporary("tmp", within / "unpacked")
    try:
        temporary.mkdir()
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, target: Path) -> None:
    """Move a folder to its place; an existing one stays until then."""
    if not target.exists():
        temporary.rename(target)
        _sync(target.parent)
        return
    old = _temporary("old", target)
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        os.rename(old, target)
        raise
    _sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(target: Path) -> None:
    """Remove a folder: it is gone at once, and its space soon after."""
    temporary = _temporary("del", target)
    target.rename(temporary)
    shutil.rmtree(temporary)


def clean(folder: Path) -> None:
    """Remove what killed writers left in a folder, and finish their replacements.

    Names in use by a live process stay; so do those of another host that were touched within the hour.
    """
    for name in names(folder, hidden=True):
        parts = name[1:].split(_MARK)
        if len(parts) != 5 or parts[0] not in ("tmp", "old", "del") or not parts[3].isdigit():
            continue  # not ours
        kind, target, host, pid = parts[0], folder / parts[1], parts[2], int(parts[3])
        left = folder / name
        if _in_use(left, host, pid):
            continue
        if kind == "old" and not target.exists():  # killed between the two renames of a replacement
            left.rename(target)
        elif left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def names(folder: Path, *, hidden: bool = False) -> list[str]:
    """The names in a folder, either those that start with a dot or the others; empty if the folder does not exist."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(".") == hidden]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _temporary(kind: str, target: Path) -> Path:
    parts = (kind, target.name, socket.gethostname(), str(os.getpid()), uuid.uuid4().hex[:8])
    return target.parent / f".{_MARK.join(parts)}"


def _in_use(path: Path, host: str, pid: int) -> bool:
    if host == socket.gethostname():
        if pid == os.getpid():  # a killed process had our number
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime < _STALE_S
    return False


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
