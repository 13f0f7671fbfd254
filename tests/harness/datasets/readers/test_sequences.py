"""Sequence files, split by leaving one out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset

from ..builders import LINES, error_of, prepare_sequences, rows_of


@pytest.fixture(scope="module")
def beauty(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    preparation.prepare("sequences", source=shared / "data/amazon-beauty-2014", data_dir=folder, name="beauty")
    return folder


def test_the_counts_of_the_real_file(beauty: Path) -> None:
    data = catalog.load_dataset("beauty", data_dir=beauty)
    assert data.card["source"] == {"users": 22_363, "items": 12_101, "interactions": 198_502}
    assert data.card["statistics"]["rows"] == {"train": 131_413, "valid": 22_312, "test": 22_176}
    assert (data.num_users, data.num_items) == (22_363, 12_068)


def test_what_is_dropped_accounts_for_every_user(beauty: Path) -> None:
    card = catalog.card("beauty", beauty)
    for split in ("valid", "test"):
        dropped = sum(reason["rows"][split] for reason in card["dropped"])
        assert card["statistics"]["rows"][split] + dropped == 22_363
    first, *others = card["dropped"]
    assert (first["why"], first["rows"]["train"]) == ("nothing before it", 22_363)
    assert all(reason["rows"]["train"] == 0 for reason in others)


def test_rows_equal_those_read_line_by_line(beauty: Path, shared: Path) -> None:
    data = catalog.load_dataset("beauty", data_dir=beauty)
    tokens = catalog.load_items("beauty", data_dir=beauty).tokens
    lines = [line.split() for line in (shared / "data/amazon-beauty-2014/sequences.txt").read_text().splitlines()]
    known = {item for line in lines for item in line[1:-2]}
    tests = {(" ".join(line[1:-1]), line[-1]) for line in lines if set(line[1:]) <= known}
    valids = {(" ".join(line[1:-2]), line[-2]) for line in lines if set(line[1:-1]) <= known}
    assert rows(data, "test", tokens) == tests
    assert rows(data, "valid", tokens) == valids


def rows(data: Dataset, name: str, tokens: object) -> set[tuple[str, str]]:
    return {(" ".join(history), target) for history, target in rows_of(data, name, tokens)}


def prepare(folder: Path, text: str) -> Dataset:
    return catalog.load_dataset("mine", data_dir=prepare_sequences(folder, text))


def test_train_rows_are_all_prefixes_before_the_last_two(tmp_path: Path) -> None:
    data = prepare(tmp_path, LINES + "c z x y z\n")
    tokens = catalog.load_items("mine", data_dir=tmp_path / "data").tokens
    assert rows(data, "train", tokens) == {("x", "y"), ("y", "x"), ("y x", "z"), ("z", "x")}
    assert rows(data, "test", tokens) == {("x y z", "y"), ("y x z x", "y"), ("z x y", "z")}


def test_the_source_may_be_the_file_itself(tmp_path: Path) -> None:
    file = tmp_path / "other.txt"
    file.write_text(LINES)
    data = preparation.prepare("sequences", source=file, data_dir=tmp_path / "data", name="mine")
    assert data.card["sources"][0]["file"] == "other.txt"
    assert data.fingerprint == prepare(tmp_path, LINES).fingerprint


def test_blank_lines_and_the_order_of_lines_change_nothing(tmp_path: Path) -> None:
    first = prepare(tmp_path, LINES)
    assert prepare(tmp_path, "\n" + "\n".join(reversed(LINES.splitlines()))).fingerprint == first.fingerprint


def test_users_too_short_to_split_are_counted(tmp_path: Path) -> None:
    assert prepare(tmp_path, LINES + "c x\nd y x\n").card["users_with_fewer_than_3_items_all_in_training"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a x y z\nb\n", "sequences.txt:2  user 'b' has no items. A line is: user item item."),
        ("a x y z\nb x y z\na z y x\n", "sequences.txt:3  user 'a' stands on line 1 already."),
        ("\n\n", "sequences.txt is empty. A line is: user item item."),
        ("a x y\nb y x\n", "no row is left in valid and test. Left out before: nothing before it: 2 rows."),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    assert message in error_of(prepare, tmp_path, text)
    assert not (tmp_path / "data").exists()


def test_broken_lines_are_skipped_and_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "bad"
    source.mkdir()
    (source / "sequences.txt.gz").write_bytes(gzip.compress(b"c\nd \xff x y\n" + LINES.encode() + b"a x\na y\n"))
    data = preparation.prepare("sequences", source=source, data_dir=tmp_path / "d", name="mine", on_bad_line="skip")
    assert data.fingerprint == prepare(tmp_path / "clean", LINES).fingerprint
    assert data.card["bad_lines"] == [
        {"file": "sequences.txt.gz", "why": "has no items", "lines": 1, "first": 1},
        {"file": "sequences.txt.gz", "why": "is not UTF-8 text", "lines": 1, "first": 2},
        {"file": "sequences.txt.gz", "why": "its user stands on an earlier line", "lines": 2, "first": 5},
    ]
