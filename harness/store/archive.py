"""Suites with their trials as one file or folder, to hand on; an export is a results folder, and readable as one.

    export.json                              schema, and of every other file its SHA-256 and size; first in an archive
    suites/NAME/suite.json, index.json       no log: it names folders and machines
    suites/NAME/shown.jsonl                  if test numbers were shown early
    trials/KEY/...                           as they are stored

What comes from others is read with suspicion: only plain files of these names, as many and as large as export.json
says, and all of them as they were written.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from ..utils import files as atomic
from ..utils.errors import InputError, StoreError
from ..utils.text import counted, one_line
from .format import json_bytes, reason_of, sha256_of
from .shown import SHOWN
from .store import LISTING, Store, index_keys
from .suites import INDEX, SUITE, opened
from .trial_folder import MANIFEST, OURS

SCHEMA = 1
CODECS = {".tar.gz": "gzip", ".tgz": "gzip", ".tar.zst": "zstd"}
"""What an archive's name may end with, and pyarrow's name of its compression."""

_FILE = "|".join(name.replace(".", r"\.") for name in (MANIFEST, *OURS))
_NAME = rf"^(trials/[0-9a-f]{{32}}/({_FILE})|suites/[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}/({SUITE}|{INDEX}|{SHOWN}))$"
_MOST_FILES = 1_000_000
_MOST_BYTES = 1 << 40
_MOST_LISTING = 256 << 20
_MOST_TIMES, _SLACK = 200, 64 << 20  # that content may be larger than its archive: trials hold Parquet
_CHUNK = 1 << 20
Reach = Callable[[int, int], None]


class _File(BaseModel):
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0, le=_MOST_BYTES, strict=True)]


class _Listing(BaseModel):
    schema_: Literal[1] = Field(alias="schema")
    files: dict[Annotated[str, StringConstraints(pattern=_NAME)], _File]


class Unfit(InputError):
    """An archive or folder of others that is not taken; its text says why, and that nothing was changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is refused: {one_line(why)}. Nothing was taken over, and nothing was changed.")


def export(store: Store, suites: Sequence[str], target: Path, *, reach: Reach = lambda done, total: None) -> int:
    """Write suites and their trials to a new folder, or to an archive by the end of its name; the number of trials.

    The same trials give the same bytes. `reach` gets the trials checked and in all.

    Raises:
        InputError: the target exists, or has another ending.
        StoreError: a trial or a suite is damaged or missing, or the target cannot be written.
    """
    codec = _codec(target)
    refuse_existing(target)
    contents: dict[str, bytes | Path] = {}  # a run may write to a suite's files meanwhile, and never to a trial's
    keys: set[str] = set()

    def files() -> Iterator[tuple[str, bytes]]:
        for name, content in sorted(contents.items(), key=lambda each: each[0]):
            yield name, content if isinstance(content, bytes) else content.read_bytes()

    try:
        for name in suites:
            folder = store.suite_folder(name)
            held = {file: (folder / file).read_bytes() for file in (SUITE, INDEX, SHOWN) if (folder / file).is_file()}
            opened(folder / SUITE, held.get(SUITE))
            keys |= index_keys(opened(folder / INDEX, held.get(INDEX)))
            contents |= {f"suites/{name}/{file}": content for file, content in held.items()}
        for number, key in enumerate(sorted(keys), 1):
            store.read(key)
            paths = {f"trials/{key}/{name}": store.folder(key) / name for name in (MANIFEST, *OURS)}
            contents |= {name: path for name, path in paths.items() if path.is_file()}
            reach(number, len(keys))
        facts = {name: {"sha256": sha256_of(content), "size": len(content)} for name, content in files()}
        listing = LISTING, json_bytes({"schema": SCHEMA, "files": facts})
        if codec is None:
            _write_folder(target, chain([listing], files()))
        else:
            _write_archive(target, codec, chain([listing], files()))
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {reason_of(error)}.") from error
    return len(keys)


