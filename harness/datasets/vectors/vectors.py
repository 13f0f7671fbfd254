"""Vectors of a data set's items, made from their texts: what a text-based backbone starts from; and their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils import files as atomic
from ...utils.errors import DatasetError
from ..recipe.recipe import OPENING

FILE = "vectors.safetensors"
CARD = "vectors.json"
ENDINGS = (".npy", ".safetensors")
TABLES = (".csv", ".tsv", ".parquet", ".jsonl")
FROM_FILE = "file:"
"""What stands before the file's name where a card names the encoder of vectors that someone else made."""

_TENSOR = "vectors"
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class ItemVectors:
    """One vector an item.

    Attributes:
        values: (N, m) float32.
        fingerprint: 64 hexadecimal digits, a hash of the shape and the values, and of the template of the texts where
            it is not the paper's.
        card: how they were made, as JSON values.
    """

    values: NDArray[np.float32]
    fingerprint: str
    card: Mapping[str, Any]


def item_vectors(values: NDArray[np.floating[Any]], card: Mapping[str, Any]) -> ItemVectors:
    """Vectors with their fingerprint; the card is told it, and their number and width.

    The template is part of the fingerprint by itself, because an encoder may pass over words that all texts have, and
    two templates would share it. The paper's, and none, leave it what it was before there were others.

    Args:
        values: (N, m), finite.
        card: how they were made, as JSON values.
    """
    held = np.array(values, dtype=np.float32, order="C")
    held.flags.writeable = False
    template = card.get("template", "")
    found = _fingerprint(held, "" if template == OPENING else template)
    size = {"items": len(held), "width": held.shape[1]}
    return ItemVectors(held, found, {**card, **size, "fingerprint": found})


def write_vectors(folder: Path, vectors: ItemVectors) -> None:
    """Store the vectors of a prepared data set, in place of those it had.

    `vectors.safetensors` holds both the values and their card and takes its place by one rename, so that a reader
    finds the old ones or the new ones. `vectors.json` is the card once more, for people.

    Args:
        folder: `DATA_DIR/NAME`.
        vectors: of its items.

    Raises:
        DatasetError: the folder cannot be written.
    """
    from safetensors.numpy import save

    card = json.dumps(dict(vectors.card), indent=2, ensure_ascii=False)
    content = save({_TENSOR: np.ascontiguousarray(vectors.values)}, metadata={"card": card})
    try:
        atomic.write_file(folder / FILE, content)
        atomic.write_file(folder / CARD, f"{card}\n".encode())
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror or error}.") from error


def read_vectors(folder: Path) -> ItemVectors | None:
    """The vectors of a prepared data set, None where it has none.

    Args:
        folder: `DATA_DIR/NAME`.

    Raises:
        DatasetError: damaged.
    """
    card = read_card(folder)
    if card is None:
        return None
    try:
        values = _one_tensor(folder / FILE)
    except DatasetError as error:
        raise _damaged(folder, str(error)) from error
    vectors = item_vectors(values, card)
    if vectors.fingerprint != card["fingerprint"]:
        raise _damaged(folder, "its values do not have the fingerprint that its card names")
    return vectors


