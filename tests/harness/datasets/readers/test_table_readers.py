"""Readers of interactions in rows: what they read, against plain Python, and what bad input gets."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data.items import ItemAttributes
from rearec_bench.harness.datasets.parsing.bad_lines import BadLines, OnBadLine
from rearec_bench.harness.datasets.parsing.raw import MissingFileError
from rearec_bench.harness.datasets.parsing.source_files import RawFiles
from rearec_bench.harness.datasets.parsing.table_files import TableFile
from rearec_bench.harness.datasets.readers import reader_of
from rearec_bench.harness.datasets.recipe.recipe import Recipe, TimeFormat
from rearec_bench.harness.utils.errors import DatasetError

from ..builders import error_of, read
from ..builders import told as rows_of


def recipe(reader: str, **given: Any) -> Recipe:
    return Recipe.model_validate({"name": "mine", "reader": reader, "split": "leave_one_out", **given})


def attributes(source: Path, how: Recipe, wanted: Sequence[str], on_bad_line: OnBadLine = "error") -> ItemAttributes:
    told = reader_of(how.reader).attributes(RawFiles(source, how, lambda *_: None, on_bad_line), wanted)
    assert told is not None
    return told


def put(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


@pytest.fixture(params=["by polars", "line by line"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a file is read."""
    if request.param == "line by line":
        monkeypatch.setattr(TableFile, "_by_polars", lambda *_: None)


OWN = {"user": "who", "item": "what", "rating": "stars", "time": "at"}
CSV = recipe("csv", files={"interactions": "log.csv"}, columns=OWN)
PARQUET = recipe("parquet", files={"interactions": "log.parquet"}, columns=OWN)


def timed(**time: str) -> Recipe:
    return recipe("csv", files={"interactions": "log.csv"}, columns=OWN, time=time)


def log(folder: Path, *rows: str) -> Path:
    return put(folder, {"log.csv": "".join(row + "\n" for row in ("who,what,stars,at", *rows))})


# What is read


@pytest.mark.usefixtures("way")
def test_the_columns_of_a_csv_file_in_the_order_of_its_rows(tmp_path: Path) -> None:
    put(tmp_path, {"log.csv": "at,stars,note,what,who\n30,4.5,x,b,u2\n10,3,,a,u10\n20, 1e0 ,,b,u10\n"})
    events = read(tmp_path, CSV)
    assert rows_of(events) == [("u2", "b", 30.0, 4.5), ("u10", "a", 10.0, 3.0), ("u10", "b", 20.0, 1.0)]
    assert events.interactions.user_tokens.tolist() == ["u10", "u2"]
    assert (events.time_unit, events.bad_lines) == ("any", ())
    assert [source.file for source in events.sources] == ["log.csv"]
    assert events.ratings is not None
    assert (events.ratings.dtype, events.interactions.users.dtype) == (np.float32, np.int64)


@pytest.mark.usefixtures("way")
def test_without_ratings_and_times_the_place_in_the_files_counts(tmp_path: Path) -> None:
    put(tmp_path, {"a-1.tsv": 'u\ti\nu1\t"x\n', "a-2.tsv.gz": "u\ti\nu1\ty\nu2\tx\n", "b.tsv": "u\ti\nu9\tz\n"})
    how = recipe("csv", files={"interactions": ["b.tsv", "a-*.tsv*"]}, columns={"user": "u", "item": "i"})
    events = read(tmp_path, how)
    assert rows_of(events) == [("u9", "z", 0.0), ("u1", '"x', 1.0), ("u1", "y", 2.0), ("u2", "x", 3.0)]
    assert (events.ratings, events.time_unit) == (None, "order")
    assert [source.file for source in events.sources] == ["b.tsv", "a-1.tsv", "a-2.tsv.gz"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("layout", "texts"),
    [
        ("%Y-%m-%d %H:%M:%S", ["2018-09-04 08:16:19", "1970-01-01 00:00:00", "2020-2-9 1:02:3"]),
        ("%d.%m.%Y", ["04.09.2018", "1.1.1969"]),
        ("%Y-%m-%dT%H:%M:%S%z", ["2018-09-04T08:16:19+0200", "2018-09-04T08:16:19Z"]),
        ("%b %d %Y %I:%M %p", ["Sep 04 2018 08:16 PM"]),
        ("%d/%m/%Y %H:%M:%S", ["01/03/2024 00:00:00"]),
        ("%m/%d/%Y %H:%M:%S", ["01/03/2024 00:00:00"]),
        ("%d.%m.%y", ["01.03.24"]),
    ],
)
def test_written_times_are_seconds_in_utc(tmp_path: Path, layout: str, texts: list[str]) -> None:
    events = read(log(tmp_path, *(f"u,i,1,{text}" for text in texts)), timed(format=layout))
    expected = [datetime.strptime(text, layout) for text in texts]
    zoned = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in expected]
    assert events.interactions.times.tolist() == [moment.timestamp() for moment in zoned]
    assert events.time_unit == "seconds"


