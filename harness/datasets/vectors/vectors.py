"""Vectors of a data set's items, and their files: the input of a text-based backbone."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils import files as atomic
from ...utils.errors import DatasetError
from ...utils.text import printable

FILE = "vectors.safetensors"
CARD = "vectors.json"
ENDINGS = (".npy", ".safetensors")
TABLES = (".csv", ".tsv", ".parquet", ".jsonl")
TFIDF = "tfidf-svd"
LANGUAGE_MODEL = "hf:"
"""What stands before a language model's name or folder where an encoder is named."""
FROM_FILE = "file:"
"""Prefix of the encoder's name if the vectors come from a file."""
WIDTH = 768

_TENSOR = "vectors"
_FLOATS = {"F16": "float16", "F32": "float32", "F64": "float64"}  # as safetensors calls them


@dataclass(frozen=True)
class ItemVectors:
    """One vector per item; `values` is (N, m) float32.

    `fingerprint` has 64 hexadecimal digits: a hash of the shape and the values, and of the texts' template where it is
    not the paper's. `card` records how the vectors were computed, as JSON values.
    """

    values: NDArray[np.float32]
    fingerprint: str
    card: Mapping[str, Any]


def item_vectors(values: NDArray[np.floating[Any]], card: Mapping[str, Any]) -> ItemVectors:
    """Vectors (N, m) with their fingerprint, which is added to the card with their number and width.

    The template is hashed by itself, because an encoder may ignore words that all texts have, so that two templates
    could give the same values. The paper's template, or none, is not hashed: older fingerprints stay valid.
    """
    narrow = np.array(values, dtype=np.float32, order="C")
    narrow.flags.writeable = False
    rows, width = narrow.shape
    template = card.get("template", "")
    from ..recipe.recipe import OPENING  # recipes are pydantic models, which take a while to build

    suffix = f" template={json.dumps(template)}" if template not in ("", OPENING) else ""
    digest = hashlib.sha256(f"rearec-bench item vectors 1 items={rows} width={width}{suffix}\n".encode())
    digest.update(narrow.astype("<f4", copy=False).data)
    fingerprint = digest.hexdigest()
    return ItemVectors(narrow, fingerprint, {**card, "items": rows, "width": width, "fingerprint": fingerprint})


def text_vectors(
    values: NDArray[np.float32],
    facts: Mapping[str, Any],
    texts: NDArray[np.object_],
    *,
    encoder: str = TFIDF,
    width: int = WIDTH,
    template: str = "",
) -> ItemVectors:
    """Vectors (N, m) that an encoder computed from texts, with their card.

    `facts` of the encoder go into the card. `texts` is (N,), "" where an item has none. `width` is what was asked for;
    `template` is "" for the paper's.
    """
    from ..recipe.recipe import OPENING

    opening = OPENING if any(text.startswith(OPENING) for text in texts) else ""
    card = {
        "encoder": encoder,
        "template": template or opening,
        "items_without_text": int((texts == "").sum()),
        "zero_vectors": zero_rows(values),
        "width_wanted": width,
        **facts,
    }
    return item_vectors(values, card)


def write_vectors(folder: Path, vectors: ItemVectors) -> None:
    """Store the vectors of a prepared data set in `DATA_DIR/NAME`, replacing earlier ones.

    `vectors.safetensors` holds both the values and their card and is replaced by one rename, so that a reader sees
    the old ones or the new ones. `vectors.json` repeats the card for people.

    Raises:
        DatasetError: the folder cannot be written.
    """
    from safetensors.numpy import save

    card = json.dumps(dict(vectors.card), indent=2, ensure_ascii=False)
    with atomic.writing(folder, DatasetError):
        atomic.write_file(folder / FILE, save({_TENSOR: vectors.values}, metadata={"card": card}))
        atomic.write_file(folder / CARD, f"{card}\n".encode())


def read_vectors(folder: Path) -> ItemVectors | None:
    """The vectors of a prepared data set in `DATA_DIR/NAME`, None without any; a DatasetError if damaged."""
    card = read_card(folder)
    if card is None:
        return None
    with _opened(folder / FILE, repair=folder.name) as file:
        vectors = item_vectors(_tensor(folder / FILE, file), card)
        if vectors.fingerprint != card["fingerprint"]:
            raise DatasetError("its values do not have the fingerprint that its card names")
    return vectors


def read_card(folder: Path) -> Mapping[str, Any] | None:
    """The card of a prepared data set's vectors, without reading them; otherwise as `read_vectors`."""
    if not (folder / FILE).is_file():
        return None
    with _opened(folder / FILE, repair=folder.name) as file:
        card = _card(file)
        if card is None:
            raise DatasetError("it has no card")
    return card


