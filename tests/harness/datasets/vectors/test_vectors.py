"""Item vectors: their files, their fingerprint, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rearec_bench.harness.datasets.vectors import vectors
from rearec_bench.harness.utils import files as atomic
from rearec_bench.harness.utils.errors import DatasetError

from ..builders import error_of

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


def made(values: np.ndarray = VALUES) -> vectors.ItemVectors:
    return vectors.item_vectors(values, {"encoder": "mine"})


def load(path: Path) -> vectors.ItemVectors:
    return vectors.load_vectors_file(path, 4, dataset_fingerprint="f")


def test_the_fingerprint_is_the_hash_of_shape_and_bytes() -> None:
    content = b"rearec-bench item vectors 1 items=4 width=3\n" + VALUES.astype("<f4").tobytes()
    assert made().fingerprint == hashlib.sha256(content).hexdigest()
    assert made(VALUES.reshape(3, 4)).fingerprint != made().fingerprint
    assert made(VALUES[::-1]).fingerprint != made().fingerprint
    assert made().card == {"encoder": "mine", "items": 4, "width": 3, "fingerprint": made().fingerprint}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert vectors.read_vectors(tmp_path) is None
    assert vectors.read_card(tmp_path) is None
    vectors.write_vectors(tmp_path, made())
    read = vectors.read_vectors(tmp_path)
    assert read is not None
    assert read.values.tobytes() == VALUES.tobytes()
    assert (read.fingerprint, read.card) == (made().fingerprint, made().card)
    assert vectors.read_card(tmp_path) == made().card
    assert json.loads((tmp_path / "vectors.json").read_text()) == made().card
    with pytest.raises(ValueError, match="read-only"):
        read.values[0] = 1


def test_writing_that_fails_leaves_the_vectors_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors.write_vectors(tmp_path, made())

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "_write_synced", full)
    with pytest.raises(DatasetError, match=r"cannot be written: No space left on device"):
        vectors.write_vectors(tmp_path, made(VALUES + 1))
    held = vectors.read_vectors(tmp_path)
    assert held is not None
    assert held.fingerprint == made().fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vectors.json", "vectors.safetensors"]


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x07"),
        lambda path: save_file({"vectors": VALUES}, path),
        lambda path: path.write_bytes(b""),
    ],
    ids=["cut off", "another value", "no card", "empty"],
)
def test_damaged_vectors_say_what_to_type(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    folder = tmp_path / "mine"
    vectors.write_vectors(folder, made())
    harm(folder / "vectors.safetensors")
    said = error_of(vectors.read_vectors, folder)
    assert "vectors.safetensors is damaged: " in said and said.endswith("rearec-bench embed mine")


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8"])
@pytest.mark.parametrize(("name", "shown"), [(b"mine", "mine"), (b"\xff", "\N{REPLACEMENT CHARACTER}")])
def test_a_file_of_any_floats_becomes_32_bits(tmp_path: Path, kind: str, name: bytes, shown: str) -> None:
    path = tmp_path / f"{os.fsdecode(name)}.npy"
    with path.open("wb") as stream:
        np.save(stream, np.asfortranarray(VALUES.astype(kind)))
    loaded = load(path)
    assert loaded.values.dtype == np.float32
    assert loaded.fingerprint == made().fingerprint
    assert loaded.card["encoder"] == f"file:{shown}.npy"
    assert loaded.card["zero_vectors"] == 0
    vectors.write_vectors(tmp_path, loaded)


def test_a_tensor_of_several_is_found_by_its_name(tmp_path: Path) -> None:
    save_file({"other": VALUES + 1, "vectors": VALUES}, tmp_path / "mine.safetensors")
    save_file({"anything": VALUES}, tmp_path / "one.safetensors")
    for name in ("mine", "one"):
        assert load(tmp_path / f"{name}.safetensors").fingerprint == made().fingerprint


def test_a_card_in_the_file_is_kept_if_it_is_that_of_the_values(tmp_path: Path) -> None:
    vectors.write_vectors(tmp_path, made())
    file = tmp_path / "vectors.safetensors"
    assert load(file).card == made().card
    save_file({"vectors": load_file(file)["vectors"] + 1}, file, metadata={"card": json.dumps(dict(made().card))})
    assert load(file).card["encoder"] == "file:vectors.safetensors"


def with_a_hole(row: int, value: float) -> np.ndarray:
    values = VALUES.astype(np.float64)
    values[row, 1] = value
    return values


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", VALUES[:3], "a.npy: its shape is 3 x 3; the data set has 4 items, so 4 x WIDTH is wanted"),
        ("a.npy", VALUES[:, 0], "a.npy: its shape is 4; the data set has 4 items"),
        ("a.npy", VALUES[:, :0], "a.npy: its shape is 4 x 0;"),
        ("a.npy", np.float32(1), "a.npy: its shape is no;"),
        ("a.npy", VALUES.astype(np.int32), "a.npy holds int32. Allowed: float16, float32, float64."),
        ("a.npy", VALUES.astype(bool), "a.npy holds bool."),
        ("a.npy", with_a_hole(2, np.nan), "a.npy: row 2 holds NaN or an infinite number."),
        ("a.npy", with_a_hole(1, 1e300), "a.npy: row 1 holds NaN or an infinite number."),
        ("a.npy", np.full((4, 2), np.inf), "a.npy: row 0 holds NaN or an infinite number (3 more such rows)."),
        ("a.npy", np.array([[None] * 3] * 4), "a.npy cannot be read: "),
        ("a.npy", b"PK", "a.npy cannot be read: "),
        ("a.npy", b"", "a.npy cannot be read: "),
        ("a.safetensors", {"a": VALUES, "b": VALUES}, "holds 2 tensors (a, b). Call that of the items 'vectors'."),
        ("a.safetensors", {"a": VALUES.astype(np.int64)}, "a.safetensors holds I64. Allowed: float16, float32, float"),
        ("a.safetensors", {"a": VALUES[:2]}, "a.safetensors: its shape is 2 x 3;"),
        ("a.safetensors", {"a": with_a_hole(3, np.nan)}, "a.safetensors: row 3 holds NaN"),
        ("a.safetensors", {}, "holds 0 tensors"),
        ("a.safetensors", b"no such thing", "a.safetensors cannot be read: "),
        ("a.pt", b"", "a.pt: item vectors are read from files that end in .npy or .safetensors."),
        ("a.npy", None, "a.npy: no such file."),
    ],
)
def test_a_file_that_does_not_fit_is_one_clear_error(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        save_file({key: np.ascontiguousarray(value) for key, value in content.items()}, path)
    elif content is not None:
        np.save(path, content)  # type: ignore[arg-type]
    said = error_of(load, path)
    assert message in said and "\n" not in said


def test_an_archive_and_bfloat16_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save_tensors

    np.savez(tmp_path / "a.npz", VALUES)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert "a.npy is an archive of arrays" in error_of(load, tmp_path / "a.npy")
    save_tensors({"a": torch.zeros(4, 3, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    assert "holds BF16. Allowed" in error_of(load, tmp_path / "a.safetensors")