def test_parquet_with_dates_numbers_and_categories(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "who": [3, 20, 3],
            "what": pl.Series(["b", "a", "b"], dtype=pl.Categorical),
            "stars": [1, 5, 4],
            "at": [datetime(2020, 1, 1, 12), datetime(2020, 1, 2), datetime(1970, 1, 1)],
        }
    )
    frame.write_parquet(tmp_path / "log.parquet", row_group_size=1)
    events = read(tmp_path, PARQUET)
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC).timestamp()
    assert rows_of(events) == [("3", "b", noon, 1.0), ("20", "a", noon + 43_200, 5.0), ("3", "b", 0.0, 4.0)]
    assert events.time_unit == "seconds"
    frame.with_columns(at=pl.Series([date(2020, 1, 1)] * 3)).write_parquet(tmp_path / "log.parquet")
    assert read(tmp_path, PARQUET).interactions.times.tolist() == [noon - 43_200] * 3


@pytest.mark.usefixtures("way")
def test_json_lines_with_numbers_as_names_and_as_text(tmp_path: Path) -> None:
    first = '{"who": 7, "what": "b", "stars": "4.5", "at": 1.5e3}\n'
    put(tmp_path, {"log.jsonl.gz": first + '{"at": 2, "x": [1], "stars": 1, "what": 1, "who": 10}'})
    how = recipe("jsonl", files={"interactions": "log.jsonl"}, columns=OWN)
    assert rows_of(read(tmp_path, how)) == [("7", "b", 1500.0, 4.5), ("10", "1", 2.0, 1.0)]


TOKEN = st.text(st.sampled_from("ab1é, \"'"), min_size=1, max_size=4).filter(lambda text: text.strip() != "")
ROWS = st.lists(st.tuples(TOKEN, TOKEN, st.integers(1, 5), st.integers(0, 10**10)), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.booleans())
def test_interactions_equal_those_of_plain_python_whatever_the_format(
    tmp_path: Path, rows: list[tuple[str, str, int, int]], quoted: bool
) -> None:
    with (tmp_path / "log.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
        writer.writerows([list(OWN.values()), *rows])
    objects = [dict(zip(OWN.values(), row, strict=True)) for row in rows]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(one, ensure_ascii=quoted) + "\n" for one in objects))
    pl.DataFrame(objects).write_parquet(tmp_path / "log.parquet")
    expected = [(user, item, float(time), float(rating)) for user, item, rating, time in rows]
    for reader, name in (("csv", "log.csv"), ("jsonl", "log.jsonl"), ("parquet", "log.parquet")):
        assert rows_of(read(tmp_path, recipe(reader, files={"interactions": name}, columns=OWN))) == expected


# What bad input gets

BAD_CSV = """who,what,stars,at
u1,a,5,10
,a,5,11
u2,b,NaN,12
u2,b,inf,13
u2,c,x,14
u2,  ,1,15

u3,c,4
u3,c,4,
u3,c,4,16
"""


@pytest.mark.usefixtures("way")
def test_bad_lines_are_refused_with_the_first_or_skipped_and_counted(tmp_path: Path) -> None:
    put(tmp_path, {"log.csv": BAD_CSV})
    with pytest.raises(DatasetError, match=r"log\.csv:3  who: is empty\.\n.*: 7\. .*--on-bad-line skip"):
        read(tmp_path, CSV)
    events = read(tmp_path, CSV, "skip")
    assert rows_of(events) == [("u1", "a", 10.0, 5.0), ("u3", "c", 16.0, 4.0)]
    assert events.interactions.user_tokens.tolist() == ["u1", "u3"]
    assert events.bad_lines == (
        BadLines("log.csv", "who is empty", 1, 3),
        BadLines("log.csv", "stars is not a number", 3, 4),
        BadLines("log.csv", "what is empty", 1, 7),
        BadLines("log.csv", "wrong number of fields", 1, 9),
        BadLines("log.csv", "at is empty", 1, 10),
    )


