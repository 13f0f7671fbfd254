"""How the suites of a results folder stand: from their heartbeats while runs go on, else from what is stored.

Only reads, needs no lock, and imports neither torch nor ray. Whether a run lives is not a matter of clocks where its
process can be looked for; where it cannot, a heartbeat whose time is odd is watched until it moves or should have.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ..plan.cells import Cell, expand
from ..plan.search import search_size
from ..records.results import Status
from ..store.heartbeat import BEAT_S, NAME, Beat, CellCount, label_of, lives, read
from ..store.store import Store
from ..store.suites import INDEX, LOG, log_lines
from ..suite.model import Suite
from ..utils.errors import DamagedError, RearecError

State = Literal["starting", "running", "stopping", "silent", "gone", "ended", "unknown"]
ALIVE: tuple[State, ...] = ("starting", "running", "stopping", "silent")

STALE_S = 6 * BEAT_S
"""Seconds without a beat after which a run counts as gone, or as silent where its process is seen."""
WATCH_S = 2.5 * BEAT_S
_SKEW_S = 5.0
_POLL_S = 0.5


@dataclass(frozen=True)
class SuiteStatus:
    """How a suite stands.

    Attributes:
        suite: its name.
        state: of its last run; "silent": the process is there and says nothing; "gone": it ended without a word;
            "unknown": there is no heartbeat that can be read.
        beat: the last heartbeat, None where none can be read.
        why: it cannot be read, or what is stored cannot, "" for neither.
        cells: where each cell stands.
        over: trials of the suite that are over.
        trials: most trials that it may have.
        command: that goes on with it, "" where nobody knows.
        log: of its runs.
    """

    suite: str
    state: State
    beat: Beat | None
    why: str
    cells: tuple[CellCount, ...]
    over: int
    trials: int
    command: str
    log: Path

    def count(self, status: str) -> int:
        """Trials that are over with a status; one that several cells share counts in each."""
        return sum(cell.over.get(status, 0) for cell in self.cells)

    def to_json(self) -> dict[str, Any]:
        """JSON values, for other programs."""
        beat = self.beat if self.state in ALIVE else None
        return {
            "suite": self.suite,
            "state": self.state,
            "why": self.why,
            "over": self.over,
            "trials": self.trials,
            "command": self.command,
            "log": str(self.log),
            "last": None if self.beat is None else _last(self.beat),
            "rate_per_h": beat.rate_per_h if beat is not None else None,
            "left_s": beat.left_s if beat is not None else None,
            "cells": [vars(cell) for cell in self.cells],
            "workers": [vars(worker) for worker in beat.workers] if beat is not None else [],
        }


class Watcher:
    """Tells the living from the dead, and remembers since when a heartbeat has not moved.

    Args:
        now: Unix time.
        clock: seconds that only go forward.
        sleep: waits.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._seen: dict[Path, tuple[tuple[Any, ...], float, bool]] = {}

    def state(self, folder: Path, beat: Beat) -> State:
        """Of the run that wrote a suite's heartbeat.

        Args:
            folder: of the suite.
            beat: what has just been read there.
        """
        if beat.phase == "ended":
            return "ended"
        there = lives(beat)
        if there is False:
            return "gone"
        moving = self._moving(folder, beat)
        ages = self._ages(folder, beat)
        if moving is not None:
            fresh = moving
        elif all(-_SKEW_S <= age <= STALE_S for age in ages):
            fresh = True
        elif there or all(age > STALE_S for age in ages):
            fresh = False
        else:
            fresh = self._moves(folder, beat)
        if fresh:
            return beat.phase
        return "silent" if there else "gone"

    def _moving(self, folder: Path, beat: Beat) -> bool | None:
        """Whether it has moved of late before our eyes; None where we have not looked for long enough."""
        identity = (beat.process, beat.number)
        now = self._clock()
        seen = self._seen.get(folder)
        if seen is None:
            self._seen[folder] = (identity, now, False)
            return None
        held, since, moved = seen
        if held != identity:
            self._seen[folder] = (identity, now, True)
            return True
        if now - since > STALE_S:
            return False
        return True if moved else None

    def _ages(self, folder: Path, beat: Beat) -> tuple[float, ...]:
        """Seconds since the last beat, by the clock of its writer and by that of the file system."""
        now = self._now()
        try:
            return now - beat.at, now - (folder / NAME).stat().st_mtime
        except OSError:
            return (now - beat.at,)

    def _moves(self, folder: Path, beat: Beat) -> bool:
        """Whether it moves within two beats: its time is of a clock that is not ours."""
        end = self._clock() + WATCH_S
        while self._clock() < end:
            self._sleep(_POLL_S)
            try:
                latest = read(folder)
            except DamagedError:
                continue
            if latest is not None and latest.number != beat.number:
                self._moving(folder, latest)
                return True
        return False


