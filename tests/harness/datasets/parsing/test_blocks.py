"""Blocks of lines: unpacking, what is cut short or damaged, and the log of bad lines."""

from __future__ import annotations

import gzip
import hashlib
import threading
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.parsing import blocks
from rearec_bench.harness.datasets.parsing.bad_lines import BadLineLog, BadLines
from rearec_bench.harness.datasets.parsing.blocks import LineFile, Parsed
from rearec_bench.harness.utils.errors import DatasetError


class Lines:
    """A parser that keeps the lines."""

    def __init__(self) -> None:
        self.found: list[tuple[int, bytes]] = []

    def parse(self, data: bytes, line: int, *, final: bool) -> Parsed | None:
        used = len(data) if final else data.rfind(b"\n") + 1
        texts = data[:used].split(b"\n")
        self.found += enumerate(texts if texts[-1] else texts[:-1], start=line)
        return Parsed(pl.DataFrame(), np.zeros(0, np.int64), used, data.count(b"\n", 0, used)) if used else None


def lines_of(path: Path, block: int | None = None) -> list[bytes]:
    parser = Lines()
    for _ in LineFile(path, progress=lambda *_: None, block_bytes=block).parsed(parser):
        pass
    assert [number for number, _ in parser.found] == list(range(1, len(parser.found) + 1))
    return [line for _, line in parser.found]


def file(folder: Path, content: bytes, name: str = "data.txt") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.binary(min_size=1, max_size=9).map(lambda b: b.replace(b"\n", b"")), max_size=5),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
    st.sampled_from([1, 2, 7, 100]),
)
def test_lines_come_out_as_they_are_in_members_of_gzip_and_blocks_of_any_size(
    tmp_path: Path, members: list[list[bytes]], ended: bool, block: int
) -> None:
    texts = [b"".join(line + b"\n" for line in lines) for lines in members]
    texts[0] = b"first\n" + texts[0]
    if not ended:
        texts[-1] = texts[-1] + b"last"
    whole = b"".join(texts)
    expected = whole.split(b"\n") if not ended else whole.split(b"\n")[:-1]
    for content in (whole, b"".join(map(gzip.compress, texts)), gzip.compress(whole) + b"\0" * 9):
        found = lines_of(file(tmp_path, content), block)
        assert found == expected


def test_what_unpacks_to_much_more_than_was_read_comes_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    seen = lines_of(file(tmp_path, gzip.compress((b"x" * 99 + b"\n") * 20_000)))
    assert (len(seen), set(seen)) == (20_000, {b"x" * 99})


def test_the_source_is_the_file_on_disk(tmp_path: Path) -> None:
    path = file(tmp_path, gzip.compress(b"a\n" * 1000), "x.csv.gz")
    told: list[tuple[int, int, str]] = []
    reading = LineFile(path, progress=lambda *of: told.append(of), block_bytes=10)
    for _ in reading.parsed(Lines()):
        pass
    source = reading.source()
    assert (source.file, source.bytes) == ("x.csv.gz", path.stat().st_size)
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told[-1] == (source.bytes, source.bytes, "x.csv.gz")
    assert [read for read, _, _ in told] == sorted(read for read, _, _ in told)


def cut_short(folder: Path) -> tuple[Path, int]:
    """A file whose second half is missing, and the whole lines of what can be unpacked."""
    rng = np.random.default_rng(0)
    content = b"".join(b"%d\n" % number for number in rng.integers(0, 10**9, size=50_000))
    packed = gzip.compress(content)
    half = packed[: len(packed) // 2]
    return file(folder, half, "cut.csv.gz"), zlib.decompressobj(31).decompress(half).count(b"\n")


@pytest.mark.parametrize("block", [100, 2**24])
def test_a_gzip_stream_that_is_cut_short_is_told_with_its_lines(tmp_path: Path, block: int) -> None:
    path, lines = cut_short(tmp_path)
    with pytest.raises(DatasetError) as error:
        lines_of(path, block)
    assert f"cut.csv.gz is cut short: the gzip stream ends too early, after {lines:,} whole lines" in str(error.value)
    assert "Download it again." in str(error.value)


def test_damage_within_a_gzip_stream_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"some text\n" * 100))
    packed[-6] ^= 0xFF
    with pytest.raises(DatasetError, match=r"is damaged near byte .* Download it again"):
        lines_of(file(tmp_path, bytes(packed), "x.gz"))
    with pytest.raises(DatasetError, match="is damaged"):
        lines_of(file(tmp_path, gzip.compress(b"a\n") + b"junk"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv.gz", b"<html>not found</html>", "is called .gz and is not gzipped"),
        ("x.csv", b"", "is empty"),
        ("x.csv.gz", gzip.compress(b""), "is empty"),
        ("x.csv", b"\xef\xbb\xbf", "is empty"),
        ("x.csv", "a,b\n".encode("utf-16"), "is UTF-16 text"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        lines_of(file(tmp_path, content, name))


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1000)
    with pytest.raises(DatasetError, match="One record a line is wanted"):
        lines_of(file(tmp_path, b"[" + b"1," * 5000), 100)


def test_the_reading_thread_ends_when_nobody_wants_more(tmp_path: Path) -> None:
    path = file(tmp_path, b"some line\n" * 10_000)
    reading = LineFile(path, progress=lambda *_: None, block_bytes=100).parsed(Lines())
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "read data.txt"]


def test_the_log_counts_by_file_and_reason_and_names_the_first() -> None:
    log = BadLineLog("error")
    log.refuse()
    log.add(Path("d/a.csv"), 9, "no JSON", "is no JSON: x")
    log.add(Path("d/a.csv"), 4, "user is empty", "user: is empty", lines=3)
    log.add(Path("d/b.csv"), 2, "no JSON")
    log.add(Path("d/a.csv"), 7, "no JSON", "is no JSON: y")
    assert log.found() == (
        BadLines("a.csv", "user is empty", 3, 4),
        BadLines("a.csv", "no JSON", 2, 7),
        BadLines("b.csv", "no JSON", 1, 2),
    )
    with pytest.raises(DatasetError) as error:
        log.refuse()
    assert str(error.value) == (
        "d/a.csv:4  user: is empty.\nLines that cannot be read: 6. 3 x user is empty (first: line 4 of a.csv); "
        "2 x no JSON (first: line 7 of a.csv); 1 x no JSON (first: line 2 of b.csv). Mend the file, or leave them out "
        "and have them counted:  --on-bad-line skip"
    )
    skipping = BadLineLog("skip")
    skipping.add(Path("a"), 1, "no JSON")
    skipping.refuse()