@pytest.mark.usefixtures("way")
def test_a_value_that_is_none_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"log.csv:3  stars: 'longlong.*\.\.\.' is not a number"):
        read(log(tmp_path, "u,a,1,1", f"u,b,{'long' * 20},2"), CSV)
    with pytest.raises(DatasetError, match=r"log\.csv:3  at: '2020-01-32' is not a time such as %Y-%m-%d"):
        read(log(tmp_path, "u,a,1,2020-01-01", "u,a,1,2020-01-32"), timed(format="%Y-%m-%d"))


def test_a_row_of_parquet_that_cannot_be_read_has_its_number(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"who": ["u", None, "v"], "what": ["a", "b", "c"], "stars": [1.0, 2.0, float("nan")], "at": [1, 2, 3]}
    )
    frame.write_parquet(tmp_path / "log.parquet", row_group_size=2)
    events = read(tmp_path, PARQUET, "skip")
    assert rows_of(events) == [("u", "a", 1.0, 1.0)]
    assert events.bad_lines == (
        BadLines("log.parquet", "who is empty", 1, 2),
        BadLines("log.parquet", "stars is not a number", 1, 3),
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("unit", "times", "said"),
    [
        ("any", [1500000000, 1500000000123, 1500000001], "2 look like seconds, 1 look like milliseconds"),
        ("any", [99e9, 99e9, 101e9], "time: {unit: milliseconds}"),
        ("mixed", [1500000000, 1500000000123456], "1 look like microseconds"),
    ],
)
def test_times_of_other_units_are_refused_with_their_numbers(
    tmp_path: Path, unit: str, times: list[float], said: str
) -> None:
    words = error_of(read, log(tmp_path, *(f"u,i,1,{time}" for time in times)), timed(unit=unit))
    assert said in words and "log.csv  at: " in words


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("unit", "times", "warnings"),
    [
        ("seconds", [1500000000123] * 3, 2),  # they look like milliseconds, and are in the future
        ("milliseconds", [1500000000] * 2, 1),
        ("microseconds", [1500000000123] * 2, 1),
        ("milliseconds", [1500000000123, 0, 1500000000124], 1),
        ("milliseconds", [1500000000123, -1, 1], 0),
        ("milliseconds", [99_000_000_000, 101_000_000_000], 1),
        ("microseconds", [1500000000123456, 1500000000], 1),
        ("any", [1500000000, 0], 1),
        ("any", [3, 0, 2], 0),
        ("any", [4_500_000_000], 1),
    ],
)
def test_a_unit_that_is_said_is_believed_and_doubts_are_warnings(
    tmp_path: Path, unit: str, times: list[int], warnings: int
) -> None:
    events = read(log(tmp_path, *(f"u,i,1,{time}" for time in times)), timed(unit=unit))
    assert events.interactions.times.tolist() == times
    assert events.time_unit == unit
    assert len(events.warnings) == warnings


def test_dates_in_the_future_are_counted(tmp_path: Path) -> None:
    rows = ("u,i,1,2020-01-01", "u,j,1,2999-01-01", "u,k,1,2999-01-02")
    assert "2 of 3" in read(log(tmp_path, *rows), timed(format="%Y-%m-%d")).warnings[0]


