"""Item vectors from tables with an item_id column: matched by id, and what is refused."""

from __future__ import annotations

import json
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

from .test_embed import prepared

TOKENS = np.array(["007", "7", "b c", "item,4"], dtype=object)
VALUES = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
ORDER = (2, 0, 3, 1)


def quoted(token: str) -> str:
    return f'"{token}"' if "," in token else token


def numbers_csv(path: Path) -> Path:
    rows = [[quoted(TOKENS[item]), *map(repr, VALUES[item].tolist())] for item in ORDER]
    path.write_text("item_id,x,y,z\n" + "".join(",".join(row) + "\n" for row in rows))
    return path


def numbers_tsv(path: Path) -> Path:
    rows = [[*map(repr, VALUES[item].tolist()), TOKENS[item]] for item in ORDER]
    path.write_text("x\ty\tz\titem_id\n" + "".join("\t".join(row) + "\n" for row in rows))
    return path


def lists_csv(path: Path) -> Path:
    rows = [f'{quoted(TOKENS[item])},"{json.dumps(VALUES[item].tolist())}"\n' for item in ORDER]
    path.write_text("item_id,vector\n" + "".join(rows))
    return path


def plain_lists_csv(path: Path) -> Path:
    rows = [f"{quoted(TOKENS[item])},{' '.join(map(repr, VALUES[item].tolist()))}\n" for item in ORDER]
    path.write_text("item_id,vector\n" + "".join(rows))
    return path


def lists_jsonl(path: Path) -> Path:
    rows = [json.dumps({"item_id": TOKENS[item], "vector": VALUES[item].tolist()}) for item in ORDER]
    path.write_text("\n".join(rows) + "\n")
    return path


