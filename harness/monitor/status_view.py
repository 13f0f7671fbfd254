"""How suites stand, in words: once, redrawn on a terminal, or a line per change where there is none."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from ..store.heartbeat import Beat, CellCount, Worker
from ..store.store import Store
from ..utils.durations import duration, duration_text
from ..utils.errors import InputError
from ..utils.text import one_line
from .progress import METRIC_WORDS, decimals
from .status import ALIVE, STALE_S, SuiteStatus, Watcher, status_of

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = 1
"""Of `status --json`."""

_LOOK_S = 1.0
_BAR = 34
_STATUSES = ("done", "pruned", "diverged", "failed")
_ENDINGS = {
    "complete": "all is done",
    "limit": "as many trials have run as it was to start",
    "interrupted": "Ctrl-C",
    "terminated": "SIGTERM",
    "time budget": "its time budget was over",
}


def show(store: Store, suite: str | None, *, out: TextIO, follow: bool = False, as_json: bool = False) -> None:
    """Print how suites stand.

    Args:
        store: where they are.
        suite: which one; None for all, each in a line, and in full the one that runs.
        out: where to print.
        follow: go on until its run has ended, or Ctrl-C.
        as_json: for other programs; one JSON object, or one a change.

    Raises:
        StoreError: no such suite is stored.
        InputError: no suite at all is stored.
    """
    watcher = Watcher()
    names = [suite] if suite is not None else store.suites()
    if not names:
        raise InputError(f"there is no suite in {store.root}. Name the folder of results with --results.")
    found = [status_of(store, name, watcher) for name in names]
    alive = next((one for one in found if one.state in ALIVE), None)
    if not (follow and alive is not None):
        _print(found, out, as_json=as_json)
        return

    def look() -> SuiteStatus:
        return status_of(store, alive.suite, watcher)

    try:
        if as_json or not out.isatty():
            _follow_lines(alive, look, out, as_json=as_json)
        else:
            _follow_live(alive, look, out)
    except KeyboardInterrupt:
        return


def suite_lines(status: SuiteStatus, *, width: int = 0, height: int | None = None) -> list[str]:
    """A suite in full.

    Args:
        status: how it stands.
        width: characters of a line at most, where there is a height.
        height: lines at most, for a view that is redrawn; None for everything.
    """
    now = time.time()
    beat = status.beat if status.state in ALIVE else None
    head = [_head(status, now), *([f"  {status.why}"] if status.why else []), f"  log: {status.log}"]
    workers = ["", *_workers(beat.workers, now)] if beat is not None and beat.workers else []
    foot = ["", _foot(status)]
    room = None if height is None else max(height - len(head) - len(workers) - len(foot) - 2, 3)
    found = [*head, "", *_cells(status.cells, room), *workers, *foot]
    return [one_line(line)[: width if height is not None else None] for line in found]


def short_line(status: SuiteStatus) -> str:
    """A suite in one line."""
    counts = [f"done {status.over}/{status.trials}"]
    counts += [f"{word} {status.count(word)}" for word in ("pruned", "diverged", "failed") if status.count(word)]
    beat = status.beat if status.state in ALIVE else None
    if beat is not None:
        counts.insert(0, f"running {len(beat.workers)}")
        counts += _pace(beat)
    state = "stored" if status.state == "unknown" else status.state
    return one_line(f"{status.suite}  {state:<8}  {'   '.join(counts)}")


def _print(found: Sequence[SuiteStatus], out: TextIO, *, as_json: bool) -> None:
    if as_json:
        out.write(json.dumps({"schema": SCHEMA, "suites": [one.to_json() for one in found]}, indent=1) + "\n")
        return
    shown = [one for one in found if len(found) == 1 or one.state in ALIVE]
    lines = [short_line(one) for one in found if one not in shown]
    for one in shown:
        lines += [*([""] if lines else []), *suite_lines(one)]
    out.write("\n".join(lines) + "\n")


def _follow_lines(
    first: SuiteStatus, look: Callable[[], SuiteStatus], out: TextIO, *, as_json: bool, look_s: float = _LOOK_S
) -> None:
    """A line whenever another number of trials runs or is over, or the run's state is another one."""
    status, before = first, None
    while True:
        now = _changing(status)
        if now != before:
            before = now
            words = json.dumps(status.to_json()) if as_json else f"{time.strftime('%H:%M:%S')} {short_line(status)}"
            out.write(f"{words}\n")
            out.flush()
        if status.state not in ALIVE:
            if not as_json:
                out.write(f"{one_line(_head(status, time.time()))}\n")
            return
        time.sleep(look_s)
        status = look()


def _changing(status: SuiteStatus) -> tuple[object, ...]:
    keys = [worker.key for worker in status.beat.workers] if status.beat is not None else []
    return (status.state, status.over, status.trials, *keys)