@pytest.mark.usefixtures("way")
def test_mixed_times_become_milliseconds(tmp_path: Path) -> None:
    events = read(log(tmp_path, "u,i,1,1500000000", "u,i,1,1500000000123", "u,i,1,0"), timed(unit="mixed"))
    assert events.interactions.times.tolist() == [1500000000000.0, 1500000000123.0, 0.0]
    assert events.time_unit == "milliseconds"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("end", ["\n", "", "\n\n\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, end: str) -> None:
    assert "log.csv holds no interaction" in error_of(read, put(tmp_path, {"log.csv": f"who,what,stars,at{end}"}), CSV)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"columns": OWN, "files": {}}, "files: {interactions: NAME}"),
        ({"columns": OWN, "text": {"fields": {"title": "t"}}}, "files: {items: NAME}"),
    ],
)
def test_a_recipe_that_lacks_what_the_reader_needs(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    how = recipe("csv", **{"files": {"interactions": "log.csv"}, **given})
    assert said in error_of(read, log(tmp_path, "u,i,1,2"), how)


def test_parquet_files_of_other_columns_and_types_are_refused(tmp_path: Path) -> None:
    frame = pl.DataFrame({"who": [1.5], "what": ["a"], "stars": [True], "at": ["x"]})
    for other, words in (
        (frame, "log.parquet  the column 'who' is of type Float64; text or whole numbers are wanted"),
        (frame.with_columns(who=pl.lit("u")), "the column 'stars' is of type Boolean; numbers are wanted"),
        (frame.rename({"stars": "star"}), "log.parquet  no column 'stars'. Did you mean 'star'?"),
    ):
        other.write_parquet(tmp_path / "log.parquet")
        assert words in error_of(read, tmp_path, PARQUET)
    days = frame.with_columns(who=pl.lit(1), stars=pl.lit(1), at=pl.lit(date(2020, 1, 1)))
    days.write_parquet(tmp_path / "log.parquet")
    how = PARQUET.model_copy(update={"time": TimeFormat(unit="milliseconds")})
    assert "the column 'at' is of type Date; time.unit is for numbers" in error_of(read, tmp_path, how)
    (tmp_path / "log.parquet").write_bytes(b"PAR1 no")
    assert "log.parquet cannot be read as Parquet" in error_of(read, tmp_path, PARQUET)


# Where files are


def test_files_are_found_by_name_glob_or_gzipped_and_missed_with_a_hint(tmp_path: Path) -> None:
    put(tmp_path, {"logs.csv": "who,what,stars,at\nu,i,1,2\n"})
    with pytest.raises(MissingFileError, match=r"holds no log.csv \(or log.csv.gz\)\. Did you mean 'logs.csv'\?"):
        read(tmp_path, CSV)
    put(tmp_path, {"in/log.csv.gz": "who,what,stars,at\nu,i,1,2\n"})
    with pytest.raises(MissingFileError, match=r"holds no log.csv .*/in does: is that the source"):
        read(tmp_path, CSV)
    assert rows_of(read(tmp_path / "in", CSV)) == [("u", "i", 2.0, 1.0)]
    assert rows_of(read(tmp_path / "logs.csv", CSV)) == [("u", "i", 2.0, 1.0)]  # the file itself


def test_a_glob_may_be_a_whole_path_and_a_name_may_have_brackets(tmp_path: Path) -> None:
    put(tmp_path, {"in/log[1].csv": "who,what,stars,at\nu,i,1,2\n", "in/log1.csv": "broken"})
    for name in (f"{tmp_path}/in/*].csv", "**/*].csv", "in/log[1].csv", "in/**].csv"):
        how = recipe("csv", files={"interactions": name}, columns=OWN)
        assert rows_of(read(tmp_path, how)) == [("u", "i", 2.0, 1.0)]


@pytest.mark.parametrize("reader", ["csv", "jsonl", "parquet"])
def test_a_name_with_brackets_is_no_glob_to_polars(tmp_path: Path, reader: str) -> None:
    for place, name in enumerate(("log1", "log[1]")):
        frame = pl.DataFrame({"who": ["u"], "what": ["i"], "stars": [1], "at": [place]})
        write = {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[reader]
        write(tmp_path / f"{name}.{reader}")
    how = recipe(reader, files={"interactions": f"log[1].{reader}"}, columns=OWN)
    assert rows_of(read(tmp_path, how)) == [("u", "i", 1.0, 1.0)]


def test_a_missing_file_of_items_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"holds no items\.csv"):
        read(put(tmp_path, {"log.csv": "broken"}), texts("items.csv"))


# Items


def texts(files: str, **given: Any) -> Recipe:
    fields = {"title": "name", "place": ["city", "state"]}
    return recipe(
        "csv", files={"interactions": "log.csv", "items": files}, columns=OWN, text={"fields": fields}, **given
    )


def test_texts_of_the_wanted_items_whatever_the_format(tmp_path: Path) -> None:
    rows = [("b", 'A "b", c', "Y", "Z"), ("a", "", "", "Z"), ("x", "not wanted", "", ""), ("7", " 7\nlines ", "Y", "")]
    with (tmp_path / "items.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("what", "name", "city", "state"), *rows])
    objects = [dict(zip(("what", "name", "city", "state"), row, strict=True)) for row in rows]
    (tmp_path / "items.jsonl").write_text("\n".join(json.dumps(one) for one in objects))
    pl.DataFrame(objects).write_parquet(tmp_path / "items.parquet")
    expected = {
        "b": {"title": 'A "b", c', "place": "Y, Z"},
        "a": {"title": "", "place": "Z"},
        "7": {"title": "7\nlines", "place": "Y"},
    }
    for name in ("items.csv", "items.jsonl", "items.parquet"):
        told = attributes(tmp_path, texts(name), ["7", "a", "b", "never described"])
        assert told.values == expected
        assert list(told.values["b"]) == ["title", "place"]
        assert (told.notes, told.sources[0].file, told.bad_lines) == ({"items_not_described": 1}, name, ())


def test_lists_and_numbers_of_parquet_become_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({"what": ["a", "b"], "name": [["x", None, "y"], []], "city": [1.5, None], "state": [1, 2]})
    frame.write_parquet(tmp_path / "items.parquet")
    values = attributes(tmp_path, texts("items.parquet"), ["a", "b"]).values
    assert values == {"a": {"title": "x y", "place": "1.5, 1"}, "b": {"title": "", "place": "2"}}
    pairs = pl.Series([["x", "y"], ["z", None]], dtype=pl.Array(pl.String, 2))
    frame.with_columns(name=pairs).write_parquet(tmp_path / "items.parquet")
    assert attributes(tmp_path, texts("items.parquet"), ["b"]).values["b"]["title"] == "z"
    for name, kind in (
        (pl.struct("city"), "Struct"),
        (pl.lit(b"\xff"), "Binary"),
        (pl.lit(1).cast(pl.Duration), "Dur"),
    ):
        frame.with_columns(name=name).write_parquet(tmp_path / "items.parquet")
        with pytest.raises(DatasetError, match=f"the column 'name' is of type {kind}"):
            attributes(tmp_path, texts("items.parquet"), ["a"])


def test_an_item_that_is_described_twice_is_a_bad_line(tmp_path: Path) -> None:
    put(tmp_path, {"items.csv": "what,name,city,state\na,1,,\nb,2,,\na,3,,\n,4,,\n"})
    with pytest.raises(DatasetError, match=r"items\.csv:4  what: 'a' is described on an earlier line already"):
        attributes(tmp_path, texts("items.csv"), ["a", "b"])
    told = attributes(tmp_path, texts("items.csv"), ["a", "b"], "skip")
    assert told.values["a"]["title"] == "1"
    assert told.bad_lines == (
        BadLines("items.csv", "the item is described on an earlier line", 1, 4),
        BadLines("items.csv", "what is empty", 1, 5),
    )


def test_a_file_that_describes_none_of_the_items_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"items.csv": "what,name,city,state\na,1,,\n"})
    with pytest.raises(DatasetError, match=r"items\.csv: none of the 2 items, such as 'x', is described"):
        attributes(tmp_path, texts("items.csv"), ["x", "y"])


