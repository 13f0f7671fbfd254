"""Lines of source files: unpacking, what is cut short, damaged or not text; the log of bad lines, and progress."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.parsing import raw
from rearec_bench.harness.datasets.parsing.bad_lines import BadLineLog, BadLines
from rearec_bench.harness.datasets.parsing.raw import lines_of
from rearec_bench.harness.utils.errors import DatasetError

from ..builders import error_of

LINE = st.binary(min_size=1, max_size=9).map(lambda text: text.replace(b"\n", b""))


def file(folder: Path, content: bytes, name: str = "data.txt") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(LINE, max_size=5), min_size=1, max_size=3), st.booleans())
def test_lines_come_out_as_they_are_plain_or_in_several_members_of_gzip(
    tmp_path: Path, members: list[list[bytes]], ended: bool
) -> None:
    texts = [b"".join(line + b"\n" for line in lines) for lines in members]
    texts[0] = b"first\n" + texts[0]
    texts[-1] += b"" if ended else b"last"
    whole = b"".join(texts)
    for content in (whole, b"".join(map(gzip.compress, texts)), gzip.compress(whole) + b"\0" * 9):
        numbers, lines = zip(*lines_of(file(tmp_path, content)), strict=True)
        assert numbers == tuple(range(1, len(lines) + 1))
        read = [line.encode("utf-8", "surrogateescape") for line in lines]
        assert read == [line + b"\n" for line in whole.split(b"\n")[:-1]] + [b"last"] * (not ended)


def test_progress_is_told_in_bytes_of_the_file_on_disk(tmp_path: Path) -> None:
    path = file(tmp_path, gzip.compress(b"some line\n" * 200_000), "x.csv.gz")
    told: list[tuple[int, int, str]] = []
    assert sum(1 for _ in lines_of(path, lambda *of: told.append(of))) == 200_000
    assert len(told) == 3
    assert all(0 < done <= size == path.stat().st_size and name == "x.csv.gz" for done, size, name in told)


def test_a_gzip_stream_that_is_cut_short_is_told_with_its_lines(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 10**9, size=50_000)
    packed = gzip.compress(b"".join(b"%d\n" % number for number in numbers))
    half = packed[: len(packed) // 2]
    with pytest.raises(
        DatasetError, match=r"cut\.csv\.gz is cut short.* after ([\d,]+) whole lines\. Download"
    ) as error:
        list(lines_of(file(tmp_path, half, "cut.csv.gz")))
    told = int(str(error.value).split(" after ")[1].split()[0].replace(",", ""))
    whole = zlib.decompressobj(31).decompress(half).count(b"\n")
    assert whole - 30_000 < told <= whole


def test_damage_within_a_gzip_stream_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"some text\n" * 100))
    packed[-6] ^= 0xFF
    for path in (file(tmp_path, bytes(packed), "x.gz"), file(tmp_path, gzip.compress(b"a\n") + b"junk")):
        with pytest.raises(DatasetError, match=r"is damaged after .* Download it again"):
            list(lines_of(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "is empty"),
        ("x.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("x.csv", b"\xef\xbb\xbf", "is empty"),
        ("x.csv", b"sep=;\r\n", "is empty"),
    ],
)
def test_what_is_not_text_in_lines_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        list(lines_of(file(tmp_path, content, name)))


WRITINGS = {
    "plain": b"a \xc3\xa9\nb\n",
    "byte order mark": b"\xef\xbb\xbfa \xc3\xa9\nb\n",
    "Windows": b"a \xc3\xa9\r\nb\r\n",
    "old Mac": b"a \xc3\xa9\rb\r",
    "old Mac, mark": b"\xef\xbb\xbfa \xc3\xa9\rb",
    "UTF-16": "a é\r\nb\r\n".encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + "a é\nb".encode("utf-16-be"),
}


@pytest.mark.parametrize("content", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_the_same_however_the_text_is_written(
    tmp_path: Path, content: bytes, name: str, packed: bool
) -> None:
    path = file(tmp_path, gzip.compress(content) if packed else content, name)
    assert [(number, line.rstrip("\r\n")) for number, line in lines_of(path)] == [(1, "a é"), (2, "b")]


@pytest.mark.parametrize("first", ["sep=;", "SEP=,", '"sep=|"', "sep=\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_first_line_that_names_the_separator_is_counted_and_no_line(
    tmp_path: Path, first: str, end: str, encoding: str
) -> None:
    path = file(tmp_path, end.join((first, "a é", "b", "")).encode(encoding))
    assert [(number, line.rstrip("\r\n")) for number, line in lines_of(path)] == [(2, "a é"), (3, "b")]
    assert raw.writing_of(path).separator == first.strip('"')[-1]


@pytest.mark.parametrize("first", ["sep=", "sep=;;", "sep=x", "sep;=", " sep=;", "separator=;"])
def test_other_first_lines_are_lines(tmp_path: Path, first: str) -> None:
    assert [line for _, line in lines_of(file(tmp_path, f"{first}\nb\n".encode()))] == [f"{first}\n", "b\n"]


def test_a_carriage_return_within_a_line_is_data() -> None:
    assert raw.split_words("a\rb c\r\n") == ["a\rb", "c"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a\né\n".encode(), ""),
        ("a\né\nü\n".encode("latin-1"), "latin-1"),
        ("“a”\né\n".encode("cp1252"), "cp1252"),
        ("é\n日\n".encode() + b"\xff\n", ""),
        (b"a\n", ""),
    ],
)
def test_the_encoding_is_that_of_most_lines(tmp_path: Path, content: bytes, encoding: str) -> None:
    assert raw.guessed_encoding(file(tmp_path, content)) == encoding


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "LONGEST_LINE", 1000)
    with pytest.raises(DatasetError, match="One record a line is wanted"):
        list(lines_of(file(tmp_path, b"[" + b"1," * 5000)))


# The log of lines that cannot be read


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
    first, rest = error_of(log.refuse).splitlines()
    assert first == "d/a.csv:4  user: is empty."
    assert rest.startswith("Lines that cannot be read: 6. 3 x user is empty (first: line 4 of a.csv); 2 x no JSON (")
    assert "7 of a.csv); 1 x no JSON (first: line 2 of b.csv). " in rest and rest.endswith("--on-bad-line skip")


def test_lines_that_are_skipped_end_nothing() -> None:
    log = BadLineLog("skip")
    log.add(Path("a"), 1, "no JSON")
    log.refuse()
    assert log.found() == (BadLines("a", "no JSON", 1, 1),)
