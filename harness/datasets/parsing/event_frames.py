"""The interactions of a file, block after block: at a stretch as far as that goes, then line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import raw
from .at_a_stretch import read_at_a_stretch
from .blocks import Parsed
from .event_columns import EventColumns, Wrong, words_of
from .raw import Source
from .table_files import TableFile

if TYPE_CHECKING:
    import polars as pl


class EventFrames:
    """Reads files of interactions.

    Args:
        columns: which of their columns hold what.

    Attributes:
        sources: the files read so far.
        dated: whether times were dates, and so are in seconds.
    """

    def __init__(self, columns: EventColumns) -> None:
        self._columns = columns
        self.sources: list[Source] = []
        self.dated = bool(columns.time_format)

    def of(self, file: TableFile) -> Iterator[pl.DataFrame]:
        """Read a file.

        Args:
            file: its log is told the lines that cannot be read.

        Yields:
            The columns of `EventColumns.read`, of the next rows.

        Raises:
            DatasetError: the file is no such file, damaged or cut short, or lacks a column.
        """
        done: int | None = 0
        if file.format != "parquet":
            with ThreadPoolExecutor(max_workers=1) as thread:
                source = thread.submit(raw.describe, file.path)
                done = yield from read_at_a_stretch(
                    file.path,
                    file.format,
                    self._columns.names,
                    tokens=self._tokens,
                    numbers=self._numbers,
                    convert=self._clean,
                    progress=file.progress,
                )
            if done is None:
                self.sources.append(source.result())
                return
        yield from self._line_by_line(file, done or 0)

    @property
    def _tokens(self) -> tuple[str, ...]:
        return self._columns.user, self._columns.item

    @property
    def _numbers(self) -> list[str]:
        time = "" if self._columns.time_format else self._columns.time
        return [name for name in (self._columns.rating, time) if name]

    def _clean(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        read, wrong = self._columns.read(frame)
        return None if wrong else read

    def _line_by_line(self, file: TableFile, done: int) -> Iterator[pl.DataFrame]:
        """The rows after the first so many, which had no mistake."""
        names, numbers = self._columns.names, self._numbers
        for parsed in file.parsed(names, tokens=self._tokens, sources=self.sources, numbers=numbers):
            skipped = min(done, parsed.frame.height)
            done -= skipped
            left = Parsed(parsed.frame[skipped:], parsed.lines[skipped:])
            if not left.frame.height:
                continue
            self.dated = self.dated or self._columns.is_dated(left.frame)
            frame, wrong = self._columns.read(left.frame)
            yield frame.filter(~log_wrong(file, left, wrong)) if wrong else frame


def log_wrong(file: TableFile, parsed: Parsed, wrong: Sequence[Wrong]) -> NDArray[np.bool_]:
    """Count rows that cannot be read; each once, for its first column that is wrong.

    Args:
        file: its log is told.
        parsed: R rows.
        wrong: of them.

    Returns:
        (R,) which rows are wrong somewhere.
    """
    rows = np.zeros(parsed.frame.height, dtype=bool)
    for one in wrong:
        new = np.flatnonzero(one.rows & ~rows)
        rows |= one.rows
        values = parsed.frame[one.column]
        empty = np.array([value is None or not str(value).strip() for value in values.gather(new)], dtype=bool)
        for chosen, why in ((new[empty], "is empty"), (new[~empty], f"is not {one.wanted}")):
            if len(chosen):
                first = int(chosen[0])
                fault = "is empty" if why == "is empty" else f"{words_of(values[first])} {why}"
                line = int(parsed.lines[first])
                file.log.add(file.path, line, f"{one.column} {why}", f"{one.column}: {fault}", lines=len(chosen))
    return rows
