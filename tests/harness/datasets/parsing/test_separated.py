"""Delimited text: against Python's csv module, at once against line by line, and whatever the size of a block."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.parsing import separated
from rearec_bench.harness.datasets.parsing.bad_lines import BadLineLog, BadLines
from rearec_bench.harness.datasets.parsing.blocks import LineFile
from rearec_bench.harness.datasets.parsing.separated import Layout, SeparatedParser
from rearec_bench.harness.utils.errors import DatasetError

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BLOCKS = (1, 5, 64, 2**24)


def silent(read: int, total: int, what: str) -> None:
    """Nobody watches."""


class Read:
    """What is read of a file: rows, the lines they stand on, and the bad lines."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        layout: Layout | None = None,
        *,
        block: int = 2**24,
        at_once: bool = True,
    ) -> None:
        log = BadLineLog("skip")
        parser = SeparatedParser(path, layout or Layout(), columns, log=log)
        if not at_once:
            parser._at_once = lambda *_, **__: None  # type: ignore[method-assign]
        self.rows: list[tuple[str, ...]] = []
        self.lines: list[int] = []
        for parsed in LineFile(path, progress=silent, block_bytes=block).parsed(parser):
            self.rows += parsed.frame.fill_null("").rows()
            self.lines += parsed.lines.tolist()
        self.bad: tuple[BadLines, ...] = log.found()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Read) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"Read({vars(self)})"


def written(folder: Path, content: bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


# Well-formed

FIELD = st.text(st.sampled_from('ab1 ,;"\n\téß日'), max_size=6)
TABLE = st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=12)


@QUICK
@given(
    TABLE,
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
@example([("a", 'say "x"', "b\nc"), ("", "", ""), ('"', '""', ",")], csv.QUOTE_MINIMAL, "\r\n", True, False)
def test_fields_equal_those_of_the_csv_module(
    tmp_path: Path, rows: list[tuple[str, str, str]], quoting: int, line_end: str, last_end: bool, bom: bool
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=line_end)  # type: ignore[arg-type]
    lines, line = [], 2
    writer.writerow(["x", "y z", "w"])
    for row in rows:
        lines.append(line)
        before = text.tell()
        writer.writerow(row)
        line += text.getvalue()[before:].count("\n")
    content = text.getvalue() if last_end or not rows else text.getvalue().removesuffix(line_end)
    path = written(tmp_path, (b"\xef\xbb\xbf" if bom else b"") + content.encode())
    expected = [(row[2], row[0]) for row in csv.reader(io.StringIO(text.getvalue(), newline=""))][1:]
    for block in BLOCKS:
        for at_once in (True, False):
            read = Read(path, ["w", "x"], block=block, at_once=at_once)
            assert (read.rows, read.lines, read.bad) == (expected, lines, ())


def test_a_gzipped_file_in_many_blocks_reads_like_a_plain_one(tmp_path: Path) -> None:
    content = b"a,b\n" + b"".join(b'%d,"x\n%d"\n' % (row, row) for row in range(500))
    plain, packed = (Read(written(tmp_path, content, name), ["b"], block=100) for name in ("p.csv", "p.csv.gz"))
    assert plain == packed
    assert plain.rows[499] == ("x\n499",)
    assert plain.lines[499] == 2 + 2 * 499


def test_blank_lines_are_passed_over_and_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n\n1,2\n  \n\r\n3,4\n\n\n")
    for block in BLOCKS:
        read = Read(path, ["a", "b"], block=block)
        assert (read.rows, read.lines, read.bad) == ([("1", "2"), ("3", "4")], [3, 6], ())


# Malformed


def test_lines_with_other_numbers_of_fields_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b,c\n1,2,3\n1,2\n1,2,3,4\n4,5,6\n7\n")
    for block in BLOCKS:
        read = Read(path, ["a"], block=block)
        assert (read.rows, read.lines) == ([("1",), ("4",)], [2, 5])
        assert read.bad == (BadLines("data.csv", "wrong number of fields", 3, 3),)


@pytest.mark.parametrize("field", [b"1", b'"1"'])
def test_a_short_line_does_not_hide_behind_a_long_one(tmp_path: Path, field: bytes) -> None:
    read = Read(written(tmp_path, b"a,b,c\n1,2,\n1," + field + b"\n1,2,3,4\n"), ["a"])
    assert (read.rows, read.bad[0].lines) == ([("1",)], 2)


def test_a_separator_at_the_very_end_of_a_file_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,2\n3,4,")
    for block in BLOCKS:
        for at_once in (True, False):
            assert Read(path, ["a", "b"], block=block, at_once=at_once).rows == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize(
    ("content", "rows", "why"),
    [
        (b'a,b\n1,"x\n2,y\n3,z\n', [("2", "y"), ("3", "z")], "a quote that is not closed"),
        (b'a,b\n1,"x"y\n2,"z"\n', [("2", "z")], "text after a closing quote"),
        (b'a,b\n1,"x\n2,"y"\n3,z\n', [("2", "y"), ("3", "z")], "text after a closing quote"),
    ],
)
def test_a_quote_astray_spoils_its_line_alone(
    tmp_path: Path, content: bytes, rows: list[tuple[str, str]], why: str
) -> None:
    path = written(tmp_path, content)
    for block in BLOCKS:
        read = Read(path, ["a", "b"], block=block)
        assert (read.rows, read.bad) == (rows, (BadLines("data.csv", why, 1, 2),))


def test_a_quote_within_a_field_is_a_character(tmp_path: Path) -> None:
    read = Read(written(tmp_path, b'a,b\n1,5" disk\n2,x"y"\n'), ["a", "b"])
    assert (read.rows, read.bad) == ([("1", '5" disk'), ("2", 'x"y"')], ())


def test_a_quote_is_taken_for_closed_only_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separated, "LONGEST_QUOTE", 10)
    path = written(tmp_path, b'a,b\n1,"0123456789"\n2,"0123456789a"\n3,"x\n' + b"4,y\n" * 5)
    for block in BLOCKS:
        for at_once in (True, False):
            read = Read(path, ["a", "b"], block=block, at_once=at_once)
            assert read.rows == [("1", "0123456789"), *[("4", "y")] * 5]
            assert read.bad == (BadLines("data.csv", "a quote that is not closed", 2, 3),)


