"""JSON-lines files with the attributes of items."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...utils.errors import DatasetError
from ..parsing.bad_lines import BadLines


def read_attributes(
    path: Path, keys: Sequence[str], *, key: str = "item_id", bad_lines: list[BadLines] | None = None
) -> dict[str, dict[str, str]]:
    """Read a file with one JSON object an item on each line.

    Args:
        path: plain, or gzipped where its name ends in .gz. An object has the key `key` (text or a whole number); every
            other one may be missing. Blank lines are passed over.
        keys: attributes to read. A value is text, a list of texts (joined by a space), or null.
        key: what the item's name is called.
        bad_lines: broken lines are skipped, and counted here; None where they are errors.

    Returns:
        Item -> its attributes, in the order of `keys`; a missing one is "".

    Raises:
        DatasetError: not readable, a line that is no such object, an item on two lines, no item at all.
    """
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    skipped: dict[str, list[int]] = {}
    for number, line in _lines(path):
        place = f"{path}:{number}"
        try:
            text = _decoded(line, place, first=number == 1)
            if not text.strip():
                continue
            entry = _object(text, place, key)
            item = _item(entry, place, key)
            if item in lines:
                said = f"{place}  {key}: '{item}' stands on line {lines[item]} already."
                raise _LineError(said, "the item stands on an earlier line")
            found[item] = {column: _words(entry.get(column), place, column) for column in keys}
        except _LineError as error:
            if bad_lines is None:
                raise
            skipped.setdefault(error.why, []).append(number)
        else:
            lines[item] = number
    if not found:
        raise DatasetError(f"{path} is empty. A line is a JSON object with {key}, {', '.join(keys)}.")
    if bad_lines is not None and skipped:
        bad_lines += [BadLines(path.name, why, len(where), where[0]) for why, where in skipped.items()]
    return found


class _LineError(DatasetError):
    """A line that cannot be read, and why in the words of the card."""

    def __init__(self, said: str, why: str) -> None:
        super().__init__(said)
        self.why = why


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            yield from enumerate(stream, start=1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error


def _decoded(line: bytes, place: str, *, first: bool) -> str:
    try:
        return line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise _LineError(f"{place}  is not UTF-8 text: {error}.", "is not UTF-8 text") from error


def _object(line: str, place: str, key: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _LineError(f"{place}  is no JSON: {error}.", "is no JSON") from error
    if not isinstance(entry, dict):
        raise _LineError(f'{place}  is no JSON object; a line is {{"{key}": ..., ...}}.', "is no JSON object")
    return entry


def _item(entry: Mapping[str, Any], place: str, key: str) -> str:
    if key not in entry:
        raise _LineError(f"{place}  no key '{key}'. The object has: {', '.join(entry) or 'none'}.", f"has no {key}")
    item = entry[key]
    if isinstance(item, bool) or not isinstance(item, str | int) or not str(item).strip():
        said = f"{place}  {key}: {json.dumps(item)} is neither text nor a whole number."
        raise _LineError(said, f"{key} is neither text nor a whole number")
    return str(item).strip()


def _words(value: Any, place: str, key: str) -> str:
    parts = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(part, str) for part in parts):
        said = f"{place}  {key}: {json.dumps(value)[:60]} is neither text nor a list of texts."
        raise _LineError(said, f"{key} is neither text nor a list of texts")
    return " ".join(parts).strip().encode(errors="replace").decode()
