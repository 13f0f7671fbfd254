"""Folders in the system's temporary folder, removed with the process that made them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "rearec-"
_MAX_BASE = 14  # with this folder's name and Ray's about 65 characters, a socket's path may have 107


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for one run, with a path that is short enough for Ray's sockets."""
    base = Path(tempfile.gettempdir())
    folder = new_folder(base if len(str(base)) <= _MAX_BASE else Path("/tmp"))  # noqa: S108
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_folder(base: Path | None = None) -> Path:
    """A folder named after this process, in `base` or the system's; removes those of killed processes first."""
    base = base or Path(tempfile.gettempdir())
    for old in base.glob(f"{_PREFIX}*-*"):
        if _is_abandoned(old):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))


def _is_abandoned(folder: Path) -> bool:
    """Whether the process in the folder's name has ended; its age does not count, as dying processes still write."""
    try:
        if folder.stat().st_uid == os.getuid():
            os.kill(int(folder.name.split("-")[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False
