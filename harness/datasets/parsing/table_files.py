"""Files of rows, however they are written: delimited text, JSON lines, Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from ...utils.errors import DatasetError
from . import raw
from .bad_lines import BadLineLog
from .blocks import LineFile, Parsed
from .json_lines import JsonLinesParser
from .raw import ReadProgress, Source
from .separated import Layout, SeparatedParser, no_column

Format: TypeAlias = Layout | Literal["jsonl", "parquet"]

_JSON = (".jsonl", ".json", ".ndjson")
_PARQUET = (".parquet", ".pq")
_ROWS = 2**18  # of a Parquet file at once


def format_of(path: Path, layout: Layout) -> Format:
    """How a file is written, by its name.

    Args:
        path: the file.
        layout: of files that are neither JSON lines nor Parquet; `.tsv` has tabs nonetheless.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in _JSON:
        return "jsonl"
    return "parquet" if suffix in _PARQUET else layout


@dataclass(frozen=True)
class TableFile:
    """A file of rows.

    Attributes:
        path: the file.
        format: how it is written.
        progress: told while it is read.
        log: told the lines that cannot be read.
    """

    path: Path
    format: Format
    progress: ReadProgress
    log: BadLineLog

    def parsed(
        self, columns: Sequence[str], *, tokens: Sequence[str], sources: list[Source], numbers: Sequence[str] = ()
    ) -> Iterator[Parsed]:
        """Read some columns, block after block.

        Args:
            columns: their names, each once.
            tokens: of them, those that hold names.
            sources: told the file's digest, once it was read to its end.
            numbers: of the columns, those that hold numbers; they may come as strings nonetheless.

        Raises:
            DatasetError: the file is no such file, damaged or cut short, or lacks a column.
        """
        if self.format == "parquet":
            yield from self._row_groups(columns)
            sources.append(raw.describe(self.path))
            return
        lines = LineFile(self.path, progress=self.progress)
        parser = (
            JsonLinesParser(self.path, columns, log=self.log, texts=tokens)
            if self.format == "jsonl"
            else SeparatedParser(self.path, self.format, columns, log=self.log, numbers=numbers)
        )
        yield from lines.parsed(parser)
        sources.append(lines.source())

    def _row_groups(self, columns: Sequence[str]) -> Iterator[Parsed]:
        import polars as pl
        import pyarrow as pa
        from pyarrow import parquet

        size = self.path.stat().st_size
        try:
            with parquet.ParquetFile(self.path) as held:
                names, rows, done = held.schema_arrow.names, held.metadata.num_rows, 0
                for column in columns:
                    if names.count(column) != 1:
                        raise DatasetError(f"{self.path}  {no_column(column, names)}")
                for batch in held.iter_batches(batch_size=_ROWS, columns=list(columns)):
                    frame = pl.from_arrow(pa.Table.from_batches([batch]))
                    if not isinstance(frame, pl.DataFrame):
                        raise TypeError("a table has columns")
                    yield Parsed(frame.select(columns), done + 1 + np.arange(frame.height))
                    done += frame.height
                    self.progress(size * done // rows, size, self.path.name)
        except (pa.ArrowException, OSError) as error:
            said = " ".join(str(error).split())
            raise DatasetError(f"{self.path} cannot be read as Parquet: {said}. Download it again.") from error


def header_of(path: Path, layout: Layout) -> tuple[str, ...]:
    """The names in the first line of a delimited file.

    Raises:
        DatasetError: it cannot be read.
    """
    parser = SeparatedParser(path, layout, (), log=BadLineLog("skip"))
    for _ in LineFile(path, progress=lambda *_: None, block_bytes=2**16).parsed(parser):
        break
    return parser.names
