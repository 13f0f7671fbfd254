"""`datasets verify`: what is still what the card says, what is not, and what to type then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.datasets import embed
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data import files
from rearec_bench.harness.datasets.generate import synthetic

from .builders import LINES, prepare_sequences

AGAIN = "Prepare it again:  rearec-bench prepare sequences --name mine --source DIR\n"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return prepare_sequences(tmp_path / "raw").rename(tmp_path / "data")


def verify(data_dir: Path, *arguments: str | Path, name: str = "mine") -> tuple[int, list[str], str]:
    given = ["datasets", "verify", name, "--data-dir", str(data_dir), *map(str, arguments)]
    done = CliRunner().invoke(main, given)
    return done.exit_code, done.stdout.splitlines(), done.stderr


def wrong(lines: list[str]) -> list[str]:
    return [" ".join(line.split()[1:]) for line in lines if line.startswith("wrong ")]


def spoil(path: Path, place: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 0x40
    path.write_bytes(content)


def edit_card(folder: Path, **changes: object) -> None:
    path = folder / "card.json"
    card = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in card.items() if value is not None}))


def test_what_was_prepared_is_as_it_was_written_down(data_dir: Path) -> None:
    own_vectors(data_dir / "mine")
    status, lines, said = verify(data_dir, "--source", data_dir.parent / "raw")
    assert (status, said) == (0, "")
    card = json.loads((data_dir / "mine/card.json").read_text())
    assert [tuple(line.split()[:3]) for line in lines] == [
        *(("ok", name, f"{(data_dir / 'mine' / name).stat().st_size:,}") for name in files.FILES),
        ("ok", "fingerprint", card["fingerprint"]),
        ("ok", "items", "3"),
        ("ok", "item", "vectors"),
        ("ok", "source", "sequences.txt"),
    ]


def other_size(folder: Path) -> None:
    pq.write_table(pq.read_table(folder / "items.parquet"), folder / "items.parquet", compression="none")


def other_arrays(folder: Path) -> None:
    table = pq.read_table(folder / "test.parquet")
    targets = pa.array(((table["target"].to_numpy() + 1) % 3).astype(np.int32))
    pq.write_table(table.set_column(3, table.schema.field("target"), targets), folder / "test.parquet")
    edit_card(folder, outputs=None)


def own_vectors(folder: Path) -> None:
    np.save(folder / "v.npy", np.eye(3, dtype=np.float32))
    embed.embed("mine", data_dir=folder.parent, encoder=f"file:{folder / 'v.npy'}")


def spoilt_vectors(folder: Path) -> None:
    own_vectors(folder)
    spoil(folder / "vectors.safetensors", -1)


@pytest.mark.parametrize(
    ("harm", "found", "remedy"),
    [
        (other_size, "items.parquet has ", AGAIN),
        (lambda folder: spoil(folder / "valid.parquet"), "valid.parquet has sha256 ", AGAIN),
        (other_arrays, "fingerprint ", AGAIN),
        (lambda folder: (folder / "sequences.parquet").unlink(), "sequences.parquet ", AGAIN),
        (lambda folder: (folder / "card.json").write_text("{"), "card.json ", "--source DIR --name mine\n"),
        (lambda folder: (folder / "card.json").write_text("[]"), "card.json ", "--source DIR --name mine\n"),
        (lambda folder: edit_card(folder, sources=None), "card.json has no sources", "--source DIR --name mine\n"),
        (spoilt_vectors, "item vectors ", "Make the item vectors again:  rearec-bench embed mine\n"),
    ],
)
def test_what_was_changed_is_named_with_the_command_that_makes_it_again(
    harm: Callable[[Path], object], found: str, remedy: str, data_dir: Path
) -> None:
    harm(data_dir / "mine")
    status, lines, said = verify(data_dir)
    assert status == 1
    assert said.endswith(remedy)
    first, *others = wrong(lines)
    assert first.startswith(found)
    assert all(line.startswith("fingerprint ") for line in others)


def test_a_data_set_of_an_earlier_version_is_checked_by_its_fingerprint_alone(data_dir: Path) -> None:
    edit_card(data_dir / "mine", outputs=None)
    status, lines, said = verify(data_dir)
    assert (status, said) == (0, "")
    assert not any(".parquet" in line for line in lines)
    assert lines[2].startswith("Its card has no checksums of its files")
    assert lines[2].endswith("prepare it again:  rearec-bench prepare sequences --name mine --source DIR")
    assert lines[3].startswith("The files it was made from were not checked: sequences.txt.")


def test_another_source_is_found(data_dir: Path) -> None:
    raw = data_dir.parent / "raw"
    (raw / "sequences.txt").write_text(LINES.replace("z", "w"))
    status, lines, said = verify(data_dir, "--source", raw)
    assert status == 1
    assert wrong(lines)[0].startswith("source sequences.txt has sha256 ")
    assert said.startswith("These are not the files that it was made from.")
    (raw / "sequences.txt").unlink()
    [line] = wrong(verify(data_dir, "--source", raw)[1])
    assert line.startswith(f"source sequences.txt {raw}/sequences.txt ")


@pytest.mark.parametrize("source", ["raw/sequences.txt", "raw", "."])
def test_a_source_is_found_as_a_file_and_below_the_folder(source: str, data_dir: Path) -> None:
    assert verify(data_dir, "--source", data_dir.parent / source)[0] == 0


def test_made_data_is_made_again_from_its_numbers(tmp_path: Path) -> None:
    preparation.prepare_synthetic(synthetic.Size(300, 60, seed=4), data_dir=tmp_path, name="made")
    spoil(tmp_path / "made/train.parquet")
    status, _, said = verify(tmp_path, name="made")
    assert status == 1
    assert said.endswith("prepare synthetic --users 300 --items 60 --seed 4 --mean-length 12 --name made\n")


def test_the_embedded_data_set_has_no_files(tmp_path: Path) -> None:
    status, lines, _ = verify(tmp_path, name="tiny")
    assert status == 0
    assert [line.split()[:2] for line in lines] == [["ok", "fingerprint"]]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("ml-100k", (), "ml-100k is not prepared. Type:  rearec-bench prepare ml-100k --source DIR"),
        ("mine", ("--source", "no such folder"), "no such folder does not exist. It should hold sequences.txt."),
    ],
)
def test_what_is_not_there_is_invalid_input(name: str, arguments: tuple[str, ...], words: str, data_dir: Path) -> None:
    status, _, said = verify(data_dir, *arguments, name=name)
    assert (status, said[: len(words)]) == (2, words)
