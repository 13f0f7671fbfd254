"""Files of rows in any format: read by Polars or, if it refuses, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from .bad_lines import BadLineLog
from .by_polars import OddRowsError, QuotesError, json_frames, quoted_frames, separated_frames
from .layout import Format, Layout, column_names, no_column
from .line_by_line import LINE, frames, json_objects, json_rows, separated_rows
from .raw import ReadProgress, Source, describe, lines_of, polars_takes

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Wrong:
    """Rows with an invalid value in a column.

    Attributes:
        column: its name in the file.
        rows: (R,) bool.
        wanted: such as "a number".
    """

    column: str
    rows: NDArray[np.bool_]
    wanted: str


Convert: TypeAlias = "Callable[[pl.DataFrame], tuple[pl.DataFrame, Sequence[Wrong]]]"
"""Columns of R rows as in a file, and `LINE` -> the converted R rows, and by column those that cannot be read."""


@dataclass(frozen=True)
class TableFile:
    """A file of rows; its log gets the lines that cannot be read."""

    path: Path
    format: Format
    progress: ReadProgress
    log: BadLineLog

    def read(self, columns: Sequence[str], convert: Convert, *, tokens: Sequence[str]) -> tuple[pl.DataFrame, Source]:
        """The result of `convert` on some columns of all rows that can be read, and the file's digest.

        Column names are distinct; `tokens` are those that contain names.

        Raises:
            DatasetError: the file has another format, is damaged or cut short, or lacks a column.
        """
        import polars as pl

        with ThreadPoolExecutor(max_workers=1) as thread:
            source = thread.submit(describe, self.path)
            parts = self._by_polars(columns, convert, tokens)
            if parts is None:
                parts = [self._without_wrong(part, convert) for part in self.frames(columns, tokens=tokens)]
            if not parts:
                empty = pl.DataFrame(schema={LINE: pl.UInt32, **dict.fromkeys(columns, pl.String)})
                parts = [convert(empty)[0]]
            size = self.path.stat().st_size
            self.progress(size, size, self.path.name)
            return pl.concat(parts), source.result()

    def names(self) -> tuple[str, ...]:
        """The columns of the file, of JSON lines all keys; errors as `read`."""
        if isinstance(self.format, Layout):
            return column_names(self.path, self.format)
        if self.format == "parquet":
            with self._parquet() as scan:
                return tuple(scan.collect_schema().names())
        objects = json_objects(self.path, (), BadLineLog("error"), self.progress)
        return tuple(dict.fromkeys(key for _, value in objects for key in value))

    def frames(self, columns: Sequence[str], *, tokens: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Rows line by line, as strings (of Parquet, as they are), with `LINE`; errors as `read`."""
        if self.format == "parquet":
            return self._row_groups(columns)
        if self.format == "jsonl":
            return frames(json_rows(self.path, columns, tokens, self.log, self.progress), columns)
        return frames(separated_rows(self.path, self.format, columns, self.log, self.progress), columns)

    def _by_polars(self, columns: Sequence[str], convert: Convert, tokens: Sequence[str]) -> list[pl.DataFrame] | None:
        """The converted rows; None if one of them needs a slower reading."""
        import polars as pl

        if self.format == "parquet" or not polars_takes(self.path):
            return None
        try:
            if self.format == "jsonl":
                return self._converted(json_frames(self.path, columns, tokens), convert)
            try:
                return self._converted(separated_frames(self.path, self.format, columns), convert)
            except QuotesError:
                return self._converted(quoted_frames(self.path, self.format, columns), convert)
        except (pl.exceptions.PolarsError, OddRowsError, OSError):
            return None

    def _converted(self, frames: Iterator[pl.DataFrame], convert: Convert) -> list[pl.DataFrame] | None:
        """The converted frames; None if one of them has invalid values."""
        parts, rows = [], 0
        size, bytes_a_line = self.path.stat().st_size, _bytes_a_line(self.path)
        for frame in frames:
            part, wrong = convert(frame)
            if any(fault.rows.any() for fault in wrong):
                return None
            parts.append(part)
            rows += frame.height
            self.progress(min(int(rows * bytes_a_line), size), size, self.path.name)
        return parts

    def _without_wrong(self, frame: pl.DataFrame, convert: Convert) -> pl.DataFrame:
        try:
            part, wrong = convert(frame)
        except DatasetError as error:
            raise DatasetError(f"{self.path}  {error}") from error
        return part.filter(~self._log_wrong(frame, wrong))

    def _log_wrong(self, frame: pl.DataFrame, wrong: Sequence[Wrong]) -> NDArray[np.bool_]:
        """(R,) which rows are wrong somewhere; each is counted once, for its first wrong column."""
        rows = np.zeros(frame.height, dtype=bool)
        for fault in wrong:
            new = np.flatnonzero(fault.rows & ~rows)
            rows |= fault.rows
            values = frame[fault.column]
            empty = np.array([value is None or not str(value).strip() for value in values.gather(new)], dtype=bool)
            for chosen, why in ((new[empty], "is empty"), (new[~empty], f"is not {fault.wanted}")):
                if len(chosen):
                    first = int(chosen[0])
                    shown = why if why == "is empty" else f"{_quoted(values[first])} {why}"
                    log_entry = (f"{fault.column} {why}", f"{fault.column}: {shown}")
                    self.log.add(self.path, frame[LINE][first], *log_entry, lines=len(chosen))
        return rows

    def _row_groups(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        with self._parquet() as scan:
            names = scan.collect_schema().names()
            for column in columns:
                if column not in names:
                    raise DatasetError(f"{self.path}  {no_column(column, names)}")
            numbered = scan.select(columns).with_row_index(LINE, offset=1)
            yield from numbered.collect_batches(maintain_order=True)

    @contextmanager
    def _parquet(self) -> Iterator[pl.LazyFrame]:
        import polars as pl

        try:
            yield pl.scan_parquet(self.path if polars_takes(self.path) else BytesIO(self.path.read_bytes()))
        except (pl.exceptions.PolarsError, OSError) as error:
            message = " ".join(str(error).split())
            raise DatasetError(f"{self.path} cannot be read as Parquet: {message}. Download it again.") from error


def _bytes_a_line(path: Path) -> float:
    """About how many bytes of the file on disk a line takes; 0 for a short file."""
    told: list[int] = []
    for line, _ in lines_of(path, lambda done, *_: told.append(done)):
        if told:
            return told[0] / line
    return 0.0


def _quoted(value: object) -> str:
    """A value as an error shows it."""
    text = "" if value is None else str(value)
    return f"'{text[:57]}...'" if len(text) > 60 else f"'{text}'"