def read_card(folder: Path) -> Mapping[str, Any] | None:
    """The card of a prepared data set's vectors, without reading them; arguments and errors as `read_vectors`."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        card = _card_of(path)
    except DatasetError as error:
        raise _damaged(folder, str(error)) from error
    if card is None:
        raise _damaged(folder, "it has no card")
    return card


def load_vectors_file(path: Path, num_items: int, *, dataset_fingerprint: str = "") -> ItemVectors:
    """Vectors that someone else made.

    Args:
        path: `.npy`, or `.safetensors` with one tensor or one called `vectors`; rows in the order of the item ids.
        num_items: N of the data set.
        dataset_fingerprint: of the data set; "" where nobody knows.

    Returns:
        The vectors as float32. A card that stands in the file, as `write_vectors` puts it there, is kept.

    Raises:
        DatasetError: no such file, another ending, not readable, another shape, no floating-point numbers, a value that
            is not finite (in 32 bits), or a card that says that they were made for another data set.
    """
    if path.suffix not in ENDINGS:
        raise DatasetError(
            f"{path}: item vectors are read from files that end in {' or '.join(ENDINGS)}. A table with an item_id "
            f"column ({', '.join(TABLES)}) is read by  rearec-bench embed NAME --encoder {FROM_FILE}TABLE"
        )
    if not path.is_file():
        raise DatasetError(f"{path}: no such file.")
    values = _array(path) if path.suffix == ".npy" else _one_tensor(path)
    _refuse_shape(path, values, num_items)
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    wrong = ~np.isfinite(narrow).all(axis=1)
    if wrong.any():
        more = f" ({int(wrong.sum()) - 1:,} more such rows)" if wrong.sum() > 1 else ""
        raise DatasetError(f"{path}: row {int(np.argmax(wrong)):,} holds NaN or an infinite number{more}.")
    vectors = item_vectors(narrow, {"encoder": FROM_FILE + path.name, "zero_vectors": zero_rows(narrow)})
    card = _card_of(path) if path.suffix == ".safetensors" else None
    if card is None:
        return vectors
    stated = item_vectors(narrow, card)
    if card["fingerprint"] != stated.fingerprint:
        return vectors
    if dataset_fingerprint and card.get("dataset_fingerprint", dataset_fingerprint) != dataset_fingerprint:
        raise DatasetError(f"{path} holds the vectors of another data set's items ({card.get('dataset')}).")
    return stated


def zero_rows(values: NDArray[np.floating[Any]]) -> int:
    """How many items have the zero vector."""
    return int((~values.any(axis=1)).sum())


def _fingerprint(values: NDArray[np.float32], template: str) -> str:
    rows, width = values.shape
    said = f" template={json.dumps(template)}" if template else ""
    digest = hashlib.sha256(f"rearec-bench item vectors 1 items={rows} width={width}{said}\n".encode())
    digest.update(values.astype("<f4", copy=False).data)
    return digest.hexdigest()


def _array(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(values, np.ndarray):
        raise DatasetError(f"{path} is an archive of arrays. Save the one array with numpy.save.")
    return values


def _one_tensor(path: Path) -> NDArray[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            name = _TENSOR if _TENSOR in names else names[0] if len(names) == 1 else None
            if name is None:
                listed = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
                raise DatasetError(f"{path} holds {len(names)} tensors ({listed}). Call that of the items '{_TENSOR}'.")
            kind = str(file.get_slice(name).get_dtype())
            if kind not in ("F16", "F32", "F64"):
                raise _no_floats(path, kind)
            return file.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _card_of(path: Path) -> Mapping[str, Any] | None:
    """The card in a safetensors file, None where there is none of ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            card = json.loads((file.metadata() or {}).get("card", "null"))
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    except ValueError:
        return None
    return card if isinstance(card, dict) and {"encoder", "width", "fingerprint"} <= card.keys() else None


def _refuse_shape(path: Path, values: NDArray[Any], num_items: int) -> None:
    if values.dtype.newbyteorder("=").name not in _FLOATS:
        raise _no_floats(path, str(values.dtype))
    if values.ndim != 2 or len(values) != num_items or values.shape[1] == 0:
        shape = " x ".join(f"{size:,}" for size in values.shape) or "no"
        raise DatasetError(
            f"{path}: its shape is {shape}; the data set has {num_items:,} items, so {num_items:,} x WIDTH is wanted, "
            "one row an item in the order of the item ids."
        )


def _no_floats(path: Path, kind: str) -> DatasetError:
    return DatasetError(f"{path} holds {kind}. Allowed: {', '.join(_FLOATS)}.")


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}.")


def _damaged(folder: Path, why: str) -> DatasetError:
    words = why.rstrip(".")
    return DatasetError(
        f"{folder / FILE} is damaged: {words}. Make the vectors again:  rearec-bench embed {folder.name}"
    )
