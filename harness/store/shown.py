"""When test numbers of a suite were shown before its final runs were complete.

    ROOT/suites/NAME/shown.jsonl     one line a time, added and never rewritten

Whoever looks at test numbers half-way may stop where they please. Readers add to it without the lock of the results
folder, each a whole line at once; where they may not write, nothing is written and nothing fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from .suites import SCHEMA, log_lines

SHOWN = "shown.jsonl"


def note_shown(folder: Path, *, what: str, done: int, planned: int) -> None:
    """Add that `what` was shown of the suite in a folder when `done` of `planned` final runs were there."""
    event = {"schema": SCHEMA, "time": round(time.time(), 3), "shown": what, "done": done, "planned": planned}
    add_lines(folder, [json.dumps(event)])


def add_lines(folder: Path, lines: list[str]) -> None:
    """Add lines; a half-written one of a killed process stays apart from them."""
    if not lines:
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder / SHOWN, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, b"\n" * torn + "".join(f"{line}\n" for line in lines).encode())
            os.fsync(handle)
        finally:
            os.close(handle)


def shown_lines(folder: Path) -> list[str]:
    """The lines that can be read, oldest first; none where nothing was shown early."""
    try:
        return log_lines((folder / SHOWN).read_bytes())[0]
    except OSError:
        return []


def shown_early(folder: Path) -> list[dict[str, Any]]:
    """The same as what they say: "time", "shown", "done", "planned"."""
    events = map(json.loads, shown_lines(folder))
    return [event for event in events if isinstance(event.get("time"), int | float)]
