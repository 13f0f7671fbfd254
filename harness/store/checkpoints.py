"""Checkpoints in a store: ROOT/checkpoints/KEY/, each there whole or not at all, with a checksum of every file.

They come and go in parts, so that no process holds one twice and no result waits long for a big one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ..trial.checkpoint import FILES, KEPT, SCHEMA, Buffer
from ..utils import files as atomic
from ..utils.errors import CheckpointError

PART_BYTES = 16 * 2**20

_MANIFEST = "manifest.json"
_KEY = re.compile(r"[0-9a-f]{32}")
_STAGED = ".staged"
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what reading a damaged file may raise


class Channel(Protocol):
    """What a trial needs of the place where checkpoints are: `Checkpoints`, or the way to one on another node."""

    def put(self, key: str, token: str, name: str, offset: int, content: bytes) -> None:
        """Stage a part of a file, in order."""

    def commit(self, key: str, token: str, manifest: Mapping[str, Any]) -> None:
        """Make what was staged under a token the trial's checkpoint."""

    def open(self, key: str) -> tuple[dict[str, Any], dict[str, int]]:
        """The manifest of a trial's checkpoint, and the sizes of its files."""

    def get(self, key: str, name: str, offset: int, size: int) -> bytes:
        """A part of a file."""


class Checkpoints:
    """The folder of checkpoints.

    Args:
        root: the store's folder.
        clean: remove what killed writers left behind (for the one process that writes).
    """

    def __init__(self, root: Path, *, clean: bool = False) -> None:
        self._folder = Path(root) / "checkpoints"
        if clean and self._folder.is_dir():
            shutil.rmtree(self._folder / _STAGED, ignore_errors=True)
            atomic.clean(self._folder)

    def keys(self) -> set[str]:
        """The trials that have a checkpoint, kept ones of finished trials among them."""
        return {name for name in atomic.names(self._folder) if _KEY.fullmatch(name)}

    def has(self, key: str) -> bool:
        """Whether a trial has one."""
        return self.folder(key).is_dir()

    def resumable(self, key: str) -> bool:
        """Whether a trial has one to go on from, as far as its manifest says; a damaged one counts."""
        if not self.has(key):
            return False
        try:
            return set(_manifest(self.folder(key))["files"]) != set(KEPT)
        except (CheckpointError, *_DAMAGE):
            return True

    def stamp(self, key: str) -> int:
        """A number that changes with each new checkpoint of a trial; 0 where it has none."""
        try:
            return (self.folder(key) / _MANIFEST).stat().st_mtime_ns
        except OSError:
            return 0

    def folder(self, key: str) -> Path:
        """Where a trial's checkpoint is, or would be."""
        if not _KEY.fullmatch(key):
            raise CheckpointError(f"'{key}' is not the key of a trial: 32 hexadecimal digits")
        return self._folder / key

    def put(self, key: str, token: str, name: str, offset: int, content: bytes) -> None:
        """Stage a part of a file.

        Args:
            key: the trial.
            token: of this checkpoint, hexadecimal; those of one trial do not mix.
            name: one of `FILES`.
            offset: bytes of the file that have been staged before.
            content: what follows them.

        Raises:
            CheckpointError: parts out of order, or a folder that cannot be written.
        """
        with self._staging(key):
            path = self._staged(key, token) / _known(name)
            if not path.parent.is_dir():
                self._drop(key)
                path.parent.mkdir(parents=True)
            if offset != (path.stat().st_size if path.exists() else 0):
                raise CheckpointError(f"it could not be written: {name} does not go on at byte {offset}")
            atomic.append(path, content)

    def commit(self, key: str, token: str, manifest: Mapping[str, Any]) -> None:
        """Make what was staged under a token the trial's checkpoint, in place of the one before.

        Raises:
            CheckpointError: a file is missing, or the folder cannot be written.
        """
        staged = self._staged(key, token)
        with self._staging(key):
            missing = [name for name in manifest["files"] if not (staged / _known(name)).is_file()]
            if missing:
                raise CheckpointError(f"it could not be written: {', '.join(missing)} did not arrive")
            atomic.append(staged / _MANIFEST, _json(manifest))
            atomic.place_folder(staged, self.folder(key))

    def open(self, key: str) -> tuple[dict[str, Any], dict[str, int]]:
        """The manifest of a trial's checkpoint, and the sizes of its files.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        with _reading():
            folder = self.folder(key)
            manifest = _manifest(folder)
            return manifest, {name: (folder / _known(name)).stat().st_size for name in manifest["files"]}

    def get(self, key: str, name: str, offset: int, size: int) -> bytes:
        """A part of a file.

        Raises:
            CheckpointError: it cannot be read.
        """
        with _reading(), (self.folder(key) / _known(name)).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def finish(self, key: str, *, keep: bool) -> None:
        """The trial is over: its checkpoint goes, or stays without what only going on needs.

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
            manifest = _manifest(folder)
            left = {name: manifest["files"][name] for name in KEPT}
            atomic.write_file(folder / _MANIFEST, _json({**manifest, "files": left}))
            for name in set(FILES) - set(KEPT):
                (folder / name).unlink(missing_ok=True)

    def clear(self, *, suite: str, over: Callable[[str], bool]) -> int:
        """Remove the checkpoints that nobody will go on from.

        Args:
            suite: the suite that has nothing left to run: what its trials left can go.
            over: whether a trial is stored.

        Returns:
            How many went. Kept ones and those of other suites' unfinished trials stay.
        """
        gone = 0
        for key in self.keys():
            if self.resumable(key) and (self._suite_of(key) == suite or over(key)):
                self.finish(key, keep=False)
                gone += 1
        if self._folder.is_dir() and not self.keys():
            shutil.rmtree(self._folder / _STAGED, ignore_errors=True)
            with suppress(OSError):  # something of somebody else's is in it
                self._folder.rmdir()
        return gone

    def _suite_of(self, key: str) -> str | None:
        try:
            return str(_manifest(self.folder(key))["suite"])
        except (CheckpointError, *_DAMAGE):
            return None

    @contextmanager
    def _staging(self, key: str) -> Iterator[None]:
        """What is staged of a trial goes where the next part of it cannot be written: a full disk needs the room."""
        try:
            with _writing():
                yield
        except CheckpointError:
            self._drop(key)
            raise

    def _drop(self, key: str) -> None:
        folder = self._folder / _STAGED
        for name in os.listdir(folder) if folder.is_dir() else ():
            if name.startswith(f"{key}-"):
                shutil.rmtree(folder / name, ignore_errors=True)

    def _staged(self, key: str, token: str) -> Path:
        if not _KEY.fullmatch(token):
            raise CheckpointError(f"'{token}' is not a checkpoint's token")
        return self._folder / _STAGED / f"{self.folder(key).name}-{token}"


