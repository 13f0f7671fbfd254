"""A run on the terminal: a live view, or one line per finished trial where there is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from ..records.results import TrialSummary
from ..utils.durations import duration
from ..utils.text import one_line
from .progress import (
    METRIC_WORDS,
    Progress,
    Reporter,
    RunFacts,
    Totals,
    cell_label,
    clock,
    decimals,
    finished_line,
    label,
    opening,
    stopping_line,
    suspended_line,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..plan.cell_trials import Job

_REDRAW_S = 0.25
_BAR = 34


def reporter_for(out: TextIO) -> Reporter:
    """The live view on a terminal, lines elsewhere.

    Args:
        out: where to write.
    """
    if out.isatty():
        from rich.console import Console

        return LiveReporter(Console(file=out, highlight=False))
    return LineReporter(out)


class LineReporter:
    """One line per finished trial.

    Args:
        out: where to write.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self, facts: RunFacts) -> None:
        """Say what will run."""
        for line in opening(facts):
            self._say(line)

    def started(self, job: Job) -> None:
        """Nothing: a line per trial is enough."""

    def epoch(self, job: Job, progress: Progress) -> None:
        """Nothing: a line per trial is enough."""

    def lost(self, job: Job, cause: str) -> None:
        """Say that a trial runs again."""
        self._say(f"{clock()} again     {job.key[:8]}  {label(job)}   {cause}")

    def suspended(self, job: Job, *, saved: bool) -> None:
        """Say that a trial was called back."""
        self._say(f"{clock()} {suspended_line(job, saved=saved)}")

    def finished(self, job: Job, summary: TrialSummary, totals: Totals) -> None:
        """Say how a trial ended."""
        self._say(f"{clock()} {finished_line(job, summary)}")

    def tick(self) -> None:
        """Nothing."""

    def said(self, words: str) -> None:
        """Say it."""
        self._say(f"{clock()} {words}")

    def stopping(self, stored: int) -> None:
        """Say how to go on."""
        self._say(stopping_line(stored))

    def end(self) -> None:
        """Nothing."""

    def _say(self, line: str) -> None:
        self._out.write(one_line(line) + "\n")
        self._out.flush()


class LiveReporter:
    """What runs, redrawn in place; trials that diverge or fail stay in sight above it.

    Args:
        console: where to write; rich honours NO_COLOR.
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._running: dict[str, tuple[Job, Progress | None]] = {}
        self._totals: Totals | None = None
        self._estimated_at = 0.0
        self._drawn_at = 0.0

    def begin(self, facts: RunFacts) -> None:
        """Say what will run, and start drawing."""
        first, *notes = map(one_line, opening(facts))
        self._console.print(first, markup=False, soft_wrap=True, style="bold")
        for note in notes:
            self._console.print(note, markup=False, soft_wrap=True)
        self._take(facts.totals)
        if facts.most:
            self._live.start()

    def started(self, job: Job) -> None:
        """Show a trial."""
        self._running[job.key] = (job, None)

    def epoch(self, job: Job, progress: Progress) -> None:
        """Show how far it is."""
        self._running[job.key] = (job, progress)

    def lost(self, job: Job, cause: str) -> None:
        """Say that a trial runs again."""
        self._running.pop(job.key, None)
        line = one_line(f"{clock()} again     {job.key[:8]}  {label(job)}   {cause}")
        self._console.print(line, markup=False, style="yellow")

    def suspended(self, job: Job, *, saved: bool) -> None:
        """Say that a trial was called back."""
        self._running.pop(job.key, None)
        line = one_line(f"{clock()} {suspended_line(job, saved=saved)}")
        self._console.print(line, markup=False, soft_wrap=True)

    def finished(self, job: Job, summary: TrialSummary, totals: Totals) -> None:
        """Count a trial; say what went wrong with it."""
        self._running.pop(job.key, None)
        self._take(totals)
        if summary.status not in ("done", "pruned"):
            style = "red" if summary.status == "failed" else "yellow"
            line = one_line(f"{clock()} {finished_line(job, summary)}")
            self._console.print(line, markup=False, style=style, soft_wrap=True)

    def tick(self) -> None:
        """Redraw, a few times a second."""
        now = time.monotonic()
        if self._live.is_started and now - self._drawn_at >= _REDRAW_S:
            self._drawn_at = now
            self._live.update(self._view(), refresh=True)

    def said(self, words: str) -> None:
        """Say it above what runs."""
        self._console.print(one_line(f"{clock()} {words}"), markup=False, soft_wrap=True, style="bold")

    def stopping(self, stored: int) -> None:
        """Say how to go on."""
        self._live.stop()
        self._console.print(f"  {stopping_line(stored)}", markup=False, style="bold")

    def end(self) -> None:
        """Leave the terminal as it was, with the last totals on it."""
        if self._live.is_started:
            self._live.stop()
            if self._totals is not None:
                self._console.print(self._bar(self._totals), markup=False)

    def _take(self, totals: Totals) -> None:
        self._totals = totals
        self._estimated_at = time.monotonic()

    def _view(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        rows = Table.grid(padding=(0, 3))
        rows.add_column()
        for job, progress in self._running.values():
            cells = [f"  {cell_label(job)}", place(job)]
            if progress is not None:
                metric = METRIC_WORDS.get(job.spec.metric, job.spec.metric)
                best = f"cell's best {decimals(progress.cell_best)}" if progress.cell_best is not None else ""
                epoch = f"epoch {progress.epoch:>3}" if progress.epoch else ""
                cells += [epoch, f"val {metric} {decimals(progress.value)}", best]
                cells += [f"{progress.rows_per_s:,.0f} rows/s"]
            rows.add_row(*(Text(one_line(cell), no_wrap=True, overflow="ellipsis") for cell in cells))
        whole = Table.grid()
        whole.add_row("")
        whole.add_row(rows)
        whole.add_row("")
        if self._totals is not None:
            whole.add_row(Text(self._bar(self._totals), no_wrap=True, overflow="ellipsis"))
        return whole

    def _bar(self, totals: Totals) -> str:
        share = totals.over / totals.trials if totals.trials else 1.0
        left = max(totals.left_s - (time.monotonic() - self._estimated_at), 0.0)
        ending = f"{share:>4.0%}   {f'{duration(left)} left' if totals.over < totals.trials else 'all done'}"
        pruned = f"   pruned {totals.pruned}" if totals.pruned else ""
        about = "" if totals.exact else "~"
        counts = f"  done {totals.over}/{about}{totals.trials}{pruned}   diverged {totals.diverged}"
        counts += f"   failed {totals.failed}"
        room = max(min(_BAR, self._console.width - len(counts) - len(ending) - 8), 0)
        full = int(share * room)
        bar = "=" * max(full - 1, 0) + (">" if full else "")
        return f"{counts}   [{bar:<{room}}]  {ending}"


def place(job: Job) -> str:
    """A trial's place in its cell, such as "search 3/4" or "final 2/5, seed 2"; a reference is the only one."""
    if job.spec.is_baseline:
        return "counting"
    if job.purpose == "final":
        return f"final {job.index + 1}/{job.count}, seed {job.spec.seed}"
    return f"search {job.index + 1}/{job.count}" if job.count else f"search {job.index + 1}"
