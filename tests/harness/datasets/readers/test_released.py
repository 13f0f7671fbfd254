"""Row files of the authors' format: taken as they are."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset

from ..builders import bad_lines, prepare, refusal

SPLITS = ("train", "valid", "test")


@pytest.fixture(scope="module")
def data(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    source = shared / "data/released-ml-100k"
    return preparation.prepare("released", source=source, data_dir=tmp_path_factory.mktemp("data"), name="ml-100k")


def test_nothing_is_dropped_and_all_ids_are_ranked(data: Dataset) -> None:
    assert data.name == "released-ml-100k"
    assert [len(data.split(name)) for name in SPLITS] == [42_783, 5_331, 5_339]
    assert (data.num_items, data.num_users) == (1_008, 938)
    assert [sum(entry["rows"].values()) for entry in data.card["dropped"]] == [0]
    assert data.card["items_not_in_training"] == 3
    assert data.card["longest_history"] == 50


@pytest.mark.parametrize("name", SPLITS)
def test_every_row_is_the_one_of_the_file(data: Dataset, shared: Path, name: str) -> None:
    with gzip.open(shared / f"data/released-ml-100k/ml-100k.{name}.remap.csv.gz", "rt") as stream:
        rows = list(csv.DictReader(stream))
    split = data.split(name)
    assert len(rows) == len(split)
    assert split.users.tolist() == [int(row["user_id"]) for row in rows]
    assert split.targets.tolist() == [int(row["item_id"]) for row in rows]
    for row, start, end in zip(rows, split.starts, split.ends, strict=True):
        assert data.flat[start:end].tolist() == [int(item) for item in row["history_id"].split()]


def test_popularity_on_it_scores_what_the_reference_measured(data: Dataset) -> None:
    counts = np.bincount(data.train.targets, minlength=data.num_items)
    place = np.empty(data.num_items)
    place[np.argsort(-counts, kind="stable")] = np.arange(1, data.num_items + 1)
    ranks = place[data.test.targets]
    gains = 1 / np.log2(ranks + 1)
    scores = [np.where(ranks <= k, gains, 0).mean() for k in (10, 20)] + [(ranks <= k).mean() for k in (10, 20)]
    assert [f"{score:.4f}" for score in scores] == ["0.0257", "0.0346", "0.0519", "0.0871"]


def write(folder: Path, train: str = "0,2,0 1,5\n") -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in {"train": train, "valid": "0,3,0 1 2,6\n", "test": "0,1,0 1 2 3,7\n"}.items():
        (folder / f"mine.{name}.remap.csv").write_text("user_id,item_id,history_id,timestamp\n" + text)
    return folder


def test_plain_files_are_read_like_gzipped_ones(tmp_path: Path) -> None:
    data = prepare("released", write(tmp_path))
    assert data.flat.tolist() == [0, 1, 2, 3, 1]
    assert [(data.split(name).starts[0], data.split(name).ends[0]) for name in SPLITS] == [(0, 2), (0, 3), (0, 4)]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("0,2,0 1,5\n1,2,,6\n1,3,,6\n", "mine.train.remap.csv:3  history_id: is empty.\nLines that cannot be read: 2."),
        ("0,2,0 x,5\n", "mine.train.remap.csv:2  history_id: '0 x' is not whole numbers from 0."),
        ("0,2,0 -1,5\n", "mine.train.remap.csv:2  history_id: '0 -1' is not whole numbers from 0."),
        ("0,2,1.0,5\n", "mine.train.remap.csv:2  history_id: '1.0' is not whole numbers from 0."),
        ("0,2,99999999999999999999,5\n", "history_id: '99999999999999999999' is not whole numbers from 0."),
        ("0,2.5,1,5\n", "mine.train.remap.csv:2  item_id: '2.5' is not a whole number from 0."),
        ("-4,2,1,5\n", "mine.train.remap.csv:2  user_id: '-4' is not a whole number from 0."),
        ("0,,1,5\n", "mine.train.remap.csv:2  item_id: is empty."),
        ("", "mine.train.remap.csv holds no row."),
    ],
)
def test_a_broken_row_is_one_clear_error_with_its_line(tmp_path: Path, train: str, message: str) -> None:
    assert message in refusal("released", write(tmp_path, train))


def released(folder: Path, ids: list[int], users: list[int]) -> Path:
    for name in SPLITS:
        rows = "".join(f"{user},{ids[0]},{ids[1]} {ids[-1]},5\n" for user in users)
        (folder / f"mine.{name}.remap.csv").write_text("user_id,item_id,history_id,timestamp\n" + rows)
    return folder


@pytest.mark.parametrize(
    ("ids", "users", "column"),
    [
        ([0, 1, 1_900_000_000], [0], "item_id"),
        ([1_900_000_000, 1, 0], [0], "item_id"),
        ([0, 1_900_000_000, 1], [0], "item_id"),
        ([0, 1, 2], [0, 1_900_000_000], "user_id"),
        ([0, 1, 40_000], [0], "item_id"),
    ],
)
def test_ids_far_above_their_number_are_refused_before_memory_is_taken(
    tmp_path: Path, ids: list[int], users: list[int], column: str
) -> None:
    assert refusal("released", released(tmp_path, ids, users)).startswith(f"{column}: ")


def test_some_ids_may_be_missing(tmp_path: Path) -> None:
    assert prepare("released", released(tmp_path, [0, 1, 900], [0, 900])).num_items == 901


def test_broken_rows_are_skipped_and_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    bad = "0,x,0,5\n0,2,0 -1,5\n0,2,,5\n0,2, ,5\n7,2,0,soon\n"
    clean = prepare("released", write(tmp_path / "clean"))
    data = prepare("released", write(tmp_path / "bad", bad + "0,2,0 1,5\n"), "skip")
    assert data.fingerprint == clean.fingerprint
    assert bad_lines(data) == [
        ("item_id is not a whole number from 0", 1, 2),
        ("history_id is not whole numbers from 0", 1, 3),
        ("history_id is empty", 2, 4),
        ("timestamp is not a number", 1, 6),
    ]
