"""Prepared data on disk: whole or not there, the same to the byte, and checked when read."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data import files
from rearec_bench.harness.utils.errors import DatasetError

from ..builders import LINES, prepare_sequences

NAMES = {
    *("card.json", "items.parquet", "sequences.parquet", "test.parquet", "train.parquet", "users.parquet"),
    "valid.parquet",
}


def killed() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_preparing_twice_gives_the_same_bytes_and_another_name_the_same_fingerprint(tmp_path: Path) -> None:
    first, second = prepare_sequences(tmp_path / "one"), prepare_sequences(tmp_path / "two")
    assert {path.name for path in (first / "mine").iterdir()} == NAMES
    for name in NAMES:
        assert (first / "mine" / name).read_bytes() == (second / "mine" / name).read_bytes()
    other = prepare_sequences(tmp_path / "three", name="other")
    assert catalog.card("mine", first)["fingerprint"] == catalog.card("other", other)["fingerprint"]


@pytest.mark.parametrize("text", [LINES + "c x y z\n", "a x y z x\nb y x z x y\n"])
def test_the_fingerprint_depends_on_the_rows(tmp_path: Path, text: str) -> None:
    first, second = prepare_sequences(tmp_path / "one"), prepare_sequences(tmp_path / "two", text)
    assert catalog.card("mine", first)["fingerprint"] != catalog.card("mine", second)["fingerprint"]


def test_what_is_loaded_is_what_was_prepared(tmp_path: Path) -> None:
    data = catalog.load_dataset("mine", data_dir=prepare_sequences(tmp_path))
    items = catalog.load_items("mine", data_dir=tmp_path / "data")
    assert (data.flat.dtype, data.train.users.dtype, data.train.starts.dtype) == (np.int32, np.int32, np.int64)
    assert "".join(items.tokens[data.flat]) == "xyzyyxzxy"
    assert items.titles is None
    assert items.train_counts.tolist() == [2, 2, 1]


def test_an_interrupted_preparation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_write_items", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_sequences(tmp_path)
    assert list((tmp_path / "data").iterdir()) == []
    assert catalog.prepared(tmp_path / "data") == []


def test_what_killed_preparations_left_is_removed_or_put_back_by_the_next(tmp_path: Path) -> None:
    data_dir = prepare_sequences(tmp_path)
    left = data_dir / f".tmp~mine~{socket.gethostname()}~{killed()}~0a1b2c3d"
    left.mkdir()
    (left / "train.parquet").write_bytes(b"half")
    (data_dir / ".other.k7f3").mkdir()
    assert catalog.prepared(data_dir) == ["mine"]
    (data_dir / "mine").rename(data_dir / f".old~mine~{socket.gethostname()}~{killed()}~0a1b2c3d")
    prepare_sequences(tmp_path, name="other")
    assert sorted(path.name for path in data_dir.iterdir()) == [".other.k7f3", "mine", "other"]
    assert catalog.load_dataset("mine", data_dir=data_dir).num_items == 3


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DatasetError, match="data/mine cannot be written: "):
        prepare_sequences(tmp_path)


def test_the_card_has_size_and_checksum_of_every_other_file(tmp_path: Path) -> None:
    folder = prepare_sequences(tmp_path) / "mine"
    outputs = json.loads((folder / "card.json").read_text())["outputs"]
    assert {one["file"] for one in outputs} == NAMES - {"card.json"}
    for one in outputs:
        content = (folder / one["file"]).read_bytes()
        assert (one["sha256"], one["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_files_of_earlier_versions_are_read_alike(tmp_path: Path) -> None:
    data_dir = prepare_sequences(tmp_path)
    held = catalog.load_dataset("mine", data_dir=data_dir)
    for path in (data_dir / "mine").glob("*.parquet"):
        pq.write_table(pq.read_table(path), path, compression="zstd", row_group_size=2)
    again = catalog.load_dataset("mine", data_dir=data_dir)
    for one, two in ((held.flat, again.flat), (held.train.ends, again.train.ends), (held.test.users, again.test.users)):
        assert (one.dtype, one.tolist()) == (two.dtype, two.tolist())
        assert not one.flags.writeable and not two.flags.writeable


def test_an_interrupted_repetition_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = prepare_sequences(tmp_path)
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if target == data_dir / "mine":
            raise OSError("no space left")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(DatasetError, match="mine cannot be written: no space left"):
        prepare_sequences(tmp_path)
    monkeypatch.undo()
    assert catalog.load_dataset("mine", data_dir=data_dir).num_items == 3
    assert [path.name for path in data_dir.iterdir()] == ["mine"]


def test_arrays_that_were_changed_are_refused(tmp_path: Path) -> None:
    data_dir = prepare_sequences(tmp_path)
    path = data_dir / "mine/test.parquet"
    table = pq.read_table(path)
    changed = pa.array((table["target"].to_numpy() + 1) % 3, type=pa.int32())
    pq.write_table(table.set_column(3, "target", changed), path)
    with pytest.raises(DatasetError, match="mine is damaged or missing: its arrays do not have the fingerprint"):
        catalog.load_dataset("mine", data_dir=data_dir)


@pytest.mark.parametrize("name", sorted(NAMES - {"items.parquet", "users.parquet"}))
def test_a_truncated_file_is_an_error_that_names_it_and_preparing_again_mends_it(tmp_path: Path, name: str) -> None:
    data_dir = prepare_sequences(tmp_path)
    path = data_dir / "mine" / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DatasetError, match=f"{name} is damaged or missing: .* Prepare the data set again"):
        catalog.load_dataset("mine", data_dir=data_dir)
    assert catalog.load_dataset("mine", data_dir=prepare_sequences(tmp_path)).num_items == 3


def test_a_card_of_a_later_version_is_refused(tmp_path: Path) -> None:
    data_dir = prepare_sequences(tmp_path)
    card = data_dir / "mine/card.json"
    card.write_text(card.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(DatasetError, match=r"has schema 2, this version reads 1\. Prepare the data set again"):
        catalog.load_dataset("mine", data_dir=data_dir)
