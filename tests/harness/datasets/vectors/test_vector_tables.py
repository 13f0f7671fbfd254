"""Item vectors from tables with an item_id column: matched by id, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.describe import vector_lines
from rearec_bench.harness.datasets.embed import embed
from rearec_bench.harness.datasets.vectors.vector_tables import load_table
from rearec_bench.harness.datasets.vectors.vectors import item_vectors
from rearec_bench.harness.utils.errors import DatasetError

from ..builders import error_of
from .test_embed import prepared

TOKENS = np.array(["007", "7", "b c", "item,4"], dtype=object)
VALUES = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
ORDER = [2, 0, 3, 1]
ROWS = "007,1,2\n7,1,2\nb c,1,2\n"
LISTS = pl.DataFrame(
    {"item_id": TOKENS[ORDER].tolist(), "vector": VALUES[ORDER].tolist()},
    schema_overrides={"vector": pl.List(pl.Float32)},
)
NUMBERS = LISTS.select("item_id", *(pl.col("vector").list.get(place).alias(f"d{place}") for place in range(3)))


def joined(separator: str) -> pl.Expr:
    return pl.col("vector").cast(pl.List(pl.String)).list.join(separator)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def refusal(path: Path, **options: str) -> str:
    said = error_of(load_table, path, TOKENS, **options)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    "layout", ["csv", "tsv", "lists.csv", "plain.csv", "lists.jsonl", "lists", "arrays", "parquet"]
)
def test_every_layout_gives_the_values_by_item(layout: str, tmp_path: Path) -> None:
    ending = layout.rpartition(".")[2] if layout not in ("lists", "arrays") else "parquet"
    path = tmp_path / f"own.{ending}"
    {
        "csv": lambda: NUMBERS.write_csv(path),
        "tsv": lambda: NUMBERS.select("d0", "d1", "item_id", "d2").write_csv(path, separator="\t"),
        "lists.csv": lambda: LISTS.with_columns(pl.format("[{}]", joined(", ")).alias("vector")).write_csv(path),
        "plain.csv": lambda: LISTS.with_columns(joined(" ")).write_csv(path),
        "lists.jsonl": lambda: LISTS.write_ndjson(path),
        "lists": lambda: LISTS.write_parquet(path),
        "arrays": lambda: LISTS.with_columns(pl.col("vector").list.to_array(3)).write_parquet(path),
        "parquet": lambda: NUMBERS.write_parquet(path),
    }[layout]()
    vectors = load_table(path, TOKENS)
    assert (vectors.values == VALUES).all()
    assert vectors.fingerprint == item_vectors(VALUES, {}).fingerprint
    assert vectors.card["encoder"] == f"file:own.{ending}"
    assert (vectors.card["rows_passed_over"], vectors.card["items_without_row"]) == (0, 0)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_ids_that_are_numbers_are_matched_as_whole_numbers(ending: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"item_id": [2, 33, 10], "x": [2.0, 33.0, 10.0], "n": [2, 33, 10]})
    path = tmp_path / f"own.{ending}"
    {"parquet": frame.write_parquet, "csv": frame.write_csv, "jsonl": frame.write_ndjson}[ending](path)
    vectors = load_table(path, np.array(["10", "2", "33"], dtype=object))
    assert vectors.values.tolist() == [[10, 10], [2, 2], [33, 33]]


def test_items_without_a_row_are_an_error_or_have_zeros(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", "item_id,x\n7,1.5\nstranger,2\nother,nan\n")
    words = refusal(path)
    assert "has no row for 3 of the 4 items: 007, b c, item,4." in words
    assert words.endswith("--missing zero")
    vectors = load_table(path, TOKENS, missing="zero")
    assert vectors.values.tolist() == [[0], [1.5], [0], [0]]
    assert (vectors.card["items_without_row"], vectors.card["zero_vectors"]) == (3, 3)
    assert vectors.card["rows_passed_over"] == 2
    many = np.array([f"i{item}" for item in range(50)], dtype=object)
    with pytest.raises(
        DatasetError, match=r"row for none of the 50 items: i0, i1, i2, ... \(47 more\)\. Its ids are 7, str"
    ):
        load_table(path, many)
    with pytest.raises(DatasetError, match=r"has a row for none of the 50 items"):
        load_table(path, many, missing="zero")


NOT_FINITE = "1 rows have a number that is missing, NaN or infinite: item,4."


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("own.csv", None, "own.csv: no such file."),
        ("own.csv", "id,x\n1,2\n", "has 1 rows with the columns id, x. Each row has item_id"),
        ("own.csv", "item_id\n1\n", "has 1 rows with the columns item_id."),
        ("own.csv", "item_id,x\n", "has 0 rows"),
        ("own.csv", "", "own.csv is empty."),
        (
            "own.csv",
            f"item_id,x,y\n{ROWS}item4,1\n",
            "own.csv cannot be read. Lines that cannot be read: 1. 1 x wrong number of fields (first: line 5)",
        ),
        ("own.csv", f"item_id,x,y\n{ROWS}item4,1,2,3\n", "wrong number of fields (first: line 5)"),
        ("own.jsonl", '{"item_id": "7", "x": 1}\n{"item_id": "007", \n', "1. 1 x no JSON (first: line 2)"),
        ("own.jsonl", '{"item_id": "7", "x": NaN}\n', "1. 1 x no JSON (first: line 1)"),
        ("own.jsonl", NUMBERS.with_columns(d1=LISTS.to_struct()).write_ndjson(), "own.jsonl: column d1 holds Struct"),
        ("own.parquet", "PAR1", "own.parquet cannot be read as Parquet: "),
        ("own.csv", f"item_id,x,y\n{ROWS}7,3,4\n007,1,1\n", "own.csv: 2 items stand in more than one row: 007, 7."),
        ("own.csv", f'item_id,x,y\n{ROWS}"item,4",,2\n', NOT_FINITE),
        ("own.csv", f'item_id,x,y\n{ROWS}"item,4",1e39,2\n', NOT_FINITE),
        ("own.csv", f'item_id,x,y\n{ROWS}"item,4",nan,2\n', NOT_FINITE),
        ("own.csv", f'item_id,x,y\n{ROWS}"item,4",red,2\n', "not a number: 'red' in column x of item,4."),
        ("own.csv", f'item_id,x,y\n{ROWS}"item,4",true,2\n'.replace(",1,", ",true,"), "holds what is not a number: "),
        ("own.csv", f"item_id,x,y\n{ROWS},1,2\n", "own.csv: 1 rows have no item_id."),
        ("own.jsonl", '{"item_id": 1.5, "v": [1]}\n', "item_id holds Float64. Allowed: text or whole numbers."),
        ("own.csv", 'item_id,v\n007,1 2\n7,3 4\nb c,5\n"item,4",6 7\n', "list of b c has 1 numbers, that of 007 2."),
        ("own.csv", 'item_id,v\n007,1 2\n7,3 red\nb c,5 6\n"item,4",6 7\n', "holds what is not a number: "),
        ("own.csv", 'item_id,v\n007,1 2\n7,3 4\nb c,\n"item,4",6 7\n', "the list of b c has "),
    ],
)
def test_what_is_not_such_a_table_is_refused(name: str, text: str | None, words: str, tmp_path: Path) -> None:
    assert words in refusal(tmp_path / name if text is None else write(tmp_path / name, text))


def test_lists_of_null_are_refused(tmp_path: Path) -> None:
    rows = [{"item_id": token, "v": [1.0, None if place == 3 else 2.0]} for place, token in enumerate(TOKENS)]
    assert NOT_FINITE in refusal(write(tmp_path / "own.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))


def test_a_table_becomes_the_vectors_of_a_data_set(tmp_path: Path) -> None:
    data_dir = prepared(tmp_path)
    tokens = catalog.load_items("mine", data_dir=data_dir).tokens
    rows = [f"{token},{place},1\n" for place, token in enumerate(tokens) if place != 5]
    path = tmp_path / "own.csv.gz"
    path.write_bytes(gzip.compress(("item_id,x,y\nstranger,0,0\n" + "".join(reversed(rows))).encode()))
    with pytest.raises(DatasetError, match=f"no row for 1 of the 9 items: {tokens[5]}"):
        embed("mine", data_dir=data_dir, encoder=f"file:{path}")
    assert not catalog.has_vectors("mine", data_dir)
    card = embed("mine", data_dir=data_dir, encoder=f"file:{path}", missing="zero").card
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True).vectors
    assert loaded is not None
    assert loaded.values.tolist() == [[place, 1] if place != 5 else [0, 0] for place in range(9)]
    assert loaded.card == card
    assert "  passed over           1 rows of items that the data set does not have" in vector_lines(card)
    assert "  without a row         1 items, which have zeros" in vector_lines(card)


INDEXES = [("", "abcd"), (" ", "abcd"), ("Unnamed: 0", "abcd"), ("__index_level_0__", "7890"), ("", "0123")]
INDEXES += [("index", "0123"), ("Index", "1234"), ("level_0", "0123")]


@pytest.mark.parametrize(("name", "values"), INDEXES)
@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_an_index_is_no_part_of_the_vectors(name: str, values: str, ending: str, tmp_path: Path) -> None:
    column = [int(value) if value.isdecimal() else value for value in values]
    for place in (0, 2):
        frame = NUMBERS.clone()
        frame.insert_column(place, pl.Series(name, column))
        path = tmp_path / f"own{place}.{ending}"
        if ending == "parquet":
            frame.write_parquet(path)
        elif ending == "jsonl":
            frame.write_ndjson(path)
        else:
            frame.write_csv(path, separator="," if ending == "csv" else "\t")
        assert f"column {place + 1}, " in refusal(path)


def test_a_column_called_index_that_counts_nothing_is_one_of_numbers(tmp_path: Path) -> None:
    NUMBERS.rename({"d1": "index"}).write_csv(tmp_path / "own.csv")
    assert (load_table(tmp_path / "own.csv", TOKENS).values == VALUES).all()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\n\n"),
        gzip.compress,
        lambda text: text.decode().encode("utf-16"),
    ],
    ids=["byte order mark", "old Mac", "Windows", "blank lines", "gzip", "UTF-16"],
)
def test_tables_are_read_like_all_text(change: Callable[[bytes], bytes], ending: str, tmp_path: Path) -> None:
    text = NUMBERS.write_csv() if ending == "csv" else NUMBERS.write_ndjson()
    (tmp_path / f"own.{ending}").write_bytes(change(text.encode()))
    assert (load_table(tmp_path / f"own.{ending}", TOKENS).values == VALUES).all()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_separator_is_guessed_and_the_name_may_be_any(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{os.fsdecode(b'n' + bytes([255]))}.{kind}"
    with path.open("wb") as stream:
        if kind == "csv":
            NUMBERS.write_csv(stream, separator=";")
        else:
            {"jsonl": NUMBERS.write_ndjson, "parquet": NUMBERS.write_parquet}[kind](stream)
    vectors = load_table(path, TOKENS)
    assert (vectors.values == VALUES).all()
    assert vectors.card["encoder"] == f"file:n\N{REPLACEMENT CHARACTER}.{kind}"
