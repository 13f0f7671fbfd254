"""A run's progress file: how far the run of a suite is, for `rearec-bench status`.

    ROOT/suites/NAME/progress.json

A run replaces it whole, every few seconds. No result depends on it.
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
    """How far a cell is.

    Attributes:
        id: of the cell.
        label: such as "ml-100k sasrec prl K=2".
        over: status to trials that are over.
        running: trials under way.
        waiting: trials that may still have to run.
    """

    id: str
    label: str
    over: Mapping[Status, int]
    running: int
    waiting: int


@dataclass(frozen=True)
class RunningTrial:
    """A trial under way.

    Attributes:
        key: of the trial.
        label: of its cell.
        place: in its cell, such as "search 3/4".
        attempt: counted from 1.
        since: when it started, Unix time.
        epoch: the last one that is over; 0 for none, and of a baseline.
        metric: name of `value`.
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
class RunProgress:
    """How far a run is. Times are Unix times by the clock of its machine.

    Attributes:
        schema: version of this format.
        suite: its name.
        pid: of the run's process.
        host: its machine.
        since: when the run started.
        command: that resumes it, as typed.
        folder: working folder of the command.
        number: of the write, from 1.
        at: when this was written.
        phase: of the run.
        ending: how it ended, "" before.
        place: what trials run on, "" while Ray starts.
        max_concurrent: trials at once.
        over: trials of the suite that are over.
        trials: max number of trials.
        left_s: estimated seconds until the end; None where there is no estimate.
        rate_per_h: trials per hour, over the last hour; None before the first.
        budget_ends_at: when its time budget ends, None where it has none.
        cells: all that can run.
        running: trials under way.
    """

    schema: Literal[1]
    suite: str
    pid: int
    host: str
    since: float
    command: str
    folder: str
    number: int
    at: float
    phase: Phase
    ending: str
    place: str
    max_concurrent: int
    over: int
    trials: int
    left_s: float | None
    rate_per_h: float | None
    budget_ends_at: float | None
    cells: tuple[CellCounts, ...]
    running: tuple[RunningTrial, ...]


_FORMAT = TypeAdapter(RunProgress)


def write(folder: Path, progress: RunProgress) -> None:
    """Replace the progress file in a suite's folder; where that is impossible the old one stays."""
    with contextlib.suppress(OSError):
        atomic.swap_file(folder / NAME, _FORMAT.dump_json(progress))


def read(folder: Path) -> RunProgress | None:
    """The progress file in a suite's folder; None where there is none.

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
        raise DamagedError(path, f"it is of suite {progress.suite!r:.80}")
    return progress


def cell_label(cell: Cell) -> str:
    """A cell, such as "ml-100k sasrec prl K=2"."""
    steps = "K searched" if cell.steps is None else f"K={cell.steps}" if cell.steps else ""
    return " ".join(part for part in (cell.dataset, cell.backbone, cell.row, steps) if part)
