"""Source files: their digests and their lines."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ...utils.errors import DatasetError
from ...utils.meter import Meter

LONGEST_LINE = 2**28
"""A file with a longer line is not taken for a file of lines."""

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LINES_A_REPORT = 2**16
_MEGABYTE = 1_000_000


ReadProgress: TypeAlias = Callable[[int, int, str], None]
"""Told how far reading is: bytes of the file as it lies on disk, its size, its name."""

LARGEST = 2**31 - 1
"""Ids are below it: they are kept in 32 bits."""


class MissingFileError(DatasetError):
    """A file of the source is missing; the caller who knows the recipe adds its command."""


@dataclass(frozen=True)
class Source:
    """A raw file of a data set: name without the folder, hexadecimal digest, size."""

    file: str
    sha256: str
    bytes: int


def describe(path: Path) -> Source:
    """Name, digest and size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Source(shown(path.name), digest, path.stat().st_size)


def is_utf8(path: Path) -> bool:
    """Whether a path is UTF-8 text; a library that is not written in Python may know no other."""
    return shown(str(path)) == str(path)


def shown(name: str) -> str:
    """A file's name as text, with a sign for each byte that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def lines_of(path: Path, progress: ReadProgress | None = None) -> Generator[tuple[int, bytes], None, None]:
    """The lines of a text file, plain or gzipped (by its first bytes), with their numbers, from 1, and line ends.

    Raises:
        DatasetError: the file is empty, not text, cut short or damaged, or has no lines.
    """
    line, size = 0, path.stat().st_size
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == _GZIP
            if path.name.endswith(".gz") and not packed and size:
                raise DatasetError(
                    f"{path} is called .gz and is not gzipped. Download it again, or rename it where it is plain text."
                )
            stream = gzip.GzipFile(fileobj=file) if packed else file
            while text := stream.readline(LONGEST_LINE):
                if len(text) == LONGEST_LINE:
                    raise DatasetError(
                        f"{path}:{line + 1}  has more than {LONGEST_LINE // 2**20} MB without a line end. "
                        "One record a line is wanted."
                    )
                if line == 0:
                    text = _checked(text, path)
                yield line + 1, text
                line += 1
                if progress is not None and line % _LINES_A_REPORT == 0:
                    progress(file.tell(), size, path.name)
    except EOFError as error:
        raise DatasetError(
            f"{path} is cut short: the gzip stream ends too early, after {line:,} whole lines. Download it again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} is damaged after {line:,} whole lines ({error}). Download it again.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error
    if line == 0:
        raise DatasetError(f"{path} is empty.")


def first_line(path: Path) -> bytes:
    """The first line of a text file; errors as `lines_of`."""
    with closing(lines_of(path)) as lines:
        return next(lines)[1]


def _checked(first: bytes, path: Path) -> bytes:
    """The first line without the byte order mark."""
    if first.startswith(_UTF16):
        raise DatasetError(f"{path} is UTF-16 text. Save it as UTF-8.")
    first = first.removeprefix(_BOM)
    if not first:
        raise DatasetError(f"{path} is empty.")
    if b"\r" in first.rstrip(b"\r\n"):
        raise DatasetError(f"{path}:1  has carriage returns for line ends. Save it with line feeds.")
    return first


class ReadingMeter:
    """A `ReadProgress` on a terminal or in a log: one line per file, with rate and time left."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._file = ""

    def __call__(self, done: int, total: int, file: str) -> None:
        """Show the progress of a file, in bytes on disk."""
        if file != self._file:
            self._file = file
            self._meter.begin(f"reading {file}", total=-(-total // _MEGABYTE), noun="MB")
        self._meter.reach(-(-done // _MEGABYTE))
        if done >= total:
            self._meter.end()