@pytest.mark.usefixtures("way")
def test_whole_numbers_with_a_point_are_ids_whatever_reads_them(tmp_path: Path) -> None:
    rows = (
        '{"who": 1.0, "what": 20.0, "stars": 4.50, "at": 1e3}',
        '{"who": 1, "what": 1.5E2, "stars": 1, "at": 1234.125}',
    )
    put(
        tmp_path,
        {"log.jsonl": "\n".join(rows), "items.jsonl": '{"what": 20.0, "name": 9.50, "city": 1.0, "state": ""}'},
    )
    fields = {"title": "name", "place": ["city", "state"]}
    files = {"interactions": "log.jsonl", "items": "items.jsonl"}
    how = recipe("jsonl", files=files, columns=OWN, text={"fields": fields})
    assert rows_of(read(tmp_path, how)) == [("1", "20", 1000.0, 4.5), ("1", "150", 1234.125, 1.0)]
    assert attributes(tmp_path, how, ["20"]).values == {"20": {"title": "9.50", "place": "1.0"}}


# Publishers' formats


def test_amazon_reviews_as_json_lines_and_as_csv(tmp_path: Path) -> None:
    rows = [("AE1", "B02", 5.0, 1588687728923), ("AE2", "B01", 1.0, 1588687728924)]
    reviews = [
        {"rating": rating, "title": "t", "text": "[", "images": [], "asin": "B9", "parent_asin": item, "user_id": user,
         "timestamp": time, "helpful_vote": 0, "verified_purchase": True}
        for user, item, rating, time in rows
    ]  # fmt: skip
    meta: list[dict[str, Any]] = [
        {"parent_asin": "B01", "title": "[DVD] one", "description": ["a", "b"], "price": 9.99},
        {"parent_asin": "B02", "title": None, "description": [], "price": "$1.00"},
        {"parent_asin": "B01", "title": "again", "description": [], "price": None},
    ]
    put(
        tmp_path,
        {
            "X.jsonl.gz": "".join(json.dumps(one) + "\n" for one in reviews),
            "X.csv.gz": "user_id,parent_asin,rating,timestamp\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows),
            "meta_X.jsonl.gz": "".join(json.dumps(one) + "\n" for one in meta),
        },
    )
    fields = {"title": "title", "description": "description", "price": "price"}
    for name in ("X.jsonl", "X.csv"):
        how = recipe(
            "amazon-2023-reviews",
            files={"interactions": name, "items": "meta_X.jsonl"},
            time={"unit": "milliseconds"},
            text={"fields": fields},
        )
        events = read(tmp_path, how)
        assert rows_of(events) == [(user, item, float(time), rating) for user, item, rating, time in rows]
        assert events.time_unit == "milliseconds"
    told = attributes(tmp_path, how, ["B01", "B02", "B03"])
    assert told.values == {
        "B01": {"title": "[DVD] one", "description": "a b", "price": "9.99"},
        "B02": {"title": "", "description": "", "price": "$1.00"},
    }
    assert told.notes == {"items_not_described": 1, "items_described_again": 1}


