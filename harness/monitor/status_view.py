"""Prints the progress of suites: once, redrawn on a terminal, or a line per change elsewhere."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from ..records.results import Status
from ..store.progress_file import CellCounts, RunningTrial, RunProgress
from ..store.store import Store
from ..utils import text as plain
from ..utils.durations import duration
from ..utils.errors import InputError
from ..utils.text import columns, one_line
from .lines import bar, decimals, metric_label
from .progress_writer import working_folder
from .status import ALIVE, SuiteStatus, status_of

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = 1
"""Of `status --json`."""

_LOOK_S = 1.0
_STATUSES: tuple[Status, ...] = ("done", "pruned", "diverged", "failed")
_ENDINGS = {
    "complete": "all is done",
    "limit": "as many trials have run as it was to start",
    "interrupted": "Ctrl-C",
    "terminated": "SIGTERM",
    "time budget": "its time budget was over",
}


def show(store: Store, suite: str | None, *, out: TextIO, follow: bool = False, as_json: bool = False) -> None:
    """Print a suite's progress, or without a name that of all: a line each, and the running one in full.

    `follow` prints until the run has ended or Ctrl-C. `as_json` prints one JSON object, or one per change.

    Raises:
        StoreError: no such suite is stored.
        InputError: no suite at all is stored.
    """
    names = [suite] if suite is not None else store.suites()
    if not names:
        raise InputError(f"there is no suite in {store.root}. Name the folder of results with --results.")
    statuses = [status_of(store, name) for name in names]
    alive = next((status for status in statuses if status.live), None)
    if not (follow and alive is not None):
        _print(statuses, out, as_json=as_json)
        return

    def look() -> SuiteStatus:
        return status_of(store, alive.suite)

    try:
        if as_json or not out.isatty():
            _follow_lines(alive, look, out, as_json=as_json)
        else:
            _follow_live(alive, look, out)
    except KeyboardInterrupt:
        return


def suite_lines(status: SuiteStatus, *, width: int | None = None, height: int | None = None) -> list[str]:
    """A suite in full, for a view of `width` characters and `height` lines; None for no limit."""
    now = time.time()
    head = [_head(status, now), *([f"  {status.problem}"] if status.problem else []), f"  log: {status.log}"]
    running = ["", *_running(status.live.running, now)] if status.live and status.live.running else []
    foot = ["", _foot(status)]
    max_cells = None if height is None else max(height - len(head) - len(running) - len(foot) - 2, 3)
    return [one_line(line)[:width] for line in (*head, "", *_cells(status.cells, max_cells), *running, *foot)]


def short_line(status: SuiteStatus) -> str:
    """A suite in one line."""
    counts = [f"done {status.over}/{status.trials}"]
    counts += [f"{name} {status.count(name)}" for name in _STATUSES[1:] if status.count(name)]
    if status.live:
        counts = [f"running {len(status.live.running)}", *counts, *_pace(status.live)]
    state = "stored" if status.state == "unknown" else status.state
    return one_line(f"{status.suite}  {state:<8}  {'   '.join(counts)}")


def _print(statuses: Sequence[SuiteStatus], out: TextIO, *, as_json: bool) -> None:
    if as_json:
        suites = [status.to_json() for status in statuses]
        out.write(json.dumps({"schema": SCHEMA, "suites": suites}, indent=1) + "\n")
        return
    in_full = [status for status in statuses if len(statuses) == 1 or status.live]
    lines = [short_line(status) for status in statuses if status not in in_full]
    for status in in_full:
        lines += [*([""] if lines else []), *suite_lines(status)]
    out.write("\n".join(lines) + "\n")


def _follow_lines(status: SuiteStatus, look: Callable[[], SuiteStatus], out: TextIO, *, as_json: bool) -> None:
    """Print a line whenever other trials run, another number has finished, or the run's state has changed."""
    before = None
    while True:
        running = [trial.key for trial in status.progress.running] if status.progress else []
        now = (status.state, status.over, status.trials, *running)
        if now != before:
            before = now
            line = json.dumps(status.to_json()) if as_json else f"{time.strftime('%H:%M:%S')} {short_line(status)}"
            out.write(f"{line}\n")
            out.flush()
        if status.state not in ALIVE:
            if not as_json:
                out.write(f"{one_line(_head(status, time.time()))}\n")
            return
        time.sleep(_LOOK_S)
        status = look()


def _follow_live(status: SuiteStatus, look: Callable[[], SuiteStatus], out: TextIO) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out, highlight=False)
    with Live(console=console, auto_refresh=False, screen=False, transient=True) as live:
        while status.state in ALIVE:
            live.update(_drawn(suite_lines(status, width=console.width, height=console.height)), refresh=True)
            time.sleep(_LOOK_S)
            status = look()
    console.print(_drawn(suite_lines(status)), soft_wrap=True)


def _drawn(lines: Sequence[str]) -> RenderableType:
    from rich.text import Text

    head, *rest = lines
    return Text("\n").join([Text(head, style="bold"), *map(Text, rest)])


