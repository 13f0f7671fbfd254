"""Files read line by line with Python's csv and json: slow, and each line that cannot be read is counted."""

from __future__ import annotations

import csv
import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ...utils.errors import DatasetError
from ...utils.messages import hint
from .bad_lines import BadLineLog
from .layout import LONGEST_FIELD, Layout, column_names, places_of
from .raw import ReadProgress, guessed_encoding, is_blank, is_text, lines_of

if TYPE_CHECKING:
    import polars as pl

LINE = "\n"
"""The column with the number of each row's line; no column of a file is called so."""

_ROWS = 2**12
_NOT_UTF8 = "not UTF-8 text"
_SHOWN_KEYS = 100  # objects whose keys an error names
_Row = tuple[int, Sequence[str | None]]


def frames(rows: Iterator[_Row], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Rows as frames of strings, with the numbers of their lines in `LINE`."""
    import polars as pl

    schema = {LINE: pl.UInt32, **dict.fromkeys(columns, pl.String)}
    while part := list(islice(rows, _ROWS)):
        by_column = {name: [values[place] for _, values in part] for place, name in enumerate(columns)}
        yield pl.DataFrame({LINE: [line for line, _ in part], **by_column}, schema=schema)


def separated_rows(
    path: Path, layout: Layout, columns: Sequence[str], log: BadLineLog, progress: ReadProgress
) -> Iterator[_Row]:
    """Line number and wanted fields of the rows of a delimited file that can be read; blank lines are skipped.

    The log gets the lines with another number of fields than the header, with an unpaired quote, or that are not text
    in a wanted column. An unclosed quote spoils its line alone.

    Raises:
        DatasetError: the file is damaged or cut short, or lacks a column.
    """
    if layout.guess_encoding and not layout.encoding:
        encoding = guessed_encoding(path)
        if encoding:
            layout = replace(layout, encoding=encoding)
            log.guess(path, "encoding", encoding)
    names = column_names(path, layout)
    places = places_of(columns, names, path, layout)
    records = _records(path, layout, log, progress)
    if layout.header:
        next(records, None)
    for line, fields in records:
        if len(fields) != len(names):
            other = "the header" if layout.header else "the first line"
            count = f"{len(fields)} field{'s' if len(fields) != 1 else ''}"
            log.add(path, line, "wrong number of fields", f"has {count}, {other} {len(names)}")
            continue
        wanted = [fields[place] for place in places]
        broken = next((column for column, field in zip(columns, wanted, strict=True) if not is_text(field)), None)
        if broken is None:
            yield line, wanted
        else:
            what = f"not {layout.encoding} text" if layout.encoding else _NOT_UTF8
            log.add(path, line, what, f"{broken}: is {what}")


def _records(path: Path, layout: Layout, log: BadLineLog, progress: ReadProgress) -> Iterator[tuple[int, list[str]]]:
    """The records of a delimited file with the number of their first line; bytes that are not text as surrogates."""
    lines = lines_of(path, progress, encoding=layout.encoding)
    separator, quotes = layout.separator, layout.quotes and len(layout.separator) == 1
    again: deque[tuple[int, str]] = deque()  # lines after a quote that is not closed
    while (numbered := again.popleft() if again else next(lines, None)) is not None:
        line, text = numbered
        if not quotes or '"' not in text:
            plain = text.removesuffix("\n").removesuffix("\r")
            if not is_blank(plain) or separator in plain:
                yield line, plain.split(separator)
            continue
        taken: list[tuple[int, str]] = []
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(_text_and_more(text, again, lines, taken), delimiter=separator, strict=True)
        try:
            yield line, next(reader)
        except csv.Error as error:
            again.extendleft(reversed(taken))
            why = "text after a closing quote" if "expected after" in str(error) else "a quote that is not closed"
            log.add(path, line, why, f"has {why}")


def _text_and_more(
    text: str, again: deque[tuple[int, str]], lines: Iterator[tuple[int, str]], taken: list[tuple[int, str]]
) -> Iterator[str]:
    yield text
    while (following := again.popleft() if again else next(lines, None)) is not None:
        taken.append(following)
        yield following[1]


def json_rows(
    path: Path, columns: Sequence[str], tokens: Sequence[str], log: BadLineLog, progress: ReadProgress
) -> Iterator[_Row]:
    """The objects of a JSON-lines file that can be read; the log gets the other lines.

    Values are as `shown` gives them, of a missing key None. `tokens` are the columns that must be text or numbers.
    Errors as `json_objects`.
    """
    for line, value in json_objects(path, columns, log, progress):
        for name in tokens:
            token = value.get(name)
            if isinstance(token, list | dict) or (isinstance(token, str) and not is_text(token)):
                log.add(path, line, f"{name} is not text", f"{name}: {json.dumps(token)[:60]} is not text")
                break
        else:
            yield line, [shown(value.get(name)) for name in columns]


class Float(str):
    """A JSON number with a point or an exponent, as written."""


def shown(value: Any) -> str | None:
    """A JSON value as text, None for null; a float as Polars writes it: 1.0 is 1 whatever reads the file."""
    if isinstance(value, Float) and math.isfinite(number := float(value)):
        return str(int(number)) if number.is_integer() else repr(number)
    text = value if value is None or isinstance(value, str) else json.dumps(value)
    return None if text is None else text.encode(errors="replace").decode()


def json_objects(
    path: Path, keys: Sequence[str], log: BadLineLog, progress: ReadProgress
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of a JSON-lines file, numbers as written; blank lines are skipped, the log gets bad ones.

    Raises:
        DatasetError: the file is damaged or cut short, or no object has a key.
    """
    missing, seen = set(keys), dict[str, None]()
    count = 0
    for line, text in lines_of(path, progress):
        if is_blank(text):
            continue
        try:
            value = _object(text)
        except _BadLineError as error:
            log.add(path, line, *error.args)
            continue
        if count < _SHOWN_KEYS:
            seen.update(dict.fromkeys(value))
        count += 1
        missing.difference_update(value)
        yield line, value
    for key in keys:
        if count and key in missing:
            raise DatasetError(
                f"{path}  no key '{key}'.{hint(key, seen)} The objects have: {', '.join(seen) or 'none'}."
            )


class _BadLineError(Exception):
    """Why a line is not a JSON object: the kind, and the mistake in this line."""


def _object(text: str) -> dict[str, Any]:
    if not is_text(text):
        raise _BadLineError(_NOT_UTF8, "is not UTF-8 text")
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=Float, parse_int=str)
    except json.JSONDecodeError as error:
        raise _BadLineError("no JSON", f"is no JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _BadLineError("no JSON", f"is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise _BadLineError("no JSON object", "is no JSON object; a line is {...}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