def status_of(store: Store, name: str, watcher: Watcher) -> SuiteStatus:
    """How a suite stands.

    Args:
        store: where it is.
        name: of the suite.
        watcher: to be given again where the same suite is looked at again.

    Raises:
        StoreError: no such suite is stored.
    """
    folder = store.suite_folder(name)
    try:
        beat, why = read(folder), ""
    except DamagedError as error:
        beat, why = None, f"its heartbeat cannot be read ({error.why})"
    if beat is None and name not in store.suites():
        store.read_suite(name)
    state: State = "unknown" if beat is None else watcher.state(folder, beat)
    if beat is not None and (state in ALIVE or (state == "ended" and _is_last(folder))):
        cells, over, trials, command = beat.cells, beat.over, beat.trials, beat.command
    else:
        try:
            cells, over, trials = stored_cells(store, name)
        except RearecError as error:
            why = "; ".join(part for part in (why, f"what is stored of it cannot be read ({error})") if part)
            cells, over, trials = (beat.cells, beat.over, beat.trials) if beat is not None else ((), 0, 0)
        command = beat.command if beat is not None else _last_command(folder)
    return SuiteStatus(name, state, beat, why, cells, over, trials, command, folder / LOG)


def stored_cells(store: Store, name: str) -> tuple[tuple[CellCount, ...], int, int]:
    """Where the cells of a suite stand by what is stored: its index, its log, its trials.

    The index names no failed search trials, and the log none that another suite ran; both together name all but the
    failed search trials that another suite ran.

    Returns:
        The cells; how many trials are over; how many there are at most, which is a guess until all are over.

    Raises:
        StoreError: not stored, or damaged.
    """
    suite, index = store.read_suite(name)
    logged = _logged(store.suite_folder(name))
    statuses: dict[str, str | None] = {}

    def status(key: str, said: str) -> str | None:
        if key not in statuses:
            known = said == "done" and store.has(key)
            summary = None if known else store.lookup(key)
            statuses[key] = "done" if known else summary.status if summary is not None else None
        return statuses[key]

    cells = []
    for cell in expand(Suite.from_json(suite)):
        if cell.unsupported is None:
            cells.append(_stored_cell(cell, index.get("cells", {}).get(cell.id, {}), logged.get(cell.id, {}), status))
    over = sum(held is not None for held in statuses.values())
    return tuple(cells), over, over + sum(cell.waiting for cell in cells)


def _stored_cell(
    cell: Cell,
    entry: Mapping[str, Any],
    logged: Mapping[str, tuple[str, str]],
    status: Callable[[str, str], str | None],
) -> CellCount:
    listed = entry.get("search", [])
    search = {key for key in listed if key} | {key for key, (_, purpose) in logged.items() if purpose == "search"}
    final = {*entry.get("final", {}).values()}
    final |= {key for key, (_, purpose) in logged.items() if purpose == "final"}
    found = {key: status(key, logged.get(key, ("", ""))[0]) for key in search | final}
    over = Counter(held for held in found.values() if held is not None)
    searched = sum(found[key] is not None for key in search)
    failed = sum(found[key] == "failed" for key in search)
    duplicates = max(sum(key is None for key in listed) - failed, 0)
    has_ended = bool(entry.get("best") or entry.get("note"))
    left = 0 if has_ended else max(search_size(cell) - searched - duplicates, 0)
    finals = 0 if entry.get("note") else max(len(cell.seeds) - sum(found[key] is not None for key in final), 0)
    return CellCount(cell.id, label_of(cell), dict(over), 0, left + finals)


def _logged(folder: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Cell id to key to the status and purpose that a suite's log says last."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for event in _events(folder):
        status, key, cell = event.get("event"), event.get("key"), event.get("cell")
        if status in get_args(Status) and isinstance(key, str) and isinstance(cell, str):
            found.setdefault(cell, {})[key] = (str(status), str(event.get("purpose")))
    return found


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        content = (folder / LOG).read_bytes()
    except OSError:
        return
    for line in log_lines(content).good:
        yield json.loads(line)


def _last_command(folder: Path) -> str:
    said = [event.get("command") for event in _events(folder) if event.get("event") == "begin"]
    return str(said[-1]) if said and said[-1] else ""


def _is_last(folder: Path) -> bool:
    """Whether the last heartbeat is newer than the index, which `results` may have changed since."""
    try:
        return (folder / NAME).stat().st_mtime_ns >= (folder / INDEX).stat().st_mtime_ns
    except OSError:
        return False


def _last(beat: Beat) -> dict[str, Any]:
    return {
        "phase": beat.phase,
        "ending": beat.ending,
        "process": beat.process.pid,
        "host": beat.process.host,
        "since": beat.process.since,
        "at": beat.at,
        "told_at": beat.told_at,
        "budget_ends_at": beat.budget_ends_at,
        "folder": beat.folder,
    }