def _head(status: SuiteStatus, now: float) -> str:
    run = status.progress
    if run is None:
        return f"{status.suite}  no run of it is known; this is what is stored"
    process = f"process {run.pid} on {run.host}"
    written = _moment(run.at, now)
    match status.state:
        case "ended":
            why = _ENDINGS.get(run.ending, run.ending).rstrip(".")
            if run.ending == "complete" and status.over < status.trials:  # a look has added seeds, say
                why = "everything it was asked to run is done"
            about = f"ended {written}: {why}.{_resume(status, run)}"
        case "gone":
            about = f"{process} was last seen at {written} and is gone.{_resume(status, run)}"
        case "silent":
            about = f"{process} is alive but has written nothing since {written}. Is it stopped, or the disk full?"
        case _:
            about = f"{status.state} since {_moment(run.since, now, ago=False)}: {process}"
            about += f", {run.max_concurrent} at a time on {run.place}" if run.place else ""
            if run.budget_ends_at is not None:
                left_s = run.budget_ends_at - now
                about += (
                    f", starts trials for another {duration(left_s)}" if left_s > 0 else ", its time budget is over"
                )
    return f"{status.suite}  {about}"


def _resume(status: SuiteStatus, run: RunProgress) -> str:
    """The command that runs what is left, if anything."""
    left = status.trials - status.over
    if left <= 0:
        return ""
    about = f" {left} trial{'s are' if left != 1 else ' is'} left."
    if not status.command:
        return about
    elsewhere = bool(run.folder) and run.folder != working_folder()
    return f"{about} Go on:  {f'cd {shlex.quote(run.folder)}; ' if elsewhere else ''}{status.command}"


def _cells(cells: Sequence[CellCounts], max_lines: int | None) -> list[str]:
    """A line per cell; if they are too many, those that neither run nor have failures are only counted."""
    shown, rest = [*cells], []
    if max_lines is not None and len(cells) > max_lines:
        over = [cell for cell in cells if not cell.running and not cell.waiting and not cell.over.get("failed")]
        idle = [cell for cell in cells if not cell.running and not cell.over]
        counted = {cell.id for cell in (*over, *idle)}
        shown = [cell for cell in cells if cell.id not in counted][: max(max_lines - 2, 1)]
        groups = (
            (len(over), f"over, {plain.counted(sum(sum(cell.over.values()) for cell in over), 'trial')}"),
            (len(idle), f"waiting, {plain.counted(sum(cell.waiting for cell in idle), 'trial')}"),
            (len(cells) - len(shown) - len(counted), "under way"),
        )
        rest = [f"  {'; '.join(f'{count} more {group}' for count, group in groups if count)}"]
    rows: list[tuple[str, ...]] = [("", "running", *_STATUSES, "waiting")]
    for cell in shown:
        counts = (cell.running, *(cell.over.get(status, 0) for status in _STATUSES), cell.waiting)
        rows.append((cell.label, *(str(count) if count else "-" for count in counts)))
    return [*(f"  {line}" for line in columns(rows)), *rest]


def _running(trials: Iterable[RunningTrial], now: float) -> list[str]:
    rows: list[tuple[str, ...]] = [("trial", "row", "place", "epoch", "validation", "rows/s", "since")]
    for trial in trials:
        place = trial.place if trial.attempt == 1 else f"{trial.place}, attempt {trial.attempt}"
        value = "" if trial.value is None else f"{metric_label(trial.metric)} {decimals(trial.value)}"
        rows_per_s = "" if trial.rows_per_s is None else f"{trial.rows_per_s:,.0f}"
        epoch = str(trial.epoch or "-")
        rows.append((trial.key[:8], trial.label, place, epoch, value, rows_per_s, _moment(trial.since, now)))
    return [f"  {line}" for line in columns(rows, left=3)]


def _foot(status: SuiteStatus) -> str:
    share = status.over / status.trials if status.trials else 1.0
    parts = [f"done {status.over}/{status.trials}", f"{bar(share)} {share:>4.0%}"]
    return "  " + "   ".join([*parts, *(_pace(status.live) if status.live else [])])


def _pace(run: RunProgress) -> list[str]:
    parts = [f"{run.rate_per_h:,.3g} trials/hour"] if run.rate_per_h is not None else []
    if run.left_s is not None and run.over < run.trials:
        parts.append(f"{duration(run.left_s)} left")
    return parts


def _moment(at: float, now: float, *, ago: bool = True) -> str:
    """A Unix time for people, and how long ago it was; a time in the future comes from another machine's clock."""
    try:
        local = time.localtime(at)
    except (OverflowError, ValueError, OSError):
        return "an unknown time"
    same_day = time.strftime("%Y%m%d", local) == time.strftime("%Y%m%d", time.localtime(now))
    moment = time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", local)
    passed_s = now - at
    if passed_s < 0:
        return f"{moment} (by its clock, which is {duration(-passed_s)} ahead)" if passed_s < -5 else moment
    return f"{moment} ({duration(passed_s)}{' ago' if ago else ''})"
