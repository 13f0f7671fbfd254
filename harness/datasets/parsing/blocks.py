"""Source files in blocks of whole lines, read in a thread of their own; and the lines that cannot be read."""

from __future__ import annotations

import hashlib
import queue
import threading
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from .raw import ReadProgress, Source

if TYPE_CHECKING:
    import polars as pl


BLOCK_BYTES = 2**24
"""Bytes of text that are parsed at once."""

LONGEST_LINE = 2**28
"""A file with a longer line is taken for no file of lines."""

NO_UTF8 = "not UTF-8 text"

_READ_BYTES = 2**18  # of the file at once: what inflates from it should stay in the processor's cache
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Parsed:
    """What a parser made of a block.

    Attributes:
        frame: columns of the rows that can be read, called as the file calls them.
        lines: (R,) int64, the number of the line each row begins on.
        used: bytes of the block that it is made from; the others go before the next block.
        ends: ends of lines among them.
    """

    frame: pl.DataFrame
    lines: NDArray[np.int64]
    used: int = 0
    ends: int = 0


class Parser(Protocol):
    """Whoever turns the lines of one file into a frame; it is told the blocks in their order."""

    def parse(self, data: bytes, line: int, *, final: bool) -> Parsed | None:
        """Parse the whole lines of a block.

        Args:
            data: begins with the beginning of a line.
            line: its number.
            final: the file ends with it; otherwise its last line may be cut.

        Returns:
            None where the block holds no whole line.

        Raises:
            DatasetError: the file as a whole is not what it should be.
        """


@dataclass(frozen=True)
class _Piece:
    """Text of a file: what of the file is read, and whether it is the last."""

    data: bytes
    position: int
    final: bool


@dataclass(frozen=True)
class _Broken:
    """Why reading cannot go on."""

    why: str


_Told: TypeAlias = "_Piece | _Broken | BaseException"


class LineFile:
    """A file of lines: plain, or gzipped as its first bytes tell.

    Args:
        path: the file.
        progress: told after each block.
        block_bytes: how much text is parsed at once; results do not depend on it.
    """

    def __init__(self, path: Path, *, progress: ReadProgress, block_bytes: int | None = None) -> None:
        self.path = path
        self._progress = progress
        self._block_bytes = BLOCK_BYTES if block_bytes is None else block_bytes
        self._digest = hashlib.sha256()
        self._size = path.stat().st_size

    def source(self) -> Source:
        """Name, digest and size; of a file that was read to its end."""
        return Source(self.path.name, self._digest.hexdigest(), self._size)

    def parsed(self, parser: Parser) -> Iterator[Parsed]:
        """Parse the file, block after block.

        Args:
            parser: told the blocks.

        Raises:
            DatasetError: the file is empty, not text, cut short or damaged, or what the parser raises.
        """
        rest, line = b"", 1
        with closing(self._pieces()) as pieces:
            for piece in pieces:
                if isinstance(piece, _Broken):
                    after = line - 1 + rest.count(b"\n")
                    raise DatasetError(f"{self.path} {piece.why}, after {after:,} whole lines. Download it again.")
                data = rest + piece.data if rest else piece.data
                if line == 1 and len(data) <= len(_BOM) and not piece.final:
                    rest = data
                    continue
                if line == 1:
                    data = self._text(data)
                self._progress(piece.position, self._size, self.path.name)
                found = parser.parse(data, line, final=piece.final)
                if found is None:
                    rest = data
                else:
                    yield found
                    line += found.ends
                    rest = data[found.used :]
                if len(rest) > LONGEST_LINE:
                    raise DatasetError(
                        f"{self.path}:{line}  has more than {LONGEST_LINE // 2**20} MB without an end of line. "
                        "One record a line is wanted."
                    )

    def _text(self, data: bytes) -> bytes:
        if data.startswith(_UTF16):
            raise DatasetError(f"{self.path} is UTF-16 text. Save it as UTF-8.")
        data = data.removeprefix(_BOM)
        if not data:
            raise DatasetError(f"{self.path} is empty.")
        return data

    def _pieces(self) -> Generator[_Piece | _Broken, None, None]:
        """The text, read and unpacked by a thread that is at most two blocks ahead."""
        told: queue.Queue[_Told] = queue.Queue(maxsize=2)
        stop = threading.Event()
        thread = threading.Thread(target=self._read_into, args=(told, stop), name=f"read {self.path.name}", daemon=True)
        thread.start()
        try:
            while True:
                piece = told.get()
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
                if isinstance(piece, _Broken) or piece.final:
                    return
        finally:
            stop.set()
            thread.join()

    def _read_into(self, told: queue.Queue[_Told], stop: threading.Event) -> None:
        def tell(piece: _Told) -> None:
            while not stop.is_set():
                try:
                    return told.put(piece, timeout=0.1)
                except queue.Full:
                    continue
            return None

        try:
            with self.path.open("rb") as stream:
                for piece in self._gathered(stream):
                    tell(piece)
                    if stop.is_set():
                        return
        except OSError as error:
            tell(DatasetError(f"{self.path} cannot be read: {error.strerror or error}."))
        except BaseException as error:  # whoever waits for the next piece must learn of it
            tell(error)

    def _gathered(self, stream: BufferedReader) -> Iterator[_Piece | _Broken]:
        held: list[bytes] = []
        size = 0
        for text, position in self._unpacked(stream):
            if isinstance(text, _Broken):
                yield _Piece(b"".join(held), position, False)
                yield text
                return
            held.append(text)
            size += len(text)
            if size >= self._block_bytes:
                end = text.rfind(b"\n") + 1 or len(text)  # whole lines where that is easy: less to copy later
                held[-1] = text[:end]
                yield _Piece(b"".join(held), position, False)
                held, size = [text[end:]], len(text) - end
        yield _Piece(b"".join(held), self._size, True)

    def _unpacked(self, stream: BufferedReader) -> Iterator[tuple[bytes | _Broken, int]]:
        """Text, and how many bytes of the file were read for it; nothing comes after `_Broken`."""
        read_bytes = min(_READ_BYTES, self._block_bytes)
        packed = stream.peek(2)[:2] == _GZIP
        if self.path.name.endswith(".gz") and not packed and self._size:
            raise DatasetError(
                f"{self.path} is called .gz and is not gzipped. Download it again, or rename it where it is plain text."
            )
        inflate = _Inflate() if packed else None
        position = 0
        while chunk := stream.read(read_bytes):
            self._digest.update(chunk)
            position += len(chunk)
            if inflate is None:
                yield chunk, position
                continue
            try:
                for text in inflate.texts(chunk):
                    yield text, position
            except zlib.error as error:
                yield _Broken(f"is damaged near byte {position:,} ({error})"), position
                return
        if inflate is not None and not inflate.whole:
            yield _Broken("is cut short: the gzip stream ends too early"), position


class _Inflate:
    """Unpacks a gzip stream of one member or several, one after the other."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)

    @property
    def whole(self) -> bool:
        """Whether the last member is complete."""
        return self._member.eof

    def texts(self, chunk: bytes) -> Iterator[bytes]:
        """What a piece of the stream unpacks to, a block at most at a time.

        Raises:
            zlib.error: it is no gzip stream.
        """
        while True:
            if self._member.eof:
                chunk = chunk.lstrip(b"\0")  # padding after a member
                if not chunk:
                    return
                self._member = zlib.decompressobj(31)
            text = self._member.decompress(chunk, BLOCK_BYTES)
            if text:
                yield text
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if not chunk and len(text) < BLOCK_BYTES:
                return