def send(channel: Channel, key: str, files: Mapping[str, Iterable[Buffer]], *, suite: str) -> None:
    """Hand a checkpoint over; it is on disk, in place of the one before, when this returns.

    Args:
        channel: where to.
        key: the trial.
        files: name to pieces, from `checkpoint.pack`.
        suite: the suite that runs.

    Raises:
        CheckpointError: it cannot be written; the one before stays.
    """
    token = uuid.uuid4().hex
    checksums: dict[str, str] = {}
    for name, pieces in files.items():
        digest, offset = hashlib.sha256(), 0
        for part in _parts(pieces):
            channel.put(key, token, name, offset, part)
            digest.update(part)
            offset += len(part)
        checksums[name] = digest.hexdigest()
    channel.commit(key, token, {"schema": SCHEMA, "key": key, "suite": suite, "files": checksums})


def _parts(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """The same bytes in parts of `PART_BYTES`, the last one excepted; at least one."""
    held: list[Buffer] = []
    size = 0
    for piece in pieces:
        view = memoryview(piece)
        while size + len(view) >= PART_BYTES:
            cut = PART_BYTES - size
            yield b"".join((*held, view[:cut]))
            view, held, size = view[cut:], [], 0
        held.append(view)
        size += len(view)
    yield b"".join(held)


def fetch(channel: Channel, key: str) -> dict[str, bytes]:
    """The files of a trial's checkpoint, their checksums verified.

    Raises:
        CheckpointError: there is none, it is damaged, or of another schema.
    """
    manifest, sizes = channel.open(key)
    files: dict[str, bytes] = {}
    for name, size in sizes.items():
        content = bytearray()
        while len(content) < size:
            part = channel.get(key, name, len(content), PART_BYTES)
            if not part:
                break
            content += part
        if hashlib.sha256(content).hexdigest() != manifest["files"][name]:
            raise CheckpointError(f"it is damaged (the checksum of {name} is not that of the manifest)")
        files[name] = bytes(content)
    return files


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_bytes())
    if manifest["key"] != folder.name:
        raise CheckpointError(f"it is damaged (its manifest is that of trial {manifest['key']})")
    if manifest["schema"] != SCHEMA:
        raise CheckpointError(f"it has schema version {manifest['schema']}, and this version reads {SCHEMA}")
    return manifest


def _known(name: str) -> str:
    if name not in FILES:
        raise CheckpointError(f"it is damaged ('{name}' is no file of a checkpoint)")
    return name


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


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
