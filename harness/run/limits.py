"""What Ray needs before it starts: open files, memory, a writable /dev/shm, a command line of text."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from pathlib import Path

from ..utils.errors import InputError
from ..utils.text import printable

_FILES, _WANTED_FILES = 512, 65_536
_ADDRESSES = 64 * 2**30  # Ray's processes reserve far more addresses than they use memory
_SHARED = 64 * 2**20
_SHM = Path("/dev/shm")  # noqa: S108


def raise_limits() -> None:
    """Allow as many open files as the system lets this process have.

    Raises:
        InputError: too few, or too little address space; Ray's processes would die without a reason. A command line
            that is not UTF-8, which Ray wants to store.
    """
    for word in sys.argv:
        if printable(word) != word:
            raise InputError(
                f"Ray takes no command line that is not UTF-8 text, and this one has {printable(word)}. Change to that "
                "folder and type a path from there, or rename it."
            )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if hard != resource.RLIM_INFINITY and hard < _FILES:
        raise InputError(
            f"this shell lets a process open {hard} files, and Ray needs {_FILES} or more. Raise the hard limit:  "
            f"ulimit -Hn {_WANTED_FILES}"
        )
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY and space < _ADDRESSES:
        raise InputError(
            f"this shell limits a process to {space / 2**30:.1f} GiB of addresses, in which Ray does not start. "
            "Take the limit away:  ulimit -v unlimited"
        )


def why_not() -> str:
    """What on this machine may have kept Ray from starting, in words; "" for nothing that can be seen."""
    if _SHM.is_dir() and not os.access(_SHM, os.W_OK):
        return f"{_SHM} is read-only, and Ray shares data there. Mount it writable (docker: --tmpfs {_SHM})"
    if _SHM.is_dir() and _free(_SHM) < _SHARED:
        return (
            f"{_SHM} has {_free(_SHM) / 2**20:.0f} MiB free. Make room there, or make it larger (docker: --shm-size 4g)"
        )
    folder = Path(tempfile.gettempdir())
    if _free(folder) < _SHARED:
        return f"{folder} has {_free(folder) / 2**20:.0f} MiB free. Make room there, or name another folder in TMPDIR"
    return ""


def _free(folder: Path) -> int:
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize
