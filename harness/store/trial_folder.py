"""The folder of one stored trial: its manifest, and every check for damage.

    manifest.json   schema, key, and of every other file its SHA-256 and size
    result.json     numbers and text; valid.parquet, test.parquet, traces_*.safetensors: the evidence
    traceback.txt   of a failed trial, for people: only its checksum is read
    origin.json     of a trial taken over from others: whose it is

A summary reads result.json and checks the names and sizes of the others; `read_result` and `check` read all.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json

from ..records.results import Ranks, Rows, TrialResult, TrialSummary
from ..utils.errors import DamagedError, StoreError
from .format import (
    RESULT,
    SCHEMA,
    SPLITS,
    TRACEBACK,
    json_bytes,
    pack,
    ranks_of,
    reason_of,
    rows_of,
    sha256_of,
    summary_of,
    unpack,
)

MANIFEST = "manifest.json"
ORIGIN = "origin.json"

READABLE = (1,)
"""Schema versions of trials that this version reads."""

_ORIGIN_SCHEMA = 1
OURS = (
    RESULT,
    TRACEBACK,
    ORIGIN,
    *(f"{split}.parquet" for split in SPLITS),
    *(f"traces_{split}.safetensors" for split in SPLITS),
)
"""Names of all files that a trial may have beside its manifest."""
_NOT_DAMAGE = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_Read = TypeVar("_Read")


def files_of(result: TrialResult) -> dict[str, bytes]:
    """Name to content of a trial's files, the manifest last."""
    return _with_manifest(result.key, SCHEMA, pack(result))


def files_stored(folder: Path) -> dict[str, bytes]:
    """The same of a stored trial as they are, every checksum verified; errors as `read_result`."""

    def stored(manifest: Mapping[str, Any]) -> dict[str, bytes]:
        files = {name: _checked(folder, name, manifest) for name in manifest["files"]}
        return files | {MANIFEST: _bytes(folder, MANIFEST)}

    return _read(folder, stored)


def files_taken(folder: Path, source: str) -> dict[str, bytes]:
    """The same of another store's trial, every checksum verified, with `source` as its origin; errors as `read_result`.

    The origins that it had before stay, the oldest first.
    """
    before = read_origin(folder)

    def taken(manifest: Mapping[str, Any]) -> dict[str, bytes]:
        files = {name: _checked(folder, name, manifest) for name in manifest["files"] if name in OURS}
        origin = {"schema": _ORIGIN_SCHEMA, "from": [*before, source], "taken_at": round(time.time(), 3)}
        return _with_manifest(folder.name, manifest["schema"], files | {ORIGIN: json_bytes(origin)})

    return _read(folder, taken)


def read_origin(folder: Path) -> tuple[str, ...]:
    """Whom a trial was taken over from, the last one last; () for one that was run here. Errors as `read_summary`."""
    if not (folder / ORIGIN).exists():
        return ()
    return _read(folder, lambda manifest: _origin(from_json(_checked(folder, ORIGIN, manifest))))


def _origin(stored: Mapping[str, Any]) -> tuple[str, ...]:
    names = stored["from"]
    if stored["schema"] != _ORIGIN_SCHEMA or not isinstance(names, list) or not all(type(one) is str for one in names):
        raise ValueError(f"{ORIGIN} has another schema or no names")
    return tuple(names)


def _with_manifest(key: str, schema: int, files: Mapping[str, bytes]) -> dict[str, bytes]:
    manifest = {
        "schema": schema,
        "key": key,
        "files": {name: sha256_of(content) for name, content in sorted(files.items())},
        "sizes": {name: len(content) for name, content in sorted(files.items())},
    }
    return {**files, MANIFEST: json_bytes(manifest)}


def read_summary(folder: Path) -> TrialSummary:
    """A trial without its arrays.

    Raises:
        DamagedError: result.json is not as it was written, or another file is missing or has another size.
        StoreError: it cannot be read.
    """
    return _read(folder, lambda manifest: _summary(folder, manifest))


def read_result(folder: Path) -> TrialResult:
    """A whole trial, every checksum verified; errors as `read_summary`."""
    return _read(folder, lambda manifest: _result(folder, manifest))