def test_bytes_that_are_no_text_matter_where_they_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,\xff\n\xfe,2\n3,4\n")
    for block in BLOCKS:
        assert Read(path, ["b"], block=block).rows == [("2",), ("4",)]
        read = Read(path, ["a"], block=block)
        assert (read.rows, read.bad) == ([("1",), ("3",)], (BadLines("data.csv", "not UTF-8 text", 1, 3),))


@settings(QUICK, max_examples=400)
@given(
    st.lists(
        st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b" ", b"1,2", b"\xc3\xa9", b"\xff", b'"",', b"\r"]),
        max_size=24,
    ),
    st.sampled_from([3, 2**20]),
)
@example([b"1,2", b"\n", b'"', b"a", b'"', b"\r", b"a"], 2**20)
@example([b"1,2", b"\n", b"a", b",", b"a", b"\r"], 2**20)
@example([b'"",', b'"', b"\r"], 2**20)
@example([b",", b"\n", b"\n", b",", b","], 2**20)
def test_whatever_a_file_holds_it_reads_the_same_at_once_line_by_line_and_in_any_blocks(
    tmp_path: Path, pieces: list[bytes], longest: int
) -> None:
    path = written(tmp_path, b"x,y\n" + b"".join(pieces))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separated, "LONGEST_QUOTE", longest)
        expected = Read(path, ["y", "x"], at_once=False)
        for block in BLOCKS:
            for at_once in (True, False):
                assert Read(path, ["y", "x"], block=block, at_once=at_once) == expected


# Layouts


def test_separators_of_several_characters_and_other_encodings(tmp_path: Path) -> None:
    layout = Layout("::", quotes=False, header=False, names=("id", "title", "kind"), encoding="latin-1")
    path = written(tmp_path, 'é::"A: b"::c\n2::\x1f::d\n3::x\n'.encode("latin-1"))
    for block in BLOCKS:
        read = Read(path, ["title", "id"], layout, block=block)
        assert read.rows == [('"A: b"', "é"), ("\x1f", "2")]
        assert read.bad == (BadLines("data.csv", "wrong number of fields", 1, 3),)


def test_columns_without_a_header_are_called_by_number(tmp_path: Path) -> None:
    path = written(tmp_path, b"u\ti\t5\nv\tj\t4\n")
    layout = Layout("\t", quotes=False, header=False)
    assert Read(path, ["3", "1"], layout).rows == [("5", "u"), ("4", "v")]
    with pytest.raises(
        DatasetError, match=r"no column 4\. Without a header columns are called by their number: 1 to 3"
    ):
        Read(path, ["4"], layout)


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, b"user_id,item_id\n1,2\n")
    with pytest.raises(DatasetError) as error:
        Read(path, ["user"])
    assert str(error.value).endswith(
        "data.csv:1  no column 'user'. Did you mean 'user_id'? The header has: user_id, item_id."
    )
    with pytest.raises(DatasetError, match="Is ',' what separates the fields"):
        Read(written(tmp_path, b"user;item\n1;2\n"), ["user"])
    with pytest.raises(DatasetError, match="the column 'a' is there 2 times"):
        Read(written(tmp_path, b"a,a\n1,2\n"), ["a"])
