"""JSON lines to frames of strings: Polars for blocks without a mistake, line by line for the rest."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...utils.errors import DatasetError
from ...utils.messages import did_you_mean
from .bad_lines import BadLineLog
from .blocks import NO_UTF8, Parsed

if TYPE_CHECKING:
    import polars as pl

NO_JSON = "no JSON"
NO_OBJECT = "no JSON object"


class JsonLinesParser:
    """Parses a file with one JSON object a line; blank lines are passed over.

    Args:
        path: the file, for errors.
        columns: keys of the objects; numbers become strings, null and a missing key null.
        log: told the lines that cannot be read.
        texts: of the columns, those that must be text or whole numbers.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, log: BadLineLog, texts: Sequence[str] = ()) -> None:
        self._path, self._columns, self._log, self._texts = path, tuple(columns), log, tuple(texts)
        self._begun = False

    def parse(self, data: bytes, line: int, *, final: bool) -> Parsed | None:
        """See `Parser.parse`.

        Raises:
            DatasetError: a column that no object of the first block has.
        """
        used = len(data) if final else data.rfind(b"\n") + 1
        if not used:
            return None
        data = data[:used]
        frame = self._read(data)
        ends = data.count(b"\n")
        places = np.arange(ends + (data[-1:] != b"\n"))
        if frame is not None and frame.height != len(places):
            places = np.array([place for place, text in enumerate(data.split(b"\n")) if text.strip()], dtype=np.int64)
        if frame is None or frame.height != len(places) or looks_odd(frame, self._texts):
            return self._line_by_line(data, line)
        self._refuse_unknown_columns(frame, data)
        return Parsed(frame, line + places, used, ends)

    def _read(self, data: bytes) -> pl.DataFrame | None:
        import polars as pl

        try:
            return pl.read_ndjson(data, schema=dict.fromkeys(self._columns, pl.String))
        except pl.exceptions.PolarsError:
            return None

    def _refuse_unknown_columns(self, frame: pl.DataFrame, data: bytes) -> None:
        """A column that is null wherever one looks is most likely misspelt."""
        if self._begun or not frame.height:
            return
        self._begun = True
        empty = [name for name in self._columns if frame[name].null_count() == frame.height]
        if not empty:
            return
        keys = list(dict.fromkeys(key for text in data.split(b"\n")[:100] for key in _keys(text)))
        for name in empty:
            if name not in keys:
                raise DatasetError(
                    f"{self._path}:1  no key '{name}'.{did_you_mean(name, keys)} The objects have: {', '.join(keys)}."
                )

    def _line_by_line(self, data: bytes, line: int) -> Parsed:
        import polars as pl

        good: list[bytes] = []
        lines: list[int] = []
        for number, text in enumerate(data.split(b"\n"), start=line):
            if not text.strip():
                continue
            why, said = self._fault(text)
            if why:
                self._log.add(self._path, number, why, said)
            else:
                good.append(text)
                lines.append(number)
        frames = list(self._halved(good, lines))
        schema = dict.fromkeys(self._columns, pl.String)
        frame = pl.concat([pl.DataFrame(schema=schema), *(frame for frame, _ in frames)])
        self._refuse_unknown_columns(frame, b"\n".join(good))
        kept = [number for _, of_frame in frames for number in of_frame]
        return Parsed(frame, np.array(kept, dtype=np.int64), len(data), data.count(b"\n"))

    def _fault(self, text: bytes) -> tuple[str, str]:
        try:
            value = read_object(text)
        except _Fault as fault:
            return fault.args
        for name in self._texts:
            held = value.get(name)
            if isinstance(held, list | dict) or (isinstance(held, str) and _half_of_a_pair(held)):
                return f"{name} is no text", f"{name}: {json.dumps(held)[:60]} is no text"
        return "", ""

    def _halved(self, texts: list[bytes], lines: list[int]) -> Iterator[tuple[pl.DataFrame, list[int]]]:
        """Frames of the lines that Polars reads, too; what it refuses is found by halving."""
        if not texts:
            return
        frame = self._read(b"\n".join(texts))
        if frame is not None and frame.height == len(texts):
            yield frame, lines
        elif len(texts) == 1:
            self._log.add(self._path, lines[0], NO_JSON)
        else:
            middle = len(texts) // 2
            yield from self._halved(texts[:middle], lines[:middle])
            yield from self._halved(texts[middle:], lines[middle:])


