"""Files without a mistake, read at a stretch by Polars, which unpacks and parses them in threads of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .bad_lines import BadLineLog
from .blocks import LineFile, Parser
from .json_lines import JsonLinesParser, looks_odd
from .raw import ReadProgress
from .separated import Layout, SeparatedParser

if TYPE_CHECKING:
    import polars as pl


_ROWS = 2**18
_SAMPLE_BYTES = 2**18


def read_at_a_stretch(
    path: Path,
    layout: Layout | Literal["jsonl"],
    columns: Sequence[str],
    *,
    tokens: Sequence[str],
    numbers: Sequence[str],
    convert: Callable[[pl.DataFrame], pl.DataFrame | None],
    progress: ReadProgress,
) -> Generator[pl.DataFrame, None, int | None]:
    """Read a file up to the first rows that want a closer look.

    Only rows that come out the same line by line are given: each line is a row of as many fields as the header has, in
    none of which a quote means anything, or an object.

    Args:
        path: the file, plain or gzipped.
        layout: how it is written.
        columns: wanted ones, each once.
        tokens: of them, those that hold names.
        numbers: of them, those that hold numbers.
        convert: what is to be made of a frame; None where a row of it cannot be read.
        progress: told roughly how far the reading is.

    Yields:
        What was made of the next rows.

    Returns:
        None where the file was read to its end; otherwise how many of its rows were given.

    Raises:
        DatasetError: as of the parsers, for what they see in the first block.
    """
    import polars as pl

    parser: Parser
    if layout == "jsonl":
        parser = JsonLinesParser(path, columns, log=BadLineLog("skip"), texts=tokens)
    else:
        parser = SeparatedParser(path, layout, columns, log=BadLineLog("skip"))
    bytes_a_row = _bytes_a_row(path, parser)
    lazy = _scan(path, layout, parser, columns, numbers)
    if lazy is None or not hasattr(lazy, "collect_batches"):
        return 0
    size, rows = path.stat().st_size, 0
    try:
        for frame in lazy.collect_batches(chunk_size=_ROWS, maintain_order=True):
            made = None if _may_hold_more(frame, layout, columns, tokens) else convert(frame)
            if made is None:
                return rows
            yield made
            rows += frame.height
            progress(min(int(rows * bytes_a_row), size), size, path.name)
    except (pl.exceptions.PolarsError, OSError):
        return rows
    progress(size, size, path.name)
    return None


def _bytes_a_row(path: Path, parser: Parser) -> float:
    """Of the file as it lies on disk, for the rows of its first block."""
    read = 0

    def remember(position: int, total: int, what: str) -> None:
        nonlocal read
        read = position

    for parsed in LineFile(path, progress=remember, block_bytes=_SAMPLE_BYTES).parsed(parser):
        if parsed.frame.height:
            return read / parsed.frame.height
    return 0.0


def _scan(
    path: Path, layout: Layout | Literal["jsonl"], parser: Parser, columns: Sequence[str], numbers: Sequence[str]
) -> pl.LazyFrame | None:
    """The wanted columns and, of delimited text, the last one; None where quotes may stand in columns not wanted."""
    import polars as pl

    if not isinstance(parser, SeparatedParser) or isinstance(layout, str):
        return pl.scan_ndjson(path, schema=dict.fromkeys(columns, pl.String))
    names = parser.names
    plain = len(layout.separator) == 1 and layout.encoding == "utf-8" and len(set(names)) == len(names) > 1
    if not plain or (layout.quotes and set(names) != set(columns)):
        return None
    scanned = pl.scan_csv(
        path,
        has_header=False,
        skip_rows=1 if layout.header else 0,
        separator=layout.separator,
        quote_char=None,
        schema={name: pl.Float64 if name in numbers else pl.String for name in names},
    )
    return scanned.select(list(dict.fromkeys([*columns, names[-1]])))


def _may_hold_more(
    frame: pl.DataFrame, layout: Layout | Literal["jsonl"], columns: Sequence[str], tokens: Sequence[str]
) -> bool:
    """Whether a row may be shorter than the header, or a text something else than it looks: quotes open fields."""
    import polars as pl

    if isinstance(layout, str):
        return looks_odd(frame, tokens)
    last = frame.columns[-1]
    if last not in columns and frame[last].null_count():
        return True
    texts = [name for name in columns if frame[name].dtype == pl.String]
    return layout.quotes and any(frame[name].str.starts_with('"').any() for name in texts)
