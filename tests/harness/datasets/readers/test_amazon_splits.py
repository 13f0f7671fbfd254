"""The reader of the publisher's splits of Amazon 2023, apart from the rules of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rearec_bench.harness.datasets.data.ready_rows import ReadyRows
from rearec_bench.harness.datasets.parsing.raw import ReadProgress
from rearec_bench.harness.datasets.parsing.source_files import RawFiles
from rearec_bench.harness.datasets.readers.amazon_splits import READER
from rearec_bench.harness.datasets.recipe.recipe import Recipe

from .. import raw_amazon, reference_preparation
from ..builders import error_of
from ..reference_preparation import SPLITS, Prepared, Row

HEADER = "user_id,parent_asin,rating,timestamp,history\n"
ROWS = {
    "train": "u2,b,5.0,1500000000000,\nu1,a,4.0,1500000000001,\nu1,b,2.0,1500000000002,a\n",
    "valid": "u1,c,5.0,1630000000000,a b\n",
    "test": "u1,a,5.0,1660000000000,a b c\n",
}


def write(folder: Path, *, header: str = HEADER, **rows: str) -> Path:
    for split in SPLITS:
        (folder / f"Toys.{split}.csv").write_text(header + rows.get(split, ROWS[split]))
    return folder


def read(folder: Path, progress: ReadProgress = lambda *_: None, **settings: Any) -> ReadyRows:
    recipe = Recipe.model_validate({"reader": "amazon-2023-splits", "split": "given", **settings})
    found = READER.read(RawFiles(folder, recipe, progress, "skip"))
    assert isinstance(found, ReadyRows)
    return found


def rows_of(held: ReadyRows) -> dict[str, list[Row]]:
    """The rows by split."""
    assert held.times is not None and held.ratings is not None
    found: dict[str, list[Row]] = {split: [] for split in SPLITS}
    users, items, start = held.user_tokens, held.item_tokens, 0
    columns = (held.rows.users, held.rows.targets, held.rows.lengths, held.times, held.ratings, held.parts)
    for user, target, length, time, rating, part in zip(*columns, strict=True):
        history = tuple(items[held.rows.history[start : start + length]])
        found[SPLITS[part]].append(Row(users[user], items[target], history, int(time), float(rating)))
        start += length
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_every_row_is_the_one_of_the_file_before_any_rule(tmp_path: Path, seed: int) -> None:
    raw_amazon.write(tmp_path, "Toys", seed=seed, broken=True)
    held = read(tmp_path)
    for split, rows in rows_of(held).items():
        assert rows == reference_preparation._read_split(tmp_path / f"Toys.{split}.csv.gz", Prepared({}))
    assert (held.layout, held.fixed_numbers) == ("prefixes", False)


def test_tokens_are_sorted_and_spaces_between_items_do_not_count(tmp_path: Path) -> None:
    held = read(write(tmp_path, test="u1,a,5.0,1660000000000, a  b c \nu0,d,5.0,1660000000000,   \n"))
    assert held.user_tokens.tolist() == ["u0", "u1", "u2"]
    assert held.item_tokens.tolist() == ["a", "b", "c", "d"]
    assert [row.history for row in rows_of(held)["test"]] == [("a", "b", "c"), ()]


def test_progress_ends_with_the_whole_of_each_file(tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    write(tmp_path)
    read(tmp_path, progress=lambda done, size, name: told.__setitem__(name, (done, size)))
    sizes = {f"Toys.{split}.csv": (tmp_path / f"Toys.{split}.csv").stat().st_size for split in SPLITS}
    assert told == {name: (size, size) for name, size in sizes.items()}


def test_without_text_no_metadata_is_needed(tmp_path: Path) -> None:
    recipe = Recipe.model_validate({"reader": "amazon-2023-splits", "split": "given"})
    assert READER.attributes(RawFiles(write(tmp_path), recipe, lambda *_: None, "error"), ["a"]) is None
    assert len(rows_of(read(tmp_path))["train"]) == 3


def test_columns_of_other_names_and_parquet_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, header="u,i,r,t,past\n")
    columns = {"user": "u", "item": "i", "rating": "r", "time": "t", "history": "past"}
    wanted = read(tmp_path, columns=columns)
    for split in SPLITS:
        pl.read_csv(tmp_path / f"Toys.{split}.csv").write_parquet(tmp_path / f"{split}.parquet")
    held = read(tmp_path, columns=columns, files={split: f"{split}.parquet" for split in SPLITS})
    assert rows_of(held) == rows_of(wanted)


def test_files_of_two_categories_in_one_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "Books.valid.csv").write_text(HEADER)
    assert f"{tmp_path} holds 2 files of valid: Books.valid.csv, Toys.valid.csv." in error_of(read, tmp_path)


def test_a_source_that_is_a_file_is_refused(tmp_path: Path) -> None:
    assert "is a file; a folder is wanted" in error_of(read, write(tmp_path) / "Toys.train.csv")


def test_a_file_with_nothing_but_broken_rows_says_so(tmp_path: Path) -> None:
    said = error_of(read, write(tmp_path, valid="u1,c,?,1630000000000,a b\n"))
    assert said.startswith(f"{tmp_path / 'Toys.valid.csv'} holds no row. Lines that cannot be read: 1.")
