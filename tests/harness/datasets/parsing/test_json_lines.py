"""JSON lines: against json.loads line by line, and whatever the size of a block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.parsing.bad_lines import BadLineLog, BadLines
from rearec_bench.harness.datasets.parsing.blocks import LineFile
from rearec_bench.harness.datasets.parsing.json_lines import JsonLinesParser, WantedObjects
from rearec_bench.harness.utils.errors import DatasetError

BLOCKS = (1, 40, 2**24)


def written(folder: Path, content: bytes) -> Path:
    (folder / "data.jsonl").write_bytes(content)
    return folder / "data.jsonl"


def read(
    path: Path, columns: Sequence[str], texts: Sequence[str], block: int
) -> tuple[list[tuple[Any, ...]], list[int], tuple[BadLines, ...]]:
    log = BadLineLog("skip")
    parser = JsonLinesParser(path, columns, log=log, texts=texts)
    rows, lines = [], []
    for parsed in LineFile(path, progress=lambda *_: None, block_bytes=block).parsed(parser):
        rows += parsed.frame.rows()
        lines += parsed.lines.tolist()
    return rows, lines, log.found()


GOOD = b'{"u": "a", "t": 1}'
BAD = [
    (b'{"u": "a", "t": 1', "no JSON"),
    (b'{"u": "a" "t": 1}', "no JSON"),
    (b"{'u': 'a', 't': 1}", "no JSON"),
    (b'{"u": "a", "t": NaN}', "no JSON"),
    (b'{"u": "a", "t": 1e999}', "no JSON"),
    (b'{"u": "a", "t": 1}, ', "no JSON"),
    (GOOD + GOOD, "no JSON"),
    (b'{"u": "a\xff", "t": 1}', "not UTF-8 text"),
    (b'{"u": "a", "x": "\xff", "t": 1}', "not UTF-8 text"),
    (b"[1, 2]", "no JSON object"),
    (b"null", "no JSON object"),
    (b'{"u": ["a"], "t": 1}', "u is no text"),
    (b'{"u": {"a": 1}, "t": 1}', "u is no text"),
    (b'{"u": "\\ud800", "t": 1}', "u is no text"),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=lambda case: case[:24] if isinstance(case, bytes) else None)
@pytest.mark.parametrize("block", BLOCKS)
def test_a_line_that_is_no_object_is_counted_and_the_others_are_read(
    tmp_path: Path, line: bytes, why: str, block: int
) -> None:
    path = written(tmp_path, b"\n".join([GOOD, b"", line, GOOD, line, GOOD]))
    rows, lines, bad = read(path, ["u", "t"], ["u"], block)
    assert (rows, lines) == ([("a", "1")] * 3, [1, 4, 6])
    assert bad == (BadLines("data.jsonl", why, 2, 3),)


SCALARS = st.one_of(st.text(st.sampled_from('a"\\\n\té日😀[{'), max_size=5), st.integers(-(10**15), 10**15), st.none())
OBJECTS = st.dictionaries(
    st.sampled_from(["u", "t", "x"]),
    st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=1)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            OBJECTS.map(lambda value: json.dumps(value).encode()),
            OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False).encode()),
            st.sampled_from([line for line, _ in BAD]),
            st.sampled_from([b"", b"  ", b"\r"]),
        ),
        max_size=8,
    ),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_keys_and_values_are_those_of_json_loads(
    tmp_path: Path, lines: list[bytes], line_end: bytes, ended: bool
) -> None:
    first = b'{"u": "first", "t": 0}'
    path = written(tmp_path, line_end.join([first, *lines]) + (line_end if ended else b""))
    expected: list[tuple[Any, ...]] = [("first", "0")]
    places = [1]
    bad = dict(BAD)
    for number, line in enumerate(lines, start=2):
        if not line.strip() or line in bad:
            continue
        value = json.loads(line)
        if isinstance(value.get("u"), list | dict):
            continue
        t = value.get("t")
        if not isinstance(t, list | dict):  # how such are written is no matter here: they are no numbers
            expected.append(tuple(None if value.get(key) is None else str(value[key]) for key in ("u", "t")))
            places.append(number)
    for block in BLOCKS:
        rows, numbers, _ = read(path, ["u", "t"], ["u"], block)
        plain = [
            (row, number)
            for row, number in zip(rows, numbers, strict=True)
            if number == 1 or not isinstance(json.loads(lines[number - 2]).get("t"), list | dict)
        ]
        assert plain == list(zip(expected, places, strict=True))


def test_results_do_not_depend_on_blocks_however_many_lines_are_bad(tmp_path: Path) -> None:
    lines = [BAD[number % len(BAD)][0] if number % 3 else GOOD for number in range(200)]
    path = written(tmp_path, b"\n".join(lines))
    whole = read(path, ["u", "t"], ["u"], 2**24)
    assert len(whole[0]) == 67
    assert sum(one.lines for one in whole[2]) == 133
    assert all(read(path, ["u", "t"], ["u"], block) == whole for block in (1, 100, 1000))


def test_a_key_that_no_object_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"user_id": "a", "stars": 1}\n' * 3)
    with pytest.raises(DatasetError) as error:
        read(path, ["user"], ["user"], 2**24)
    assert str(error.value).endswith(
        "data.jsonl:1  no key 'user'. Did you mean 'user_id'? The objects have: user_id, stars."
    )


# Values of wanted objects


def wanted(path: Path, columns: Sequence[str], items: set[str], block: int = 2**24) -> tuple[Any, tuple[BadLines, ...]]:
    log = BadLineLog("skip")
    parser = WantedObjects(path, "id", columns, wanted=items, log=log)
    rows = []
    for parsed in LineFile(path, progress=lambda *_: None, block_bytes=block).parsed(parser):
        rows += list(zip(parsed.lines.tolist(), parsed.frame.rows(), strict=True))
    return rows, log.found()


@pytest.mark.parametrize("block", BLOCKS)
def test_values_are_text_numbers_or_lists_of_such(tmp_path: Path, block: int) -> None:
    objects: list[Any] = [
        {"id": "a", "v": "  text "},
        {"id": "b", "v": ["one", "two", 3, None]},
        {"id": "unwanted", "v": {"an": "object"}},
        {"id": 7, "v": 12.5},
        {"id": "c", "v": None},
        {"id": "d"},
        {"id": "e", "v": []},
        {"id": "f", "v": {"an": "object"}},
        {"id": "g", "v": True},
        {"id": "h", "v": [["nested"]]},
        {"id": "i", "v": "half \ud83d a pair"},
    ]
    path = written(tmp_path, b"\n".join(json.dumps(one).encode() for one in objects) + b'\n{"id": "a", "v": 1.50}')
    rows, bad = wanted(path, ["v"], {"a", "b", "7", "c", "d", "e", "f", "g", "h", "i"}, block)
    assert rows == [
        (1, ("a", "text")),
        (2, ("b", "one two 3")),
        (4, ("7", "12.5")),
        (5, ("c", "")),
        (6, ("d", "")),
        (7, ("e", "")),
        (9, ("g", "true")),
        (11, ("i", "half ? a pair")),
        (12, ("a", "1.50")),
    ]
    assert bad == (BadLines("data.jsonl", "v is neither text, a number nor a list of such", 2, 8),)


def test_a_key_for_texts_that_no_wanted_object_has_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"id": "a", "title": "x"}\n{"id": "b", "titel": "y"}\n')
    with pytest.raises(DatasetError, match=r"no key 'titel'\. Did you mean 'title'"):
        wanted(path, ["titel"], {"a"})
    assert wanted(path, ["titel"], {"a", "b"})[0] == [(1, ("a", "")), (2, ("b", "y"))]
