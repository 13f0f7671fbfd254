"""Checkpoints in a store: ROOT/checkpoints/KEY/, each written atomically, with a checksum of every file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ..trial.checkpoint import KEPT, READABLE, SCHEMA
from ..utils import files as atomic
from ..utils.errors import CheckpointError
from .format import json_bytes, sha256_of

_MANIFEST = "manifest.json"
_KEY = re.compile(r"[0-9a-f]{32}")
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading a damaged file may raise


class Channel(Protocol):
    """Where a trial writes and reads its checkpoint: `Checkpoints`, or a proxy for one on another node."""

    def write(self, key: str, files: Mapping[str, bytes], suite: str) -> None:
        """Store a checkpoint, replacing the trial's previous one."""

    def read(self, key: str) -> dict[str, bytes]:
        """The files of a trial's checkpoint."""


class Checkpoints:
    """The folder of checkpoints below a store's `root`.

    With `clean`, for the only process that writes, what killed writers left behind is removed first.
    """

    def __init__(self, root: Path, *, clean: bool = False) -> None:
        self._folder = Path(root) / "checkpoints"
        if clean and self._folder.is_dir():
            atomic.clean(self._folder)

    def keys(self) -> set[str]:
        """The trials that have a checkpoint, kept ones of finished trials included."""
        return {name for name in atomic.names(self._folder) if _KEY.fullmatch(name)}

    def has(self, key: str) -> bool:
        """Whether a trial has a checkpoint."""
        return self.folder(key).is_dir()

    def resumable(self, key: str) -> bool:
        """Whether a trial has a checkpoint to resume from, by its manifest; a damaged one counts."""
        if not self.has(key):
            return False
        try:
            return set(self.manifest(key)["files"]) != set(KEPT)
        except CheckpointError:
            return True

    def stamp(self, key: str) -> int:
        """A number that changes with each new checkpoint of a trial; 0 without one."""
        try:
            return (self.folder(key) / _MANIFEST).stat().st_mtime_ns
        except OSError:
            return 0

    def folder(self, key: str) -> Path:
        """Where a trial's checkpoint is, or would be."""
        if not _KEY.fullmatch(key):
            raise CheckpointError(f"'{key}' is not a valid trial key: 32 hexadecimal digits")
        return self._folder / key

    def write(self, key: str, files: Mapping[str, bytes], suite: str) -> None:
        """Store a checkpoint, replacing the previous one; it is on disk when this returns.

        Raises:
            CheckpointError: the folder cannot be written; the previous checkpoint stays.
        """
        checksums = {name: sha256_of(content) for name, content in files.items()}
        manifest = {"schema": SCHEMA, "key": key, "suite": suite, "files": checksums}
        with _writing():
            atomic.write_folder(self.folder(key), {**files, _MANIFEST: json_bytes(manifest)}, replace=True)

    def read(self, key: str) -> dict[str, bytes]:
        """The files of a trial's checkpoint, their checksums verified.

        Raises:
            CheckpointError: it is missing, damaged, or has another schema.
        """
        files = {}
        for name, checksum in self.manifest(key)["files"].items():
            with _reading():
                files[name] = (self.folder(key) / name).read_bytes()
            if sha256_of(files[name]) != checksum:
                raise CheckpointError(f"it is damaged (the checksum of {name} does not match the manifest)")
        return files

    def manifest(self, key: str) -> dict[str, Any]:
        """Schema, key, suite, and the checksums of a checkpoint's files; errors as `read`."""
        folder = self.folder(key)
        with _reading():
            manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_bytes())
            if manifest["key"] != folder.name:
                raise CheckpointError(f"it is damaged (its manifest belongs to trial {manifest['key']})")
            if manifest["schema"] not in READABLE:
                raise CheckpointError(f"it has schema version {manifest['schema']}, and this version reads {SCHEMA}")
            manifest["files"] = dict(manifest["files"])
            return manifest

    def finish(self, key: str, *, keep: bool) -> None:
        """Remove a finished trial's checkpoint, or with `keep` only what resuming alone needs.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        folder = self.folder(key)
        if not folder.is_dir():
            return
        with _writing():
            if not keep:
                atomic.remove_folder(folder)
                return
            manifest = self.manifest(key)
            stays = {name: manifest["files"][name] for name in KEPT}
            atomic.write_file(folder / _MANIFEST, json_bytes({**manifest, "files": stays}))
            for name in manifest["files"].keys() - stays:
                (folder / name).unlink(missing_ok=True)

    def clear(self, *, suite: str, over: Callable[[str], bool]) -> int:
        """Remove checkpoints that no run will resume, and return how many.

        They are those of `suite`, which has nothing left to run, and of trials that are `over` (stored). Kept ones and
        those of other suites' unfinished trials stay.
        """
        gone = 0
        for key in self.keys():
            if self.resumable(key) and (self._suite_of(key) == suite or over(key)):
                self.finish(key, keep=False)
                gone += 1
        if self._folder.is_dir() and not self.keys():
            shutil.rmtree(self._folder / ".staged", ignore_errors=True)  # of an earlier version
            with suppress(OSError):  # it has other files
                self._folder.rmdir()
        return gone

    def _suite_of(self, key: str) -> str | None:
        try:
            return str(self.manifest(key).get("suite"))
        except CheckpointError:
            return None


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"it could not be written: {why}") from error


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise CheckpointError(f"it is damaged ({type(error).__name__}: {error})") from error
