"""Texts of items: the paper's template, and JSON-lines files with the attributes of items."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DatasetError

OPENING = "The item information is as follows:"


def item_text(attributes: Mapping[str, str]) -> str:
    """The text of an item, from which its vector is made (paper, section 2.1).

    Args:
        attributes: key -> value, in the order in which they are told.

    Returns:
        The opening words and one line `key: value` for each attribute that has a value, white space within a value
        made single spaces; "" where none has.
    """
    told = {key: " ".join(value.split()) for key, value in attributes.items()}
    lines = [f"{key}: {value}" for key, value in told.items() if value]
    return "\n".join([OPENING, *lines]) if lines else ""


def read_attributes(path: Path, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read a file with one JSON object an item on each line.

    Args:
        path: plain, or gzipped where its name ends in .gz. An object has `item_id` (text or a whole number); every
            other key may be missing. Blank lines are passed over.
        keys: attributes to read. A value is text, a list of texts (joined by a space), or null.

    Returns:
        Item -> its attributes, in the order of `keys`; a missing one is "".

    Raises:
        DatasetError: not readable, a line that is no such object, an item on two lines, no item at all.
    """
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        entry = _object(line, place)
        item = _item(entry, place)
        if item in lines:
            raise DatasetError(f"{place}  item_id: '{item}' stands on line {lines[item]} already.")
        lines[item] = number
        found[item] = {key: _words(entry.get(key), place, key) for key in keys}
    if not found:
        raise DatasetError(f"{path} is empty. A line is a JSON object with item_id, {', '.join(keys)}.")
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 1
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}:{number}  is not UTF-8 text: {error}.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place}  is no JSON: {error}.") from error
    if not isinstance(entry, dict):
        raise DatasetError(f'{place}  is no JSON object; a line is {{"item_id": ..., ...}}.')
    return entry


def _item(entry: Mapping[str, Any], place: str) -> str:
    if "item_id" not in entry:
        raise DatasetError(f"{place}  no key 'item_id'. The object has: {', '.join(entry) or 'none'}.")
    item = entry["item_id"]
    if isinstance(item, bool) or not isinstance(item, str | int) or not str(item).strip():
        raise DatasetError(f"{place}  item_id: {json.dumps(item)} is neither text nor a whole number.")
    return str(item).strip()


def _words(value: Any, place: str, key: str) -> str:
    parts = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(part, str) for part in parts):
        raise DatasetError(f"{place}  {key}: {json.dumps(value)[:60]} is neither text nor a list of texts.")
    return " ".join(parts).strip().encode(errors="replace").decode()