def looks_odd(frame: pl.DataFrame, texts: Sequence[str]) -> bool:
    """Whether a text of a frame may have been a list, an object or half of a surrogate pair.

    Args:
        frame: read by Polars, as strings.
        texts: the columns that must be text or whole numbers.
    """
    import polars as pl

    odd = []
    for name in texts:
        text = pl.col(name).str
        odd.append(text.starts_with("[") | text.starts_with("{") | text.contains("\0", literal=True))
    return any(frame.select(one.any().alias(str(place)) for place, one in enumerate(odd)).row(0)) if odd else False


class WantedObjects:
    """Parses the objects of a JSON-lines file that tell of wanted items: their values as text.

    A value is text, a number, or a list of such, joined by a space; null and a missing key are "".

    Args:
        path: the file, for errors.
        item: key of the item.
        columns: the other keys.
        wanted: items.
        log: told the lines that cannot be read.
    """

    def __init__(
        self, path: Path, item: str, columns: Sequence[str], *, wanted: Collection[str], log: BadLineLog
    ) -> None:
        self._path, self._item, self._columns, self._wanted, self._log = path, item, tuple(columns), wanted, log
        self._tokens = JsonLinesParser(path, (item,), log=log, texts=(item,))
        self._keys: dict[str, None] = {}

    def parse(self, data: bytes, line: int, *, final: bool) -> Parsed | None:
        """See `Parser.parse`.

        Raises:
            DatasetError: no object has the key of the item, or, at the end, one of the others.
        """
        import polars as pl

        found = self._tokens.parse(data, line, final=final)
        if found is None:
            return None
        texts = data[: found.used].split(b"\n")
        rows, lines = [], []
        for token, number in zip(found.frame[self._item].to_list(), found.lines.tolist(), strict=True):
            if token is None or not token.strip():
                self._log.add(self._path, number, f"{self._item} is empty", f"{self._item}: is empty")
            elif token in self._wanted:
                values = self._values(texts[number - line], number)
                if values is not None:
                    rows.append([token, *values])
                    lines.append(number)
        if final:
            self._refuse_unknown()
        names = (self._item, *self._columns)
        frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
        return Parsed(frame, np.array(lines, dtype=np.int64), found.used, found.ends)

    def _values(self, text: bytes, line: int) -> list[str] | None:
        try:
            value = read_object(text, numbers_as_text=True)
            self._keys.update(dict.fromkeys(value))
            return [_words(value.get(column), column) for column in self._columns]
        except _Fault as fault:
            self._log.add(self._path, line, *fault.args)
            return None

    def _refuse_unknown(self) -> None:
        for column in self._columns:
            if self._keys and column not in self._keys:
                raise DatasetError(
                    f"{self._path}  no key '{column}'.{did_you_mean(column, self._keys)} The objects have: "
                    f"{', '.join(self._keys)}."
                )


def _words(value: Any, column: str) -> str:
    parts = value if isinstance(value, list) else [value]
    if any(isinstance(part, list | dict) for part in parts):
        said = f"{column}: {json.dumps(value)[:60]} is neither text, a number nor a list of such"
        raise _Fault(f"{column} is neither text, a number nor a list of such", said)
    texts = [json.dumps(part) if isinstance(part, bool) else part for part in parts if part is not None]
    return " ".join(texts).strip().encode(errors="replace").decode()


class _Fault(Exception):
    """Why a line is no JSON object: the kind, and the line's own fault."""


def read_object(text: bytes, *, numbers_as_text: bool = False) -> dict[str, Any]:
    """The object of a line.

    Args:
        text: the line.
        numbers_as_text: keep numbers as they are written.

    Raises:
        _Fault: it is none.
    """
    keep = str if numbers_as_text else None
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_refuse, parse_float=keep, parse_int=keep)
    except UnicodeDecodeError as error:
        raise _Fault(NO_UTF8, f"is not UTF-8 text: {error.reason} at byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise _Fault(NO_JSON, f"is no JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _Fault(NO_JSON, f"is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise _Fault(NO_OBJECT, "is no JSON object; a line is {...}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON's")


def _half_of_a_pair(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _keys(text: bytes) -> list[str]:
    try:
        return list(read_object(text))
    except _Fault:
        return []
