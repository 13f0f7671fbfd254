"""A run's heartbeat: a small file beside its suite that says, every few seconds, where the run stands.

    ROOT/suites/NAME/heartbeat.json   schema, SHA-256 of the content, the place it was written to, then the content

Nothing is computed from it and nobody waits for it. `heart.py` writes it; docs/watching.md tells it to users.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..records.results import Status
from ..utils.errors import DamagedError
from .format import plain

if TYPE_CHECKING:
    from ..plan.cells import Cell

SCHEMA = 1
NAME = "heartbeat.json"
BEAT_S = 5.0
"""Seconds between two beats."""

Phase = Literal["starting", "running", "stopping", "ended"]


@dataclass(frozen=True)
class Holder:
    """A process that runs a suite.

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


def this_process(doing: str) -> Holder:
    """This process."""
    pid = os.getpid()
    return Holder(doing, pid, socket.gethostname(), _boot(), _began(pid), round(time.time(), 3))


def alive(holder: Holder) -> bool | None:
    """Whether a process is there; None where it is another machine's, or nobody knows."""
    us = this_process("")
    if not holder.began or not holder.boot or (holder.boot, holder.host) != (us.boot, us.host):
        return None
    return _began(holder.pid) == holder.began


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


@dataclass(frozen=True)
class CellCount:
    """Where a cell stands.

    Attributes:
        id: of the cell.
        label: such as "ml-100k sasrec prl K=2".
        over: status to trials that are over.
        running: trials at work.
        waiting: trials that may still have to run, those at work left out.
    """

    id: str
    label: str
    over: Mapping[str, int]
    running: int
    waiting: int


@dataclass(frozen=True)
class Worker:
    """What a worker does.

    Attributes:
        key: of its trial.
        label: of the trial's cell.
        place: of the trial in its cell, such as "search 3/4".
        attempt: counted from 1.
        since: when it has begun, Unix time.
        epoch: last one that is over; 0 for none, and of a reference.
        metric: what `value` is.
        value: of the last epoch on validation, None before the first.
        rows_per_s: training rows per second in the last epoch, None before the first.
    """

    key: str
    label: str
    place: str
    attempt: int
    since: float
    epoch: int
    metric: str
    value: float | None
    rows_per_s: float | None


@dataclass(frozen=True)
class Beat:
    """A heartbeat. Times are Unix times by the clock of the run's machine.

    Attributes:
        suite: its name.
        process: who runs it, and since when.
        namespace: that the number of its process belongs to, "" where nobody knows.
        command: that goes on with it, as typed.
        folder: that the command was typed in.
        number: of the beat, from 1.
        at: when it was written.
        told_at: when the driver's loop last said how things stand.
        phase: of the run.
        ending: how it ended, "" while it goes on.
        place: what trials run on, "" while it starts.
        most: trials at once.
        over: trials of the suite that are over.
        trials: most trials that it may have.
        left_s: seconds left, roughly; None where nobody can say.
        rate_per_h: trials per hour, over the last hour; None before the first.
        budget_ends_at: when its time budget is over, None where it has none.
        cells: all of them that can run.
        workers: those at work.
    """

    suite: str
    process: Holder
    namespace: str
    command: str
    folder: str
    number: int
    at: float
    told_at: float
    phase: Phase
    ending: str
    place: str
    most: int
    over: int
    trials: int
    left_s: float | None
    rate_per_h: float | None
    budget_ends_at: float | None
    cells: tuple[CellCount, ...]
    workers: tuple[Worker, ...]


def written(beat: Beat) -> bytes:
    """The file of a heartbeat."""
    cells = [vars(cell) for cell in beat.cells]  # most of it, and nothing but words and whole numbers
    rest = {name: value for name, value in vars(beat).items() if name not in ("process", "cells", "workers")}
    workers = [vars(worker) for worker in beat.workers]
    content = _encoded({**plain({**rest, "process": vars(beat.process), "workers": workers}), "cells": cells})
    head = {"schema": SCHEMA, "sha256": _digest(content), "stored_as": f"{beat.suite}/{NAME}"}
    return f'{json.dumps(head)[:-1]},\n"content": {content}}}\n'.encode()


