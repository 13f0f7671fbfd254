"""A run's progress file, for `rearec-bench status`.

    ROOT/suites/NAME/progress.json

A run rewrites it every few seconds. No result depends on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from ..records.results import Status
from ..utils import files as atomic
from ..utils.errors import DamagedError
from .format import reason_of

if TYPE_CHECKING:
    from ..plan.cells import Cell

NAME = "progress.json"
REFRESH_S = 5.0
"""Max seconds between two writes while trials run."""

Phase = Literal["starting", "running", "stopping", "ended"]


@dataclass(frozen=True)
class CellCounts:
    """Progress of a cell."""

    id: str
    label: str  # such as "ml-100k sasrec prl K=2"
    over: Mapping[Status, int]  # status to trials that are over
    running: int  # trials under way
    waiting: int  # trials that may still have to run


@dataclass(frozen=True)
class RunningTrial:
    """A running trial; its value is on validation."""

    key: str
    cell: str  # id of its cell
    label: str  # of its cell
    place: str  # in its cell, such as "search 3/4"
    attempt: int  # counted from 1
    since: float
    epoch: int  # the last one that is over; 0 for none, and of a baseline
    metric: str
    value: float | None
    rows_per_s: float | None  # of training, in the last epoch


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run. Times are Unix times by the clock of its machine."""

    schema: Literal[1]
    suite: str
    pid: int
    host: str
    since: float
    command: str  # that resumes the run, as typed
    folder: str  # working folder of the command
    number: int  # of the write, from 1
    at: float
    phase: Phase
    ending: str  # how it ended, "" before
    place: str  # what trials run on, "" while Ray starts
    max_concurrent: int
    over: int  # trials of the suite that are over
    trials: int  # max number of them
    ends_at: float | None  # estimated; None where there is no estimate
    rate_per_h: float | None  # trials per hour, over the last hour
    budget_ends_at: float | None
    cells: tuple[CellCounts, ...]
    running: tuple[RunningTrial, ...]

    @property
    def left_s(self) -> float | None:
        """Estimated seconds until the end, counted from the last write."""
        return None if self.ends_at is None else max(self.ends_at - self.at, 0.0)


_FORMAT = TypeAdapter(RunProgress)


def write(folder: Path, progress: RunProgress) -> None:
    """Replace the progress file in a suite's folder; if that is impossible the old one stays."""
    with contextlib.suppress(OSError):
        atomic.swap_file(folder / NAME, _FORMAT.dump_json(progress))


def read(folder: Path) -> RunProgress | None:
    """The progress file in a suite's folder, if any.

    Raises:
        DamagedError: it cannot be read, has an unsupported schema version or belongs to another suite.
    """
    path = folder / NAME
    try:
        progress = _FORMAT.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DamagedError(path, reason_of(error)) from error
    if progress.suite != folder.name:
        raise DamagedError(path, f"it belongs to suite {progress.suite!r:.80}")
    return progress


def cell_label(cell: Cell) -> str:
    """A cell, such as "ml-100k sasrec prl K=2"."""
    steps = "K searched" if cell.steps is None else f"K={cell.steps}" if cell.steps else ""
    return " ".join(part for part in (cell.dataset, cell.backbone, cell.row, steps) if part)
