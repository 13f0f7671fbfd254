"""Delimited files as they are found: separators, headers, encodings, decimals and dates, said or guessed."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.datasets.data.events import Events
from rearec_bench.harness.datasets.parsing.bad_lines import OnBadLine
from rearec_bench.harness.datasets.recipe.recipe import Recipe

from .. import builders
from ..builders import error_of
from ..builders import told as rows_of

NAMED = {"user": "user", "item": "item", "rating": "stars", "time": "at"}
NUMBERED = {"user": "1", "item": "2", "rating": "3", "time": "4"}
HEADER, ROWS = ("user", "item", "stars", "at"), (("ü1", "a b", "4.5", "20"), ("ü2", "c", "3", "10"))
RIGHT = [("ü1", "a b", 20.0, 4.5), ("ü2", "c", 10.0, 3.0)]


def recipe(columns: dict[str, str] = NAMED, **given: Any) -> Recipe:
    content = {"name": "mine", "reader": "csv", "split": "leave_one_out", "files": {"interactions": "log.csv"}}
    return Recipe.model_validate({**content, "columns": columns, **given})


def text(separator: str = ",", *, header: bool = True, end: str = "\n") -> str:
    return end.join(separator.join(row) for row in (*([HEADER] if header else []), *ROWS))


def read(folder: Path, content: str | bytes, how: Recipe, on_bad_line: OnBadLine = "error") -> Events:
    (folder / "log.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return builders.read(folder, how, on_bad_line)


def guessed(events: Events) -> dict[str, str]:
    return {guess.what: guess.value for guess in events.guessed}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "::"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("said", [True, False])
def test_separator_and_header_are_guessed_from_the_columns(
    tmp_path: Path, separator: str, header: bool, said: bool
) -> None:
    given = {"separator": separator, "header": header} if said else {}
    events = read(tmp_path, text(separator, header=header), recipe(NAMED if header else NUMBERED, **given))
    assert rows_of(events) == RIGHT
    expected = {"separator": separator} if separator != "," else {}
    assert guessed(events) == ({} if said else expected | ({} if header else {"header": "false"}))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^"])
@pytest.mark.parametrize("header", [True, False])
def test_a_line_of_excels_names_the_separator(tmp_path: Path, separator: str, header: bool) -> None:
    how = recipe(NAMED if header else NUMBERED)
    events = read(tmp_path, f"sep={separator}\r\n{text(separator, header=header, end=chr(13) + chr(10))}", how)
    assert (rows_of(events), guessed(events).get("separator", ",")) == (RIGHT, separator)
    bad = read(tmp_path, f"sep={separator}\n{text(separator, header=header)}\nu\n", how, "skip")
    assert [(line.lines, line.first) for line in bad.bad_lines] == [(1, 4 + header)]


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (text(";"), {"separator": ","}),
        ("sep=;\n" + text(";"), {"separator": ","}),
        (text(), {"header": False, "columns": NAMED}),
        (text(header=False), {"header": True, "columns": NUMBERED}),
        ("user;item;stars,at\n", {"separator": {"interactions": ","}}),
    ],
)
def test_what_is_said_of_a_file_is_not_overruled(tmp_path: Path, content: str, given: dict[str, Any]) -> None:
    assert "no column" in error_of(read, tmp_path, content, recipe(**given))


@pytest.mark.parametrize(
    ("encoding", "guess"), [("latin-1", {"encoding": "latin-1"}), ("utf-16", {}), ("utf-8-sig", {}), ("utf-8", {})]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_encodings_line_ends_and_gzip_change_nothing(
    tmp_path: Path, encoding: str, guess: dict[str, str], end: str, header: bool, packed: bool
) -> None:
    content = text(header=header, end=end).encode(encoding)
    how = recipe(NAMED if header else NUMBERED, header=header)
    events = read(tmp_path, gzip.compress(content) if packed else content, how)
    assert (rows_of(events), guessed(events)) == (RIGHT, guess)


def test_text_that_is_not_utf8_after_a_million_bytes_is_guessed_too(tmp_path: Path) -> None:
    rows = "user,item,stars,at\n" + "u,i,1,2\n" * 150_000 + "ü,i,1,3\n"
    events = read(tmp_path, rows.encode("latin-1"), recipe())
    assert (len(events.interactions), guessed(events)) == (150_001, {"encoding": "latin-1"})
    assert "ü" in events.interactions.user_tokens


def test_an_encoding_that_is_said_is_believed(tmp_path: Path) -> None:
    content = text().encode("latin-1")
    assert rows_of(read(tmp_path, text().encode("gb18030"), recipe(encoding="gb18030"))) == RIGHT
    assert read(tmp_path, content, recipe(encoding="cp1251")).interactions.user_tokens.tolist() == ["ь1", "ь2"]
    events = read(tmp_path, content + b"\nu,i,1,2\n", recipe(encoding="utf-8"), "skip")
    assert (len(events.interactions), [bad.lines for bad in events.bad_lines]) == (1, [2])
    assert rows_of(read(tmp_path, text().encode("utf-16-le"), recipe(encoding="utf-16-le"))) == RIGHT


def test_utf16_without_a_mark_is_told_with_the_line_to_write(tmp_path: Path) -> None:
    assert "encoding: utf-16-le" in error_of(read, tmp_path, text().encode("utf-16-le"), recipe())


@pytest.mark.parametrize(
    ("ratings", "given", "expected", "guess"),
    [
        (["4,5", "3"], {}, [4.5, 3.0], {"decimal": ","}),
        (["4,5", "3"], {"decimal": ","}, [4.5, 3.0], {}),
        (["4.5", "3"], {}, [4.5, 3.0], {}),
    ],
)
def test_decimal_commas(
    tmp_path: Path, ratings: list[str], given: dict[str, Any], expected: list[float], guess: dict[str, str]
) -> None:
    content = "user;item;stars;at\n" + "".join(f"u;i;{rating};1\n" for rating in ratings)
    events = read(tmp_path, content, recipe(separator=";", **given))
    assert events.ratings is not None
    assert (events.ratings.tolist(), guessed(events)) == (expected, guess)


def test_decimal_commas_of_one_column_leave_the_points_of_another(tmp_path: Path) -> None:
    events = read(tmp_path, "user;item;stars;at\nu;i;4,5;1.5\nu;i;3;2.0\n", recipe())
    assert rows_of(events) == [("u", "i", 1.5, 4.5), ("u", "i", 2.0, 3.0)]


@pytest.mark.parametrize(("decimal", "right"), [(".", ["4.5"]), (",", ["4,5"]), (None, ["4.5"])])
def test_numbers_of_another_decimal_sign_are_bad_lines(tmp_path: Path, decimal: str | None, right: list[str]) -> None:
    given = {"decimal": decimal} if decimal else {}
    content = "user;item;stars;at\nu;i;4.5;1\nu;i;4,5;1\n"
    events = read(tmp_path, content, recipe(separator=";", **given), "skip")
    assert events.ratings is not None
    assert events.ratings.tolist() == [4.5]
    assert [bad.first for bad in events.bad_lines] == [3 if right == ["4.5"] else 2]


ISO = ["2024-03-01T09:12:44", "2024-03-01T11:12:44+02:00", "2024-03-01 09:12:44Z", "2024-03-01T09:12:44.000000+00:00"]
MOMENT = datetime(2024, 3, 1, 9, 12, 44, tzinfo=UTC).timestamp()


def dated(*times: str) -> str:
    return "user|item|stars|at\n" + "".join(f"u|i|1|{time}\n" for time in times)


@pytest.mark.parametrize("given", [{}, {"time": {"format": "iso"}}])
def test_iso_dates_with_and_without_zone_are_recognised(tmp_path: Path, given: dict[str, Any]) -> None:
    events = read(tmp_path, dated(*ISO, "2024-03-01"), recipe(separator="|", **given))
    assert events.interactions.times.tolist() == [*[MOMENT] * len(ISO), MOMENT - 33_164]
    assert events.time_unit == "seconds"
    assert guessed(events) == ({} if given else {"time.format": "iso"})


@pytest.mark.parametrize("dates_first", [True, False])
def test_numbers_and_dates_are_never_one_column_of_times(tmp_path: Path, dates_first: bool) -> None:
    numbers, dates = dated("1700102300123", "1700102300124"), dated("2024-03-01", "2024-03-02")
    files = (dates, numbers) if dates_first else (numbers, dates)
    for place, content in enumerate(files):
        (tmp_path / f"log-{place}.csv").write_text(content)
    how = recipe(separator="|", files={"interactions": "log-*.csv"})
    assert "log-1.csv:2  at: " in error_of(builders.read, tmp_path, how)
    assert [(bad.file, bad.lines) for bad in builders.read(tmp_path, how, "skip").bad_lines] == [("log-1.csv", 2)]


@pytest.mark.parametrize(
    ("value", "given", "lines"),
    [
        ("01/03/2024 09:12", {}, ['time: {format: "%d/%m/%Y %H:%M"}', 'time: {format: "%m/%d/%Y %H:%M"}']),
        ("13.03.2024", {}, ['time: {format: "%d.%m.%Y"}']),
        ("2024-03-01T09:12:44Z", {"time": {"format": "%Y-%m-%d %H:%M:%S"}}, ['time: {format: "iso"}']),
        ("2024-03-01T09:12:44Z", {"time": {"unit": "seconds"}}, ['time: {format: "iso"}']),
        ("1705683035123", {"time": {"format": "%Y-%m-%d"}}, ["time: {unit: milliseconds}"]),
        ("2024-03-01 09:12:44 UTC", {}, ['time: {format: "%Y-%m-%d %H:%M:%S %Z"}']),
        ("yesterday", {}, ["time: {format: "]),
    ],
)
@pytest.mark.parametrize("on_bad_line", ["error", "skip"])
def test_times_that_fail_on_every_line_are_told_with_the_line_to_write(
    tmp_path: Path, value: str, given: dict[str, Any], lines: list[str], on_bad_line: OnBadLine
) -> None:
    said = error_of(read, tmp_path, dated(*[value] * 3), recipe(separator="|", **given), on_bad_line)
    assert f"'{value}'" in said
    assert "--on-bad-line" not in said
    assert said.count("time: {") == len(lines)
    assert all(line in said for line in lines)


def test_the_line_that_is_told_reads_the_times(tmp_path: Path) -> None:
    for value in ("01/03/2024 09:12", "2024-03-01 09:12:44 UTC", "01 Mar 2024 09:12:44", "03 1, 2024"):
        said = error_of(read, tmp_path, dated(value), recipe(separator="|"))
        layout = said.split('time: {format: "')[1].split('"')[0]
        assert len(read(tmp_path, dated(value), recipe(separator="|", time={"format": layout})).interactions) == 1


def test_one_bad_time_among_others_may_be_skipped(tmp_path: Path) -> None:
    assert "--on-bad-line skip" in error_of(read, tmp_path, dated("2024-03-01", "soon"), recipe(separator="|"))


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("place", ["header", "first", "later", "unread"])
@pytest.mark.parametrize("size", [200_000, 900_000])
def test_a_long_field_is_data(tmp_path: Path, quote: str, place: str, size: int) -> None:
    long = f"{quote}{'lorem ' * (size // 6)}{quote}"
    columns = NUMBERED if place == "first" else NAMED
    rows = [f"u,i,1,{row},note" for row in range(3)]
    rows = [*(["user,item,stars,at,note"] if place != "first" else []), *rows]
    if place == "header":
        rows[0] = f"user,item,stars,at,{long}"
    elif place == "first":
        rows[0] = f"{long},i,1,0,note"
    elif place == "later":
        rows[2] = f"{long},i,1,0,note"
    else:
        rows[2] = f"u,i,1,0,{long}"
    assert len(read(tmp_path, "\n".join(rows), recipe(columns)).interactions) == 3


def test_a_quote_that_swallows_more_than_any_field_is_one_bad_line(tmp_path: Path) -> None:
    content = 'user,item,stars,at\nu,"i,1,1\n' + "u,i,1,2\n" * 300_000
    events = read(tmp_path, content, recipe(), "skip")
    assert (len(events.interactions), [(bad.lines, bad.first) for bad in events.bad_lines]) == (300_000, [(1, 2)])


def test_data_without_times_says_so(tmp_path: Path) -> None:
    events = read(tmp_path, text(), recipe({"user": "user", "item": "item"}))
    assert (events.time_unit, "times" in events.notes) == ("order", True)
    assert "times" not in read(tmp_path, text(), recipe()).notes


@pytest.mark.parametrize("wrong", ["User", "usr"])
def test_a_misspelt_column_is_looked_for_among_those_of_the_right_separator(tmp_path: Path, wrong: str) -> None:
    said = error_of(read, tmp_path, text(";"), recipe({**NAMED, "user": wrong}))
    assert f"no column '{wrong}'. Did you mean 'user'? The header has: user, item, stars, at." in said


def test_the_format_of_dates_is_told_from_the_one_that_shows_it(tmp_path: Path) -> None:
    for days, right in ((("04/12/2024", "04/15/2024"), "%m/%d/%Y"), (("04/12/2024", "15/12/2024"), "%d/%m/%Y")):
        said = error_of(read, tmp_path, "user,item,stars,at\n" + "\n".join(f"u,i,3,{day}" for day in days), recipe())
        assert said.endswith(f'say  time: {{format: "{right}"}}')
    said = error_of(read, tmp_path, "user,item,stars,at\nu,i,3,04/12/2024", recipe())
    assert said.endswith('time: {format: "%d/%m/%Y"}  or, if that is how it is meant,  time: {format: "%m/%d/%Y"}')


def test_a_header_before_numbered_columns_is_guessed_at_in_the_error(tmp_path: Path) -> None:
    said = error_of(read, tmp_path, text(), recipe(NUMBERED))
    assert "log.csv:1  3: 'stars' is not a number." in said
    assert "Line 1 may be a header: if so, name the columns as it does." in said
    said = error_of(read, tmp_path, f"{text(header=False)}\nu,i,x,5", recipe(NUMBERED))
    assert "may be a header" not in said