def read_rows(folder: Path, split: str) -> Rows:
    """The rows of one split; errors as `read_summary`, and a StoreError if it has no such rows."""
    return _read_split(folder, split, rows_of)


def read_ranks(folder: Path, split: str) -> Ranks:
    """The ranks of one split; errors as `read_rows`."""
    return _read_split(folder, split, ranks_of)


def _read_split(folder: Path, split: str, of: Callable[[bytes], _Read]) -> _Read:
    name = f"{split}.parquet"

    def read(manifest: Mapping[str, Any]) -> _Read | None:
        return of(_checked(folder, name, manifest)) if name in manifest["files"] else None

    rows = _read(folder, read)
    if rows is None:
        raise StoreError(f"trial {folder.name[:8]} has no rows of '{split}'.")
    return rows


def foreign_files(folder: Path) -> list[str]:
    """Names in an undamaged trial's folder that are not in its manifest; hidden ones are ignored."""
    known = set(_read(folder, lambda manifest: dict(manifest["files"]))) | {MANIFEST}
    return sorted(name for name in os.listdir(folder) if name not in known and not name.startswith("."))


def _read(folder: Path, of: Callable[[Mapping[str, Any]], _Read]) -> _Read:
    """The result of `of` on a folder's manifest; retried once if another process has replaced the folder meanwhile."""
    before = _identity(folder)
    try:
        return _attempt(folder, of)
    except DamagedError:
        if _identity(folder) in (before, None):
            raise
        return _attempt(folder, of)


def _attempt(folder: Path, of: Callable[[Mapping[str, Any]], _Read]) -> _Read:
    try:
        return of(_manifest(folder))
    except OSError as error:
        if error.errno in _NOT_DAMAGE:
            raise StoreError(f"{folder} cannot be read: {error.strerror}.") from error
        raise DamagedError(folder, reason_of(error)) from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise DamagedError(folder, reason_of(error)) from error


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = from_json(_bytes(folder, MANIFEST))
    schema = manifest["schema"]
    if schema not in READABLE or isinstance(schema, bool):
        raise DamagedError(folder, f"schema version {schema!r:.20}; this version of rearec-bench reads {_versions()}")
    if manifest["key"] != folder.name:
        raise DamagedError(folder, f"its manifest belongs to trial {str(manifest['key'])[:40]}")
    with os.scandir(folder) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries if not entry.name.startswith(".")}
    for name in manifest["files"]:
        if name not in sizes:
            raise DamagedError(folder, f"{name!r:.60} is missing")
    for name, size in manifest.get("sizes", {}).items():
        if sizes[name] != size:
            raise DamagedError(folder, f"{name} has {sizes[name]:,} bytes of {size:,}")
    unknown = [name for name in OURS if name in sizes and name not in manifest["files"]]
    if unknown:
        raise DamagedError(folder, f"{unknown[0]} is not in its manifest")
    return manifest


def _summary(folder: Path, manifest: Mapping[str, Any]) -> TrialSummary:
    summary = summary_of(_checked(folder, RESULT, manifest))
    for split, metrics in zip(SPLITS, (summary.validation, summary.test), strict=True):
        if (metrics is not None) != (f"{split}.parquet" in manifest["files"]):
            raise DamagedError(folder, f"{split} has numbers without rows, or rows without numbers")
    if summary.key != folder.name:
        raise DamagedError(folder, f"its content is trial {summary.key}")
    return summary


def _result(folder: Path, manifest: Mapping[str, Any]) -> TrialResult:
    result = unpack({name: _checked(folder, name, manifest) for name in manifest["files"]})
    if result.key != folder.name:
        raise DamagedError(folder, f"its content is trial {result.key}")
    return result


def _checked(folder: Path, name: str, manifest: Mapping[str, Any]) -> bytes:
    content = _bytes(folder, name)
    if sha256_of(content) != manifest["files"][name]:
        raise DamagedError(folder, f"the checksum of {name} does not match the manifest")
    return content


def _bytes(folder: Path, name: str) -> bytes:
    with open(os.path.join(folder, name), "rb", buffering=0) as file:  # a third of the time that Path takes
        return file.readall()


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _versions() -> str:
    return f"version{'s' if len(READABLE) > 1 else ''} {', '.join(map(str, READABLE))}"
