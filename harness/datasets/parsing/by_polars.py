"""Files without a mistake, read by Polars; it refuses the others, and `line_by_line` reads those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .layout import Layout, column_names, places_of
from .line_by_line import LINE
from .raw import BLANKS, writing_of

if TYPE_CHECKING:
    import polars as pl

_ROWS = 2**18


class OddRowsError(Exception):
    """A file has mistakes, or may have: it needs a slower reading."""


class QuotesError(OddRowsError):
    """A delimited file has quotes; see `quoted_frames`."""


def separated_frames(path: Path, layout: Layout, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Some columns of a delimited file of UTF-8 text without quotes, plain or gzipped, as strings, and `LINE`.

    Raises:
        QuotesError: a row has a quote.
        OddRowsError: a row has another number of fields than the header, or the encoding is another one.
        DatasetError: no such column.
    """
    import polars as pl

    names = column_names(path, layout)
    places = places_of(columns, names, path, layout)
    _refuse_odd(path, header=layout.header, encoding=layout.encoding)
    line = pl.col("line")
    fields = line.str.splitn(layout.separator, len(names)).struct.rename_fields(list(map(str, range(len(names)))))
    last = pl.col(str(len(names) - 1))
    numbered = pl.scan_lines(path, row_index_name=LINE, row_index_offset=1).slice(int(layout.header))
    for lines in numbered.collect_batches(chunk_size=_ROWS, maintain_order=True):
        rows = lines.select(LINE, fields).unnest("line")
        if rows[last.meta.output_name()].null_count():
            blank = (line.str.strip_chars(BLANKS + "\r\n") == "") & ~line.str.contains(layout.separator, literal=True)
            rows = lines.filter(~blank).select(LINE, fields).unnest("line")
        odd = last.is_null() | last.str.contains(layout.separator, literal=True)
        if layout.quotes and lines.select(line.str.contains('"', literal=True).any()).item():
            raise QuotesError
        if rows.select(odd.any()).item():
            raise OddRowsError
        yield rows.select(LINE, *(pl.col(str(place)).alias(name) for place, name in zip(places, columns, strict=True)))


def _refuse_odd(path: Path, *, header: bool, encoding: str = "") -> None:
    """An OddRowsError for text that Polars does not read as `lines_of` does."""
    writing = writing_of(path)
    odd = writing.lone_returns or writing.separator or writing.encoding not in ("", *["utf-8-sig"] * header)
    if odd or encoding not in ("", "utf-8"):
        raise OddRowsError


def quoted_frames(path: Path, layout: Layout, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of a delimited file whose quoted fields hold neither quotes nor line ends; otherwise `separated_frames`.

    Raises:
        OddRowsError: at the end at the latest: another row, an empty last field, a blank line.
    """
    import polars as pl

    names = column_names(path, layout)
    places = places_of(columns, names, path, layout)
    last = str(len(names) - 1)
    count, first = int(layout.header), int(layout.header) + 1
    schema = {str(place): pl.String for place in range(len(names))}
    scan = pl.scan_csv(
        path,
        has_header=False,
        skip_rows=int(layout.header),
        separator=layout.separator,
        schema=schema,
        row_index_name=LINE,
        row_index_offset=first,
    )
    for rows in scan.collect_batches(chunk_size=_ROWS, maintain_order=True):
        odd = pl.any_horizontal(pl.col(last).is_null(), pl.col(*schema).str.contains(r'["\n]'))
        if rows.select(odd.any()).item():
            raise OddRowsError
        count += rows.height
        wanted = (pl.col(str(place)).fill_null("").alias(name) for place, name in zip(places, columns, strict=True))
        yield rows.select(LINE, *wanted)
    if count != pl.scan_lines(path).select(pl.len()).collect().item():
        raise OddRowsError


def json_frames(path: Path, columns: Sequence[str], tokens: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The objects of a JSON-lines file, plain or gzipped, their values as strings.

    Null and a missing key are null. `tokens` are the columns that must be text or numbers.

    Raises:
        OddRowsError: a token may have been a list, an object or half of a surrogate pair, or no object has a key.
    """
    import polars as pl

    _refuse_odd(path, header=False)
    texts = [pl.col(name).str for name in tokens]
    odd = pl.any_horizontal(
        pl.lit(value=False),
        *(text.starts_with("[") | text.starts_with("{") | text.contains("\0", literal=True) for text in texts),
    )
    scan = pl.scan_ndjson(path, schema=dict.fromkeys(columns, pl.String))
    for rows in scan.collect_batches(chunk_size=_ROWS, maintain_order=True):
        never = any(rows[name].null_count() == rows.height for name in columns)
        if rows.height and (never or rows.select(odd.any()).item()):
            raise OddRowsError
        yield rows
