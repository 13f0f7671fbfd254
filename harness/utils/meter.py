"""Progress of a long piece of work: a line redrawn on a terminal, a plain line a minute elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from .durations import duration

_REDRAW_S = 0.25
_LINE_S = 60.0
_CLEAR = "\r\x1b[K"


class Meter:
    """Shows how much is done, how fast, and how long the rest will take; `clock` gives monotonic seconds."""

    def __init__(self, out: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._live = out.isatty()
        self._label, self._noun, self._total, self._first = "", "", 0, 0
        self._began = self._written = 0.0
        self._drawn = False

    def say(self, text: str) -> None:
        """Show what happens before there is something to count; on a terminal the next line replaces it."""
        self._write(text)

    def begin(self, label: str, *, total: int, noun: str, done: int = 0) -> None:
        """Start to count: such as "embedding" (`label`) 1,000 (`total`) "tokens" (`noun`).

        `done` of the total were finished before; they do not count for the rate.
        """
        self._label, self._noun, self._total, self._first = label, noun, total, done
        self._began = self._written = self._clock()

    def reach(self, done: int) -> None:
        """Update how much of the total is done; few calls write."""
        now = self._clock()
        if now - self._written >= (_REDRAW_S if self._live else _LINE_S):
            self._written = now
            self._write(self._line(done, now - self._began))

    def show(self, label: str, done: int, total: int, noun: str) -> None:
        """`begin` where the label is another than before, `reach`, and `end` where all is done."""
        if label != self._label:
            self.begin(label, total=total, noun=noun)
        self.reach(done)
        if done >= total:
            self.end()

    def end(self) -> None:
        """Restore the terminal; what follows begins anew."""
        self._label = ""
        if self._drawn:
            self._out.write(_CLEAR)
            self._out.flush()
            self._drawn = False

    def _write(self, line: str) -> None:
        self._out.write(f"{_CLEAR}{line}" if self._live else f"{line}\n")
        self._out.flush()
        self._drawn = self._live

    def _line(self, done: int, seconds: float) -> str:
        share = done / self._total if self._total else 1.0
        rate = (done - self._first) / seconds if seconds > 0 else 0.0
        parts = [f"{self._label} {share:>4.0%}", f"{done:,} of {self._total:,} {self._noun}"]
        if rate > 0:
            parts += [f"{rate:,.0f} {self._noun}/s", f"{duration((self._total - done) / rate)} left"]
        return "   ".join(parts)
