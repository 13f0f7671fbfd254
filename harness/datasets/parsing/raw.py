"""Source files: their digests and their lines."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias, cast

from ...utils.errors import DatasetError
from ...utils.text import printable

LONGEST_LINE = 2**28
"""A file with a longer line is not taken for a file of lines."""

BLANKS = " \t"
"""What separates words, and what a blank line is of."""

_GZIP = b"\x1f\x8b"
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_BY_MARK = {("", mark) for mark in _MARKS.values()} | {("utf-8", "utf-8-sig")}
_SEPARATOR = re.compile(r'"?sep=([^\w"])"?', re.IGNORECASE)
_HEAD = 2**20  # bytes in which the first line ends, nearly always
_LINES_A_REPORT = 2**16


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
    return Source(printable(path.name), digest, path.stat().st_size)


def polars_takes(path: Path) -> bool:
    """Whether Polars reads the file of a path: it knows UTF-8 alone, and reads what brackets match as a glob."""
    return printable(str(path)) == str(path) and not {*"*?["} & {*str(path)}


@dataclass(frozen=True)
class Writing:
    """How a file of text is written, by its first bytes.

    Attributes:
        encoding: that of its byte order mark; "" without one.
        lone_returns: lines end with carriage returns alone, as on old Macs.
        separator: that of fields, where a first line such as `sep=;`, which Excel knows, names it; else "".
    """

    encoding: str
    lone_returns: bool
    separator: str


def writing_of(path: Path) -> Writing:
    """How a file of text is written; errors as `lines_of`."""
    with _read_errors(path), path.open("rb") as file:
        return _writing(_unpacked(file).read(_HEAD))


def lines_of(
    path: Path, progress: ReadProgress | None = None, *, encoding: str = ""
) -> Generator[tuple[int, str], None, None]:
    """The lines of a text file with their numbers, from 1, and line ends; the one way to read text.

    It is plain or gzipped, by its first bytes; a byte order mark is no part of it, and names the encoding where
    `encoding` is "" (UTF-8 without a mark). A first line that names the separator is counted and left out. Lines end
    with a line feed or, if the first one does, with a carriage return. Bytes that are no text are half surrogates: see
    `is_text`.

    Raises:
        DatasetError: the file is empty, cut short or damaged, or has no lines.
    """
    line, size = 0, path.stat().st_size
    with _read_errors(path, lambda: line), path.open("rb") as file:
        writing = _writing(_unpacked(file).read(_HEAD))
        file.seek(0)
        newline = "" if writing.lone_returns else "\n"
        marked = writing.encoding if (encoding, writing.encoding) in _BY_MARK else encoding
        text_of = io.TextIOWrapper(_unpacked(file), marked or "utf-8", "surrogateescape", newline)
        while text := text_of.readline(LONGEST_LINE):
            if len(text) == LONGEST_LINE:
                raise DatasetError(
                    f"{path}:{line + 1}  has more than {LONGEST_LINE // 2**20} MB without a line end. "
                    "One record a line is wanted."
                )
            line += 1
            if line == 1 and writing.separator:
                continue
            yield line, text
            if progress is not None and line % _LINES_A_REPORT == 0:
                progress(file.tell(), size, path.name)
        text_of.detach()
    if line == bool(writing.separator):
        raise DatasetError(f"{path} is empty.")


def first_line(path: Path, *, encoding: str = "") -> tuple[int, str]:
    """The first line of a text file, with its number; errors as `lines_of`."""
    with closing(lines_of(path, encoding=encoding)) as lines:
        return next(lines)


def is_text(text: str) -> bool:
    """Whether what `lines_of` has read was text in its encoding."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def is_blank(line: str) -> bool:
    """Whether a line has nothing but blanks."""
    return not line.strip(BLANKS + "\r\n")


def split_words(line: str) -> list[str]:
    """The words of a line, separated by blanks."""
    return [word for word in line.rstrip("\r\n").replace("\t", " ").split(" ") if word]


def guessed_encoding(path: Path) -> str:
    """The 8-bit encoding of a file without a mark: "" for none, if most of its lines that are not ASCII are UTF-8.

    Otherwise "cp1252" where it has characters that ISO-8859-1 lacks, else "latin-1". Errors as `lines_of`.
    """
    if writing_of(path).encoding:
        return ""
    right, wrong, windows = 0, 0, False
    for _, line in lines_of(path):
        if line.isascii():
            continue
        if is_text(line):
            right += 1
        else:
            wrong += 1
            windows = windows or any("\udc80" <= character <= "\udc9f" for character in line)
    if wrong <= right:
        return ""
    return "cp1252" if windows else "latin-1"


def _unpacked(file: BufferedReader) -> BufferedReader:
    """What a file holds, unpacked if it is gzipped."""
    return cast("BufferedReader", gzip.GzipFile(fileobj=file)) if file.peek(2)[:2] == _GZIP else file


def _writing(head: bytes) -> Writing:
    encoding = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), "")
    text = head.decode(encoding or "latin-1", "ignore")
    end = min((place for place in (text.find("\n"), text.find("\r")) if place >= 0), default=-1)
    named = _SEPARATOR.fullmatch(text[:end]) if end > 0 else None
    separator = named[1] if named is not None else ""
    return Writing(encoding, text[end : end + 1] == "\r" and text[end + 1 : end + 2] != "\n", separator)


@contextmanager
def _read_errors(path: Path, lines: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """A file that cannot be read as a DatasetError; `lines` counts the whole lines before."""
    try:
        yield
    except EOFError as error:
        raise DatasetError(
            f"{path} is cut short: the gzip stream ends too early, after {lines():,} whole lines. Download it again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{path} is damaged after {lines():,} whole lines ({error}). Download it again.") from error
    except UnicodeError as error:
        raise DatasetError(f"{path}:{lines() + 1}  is not {error.args[0]} text.") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error