FILMS = {
    "1": {"title": "Café", "year": "1995", "genres": "Comedy Film-Noir"},
    "2": {"title": 'A, "b" (c)', "year": "2001", "genres": ""},
    "3": {"title": "No year (2009– )", "year": "", "genres": "Drama"},
}


@pytest.mark.parametrize("layout", ["1m", "latest", "100k"])
def test_movielens(tmp_path: Path, layout: str) -> None:
    third = "No year (2009– )" if layout == "latest" else "No year"
    titles = {"1": "Café (1995)", "2": 'A, "b" (c) (2001)', "3": third}
    genres = {"1": "Comedy|Film-Noir", "2": "", "3": "Drama"}
    flags = {"1": {5, 10}, "2": set[int](), "3": {8}}
    ratings = [("1", "2", "4.5", "978300760"), ("1", "1", "3", "978302109")]
    if layout == "1m":
        films = "".join(f"{film}::{titles[film]}::{genres[film]}\n" for film in titles)
        files = {
            "ratings.dat": "".join("::".join(row) + "\n" for row in ratings),
            "movies.dat": films.encode("latin-1"),
        }
    elif layout == "latest":
        quoted = {film: title.replace('"', '""') for film, title in titles.items()}
        listed = {film: words or "(no genres listed)" for film, words in genres.items()}
        films = "".join(f'{film},"{quoted[film]}",{listed[film]}\r\n' for film in titles)
        rows = "".join(",".join(row) + "\r\n" for row in ratings)
        files = {
            "ratings.csv": f"userId,movieId,rating,timestamp\r\n{rows}",
            "movies.csv": f"movieId,title,genres\r\n{films}",
        }
    else:
        marks = {film: "|".join(str(int(place in held)) for place in range(19)) for film, held in flags.items()}
        films = "".join(f"{film}|{titles[film]}|01-Jan-1995||http://x|{marks[film]}\n" for film in titles)
        files = {"u.data": "".join("\t".join(row) + "\n" for row in ratings), "u.item": films.encode("latin-1")}
    put(tmp_path, files)
    how = recipe("movielens", text={"fields": {name: name for name in ("title", "year", "genres")}})
    assert rows_of(read(tmp_path, how)) == [("1", "2", 978300760.0, 4.5), ("1", "1", 978302109.0, 3.0)]
    films_of = attributes(tmp_path, how, ["1", "2", "3"]).values
    assert films_of == {**FILMS, "3": {**FILMS["3"], "title": third}}


def test_movielens_tells_what_is_known_of_its_films(tmp_path: Path) -> None:
    put(tmp_path, {"movies.csv": "movieId,title,genres\n1,x,\n"})
    with pytest.raises(DatasetError, match=r"no 'tags'\. .*: title, year, genres"):
        attributes(tmp_path, recipe("movielens", text={"fields": {"title": "title", "tags": "tags"}}), ["1"])


def test_recbole_files_without_ratings_or_times(tmp_path: Path) -> None:
    put(tmp_path, {"x.inter": 'user_id:token\titem_id:token\nu\t"i\nu\tj\n'})
    events = read(tmp_path, recipe("recbole"))
    assert rows_of(events) == [("u", '"i', 0.0), ("u", "j", 1.0)]
    assert (events.ratings, events.time_unit) == (None, "order")