def label_of(cell: Cell) -> str:
    """A cell, such as "ml-100k sasrec prl K=2"."""
    steps = "K searched" if cell.steps is None else f"K={cell.steps}" if cell.steps else ""
    return " ".join(part for part in (cell.dataset, cell.backbone, cell.row, steps) if part)


def lives(beat: Beat) -> bool | None:
    """Whether the process of a heartbeat is there; None where that cannot be seen from this one."""
    if not beat.namespace or beat.namespace != namespace():
        return None
    return alive(beat.process)


def namespace() -> str:
    """That the number of this process belongs to, "" where nobody knows."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def read(folder: Path) -> Beat | None:
    """The heartbeat in a suite's folder; None where there is none.

    Raises:
        DamagedError: it is not what was written, or of another schema version.
    """
    path = folder / NAME
    try:
        held = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise DamagedError(path, str(said)) from error
    schema = held.get("schema") if isinstance(held, dict) else None
    if schema != SCHEMA or isinstance(schema, bool):
        raise DamagedError(path, f"schema version {schema!r:.20}; this version of rearec-bench reads {SCHEMA}")
    if held.get("sha256") != _digest(_encoded(held.get("content"))):
        raise DamagedError(path, "its content is not that of its checksum")
    if held.get("stored_as") != f"{folder.name}/{NAME}":
        raise DamagedError(path, f"it was written as {held.get('stored_as')!r:.80}")
    try:
        return _beat_of(held["content"])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedError(path, f"{type(error).__name__}: {error}"[:200]) from error


def _beat_of(held: Mapping[str, Any]) -> Beat:
    cells = tuple(
        CellCount(
            id=_word(cell["id"]),
            label=_word(cell["label"]),
            over={_status(status): _count(count) for status, count in cell["over"].items()},
            running=_count(cell["running"]),
            waiting=_count(cell["waiting"]),
        )
        for cell in held["cells"]
    )
    workers = tuple(
        Worker(
            key=_word(one["key"]),
            label=_word(one["label"]),
            place=_word(one["place"]),
            attempt=_count(one["attempt"]),
            since=_number(one["since"]),
            epoch=_count(one["epoch"]),
            metric=_word(one["metric"]),
            value=_number_or_none(one["value"]),
            rows_per_s=_number_or_none(one["rows_per_s"]),
        )
        for one in held["workers"]
    )
    who = held["process"]
    process = Holder(
        doing=_word(who["doing"]),
        pid=_count(who["pid"]),
        host=_word(who["host"]),
        boot=_word(who["boot"]),
        began=_count(who["began"]),
        since=_number(who["since"]),
    )
    phase: Phase = held["phase"]
    if phase not in get_args(Phase):
        raise ValueError(f"phase {phase!r:.20}")
    return Beat(
        suite=_word(held["suite"]),
        process=process,
        namespace=_word(held["namespace"]),
        command=_word(held["command"]),
        folder=_word(held["folder"]),
        number=_count(held["number"]),
        at=_number(held["at"]),
        told_at=_number(held["told_at"]),
        phase=phase,
        ending=_word(held["ending"]),
        place=_word(held["place"]),
        most=_count(held["most"]),
        over=_count(held["over"]),
        trials=_count(held["trials"]),
        left_s=_number_or_none(held["left_s"]),
        rate_per_h=_number_or_none(held["rate_per_h"]),
        budget_ends_at=_number_or_none(held["budget_ends_at"]),
        cells=cells,
        workers=workers,
    )


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no word")
    return value


def _status(value: Any) -> str:
    if value not in get_args(Status):
        raise ValueError(f"status {value!r:.20}")
    return str(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r:.40} is no count")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r:.40} is no number")
    return float(value)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _encoded(content: Any) -> str:
    return json.dumps(content)


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
