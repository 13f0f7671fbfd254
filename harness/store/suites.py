"""A suite's files in the store: sealed when written, checked when read.

    suite.json, index.json   schema, the SHA-256 of the content and the place it was written to, then the content
    run.jsonl                one event a line, each with its schema; nothing is computed from it

Version 1 had no seal, and a schema in index.json alone; it is read as it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..records.spec import canonical
from ..utils.errors import DamagedError
from .format import json_bytes, plain

SCHEMA = 2
READABLE = (1, 2)
"""Schema versions of a suite's files that this version reads."""

SUITE, INDEX, LOG = "suite.json", "index.json", "run.jsonl"
KEY = re.compile(r"[0-9a-f]{32}")

_SEAL = ("schema", "sha256", "stored_as")


def sealed(content: Mapping[str, Any], *, folder: str, file: str) -> bytes:
    """A file's bytes.

    Args:
        content: JSON values.
        folder: of the suite.
        file: `SUITE` or `INDEX`.
    """
    held = plain({name: value for name, value in content.items() if name not in _SEAL})
    return json_bytes({"schema": SCHEMA, "sha256": _digest(held), "stored_as": f"{folder}/{file}", **held})


def opened(path: Path) -> dict[str, Any]:
    """The content of `suite.json` or `index.json`, without its seal.

    Raises:
        DamagedError: it is not there, or not what was written.
    """
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise DamagedError(path, str(said)) from error
    if not isinstance(held, dict):
        raise DamagedError(path, "it holds no names")
    schema = held.get("schema", 1)
    if schema not in READABLE or isinstance(schema, bool):
        versions = " and ".join(map(str, READABLE))
        raise DamagedError(path, f"schema version {schema!r:.20}; this version of rearec-bench reads {versions}")
    content = {name: value for name, value in held.items() if name not in _SEAL}
    if schema > 1:
        if held.get("sha256") != _digest(content):
            raise DamagedError(path, "its content is not that of its checksum")
        if held.get("stored_as") != f"{path.parent.name}/{path.name}":
            raise DamagedError(path, f"it was written as {held.get('stored_as')!r:.80}")
    if path.name == INDEX:
        _check_index(path, content)
    return content


@dataclass(frozen=True)
class LogLines:
    """The lines of a `run.jsonl`.

    Attributes:
        good: those that can be read.
        torn: how many a killed process left half-written.
        bad: number (from 1) and reason of every other one.
    """

    good: tuple[str, ...]
    torn: int
    bad: tuple[tuple[int, str], ...]


def log_lines(content: bytes) -> LogLines:
    """Sort the lines of a log."""
    good: list[str] = []
    torn = 0
    bad: list[tuple[int, str]] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            if not isinstance(event, dict) or event.get("schema", 1) not in READABLE:
                raise ValueError("no event of a schema that is known")
            good.append(line.decode())
        except json.JSONDecodeError as error:
            if line.startswith(b"{") and (error.pos >= len(line.decode()) or error.msg.startswith("Unterminated")):
                torn += 1
            else:
                bad.append((number, error.msg))
        except (ValueError, RecursionError) as error:
            bad.append((number, str(error)))
    return LogLines(tuple(good), torn, tuple(bad))


def index_keys(index: Mapping[str, Any]) -> set[str]:
    """All trials that a suite's index names."""
    return {key for entry in index.get("cells", {}).values() for key in _keys(entry) if key}


def without_trials(index: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    """An index that names none of some trials."""

    def kept(entry: Mapping[str, Any]) -> dict[str, Any]:
        held = dict(entry)
        if "search" in held:
            held["search"] = [None if key in gone else key for key in held["search"]]
        if "failed" in held:
            held["failed"] = [key for key in held["failed"] if key not in gone]
        if held.get("best") in gone:
            held["best"] = None
        if "final" in held:
            held["final"] = {seed: key for seed, key in held["final"].items() if key not in gone}
        return held

    return {**index, "cells": {cell: kept(entry) for cell, entry in index.get("cells", {}).items()}}


def _keys(entry: Mapping[str, Any]) -> Iterator[str | None]:
    yield from entry.get("search", ())
    yield from entry.get("failed", ())
    yield entry.get("best")
    yield from entry.get("final", {}).values()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def _check_index(path: Path, index: Mapping[str, Any]) -> None:
    """What a table or a command takes from an index is of the type it takes."""
    try:
        for name, entry in index.get("cells", {}).items():
            seeds = [int(seed) for seed in entry.get("final", {})]
            keys = [key for key in _keys(entry) if key is not None]
            if len(set(seeds)) != len(seeds) or not all(KEY.fullmatch(key) for key in keys):
                raise ValueError(f"cell {name!r:.40}")
            if not isinstance(entry.get("note", ""), str):
                raise TypeError(f"note of cell {name!r:.40}")
        for facts in index.get("dataset_facts", {}).values():
            _check_facts(facts)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedError(path, f"{type(error).__name__}: {error}"[:200]) from error


def _check_facts(facts: Mapping[str, Any]) -> None:
    counts, protocol = facts.get("statistics", {}), facts.get("protocol", {})
    numbers = [counts["items"]] if "items" in counts else []
    if "rows" in counts:
        numbers += [counts["rows"]["test"], counts["row_users"]["test"]]
    if not all(isinstance(number, int) for number in numbers) or not isinstance(protocol, dict):
        raise TypeError("statistics of a data set")
    if "vectors" in facts and not isinstance(facts["vectors"]["width"], int):
        raise TypeError("item vectors of a data set")