def parquet(path: Path, *, columns: bool = False, array: bool = False) -> Path:
    held = VALUES[list(ORDER)]
    ids = TOKENS[list(ORDER)].tolist()
    table = pl.DataFrame({"item_id": ids, "vector": held.tolist()}, schema_overrides={"vector": pl.List(pl.Float32)})
    if columns:
        table = pl.DataFrame({"item_id": ids, **{f"d{place}": held[:, place] for place in range(3)}})
    if array:
        table = table.with_columns(pl.col("vector").list.to_array(3))
    table.write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        (".csv", numbers_csv),
        (".tsv", numbers_tsv),
        (".csv", lists_csv),
        (".csv", plain_lists_csv),
        (".jsonl", lists_jsonl),
        (".parquet", parquet),
        (".parquet", lambda path: parquet(path, columns=True)),
        (".parquet", lambda path: parquet(path, array=True)),
    ],
    ids=["csv", "tsv", "csv of lists", "csv of plain lists", "jsonl", "parquet", "parquet columns", "parquet arrays"],
)
def test_rows_are_matched_by_id_whatever_their_order(
    ending: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    made = load_table(write(tmp_path / f"own{ending}"), TOKENS)
    assert made.values.dtype == np.float32
    assert (made.values == VALUES).all()
    assert made.fingerprint == item_vectors(VALUES, {}).fingerprint
    assert made.card["encoder"] == f"file:own{ending}"
    assert (made.card["rows_passed_over"], made.card["items_without_row"]) == (0, 0)


def test_ids_that_are_numbers_are_matched_as_whole_numbers(tmp_path: Path) -> None:
    tokens = np.array(["10", "2", "33"], dtype=object)
    frame = pl.DataFrame({"item_id": [2, 33, 10], "x": [2.0, 33.0, 10.0], "n": [2, 33, 10]})
    frame.write_parquet(tmp_path / "own.parquet")
    frame.write_csv(tmp_path / "own.csv")
    frame.write_ndjson(tmp_path / "own.jsonl")
    for ending in ("parquet", "csv", "jsonl"):
        made = load_table(tmp_path / f"own.{ending}", tokens)
        assert made.values.tolist() == [[10, 10], [2, 2], [33, 33]]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_rows_of_other_items_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = numbers_csv(tmp_path / "own.csv")
    with path.open("a") as file:
        file.write("stranger,1,2,3\nother,nan,,inf\n")
    made = load_table(path, TOKENS)
    assert (made.values == VALUES).all()
    assert made.card["rows_passed_over"] == 2


def test_items_without_a_row_are_an_error_or_have_zeros(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", "item_id,x\n7,1.5\n")
    with pytest.raises(DatasetError) as caught:
        load_table(path, TOKENS)
    assert str(caught.value) == (
        f"{path} has no row for 3 of the 4 items: 007, b c, item,4. Add them, or give them the zero vector with  "
        "--missing zero"
    )
    made = load_table(path, TOKENS, missing="zero")
    assert made.values.tolist() == [[0], [1.5], [0], [0]]
    assert (made.card["items_without_row"], made.card["zero_vectors"]) == (3, 3)
    many = np.array([f"i{item}" for item in range(50)], dtype=object)
    with pytest.raises(DatasetError, match=r"no row for 50 of the 50 items: i0, i1, i2, ... \(47 more\)\. Add them"):
        load_table(path, many)
    with pytest.raises(DatasetError, match=r"has a row for none of the 50 items\. Its ids are 7\."):
        load_table(path, many, missing="zero")


ROWS = "007,1,2\n7,1,2\nb c,1,2\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("own.csv", "id,x\n1,2\n", "own.csv has no column item_id. It has: id, x."),
        ("own.csv", "item_id\n1\n", "own.csv has no columns but item_id."),
        ("own.csv", "item_id,x\n", "own.csv has no rows."),
        ("own.csv", "", "own.csv cannot be read: "),
        ("own.jsonl", '{"item_id": "007", \n', "own.jsonl cannot be read: "),
        ("own.parquet", "PAR1", "own.parquet cannot be read: "),
        ("own.csv", f"item_id,x,y\n{ROWS}7,3,4\n007,1,1\n", "own.csv: 2 items stand in more than one row: 007, 7."),
        (
            "own.csv",
            f'item_id,x,y\n{ROWS}"item,4",,2\n',
            "own.csv: 1 rows have a number that is missing, NaN or infinite: item,4.",
        ),
        (
            "own.csv",
            f'item_id,x,y\n{ROWS}"item,4",1e39,2\n',
            "1 rows have a number that is missing, NaN or infinite: item,4.",
        ),
        (
            "own.csv",
            f'item_id,x,y\n{ROWS}"item,4",red,2\n',
            "own.csv: column x holds String. Beside item_id there may be",
        ),
        (
            "own.csv",
            f'item_id,x,y\n{ROWS}"item,4",nan,2\n',
            "1 rows have a number that is missing, NaN or infinite: item,4.",
        ),
        ("own.csv", f"item_id,x,y\n{ROWS},1,2\n", "own.csv: 1 rows have no item_id."),
        (
            "own.jsonl",
            '{"item_id": 1.5, "v": [1]}\n',
            "own.jsonl: item_id holds Float64. Allowed: text or whole numbers.",
        ),
    ],
)
def test_what_is_no_such_table_is_refused(name: str, text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_table(write(tmp_path / name, text), TOKENS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"own\.csv: no such file\."):
        load_table(tmp_path / "own.csv", TOKENS)


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        (["1 2", "3 4", "5", "6 7"], "the list of b c has 1 numbers, that of 007 2. Each has the same number of them"),
        (["1 2", "3 red", "5 6", "6 7"], "column v holds lists of what are no numbers."),
        (["1 2", "3 4", "", "6 7"], "the list of b c has "),
    ],
)
def test_lists_that_are_no_vectors_are_refused(lists: list[str], words: str, tmp_path: Path) -> None:
    rows = "".join(f'{quoted(token)},"{one}"\n' for token, one in zip(TOKENS, lists, strict=True))
    with pytest.raises(DatasetError) as caught:
        load_table(write(tmp_path / "own.csv", "item_id,v\n" + rows), TOKENS)
    assert words in str(caught.value)


def test_lists_of_null_are_refused(tmp_path: Path) -> None:
    rows = [{"item_id": token, "v": [1.0, None if place == 1 else 2.0]} for place, token in enumerate(TOKENS)]
    path = write(tmp_path / "own.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DatasetError, match="1 rows have a number that is missing, NaN or infinite: 7"):
        load_table(path, TOKENS)


def test_a_table_becomes_the_vectors_of_a_data_set(tmp_path: Path) -> None:
    data_dir = prepared(tmp_path)
    tokens = catalog.load_items("mine", data_dir=data_dir).tokens
    rows = [f"{token},{place},1\n" for place, token in enumerate(tokens) if token != tokens[5]]
    path = write(tmp_path / "own.csv", "item_id,x,y\nstranger,0,0\n" + "".join(reversed(rows)))
    with pytest.raises(DatasetError, match=f"no row for 1 of the 9 items: {tokens[5]}"):
        embed("mine", data_dir=data_dir, encoder=f"file:{path}")
    assert not catalog.has_vectors("mine", data_dir)
    made = embed("mine", data_dir=data_dir, encoder=f"file:{path}", missing="zero")
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True).vectors
    assert loaded is not None
    assert loaded.values.tolist() == [[place, 1] if place != 5 else [0, 0] for place in range(9)]
    assert loaded.card == made.card
    assert "  passed over           1 rows of items that the data set does not have" in vector_lines(made.card)
    assert "  without a row         1 items, which have zeros" in vector_lines(made.card)
