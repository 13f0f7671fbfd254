"""Progress of the suites in a results folder: from the progress files of live runs, else from what is stored.

Only reads, takes no lock, and imports neither torch nor ray.
"""

from __future__ import annotations

import math
import socket
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..plan.cells import expand, once
from ..plan.search import search_size
from ..plan.staged import staged
from ..records.results import Status
from ..store.progress_file import NAME, REFRESH_S, CellCounts, RunProgress, cell_label, read
from ..store.store import Store
from ..store.suites import INDEX, LOG, last_command, logged_events
from ..suite.model import Suite
from ..utils import lock
from ..utils.errors import DamagedError, RearecError

State = Literal["starting", "running", "stopping", "silent", "gone", "ended", "unknown"]
"""Silent: the process has the lock and writes nothing. Gone: it was killed. Unknown: no progress file can be read."""
ALIVE: tuple[State, ...] = ("starting", "running", "stopping", "silent")

STALE_S = 6 * REFRESH_S
"""Seconds without a write after which a run counts as gone, or as silent where it has the lock."""


@dataclass(frozen=True)
class SuiteStatus:
    """Progress of a suite."""

    suite: str
    state: State  # of its last run
    progress: RunProgress | None  # of its last run
    problem: str  # why its progress file, or what is stored, cannot be read; "" for neither
    cells: tuple[CellCounts, ...]
    over: int  # trials that are over
    trials: int  # max number of them
    command: str  # that resumes it, "" where it is not known
    log: Path

    @property
    def live(self) -> RunProgress | None:
        """Progress of a run that is alive."""
        return self.progress if self.state in ALIVE else None

    def count(self, status: Status) -> int:
        """Finished trials with a status; a trial that several cells share counts in each."""
        return sum(cell.over.get(status, 0) for cell in self.cells)

    def to_json(self) -> dict[str, Any]:
        """JSON values, for other programs."""
        last, live = self.progress, self.live
        names = ("phase", "ending", "host", "since", "at", "budget_ends_at", "folder")
        return {
            "suite": self.suite,
            "state": self.state,
            "why": self.problem,
            "over": self.over,
            "trials": self.trials,
            "command": self.command,
            "log": str(self.log),
            "last": None if last is None else {"process": last.pid, **{name: getattr(last, name) for name in names}},
            "rate_per_h": None if live is None else live.rate_per_h,
            "left_s": None if live is None else live.left_s,
            "cells": [asdict(cell) for cell in self.cells],
            "workers": [] if live is None else [asdict(trial) for trial in live.running],
        }


def status_of(store: Store, name: str) -> SuiteStatus:
    """Progress of a suite; a StoreError if no such suite is stored."""
    folder = store.suite_folder(name)
    progress, problem = None, ""
    try:
        progress = read(folder)
    except DamagedError as error:
        problem = f"its progress file cannot be read ({error.why})"
    if progress is None and name not in store.suites():
        store.read_suite(name)
    state: State = "unknown" if progress is None else state_of(store.root, folder, progress)
    command = progress.command if progress is not None else last_command(folder)
    if progress is not None and (state in ALIVE or (state == "ended" and _is_newer(folder / NAME, folder / INDEX))):
        cells, over, trials = progress.cells, progress.over, progress.trials
    else:
        try:
            cells, over, trials = stored_cells(store, name)
        except RearecError as error:
            problem = "; ".join(filter(None, (problem, f"what is stored of it cannot be read ({error})")))
            cells, over, trials = (progress.cells, progress.over, progress.trials) if progress else ((), 0, 0)
    return SuiteStatus(name, state, progress, problem, cells, over, trials, command, folder / LOG)


def state_of(root: Path, folder: Path, progress: RunProgress) -> State:
    """State of the run that wrote a progress file: alive while it has the lock of its results folder.

    Another machine may not see that lock; there, a file that was written of late counts, too.
    """
    writer = lock.writer_of(root)
    is_ours = writer is not None and (writer.pid, writer.host) == (progress.pid, progress.host)
    if progress.phase == "ended":
        return "starting" if is_ours else "ended"  # the next stage of its run
    try:
        fresh = abs(time.time() - (folder / NAME).stat().st_mtime) <= STALE_S
    except OSError:
        fresh = False
    if is_ours:
        return progress.phase if fresh or progress.phase != "running" else "silent"
    return progress.phase if fresh and writer is None and progress.host != socket.gethostname() else "gone"


def stored_cells(store: Store, name: str) -> tuple[tuple[CellCounts, ...], int, int]:
    """Progress of a suite's cells by what is stored: its index, its log, its trials.

    The log has what the index lacks: what ended after it was written last, and in an index of an earlier version failed
    search trials and those behind one that is missing.

    Returns:
        The cells; the number of finished trials; the max number of trials, a guess until all are finished.

    Raises:
        StoreError: not stored, or damaged.
    """
    suite, index = store.read_suite(name)
    searched: dict[object, dict[int, str]] = {}
    finals: dict[object, set[str]] = {}
    for event in logged_events(store.suite_folder(name)):
        match event:
            case {"event": "begin"}:
                finals.clear()  # the index has them, or the suite has changed
            case {"event": status} if status not in get_args(Status):
                continue
            case {"purpose": "search", "cell": cell, "index": int(place), "key": str(key)}:
                searched.setdefault(cell, {})[place] = key
            case {"purpose": "final", "cell": cell, "key": str(key)}:
                finals.setdefault(cell, set()).add(key)
    statuses: dict[str, Status] = {}

    def stored(keys: set[str]) -> list[Status]:
        for key in keys - statuses.keys():
            if (summary := store.lookup(key)) is not None:
                statuses[key] = summary.status
        return [statuses[key] for key in keys if key in statuses]

    cells: dict[str, CellCounts] = {}
    planned = Suite.from_json(suite)
    for cell in staged(planned, once(expand(planned)), index):
        if cell.unsupported is not None or cell.id in cells:  # of rows with one content the first stands for all
            continue
        entry = index.get("cells", {}).get(cell.id, {})
        listed, has_note = entry.get("search", []), bool(entry.get("note"))
        is_searched = bool(entry.get("best")) or has_note
        size = len(listed) if is_searched else math.inf if cell.search.epochs else search_size(cell)
        keys = {place: key for place, key in searched.get(cell.id, {}).items() if place < size}
        keys |= {place: key for place, key in enumerate(listed) if key}
        search = stored({*keys.values(), *entry.get("failed", ()), *entry.get("behind", ())})
        final = stored({*entry.get("final", {}).values()} | finals.get(cell.id, set()))
        duplicates = max(sum(key is None for key in listed) - search.count("failed"), 0)
        waiting = max(search_size(cell) - len(search) - duplicates, 0)
        if is_searched:  # but for trials that are damaged or gone
            waiting = len({key for key in listed if key} - statuses.keys())
        waiting += 0 if has_note else max(len(cell.seeds) - len(final), 0)
        cells[cell.id] = CellCounts(cell.id, cell_label(cell), dict(Counter(search + final)), 0, waiting)
    return tuple(cells.values()), len(statuses), len(statuses) + sum(cell.waiting for cell in cells.values())


def _is_newer(path: Path, other: Path) -> bool:
    try:
        return path.stat().st_mtime_ns >= other.stat().st_mtime_ns
    except OSError:
        return False
