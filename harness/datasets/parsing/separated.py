"""Delimited text (CSV and its kin) to frames of strings: Polars for what is well-formed, line by line for the rest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ...utils.messages import did_you_mean
from .bad_lines import BadLineLog
from .blocks import NO_UTF8, Parsed

if TYPE_CHECKING:
    import polars as pl

LONGEST_QUOTE = 2**20
"""Bytes from a quote to the next within a quoted field; what is longer was never closed."""

_QUOTE, _NEWLINE, _RETURN = ord('"'), ord("\n"), ord("\r")
_STAND_IN = b"\x1f"  # for separators of several characters


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        separator: between fields; quotes are known only where it is one character.
        quotes: fields may stand in double quotes, doubled within.
        header: whether the first line names the columns; otherwise they are called `names`, or 1, 2, ...
        names: of the columns of a file without header; () for numbers.
        encoding: "utf-8" or "latin-1".
    """

    separator: str = ","
    quotes: bool = True
    header: bool = True
    names: tuple[str, ...] = ()
    encoding: str = "utf-8"


class SeparatedParser:
    """Parses a delimited file.

    Blank lines are passed over. Lines with another number of fields than the header, with an unpaired quote, or that
    are not text in a wanted column are counted. A quote that is not closed spoils its line alone.

    Args:
        path: the file, for errors.
        layout: how it is written.
        columns: wanted ones, in whatever order; each once.
        log: told the lines that cannot be read.
        numbers: of the columns, those that are to be read as numbers; strings in a block where some are none.
    """

    def __init__(
        self, path: Path, layout: Layout, columns: Sequence[str], *, log: BadLineLog, numbers: Sequence[str] = ()
    ) -> None:
        self._path, self._layout, self._columns, self._log = path, layout, tuple(columns), log
        self._numbers = frozenset(numbers)
        self._separator = layout.separator.encode()
        self._quotes = layout.quotes and len(self._separator) == 1
        self._names: tuple[str, ...] = ()
        self._places: dict[str, int] = {}
        self._field = re.compile(rb'"((?:[^"]|"")*+)"|([^\n' + re.escape(self._separator) + rb"]*+)")

    def parse(self, data: bytes, line: int, *, final: bool) -> Parsed | None:
        """See `Parser.parse`.

        Raises:
            DatasetError: no header, or a column that is not in it.
        """
        begin = 0
        if not self._names:
            begin = self._take_first_line(data, final=final)
            if not self._names:
                return None
            data, line = data[begin:], line + min(begin, 1)
        found = self._at_once(data, line, final=final)
        if found is None:
            found = self._line_by_line(data, line, final=final)
        if not begin:
            return found if found.used else None
        return replace(found, used=begin + found.used, ends=1 + found.ends)

    def _take_first_line(self, data: bytes, *, final: bool) -> int:
        """Learn the names of the columns; how many bytes they take up."""
        end = data.find(b"\n") + 1
        if not end and not final:
            return 0
        end = end or len(data)
        place = f"{self._path}:1"
        try:
            text = data[:end].decode(self._layout.encoding)
        except UnicodeDecodeError as error:
            raise DatasetError(f"{place}  is not UTF-8 text: {error.reason} at byte {error.start + 1}.") from error
        fields = self._fields_of(text.rstrip("\r\n"))
        if self._layout.header:
            self._names = tuple(name.strip() for name in fields)
        else:
            self._names = self._layout.names or tuple(str(place) for place in range(1, len(fields) + 1))
        for column in self._columns:
            if self._names.count(column) != 1:
                raise DatasetError(f"{place}  {no_column(column, self._names, self._layout)}")
        self._places = {name: self._names.index(name) for name in self._columns}
        return end if self._layout.header else 0

    def _fields_of(self, text: str) -> list[str]:
        import csv

        separator = self._layout.separator
        if not self._quotes:
            return text.split(separator)
        return next(csv.reader([text], delimiter=separator), [""])

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the file, once a block was parsed."""
        return self._names

    # well-formed blocks

    def _at_once(self, data: bytes, line: int, *, final: bool) -> Parsed | None:
        """The whole block by Polars; None where a line needs a closer look."""
        shape = self._shape(data, final=final)
        if len(self._names) == 1 or shape is None or not shape.has_fields(len(self._names)):
            return None
        if not shape.text:
            return Parsed(self._frame([]), np.zeros(0, dtype=np.int64), 0)
        text, separator = shape.text, self._separator
        if len(separator) > 1:  # Polars wants one character
            if _STAND_IN in text:
                return None
            text, separator = text.replace(separator, _STAND_IN), _STAND_IN
        if self._layout.encoding != "utf-8":
            text = text.decode(self._layout.encoding).encode()
        frame = self._by_polars(text, separator, shape, self._numbers)
        if frame is None and self._numbers:
            frame = self._by_polars(text, separator, shape, frozenset())
        return None if frame is None else Parsed(frame, line + shape.starts, len(shape.text), shape.ends)

    def _by_polars(self, text: bytes, separator: bytes, shape: _Shape, numbers: Collection[str]) -> pl.DataFrame | None:
        """The wanted columns; None where Polars refuses, misses rows, or finds no number where one should be."""
        import polars as pl

        types = {place: pl.Float64 for name, place in self._places.items() if name in numbers}
        last = len(self._names) - 1
        try:
            frame = pl.read_csv(
                text,
                has_header=False,
                separator=separator.decode(),
                quote_char=None if shape.quotes is None else '"',
                columns=sorted({*self._places.values(), last}),  # the last: or longer rows would pass unseen
                schema={f"column_{place + 1}": types.get(place, pl.String) for place in range(last + 1)},
            )
        except pl.exceptions.PolarsError:
            return None
        if frame.height != len(shape.starts) or any(frame[f"column_{place + 1}"].null_count() for place in types):
            return None
        if frame[f"column_{last + 1}"].null_count() and not shape.each_has_fields(last + 1):
            return None  # a short row is made up for by a long one
        return frame.select(pl.col(f"column_{place + 1}").alias(name) for name, place in self._places.items())

    def _shape(self, data: bytes, *, final: bool) -> _Shape | None:
        """Where the rows of a block lie; None where its quotes are not all in their places."""
        characters = np.frombuffer(data, dtype=np.uint8)
        if not self._quotes or b'"' not in data:
            used = len(data) if final else data.rfind(b"\n") + 1
            ends = int(np.count_nonzero(characters[:used] == _NEWLINE))
            rows = ends + (used > 0 and data[used - 1] != _NEWLINE)
            return _Shape(data[:used], self._separator, np.arange(rows), ends, None)
        quotes = np.flatnonzero(characters == _QUOTE)
        if not self._paired(characters, quotes, final=final):
            return None
        newlines = np.flatnonzero(characters == _NEWLINE)
        row_ends = np.flatnonzero(_outside(quotes, newlines))
        used = len(data) if final else int(newlines[row_ends[-1]]) + 1 if len(row_ends) else 0
        starts = np.concatenate([[0], row_ends + 1])
        if not used or data[used - 1] == _NEWLINE:
            starts = starts[:-1]
        return _Shape(data[:used], self._separator, starts, int(np.searchsorted(newlines, used)), quotes)

    def _paired(self, characters: NDArray[np.uint8], quotes: NDArray[np.int64], *, final: bool) -> bool:
        """Whether quotes open at the beginning of a field, close at its end, and are doubled elsewhere."""
        opening, closing, size = quotes[0::2], quotes[1::2], len(characters)
        if len(opening) > len(closing) and (final or size - opening[-1] > LONGEST_QUOTE):
            return False
        closed = closing[closing < size - 1]
        returns = closed[characters[closed + 1] == _RETURN]
        edges = (self._separator[0], _NEWLINE, _QUOTE)
        return bool(
            (closing - opening[: len(closing)] <= LONGEST_QUOTE).all()
            and np.isin(characters[opening[opening > 0] - 1], edges).all()
            and np.isin(characters[closed + 1], (*edges, _RETURN)).all()
            and (characters[returns[returns < size - 2] + 2] == _NEWLINE).all()
        )

    def _frame(self, rows: Sequence[Sequence[str]]) -> pl.DataFrame:
        import polars as pl

        names = list(self._places)
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return pl.DataFrame(
            [pl.Series(name, values, dtype=pl.String) for name, values in zip(names, columns, strict=True)]
        )

    # line by line

    def _line_by_line(self, data: bytes, line: int, *, final: bool) -> Parsed:
        rows: list[list[str]] = []
        lines: list[int] = []
        used = ends = 0
        for record in self._records(data, final=final):
            first = line + ends
            ends, used = ends + data.count(b"\n", used, record.end), record.end
            if record.fields is None:
                if record.why:
                    self._log.add(self._path, first, record.why, f"has {record.why}")
                continue
            wanted = self._decoded(record.fields, first, ended=data[used - 1] == _NEWLINE)
            if wanted is not None:
                rows.append(wanted)
                lines.append(first)
        return Parsed(self._frame(rows), np.array(lines, dtype=np.int64), used, ends)

    def _decoded(self, fields: list[bytes], line: int, *, ended: bool) -> list[str] | None:
        """The wanted fields of a record as text; None, and a word to the log, where they are none."""
        if len(fields) == len(self._names) + 1 and not ended and not fields[-1]:
            fields = fields[:-1]  # a separator at the very end of a file is none, as Polars has it
        if len(fields) != len(self._names):
            said = f"has {_counted(len(fields), 'field')}, the header {len(self._names)}"
            if not self._layout.header:
                said = f"has {_counted(len(fields), 'field')}, the first line {len(self._names)}"
            self._log.add(self._path, line, "wrong number of fields", said)
            return None
        try:
            return [fields[place].decode(self._layout.encoding) for place in self._places.values()]
        except UnicodeDecodeError:
            column = next(name for name, place in self._places.items() if not _is_utf8(fields[place]))
            self._log.add(self._path, line, NO_UTF8, f"{column}: is not UTF-8 text")
            return None

    def _records(self, data: bytes, *, final: bool) -> Iterator[_Record]:
        """The records of a block, up to the first that it does not hold the end of."""
        begin = 0
        while begin < len(data):
            end = data.find(b"\n", begin) + 1 or (len(data) if final else 0)
            if not end:
                return
            line = data[begin:end]
            record: _Record | None
            if self._quotes and b'"' in line:
                record = self._quoted(data, begin, end, final=final)
            elif line.strip() or self._separator in line:
                record = _Record(end, self._split(line))
            else:
                record = _Record(end, None)
            if record is None:
                return
            yield record
            begin = record.end

    def _split(self, line: bytes) -> list[bytes]:
        """The fields of a line without quotes; a carriage return ends a field, as Polars sees it."""
        fields = line.removesuffix(b"\n").split(self._separator)
        return [field.removesuffix(b"\r") for field in fields] if b"\r" in line else fields

    def _quoted(self, data: bytes, begin: int, line_end: int, *, final: bool) -> _Record | None:
        """The record that begins at a place; None where the block does not tell. A spoilt one ends with its line."""
        fields: list[bytes] = []
        place = begin
        while True:
            match = self._field.match(data, place)
            if match is None:
                raise RuntimeError("a field may be empty, so there always is one")
            quoted, plain = match.group(1, 2)
            if quoted is None and plain.startswith(b'"'):
                return self._unclosed(data, place, line_end, final=final)
            if quoted is not None and _longest_run(quoted) > LONGEST_QUOTE:
                return _Record(line_end, None, "a quote that is not closed")
            place = match.end()
            fields.append(plain.removesuffix(b"\r") if quoted is None else quoted.replace(b'""', b'"'))
            rest = data[place : place + 2]
            if rest[:1] == self._separator:
                place += 1
                continue
            if rest in (b"", b"\r"):
                return _Record(len(data), fields) if final else None
            if rest == b"\r\n":
                return _Record(place + 2, fields)
            if rest[:1] == b"\n":
                return _Record(place + 1, fields)
            return _Record(line_end, None, "text after a closing quote")

    def _unclosed(self, data: bytes, opening: int, line_end: int, *, final: bool) -> _Record | None:
        """A field whose quote has no end in the block: spoilt where it can have none later."""
        last = data.rfind(b'"', opening)
        if final or len(data) - last - 1 > LONGEST_QUOTE:
            return _Record(line_end, None, "a quote that is not closed")
        return None


def no_column(column: str, names: Sequence[str], layout: Layout | None = None) -> str:
    """What is said of a column that a file does not have, or has twice."""
    if column in names:
        return f"the column '{column}' is there {names.count(column)} times. The header has: {', '.join(names)}."
    if layout is not None and not layout.header and not layout.names:
        return f"no column {column}. Without a header columns are called by their number: 1 to {len(names)}."
    said = f"no column '{column}'.{did_you_mean(column, names)} The header has: {', '.join(names)}."
    if layout is not None and len(names) == 1:
        said += f" Is '{layout.separator}' what separates the fields?  separator: \"...\" in a recipe says what does."
    return said


@dataclass(frozen=True)
class _Shape:
    """Where the R rows of a block lie.

    Attributes:
        text: whole rows.
        separator: between fields.
        starts: (R,) int64, the line each begins on, from 0.
        ends: ends of lines, also those within quotes.
        quotes: their places in the block; None where there is none.
    """

    text: bytes
    separator: bytes
    starts: NDArray[np.int64]
    ends: int
    quotes: NDArray[np.int64] | None

    def has_fields(self, count: int) -> bool:
        """Whether the rows have so many fields on average."""
        if self.quotes is not None:
            return self.each_has_fields(count)
        if len(self.separator) > 1:
            separators = self.text.count(self.separator)
        else:
            separators = int(np.count_nonzero(np.frombuffer(self.text, dtype=np.uint8) == self.separator[0]))
        return separators == len(self.starts) * (count - 1)

    def each_has_fields(self, count: int) -> bool:
        """Whether each row has so many fields."""
        characters = np.frombuffer(self.text, dtype=np.uint8)
        ends = np.flatnonzero(characters == _NEWLINE)
        if len(self.separator) > 1:
            separators = np.array([found.start() for found in re.finditer(re.escape(self.separator), self.text)])
        else:
            separators = np.flatnonzero(characters == self.separator[0])
        if self.quotes is not None:
            ends = ends[_outside(self.quotes, ends)]
            separators = separators[_outside(self.quotes, separators)]
        if len(ends) < len(self.starts):
            ends = np.append(ends, len(self.text))
        return bool((np.diff(np.searchsorted(separators, ends), prepend=0) == count - 1).all())


@dataclass(frozen=True)
class _Record:
    """A row, or a line that is none.

    Attributes:
        end: place after it.
        fields: None where there are none.
        why: the reason then; "" for a blank line.
    """

    end: int
    fields: list[bytes] | None
    why: str = ""


def _outside(quotes: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether places lie outside quotes that are all paired."""
    return np.searchsorted(quotes, places) % 2 == 0


def _longest_run(quoted: bytes) -> int:
    return max(map(len, quoted.split(b'"')))


def _is_utf8(field: bytes) -> bool:
    try:
        field.decode()
    except UnicodeDecodeError:
        return False
    return True


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