def _follow_live(first: SuiteStatus, look: Callable[[], SuiteStatus], out: TextIO) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out, highlight=False)
    status = first
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
    beat = status.beat
    if beat is None:
        return f"{status.suite}  no run of it is known; this is what is stored"
    who = f"process {beat.process.pid} on {beat.process.host}"
    if status.state == "ended":
        how = _ENDINGS.get(beat.ending, beat.ending)
        return f"{status.suite}  ended {_moment(beat.at, now)}: {how}.{_go_on(status, beat)}"
    if status.state == "gone":
        said = f"{who} has said nothing since {_moment(beat.at, now)}, and is gone without a word"
        return f"{status.suite}  {said}.{_go_on(status, beat)}"
    if status.state == "silent":
        said = f"{who} is there, but has said nothing since {_moment(beat.at, now)}"
        return f"{status.suite}  {said}. Is it stopped, or the disk full?"
    where = f", {beat.most} at a time on {beat.place}" if beat.place else ""
    slow = ""
    if beat.at - beat.told_at > STALE_S:
        slow = f" (busy with one thing for {duration(beat.at - beat.told_at)})"
    until = ""
    if beat.budget_ends_at is not None:
        left = beat.budget_ends_at - now
        until = f", starts trials for another {duration(left)}" if left > 0 else ", its time budget is over"
    since = _moment(beat.process.since, now, ago=False)
    return f"{status.suite}  {status.state} since {since}: {who}{where}{slow}{until}"


def _go_on(status: SuiteStatus, beat: Beat) -> str:
    """What to type next, where something is left."""
    if status.trials <= status.over and not status.count("failed"):
        return ""
    left = status.trials - status.over
    words = f" {left} trial{'s' if left != 1 else ''} {'are' if left != 1 else 'is'} left." if left else ""
    if not left or not status.command:
        return words
    elsewhere = bool(beat.folder) and beat.folder != os.getcwd()
    return f"{words} Go on:  {f'cd {shlex.quote(beat.folder)}; ' if elsewhere else ''}{status.command}"


def _cells(cells: Sequence[CellCount], room: int | None) -> list[str]:
    """A line per cell; where there is no room for all, those that neither run nor need a look are counted."""
    shown = [*cells]
    rest: list[str] = []
    if room is not None and len(cells) > room:
        over = [cell for cell in cells if not cell.running and not cell.waiting and not cell.over.get("failed")]
        idle = [cell for cell in cells if not cell.running and not cell.over]
        aside = {cell.id for cell in (*over, *idle)}
        shown = [cell for cell in cells if cell.id not in aside][: max(room - 2, 1)]
        hidden = len(cells) - len(shown) - len(aside)
        words = (
            (len(over), f"over, {sum(sum(cell.over.values()) for cell in over)} trials"),
            (len(idle), f"waiting, {sum(cell.waiting for cell in idle)} trials"),
            (hidden, "under way"),
        )
        rest = [f"  {'; '.join(f'{count} more {what}' for count, what in words if count)}"]
    columns = ("running", *_STATUSES, "waiting")
    rows: list[tuple[str, ...]] = [("", *columns)]
    for cell in shown:
        numbers = (cell.running, *(cell.over.get(status, 0) for status in _STATUSES), cell.waiting)
        rows.append((cell.label, *(str(number) if number else "-" for number in numbers)))
    return [*_aligned(rows, left=1), *rest]


def _workers(workers: Iterable[Worker], now: float) -> list[str]:
    rows: list[tuple[str, ...]] = [("trial", "row", "place", "epoch", "validation", "rows/s", "since")]
    for one in workers:
        value = "" if one.value is None else f"{METRIC_WORDS.get(one.metric, one.metric)} {decimals(one.value)}"
        pace = "" if one.rows_per_s is None else f"{one.rows_per_s:,.0f}"
        place = one.place if one.attempt == 1 else f"{one.place}, attempt {one.attempt}"
        epoch = str(one.epoch) if one.epoch else "-"
        rows.append((one.key[:8], one.label, place, epoch, value, pace, _moment(one.since, now, ago=True)))
    return _aligned(rows, left=3)


def _aligned(rows: Sequence[tuple[str, ...]], *, left: int) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "   ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _foot(status: SuiteStatus) -> str:
    share = status.over / status.trials if status.trials else 1.0
    full = int(share * _BAR)
    bar = "=" * max(full - 1, 0) + (">" if full else "")
    beat = status.beat if status.state in ALIVE else None
    words = [f"done {status.over}/{status.trials}", f"[{bar:<{_BAR}}] {share:>4.0%}"]
    return "  " + "   ".join([*words, *(_pace(beat) if beat is not None else [])])


def _pace(beat: Beat) -> list[str]:
    words = [f"{beat.rate_per_h:,.3g} trials/hour"] if beat.rate_per_h is not None else []
    if beat.left_s is not None and beat.over < beat.trials:
        words.append(f"{duration(beat.left_s)} left")
    return words


def _moment(at: float, now: float, *, ago: bool = True) -> str:
    """A Unix time for people, and how long ago it was; one that is still to come is another machine's."""
    try:
        local = time.localtime(at)
    except (OverflowError, ValueError, OSError):
        return "an unknown time"
    same_day = time.strftime("%Y%m%d", local) == time.strftime("%Y%m%d", time.localtime(now))
    words = time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", local)
    passed = now - at
    if passed < 0:
        return f"{words} (by its clock, which is {duration_text(-passed)} ahead)" if passed < -5 else words
    return f"{words} ({duration(passed)}{' ago' if ago else ''})"