def load_vectors_file(path: Path, num_items: int, *, dataset_fingerprint: str) -> ItemVectors:
    """Vectors from a file, as float32; if `write_vectors` wrote it, its card is kept.

    The file is `.npy`, or `.safetensors` with one tensor or one called `vectors`; its rows are in the order of the item
    ids.

    Raises:
        DatasetError: no such file, another ending, not readable, another shape, not floating-point numbers, a value
            that is not finite (in 32 bits), or a card of another data set.
    """
    if path.suffix not in ENDINGS:
        raise DatasetError(
            f"{path}: item vectors are read from files that end in {' or '.join(ENDINGS)}. A table with an item_id "
            f"column ({', '.join(TABLES)}) is read by  rearec-bench embed NAME --encoder {FROM_FILE}TABLE"
        )
    if not path.is_file():
        raise DatasetError(f"{path}: no such file.")
    values, card = _read(path)
    if values.dtype.newbyteorder("=").name not in _FLOATS.values():
        raise _not_floats(path, str(values.dtype))
    if values.ndim != 2 or len(values) != num_items or values.shape[1] == 0:
        shape = " x ".join(f"{size:,}" for size in values.shape) or "no"
        raise DatasetError(
            f"{path}: its shape is {shape}; the data set has {num_items:,} items, so {num_items:,} x WIDTH is wanted, "
            "one row an item in the order of the item ids."
        )
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(narrow).all(axis=1))
    if len(wrong):
        more = f" ({len(wrong) - 1:,} more such rows)" if len(wrong) > 1 else ""
        raise DatasetError(f"{path}: row {wrong[0]:,} holds NaN or an infinite number{more}.")
    if card is not None and (stated := item_vectors(narrow, card)).fingerprint == card["fingerprint"]:
        if card.get("dataset_fingerprint", dataset_fingerprint) != dataset_fingerprint:
            raise DatasetError(f"{path} holds the vectors of another data set's items ({card.get('dataset')}).")
        return stated
    return item_vectors(narrow, {"encoder": FROM_FILE + printable(path.name), "zero_vectors": zero_rows(narrow)})


def is_table(path: Path) -> bool:
    """Whether vectors stand in a table, by the file's name; `.gz` may follow."""
    return path.name.lower().removesuffix(".gz").endswith(TABLES)


def zero_rows(values: NDArray[np.floating[Any]]) -> int:
    """How many items have the zero vector."""
    return int((~values.any(axis=1)).sum())


def _read(path: Path) -> tuple[NDArray[Any], Mapping[str, Any] | None]:
    """The values of a file, and its card if `write_vectors` wrote it."""
    if path.suffix != ".npy":
        with _opened(path) as file:
            return _tensor(path, file), _card(file)
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(values, np.ndarray):
        raise DatasetError(f"{path} is an archive of arrays. Save the one array with numpy.save.")
    return values, None


@contextlib.contextmanager
def _opened(path: Path, *, repair: str = "") -> Iterator[Any]:
    """A safetensors file; errors name the command that embeds the data set `repair` again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, DatasetError) as error:
        reason = str(error) if isinstance(error, DatasetError) else f"{path} cannot be read: {error}"
        reason = " ".join(reason.split()).rstrip(".")
        if not repair:
            raise DatasetError(f"{reason}.") from error
        raise DatasetError(
            f"{path} is damaged: {reason}. Make the vectors again:  rearec-bench embed {repair}"
        ) from error


def _tensor(path: Path, file: Any) -> NDArray[Any]:
    names = list(file.keys())
    name = _TENSOR if _TENSOR in names else names[0] if len(names) == 1 else None
    if name is None:
        listed = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        raise DatasetError(f"{path} holds {len(names)} tensors ({listed}). Call that of the items '{_TENSOR}'.")
    kind = str(file.get_slice(name).get_dtype())
    if kind not in _FLOATS:
        raise _not_floats(path, kind)
    values: NDArray[Any] = file.get_tensor(name)
    return values


def _card(file: Any) -> Mapping[str, Any] | None:
    try:
        card = json.loads((file.metadata() or {}).get("card", "null"))
    except ValueError:
        return None
    return card if isinstance(card, dict) and {"encoder", "width", "fingerprint"} <= card.keys() else None


def _not_floats(path: Path, kind: str) -> DatasetError:
    return DatasetError(f"{path} holds {kind}. Allowed: {', '.join(_FLOATS.values())}.")
