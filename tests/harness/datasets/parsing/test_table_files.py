"""Files of rows: against Python's csv and json modules, and by Polars against line by line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.parsing.bad_lines import BadLineLog, BadLines
from rearec_bench.harness.datasets.parsing.layout import Format, Layout
from rearec_bench.harness.datasets.parsing.table_files import TableFile
from rearec_bench.harness.utils.errors import DatasetError

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Read:
    """What is read of a file: rows with the lines they stand on (where that is known), and the bad lines."""

    def __init__(
        self, path: Path, columns: Sequence[str], layout: Format | None = None, *, tokens: Sequence[str] = ()
    ) -> None:
        log = BadLineLog("skip")
        self._file = TableFile(path, layout or Layout(), lambda *_: None, log)
        self._columns, self._tokens = columns, tokens
        self.frame, _ = self._file.read(columns, lambda frame: (frame, ()), tokens=tokens)
        self.bad: tuple[BadLines, ...] = log.found()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return self.frame.select(self._columns).fill_null("").rows()

    @property
    def lines(self) -> list[int]:
        return self.frame["\n"].to_list()

    @property
    def by_polars(self) -> bool:
        """Whether it took no closer look."""
        return self._file._by_polars(self._columns, lambda frame: (frame, ()), self._tokens) is not None


def read_line_by_line(path: Path, columns: Sequence[str], layout: Format, tokens: Sequence[str] = ()) -> Read:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableFile, "_by_polars", lambda *_: None)
        return Read(path, columns, layout, tokens=tokens)


def written(folder: Path, content: bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


# Delimited text

FIELD = st.text(st.sampled_from('ab1 ,;"\n\téß日'), max_size=6)


@QUICK
@given(
    st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=12),
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
    read = Read(path, ["w", "x"])
    assert (read.rows, read.lines, read.bad) == (expected, lines, ())


PIECES = b'a|,|\t|\n|\r\n|\r| |1,2|1\t2|\xc3\xa9|\xff|\0|\n1,2\n|"|"",|\n"a","b"\n'.split(b"|")


@QUICK
@given(st.lists(st.sampled_from(PIECES), max_size=24), st.sampled_from([",", "\t"]), st.booleans())
@example([b"1,2", b"\n", b'"', b"a", b'"', b",", b'"'], ",", True)
@example([b'"', b"a", b'"', b"a", b",", b"a"], ",", True)
@example([b'\n"a","b"\n', b'"",', b"a", b"\n", b",", b"1,2"], ",", True)
@example([b"1,2", b"\n", b",", b"\n", b" ", b"\n", b",", b","], ",", True)
@example([b"1\t2", b"\n", b"1"], "\t", False)
@example([b"1,2", b"\n", b"1,2", b","], ",", True)
def test_by_polars_and_line_by_line_every_file_comes_out_the_same(
    tmp_path: Path, pieces: list[bytes], separator: str, quotes: bool
) -> None:
    mark = separator.encode()
    path = written(tmp_path, b"x" + mark + b"y\n" + b"".join(pieces))
    layout = Layout(separator, quotes=quotes)
    for columns in (["y", "x"], ["x"]):
        read, other = Read(path, columns, layout), read_line_by_line(path, columns, layout)
        assert (read.rows, read.lines, read.bad) == (other.rows, other.lines, other.bad)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"a,b\n1,2\n\n3,\n", ["a", "b"]),
        (b"a,b,c\r\n1,2,3\r\n", ["c"]),
        ("é,日\nß,1".encode(), ["日"]),
        (b"a\n1\n2\n", ["a"]),
        (b'a,b\n"1, 2",\n'.replace(b",\n", b",x\n") + b',"y"\n"",z\n', ["a", "b"]),
        (b'"a","b"\r\n"1","2"\r\n"3","4"', ["b", "a"]),
    ],
)
def test_a_file_without_mistakes_is_read_by_polars(tmp_path: Path, content: bytes, columns: list[str]) -> None:
    for name in ("p.csv", "p.csv.gz"):
        read = Read(written(tmp_path, content, name), columns)
        other = read_line_by_line(tmp_path / name, columns, Layout())
        assert read.by_polars
        assert (read.rows, read.lines) == (other.rows, other.lines)


def test_blank_lines_are_passed_over_and_keep_their_numbers(tmp_path: Path) -> None:
    read = Read(written(tmp_path, b"a,b\n\n1,2\n  \n\r\n3,4\n\n\n"), ["a", "b"])
    assert (read.rows, read.lines, read.bad) == ([("1", "2"), ("3", "4")], [3, 6], ())


@pytest.mark.parametrize("field", [b"1", b'"1"'])
def test_lines_with_other_numbers_of_fields_are_counted(tmp_path: Path, field: bytes) -> None:
    path = written(tmp_path, b"a,b,c\n1,2,\n1,2\n1," + field + b"\n1,2,3,4\n4,5,6\n7\n")
    read = Read(path, ["a"])
    assert (read.rows, read.lines) == ([("1",), ("4",)], [2, 6])
    assert read.bad == (BadLines("data.csv", "wrong number of fields", 4, 3),)


@pytest.mark.parametrize(
    ("content", "rows", "why"),
    [
        (b'a,b\n1,"x\n2,y\n3,z\n', [("2", "y"), ("3", "z")], "a quote that is not closed"),
        (b'a,b\n1,"x"y\n2,"z"\n', [("2", "z")], "text after a closing quote"),
        (b'a,b\n1,"x\n2,"y"\n3,z\n', [("2", "y"), ("3", "z")], "text after a closing quote"),
        (b'a,b\n1,"x\n' + b"2,y\n" * 50_000, [("2", "y")] * 50_000, "a quote that is not closed"),
    ],
    ids=["open", "text after", "closed by the next", "much after it"],
)
def test_a_quote_astray_spoils_its_line_alone(
    tmp_path: Path, content: bytes, rows: list[tuple[str, str]], why: str
) -> None:
    read = Read(written(tmp_path, content), ["a", "b"])
    assert (read.rows, read.bad) == (rows, (BadLines("data.csv", why, 1, 2),))


def test_a_quote_within_a_field_is_a_character(tmp_path: Path) -> None:
    read = Read(written(tmp_path, b'a,b\n1,5" disk\n2,x"y"\n'), ["a", "b"])
    assert (read.rows, read.bad) == ([("1", '5" disk'), ("2", 'x"y"')], ())


def test_bytes_that_are_no_text_matter_where_they_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,\xff\n\xfe,2\n3,4\n")
    assert Read(path, ["b"]).rows == [("2",), ("4",)]
    read = Read(path, ["a"])
    assert (read.rows, read.bad) == ([("1",), ("3",)], (BadLines("data.csv", "not UTF-8 text", 1, 3),))


def test_separators_of_several_characters_and_other_encodings(tmp_path: Path) -> None:
    layout = Layout("::", quotes=False, header=False, names=("id", "title", "kind"), encoding="latin-1")
    path = written(tmp_path, 'é::"A: b"::c\n2::\x1f::d\n3::x\n'.encode("latin-1"))
    read = Read(path, ["title", "id"], layout)
    assert read.rows == [('"A: b"', "é"), ("\x1f", "2")]
    assert read.bad == (BadLines("data.csv", "wrong number of fields", 1, 3),)


def test_columns_without_a_header_are_called_by_number(tmp_path: Path) -> None:
    path = written(tmp_path, b"u\ti\t5\nv\tj\t4\n")
    layout = Layout("\t", quotes=False, header=False)
    assert Read(path, ["3", "1"], layout).rows == [("5", "u"), ("4", "v")]
    with pytest.raises(DatasetError, match=r"no column 4\. .* called by their number: 1 to 3"):
        Read(path, ["4"], layout)


@pytest.mark.parametrize(
    ("header", "column", "message"),
    [
        (b"user_id,item_id", "user", r"data\.csv:1  no column 'user'\. Did you mean 'user_id'\? .* user_id, item_id\."),
        (b"sep=,\nuser_id,item_id", "user", r"data\.csv:2  no column 'user'\. Did you mean 'user_id'\?"),
        (b"user;item", "user", "Is ',' what separates the fields"),
        (b"a,a", "a", "the column 'a' is there 2 times"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest(
    tmp_path: Path, header: bytes, column: str, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        Read(written(tmp_path, header + b"\n1,2\n"), [column])


# JSON lines

GOOD = b'{"u": "a", "t": 1}'
BAD = [
    (b'{"u": "a", "t": 1', "no JSON"),
    (b'{"u": "a" "t": 1}', "no JSON"),
    (b"{'u': 'a', 't': 1}", "no JSON"),
    (b'{"u": "a", "t": NaN}', "no JSON"),
    (b'{"u": "a", "t": 1}, ', "no JSON"),
    (GOOD + GOOD, "no JSON"),
    (b'{"u": "a\xff", "t": 1}', "not UTF-8 text"),
    (b'{"u": "a", "x": "\xff", "t": 1}', "not UTF-8 text"),
    (b"[1, 2]", "no JSON object"),
    (b"null", "no JSON object"),
    (b'{"u": ["a"], "t": 1}', "u is not text"),
    (b'{"u": {"a": 1}, "t": 1}', "u is not text"),
    (b'{"u": "\\ud800", "t": 1}', "u is not text"),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=lambda case: case[:24] if isinstance(case, bytes) else None)
def test_a_line_that_is_no_object_is_counted_and_the_others_are_read(tmp_path: Path, line: bytes, why: str) -> None:
    path = written(tmp_path, b"\n".join([GOOD, b"", line, GOOD, line, GOOD]))
    read = Read(path, ["u", "t"], "jsonl", tokens=["u"])
    assert (read.rows, read.lines) == ([("a", "1")] * 3, [1, 4, 6])
    assert read.bad == (BadLines("data.csv", why, 2, 3),)


SCALARS = st.one_of(st.text(st.sampled_from('a"\\\n\té日😀[{'), max_size=5), st.integers(-(10**15), 10**15), st.none())
OBJECTS = st.fixed_dictionaries(
    {"u": st.one_of(SCALARS, st.lists(SCALARS, max_size=2)), "t": SCALARS}, optional={"x": SCALARS}
)


@QUICK
@given(st.lists(st.tuples(OBJECTS, st.booleans()), max_size=8), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_values_are_those_of_json_loads_by_polars_and_line_by_line(
    tmp_path: Path, objects: list[tuple[dict[str, Any], bool]], line_end: str, ended: bool
) -> None:
    lines = ['{"u": "first", "t": 0}', *(json.dumps(value, ensure_ascii=plain) for value, plain in objects)]
    path = written(tmp_path, (line_end.join(lines) + line_end * ended).encode())
    values = [value for value in map(json.loads, lines) if not isinstance(value["u"], list)]
    expected = [tuple("" if value[key] is None else str(value[key]) for key in ("u", "t")) for value in values]
    for read in (Read(path, ["u", "t"], "jsonl", tokens=["u"]), read_line_by_line(path, ["u", "t"], "jsonl", ["u"])):
        assert read.rows == expected
        assert sum(one.lines for one in read.bad) == len(lines) - len(expected)


def test_a_key_that_no_object_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"user_id": "a", "stars": 1}\n' * 3)
    with pytest.raises(DatasetError, match=r"no key 'user'\. Did you mean 'user_id'\? .*: user_id, stars"):
        Read(path, ["user"], "jsonl", tokens=["user"])


def test_a_file_of_correct_objects_is_read_by_polars(tmp_path: Path) -> None:
    read = Read(written(tmp_path, GOOD + b"\n" + GOOD, "x.jsonl.gz"), ["u", "t"], "jsonl", tokens=["u"])
    assert read.by_polars
    assert isinstance(read.frame, pl.DataFrame) and read.rows == [("a", "1")] * 2
