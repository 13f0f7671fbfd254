"""Memory of a process that runs trial after trial: what a finished one leaves behind goes back to the system."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

_SLACK = 128 * 2**20


class MemoryTrimmer:
    """Keeps the memory of a worker from growing, between its trials.

    glibc keeps the pages of a finished trial's tensors, in pieces that the next trial's tensors do not fit: without
    this, a worker's memory doubles within fifty small trials. The first use of returned pages costs time, so many are
    returned at once.

    Args:
        slack: bytes by which memory may grow before pages are returned.
        resident: resident bytes of this process.
        trim: returns freed pages to the system.
    """

    def __init__(
        self,
        *,
        slack: int = _SLACK,
        resident: Callable[[], int] | None = None,
        trim: Callable[[], None] | None = None,
    ) -> None:
        self._slack = slack
        self._resident = resident or resident_bytes
        self._trim = trim or give_back
        self._floor: int | None = None

    def after_trial(self, *, shares_gpu: bool) -> None:
        """Call once a finished trial is not referenced any more; `shares_gpu` frees its GPU cache too."""
        if self._floor is None:
            gc.collect()  # torch imports some of its parts late, in the first trial, and holds that trial's frames
        if shares_gpu:
            import torch

            torch.cuda.empty_cache()
        if self._floor is None or self._resident() > self._floor + self._slack:
            self._trim()
            self._floor = self._resident()


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def give_back() -> None:
    """Let the C library return freed pages to the system, where it can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
