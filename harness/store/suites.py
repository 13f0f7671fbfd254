"""A suite's files in the store: sealed when written, checked when read.

    suite.json, index.json   schema, the SHA-256 of the content and the place it was written to, then the content
    run.jsonl                one event per line, each with its schema; nothing is computed from it

Version 1 had no seal, and a schema in index.json alone; it is still readable.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from ..records.spec import canonical
from ..utils.errors import DamagedError
from .format import json_bytes, plain, reason_of

SCHEMA = 2
READABLE = (1, 2)
"""Schema versions of a suite's files that this version reads."""

SUITE, INDEX, LOG = "suite.json", "index.json", "run.jsonl"
KEY = re.compile(r"[0-9a-f]{32}")

_SEAL = ("schema", "sha256", "stored_as")


def sealed(content: Mapping[str, Any], *, folder: str, file: str) -> bytes:
    """The bytes of `file` (`SUITE` or `INDEX`) in a suite's folder of that name."""
    values = plain({name: value for name, value in content.items() if name not in _SEAL})
    return json_bytes({"schema": SCHEMA, "sha256": _digest(values), "stored_as": f"{folder}/{file}", **values})


def opened(path: Path, content: bytes | None = None) -> dict[str, Any]:
    """What `suite.json` or `index.json` holds, without its seal; `content` is its bytes if they are read already.

    Raises:
        DamagedError: it is missing, or not as it was written.
    """
    try:
        stored = json.loads(path.read_bytes() if content is None else content)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DamagedError(path, str(reason)) from error
    if not isinstance(stored, dict):
        raise DamagedError(path, "it is not a JSON object")
    schema = stored.get("schema", 1)
    if schema not in READABLE or isinstance(schema, bool):
        versions = " and ".join(map(str, READABLE))
        raise DamagedError(path, f"schema version {schema!r:.20}; this version of rearec-bench reads {versions}")
    values = {name: value for name, value in stored.items() if name not in _SEAL}
    if schema > 1:
        if stored.get("sha256") != _digest(values):
            raise DamagedError(path, "its checksum does not match its content")
        if stored.get("stored_as") != f"{path.parent.name}/{path.name}":
            raise DamagedError(path, f"it was written as {stored.get('stored_as')!r:.80}")
    if path.name == INDEX:
        try:
            _Index.model_validate(values)
        except ValidationError as error:
            raise DamagedError(path, reason_of(error)) from error
    return values


def log_lines(content: bytes) -> tuple[list[str], int]:
    """The lines of a `run.jsonl` that can be read, and how many cannot; a killed run leaves one half-written."""
    lines: list[str] = []
    unreadable = 0
    for line in filter(bytes.strip, content.split(b"\n")):
        try:
            event = json.loads(line)
            is_known = isinstance(event, dict) and event.get("schema", 1) in READABLE
        except (ValueError, RecursionError):
            is_known = False
        if is_known:
            lines.append(line.decode())
        else:
            unreadable += 1
    return lines, unreadable


def logged_events(folder: Path) -> Iterator[dict[str, Any]]:
    """The events in the log of a suite's folder that can be read, oldest first; none where there is no log."""
    try:
        content = (folder / LOG).read_bytes()
    except OSError:
        return
    for line in log_lines(content)[0]:
        yield json.loads(line)


def last_command(folder: Path) -> str:
    """What was typed for the last run of a suite; "" where its log does not say."""
    commands = [event.get("command") for event in logged_events(folder) if event.get("event") == "begin"]
    return str(commands[-1] or "") if commands else ""


def index_keys(index: Mapping[str, Any]) -> set[str]:
    """All trials in a suite's index."""
    return {key for entry in index.get("cells", {}).values() for key in _keys(entry) if key}


def without_trials(index: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    """An index without some trials."""

    def kept(entry: Mapping[str, Any]) -> dict[str, Any]:
        cell = dict(entry)
        if "search" in cell:
            cell["search"] = [None if key in gone else key for key in cell["search"]]
        for name in ("failed", "behind"):
            if name in cell:
                cell[name] = [key for key in cell[name] if key not in gone]
        if cell.get("best") in gone:
            cell["best"] = None
        if "final" in cell:
            cell["final"] = {seed: key for seed, key in cell["final"].items() if key not in gone}
        return cell

    return {**index, "cells": {name: kept(entry) for name, entry in index.get("cells", {}).items()}}


def _keys(entry: Mapping[str, Any]) -> Iterator[str | None]:
    yield from entry.get("search", ())
    yield from entry.get("failed", ())
    yield from entry.get("behind", ())
    yield entry.get("best")
    yield from entry.get("final", {}).values()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


_Key = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Cell(BaseModel):
    search: tuple[_Key | None, ...] = ()
    failed: tuple[_Key, ...] = ()
    behind: tuple[_Key, ...] = ()
    best: _Key | None = None
    final: dict[int, _Key] = {}
    note: str = ""


class _Facts(BaseModel):
    """The facts of a data set that tables use."""

    class Statistics(BaseModel):
        items: int = 0
        rows: dict[str, int] = {}
        row_users: dict[str, int] = {}

    class Vectors(BaseModel):
        width: int

    statistics: Statistics = Statistics()
    protocol: dict[str, Any] = {}
    vectors: Vectors | None = None


class _Index(BaseModel):
    cells: dict[str, _Cell] = {}
    dataset_facts: dict[str, _Facts] = {}