def refuse_existing(target: Path) -> None:
    """Raise `InputError` where something is in the place of a target, an empty folder apart."""
    if target.is_symlink() or target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"{target} exists. Name another place, or remove it.")


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive to an empty folder.

    Raises:
        Unfit: it is not as `export` wrote it, or too large.
    """
    codec = _codec(archive)
    if codec is None:
        raise Unfit(archive, f"it is no folder, and its name ends with none of {', '.join(CODECS)}")
    import pyarrow as pa

    try:
        with (
            pa.OSFile(str(archive)) as file,
            pa.CompressedInputStream(file, codec) as stream,
            tarfile.open(fileobj=stream, mode="r|", tarinfo=_PlainFile) as tar,
        ):
            _unpack(archive, tar, folder)
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise Unfit(archive, f"it cannot be unpacked ({reason_of(error)})") from error


def check_folder(folder: Path) -> None:
    """Check that a folder of results holds plain files, and those of its export.json where it has one.

    Raises:
        Unfit: a link or a device among suites and trials, or other files than export.json lists.
    """
    found: dict[str, int] = {}
    for part in ("trials", "suites"):
        for name, status in _plain_files(folder, folder / part):
            found[name] = status.st_size
    listing = folder / LISTING
    if not os.path.lexists(listing):
        return
    if not stat.S_ISREG(listing.lstat().st_mode):
        raise Unfit(folder, f"{LISTING} is no plain file")
    listed = _listed(folder, listing.read_bytes())
    for name in [name for name in (*listed, *found) if name.endswith(f"/{SHOWN}")]:  # readers add to it
        for files in (listed, found):
            files.pop(name, None)
    for name in sorted(listed.keys() ^ found.keys()):
        raise Unfit(folder, f"{name} is {'missing' if name in listed else f'not in its {LISTING}'}")
    for name, facts in listed.items():
        if found[name] != facts.size or sha256_of((folder / name).read_bytes()) != facts.sha256:
            raise Unfit(folder, f"{name} is not the file that {LISTING} lists")


def _plain_files(root: Path, folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    if not os.path.lexists(folder):
        return
    mode = folder.lstat().st_mode
    if not stat.S_ISDIR(mode):
        raise Unfit(root, f"{folder.relative_to(root)} is no folder")
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue  # of a writer, and soon gone
            path, status = Path(entry.path), entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from _plain_files(root, path)
            elif stat.S_ISREG(status.st_mode):
                yield path.relative_to(root).as_posix(), status
            else:
                raise Unfit(root, f"{path.relative_to(root)} is a link or a device")


class _PlainFile(tarfile.TarInfo):
    """A header of a plain file; all others are refused before what they announce is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _PlainFile:
        header = super().frombuf(buf, encoding, errors)
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise ValueError(f"{header.name[:99]!r} is no plain file: a link, a device, a folder or a longer header")
        return header


def _unpack(archive: Path, tar: tarfile.TarFile, folder: Path) -> None:
    first = tar.next()
    if first is None or first.name != LISTING:
        raise Unfit(archive, f"it does not begin with {LISTING}. Make it with:  rearec-bench results export")
    if first.size > _MOST_LISTING:
        raise Unfit(archive, f"its {LISTING} has {first.size:,} bytes")
    listing = _opened(tar, first).read()
    listed = _listed(archive, listing)
    total = sum(facts.size for facts in listed.values())
    most = min(archive.stat().st_size * _MOST_TIMES + _SLACK, shutil.disk_usage(folder).free)
    if total > most:
        raise Unfit(archive, f"it would unpack to {total:,} bytes, and {most:,} are the most for its size and the disk")
    (folder / LISTING).write_bytes(listing)
    left = dict(listed)
    while (member := tar.next()) is not None:
        if member.name not in left:
            twice = "comes twice" if member.name in listed else f"is not in its {LISTING}"
            raise Unfit(archive, f"{member.name[:99]!r} {twice}")
        facts = left.pop(member.name)
        if member.size != facts.size:
            raise Unfit(archive, f"{member.name} has {member.size:,} bytes of {facts.size:,}")
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if _copied(_opened(tar, member), target) != facts.sha256:
            raise Unfit(archive, f"{member.name} is not the file that {LISTING} lists")
    for name in left:
        raise Unfit(archive, f"{name} is missing")


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None, "of a plain file it is none"  # noqa: S101
    return file


def _copied(file: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as out:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _listed(path: Path, content: bytes) -> dict[str, _File]:
    try:
        stored = from_json(content)
        schema = stored.get("schema") if isinstance(stored, dict) else None
        if schema != SCHEMA or isinstance(schema, bool):
            version = f"schema version {schema!r:.20}; this version of rearec-bench reads {SCHEMA}"
            raise Unfit(path, f"its {LISTING} has {version}")
        listed = _Listing.model_validate(stored).files
    except (ValidationError, ValueError, RecursionError) as error:
        raise Unfit(path, f"its {LISTING} is damaged ({reason_of(error)})") from error
    if len(listed) > _MOST_FILES:
        raise Unfit(path, f"it has {counted(len(listed), 'file')}, and {_MOST_FILES:,} are the most")
    return listed


def _codec(path: Path) -> str | None:
    """The compression of an archive of this name; None for a folder.

    Raises:
        InputError: the name ends like an archive's of another kind.
    """
    name = path.name.lower()
    codec = next((codec for end, codec in CODECS.items() if name.endswith(end)), None)
    if codec is None and not path.is_dir() and name.endswith((".zip", ".tar", ".tar.bz2", ".tar.xz", ".gz", ".zst")):
        raise InputError(f"{path} is none of the archives that this program reads and writes: {', '.join(CODECS)}.")
    return None if path.is_dir() else codec


def _write_folder(target: Path, files: Iterable[tuple[str, bytes]]) -> None:
    with atomic.new_folder(target) as folder:
        for name, content in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def _write_archive(target: Path, codec: str, files: Iterable[tuple[str, bytes]]) -> None:
    import pyarrow as pa

    with (
        atomic.new_file(target) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.CompressedOutputStream(file, codec) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
