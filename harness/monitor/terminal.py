"""A run on the terminal: a live view, or one line per finished trial if the output is not a terminal."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from ..utils.durations import duration
from ..utils.text import one_line
from . import events
from .events import Event, Listener, Totals
from .lines import BAR, bar, cell_label, decimals, event_line, finished_line, metric_label, opening, place

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_REDRAW_S = 0.25
_LAST = 3  # finished trials that stay in view


def reporter_for(out: TextIO) -> Listener:
    """The live view on a terminal, lines elsewhere."""
    if out.isatty():
        from rich.console import Console

        return LiveReporter(Console(file=out, highlight=False))
    return LineReporter(out)


class LineReporter:
    """Writes one line per finished trial."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def handle(self, event: Event) -> None:
        """Write the lines of an event."""
        lines = opening(event) if isinstance(event, events.RunStarted) else [event_line(event)]
        for line in filter(None, lines):
            self._out.write(f"{line}\n")
            self._out.flush()


class LiveReporter:
    """Redraws the running trials in place, and the last finished ones; NO_COLOR is honoured.

    Diverged and failed trials stay visible above.
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._was_live = False
        self._running: dict[str, events.TrialStarted | events.EpochEnded] = {}
        self._last: deque[str] = deque(maxlen=_LAST)
        self._totals: Totals | None = None
        self._estimated_at = 0.0
        self._drawn_at = 0.0

    def handle(self, event: Event) -> None:
        """Show an event."""
        match event:
            case events.RunStarted():
                first, *notes = opening(event)
                self._print(first, style="bold")
                for note in notes:
                    self._print(note)
                self._set_totals(event.totals)
                if event.max_concurrent:
                    self._live.start()
            case events.TrialStarted() | events.EpochEnded():
                self._running[event.job.key] = event
                if isinstance(event, events.EpochEnded) and event.left_s is not None and self._totals is not None:
                    self._set_totals(replace(self._totals, left_s=event.left_s))
            case events.TrialHandedOver(job):
                self._running.pop(job.key, None)
            case events.WorkerLost() | events.OutOfMemory() | events.TrialSuspended():
                self._running.pop(event.job.key, None)
                self._print(event_line(event), style="" if isinstance(event, events.TrialSuspended) else "yellow")
            case events.TrialEnded(job, summary, totals):
                self._running.pop(job.key, None)
                self._set_totals(totals)
                if summary.status in ("done", "pruned"):
                    self._last.append(f"{time.strftime('%H:%M:%S')} {finished_line(job, summary)}")
                else:
                    self._print(event_line(event), style="red" if summary.status == "failed" else "yellow")
            case events.Tick():
                now = time.monotonic()
                if self._live.is_started and now - self._drawn_at >= _REDRAW_S:
                    self._drawn_at = now
                    self._live.update(self._view(), refresh=True)
            case events.RunStopping(by_signal=by_signal):
                if by_signal:
                    self._was_live = self._live.is_started
                    self._live.stop()
                self._print(f"{'  ' if by_signal else ''}{event_line(event)}", style="bold")
            case events.RunEnded() | events.RunAbandoned():
                if self._live.is_started or self._was_live:
                    self._live.stop()
                    if self._totals is not None:  # trials have ended since the message that it stops
                        self._console.print(self._bar(self._totals), markup=False)
            case _:
                pass

    def _print(self, line: str, *, style: str = "") -> None:
        if line:
            self._console.print(line, markup=False, soft_wrap=True, style=style)

    def _set_totals(self, totals: Totals) -> None:
        self._totals = totals
        self._estimated_at = time.monotonic()

    def _view(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        rows = Table.grid(padding=(0, 3))
        rows.add_column()
        for event in self._running.values():
            job = event.job
            cells = [f"  {cell_label(job)}", place(job)]
            if isinstance(event, events.EpochEnded):
                best = f"cell's best {decimals(event.cell_best)}" if event.cell_best is not None else ""
                epoch = f"epoch {event.epoch:>3}" if event.epoch else ""
                value = f"val {metric_label(job.spec.metric)} {decimals(event.value)}"
                cells += [epoch, value, best, f"{event.rows_per_s:,.0f} rows/s"]
            rows.add_row(*(Text(one_line(cell), no_wrap=True, overflow="ellipsis") for cell in cells))
        whole = Table.grid()
        whole.add_row("")
        whole.add_row(rows)
        whole.add_row("")
        for line in self._last:
            whole.add_row(Text(f"  {one_line(line)}", no_wrap=True, overflow="ellipsis", style="dim"))
        if self._totals is not None:
            whole.add_row(Text(self._bar(self._totals), no_wrap=True, overflow="ellipsis"))
        return whole

    def _bar(self, totals: Totals) -> str:
        share = totals.over / totals.trials if totals.trials else 1.0
        left = max(totals.left_s - (time.monotonic() - self._estimated_at), totals.left_s / 10, 1)  # work is left
        ending = f"{share:>4.0%}   {f'{duration(left)} left' if totals.over < totals.trials else 'all done'}"
        pruned = f"   pruned {totals.pruned}" if totals.pruned else ""
        about = "" if totals.exact else "~"
        counts = f"  done {totals.over}/{about}{totals.trials}{pruned}   diverged {totals.diverged}"
        counts += f"   failed {totals.failed}"
        room = self._console.width - len(counts) - len(ending) - 8
        return f"{counts}   {bar(share, max(min(BAR, room), 0))}  {ending}"
