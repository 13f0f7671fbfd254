"""A prepared data set on disk: `DATA_DIR/NAME/` with Parquet files and a card, written atomically."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils import files as atomic
from ...utils.errors import DatasetError
from ..parsing import raw
from .card import SCHEMA, SPLITS, fingerprint
from .dataset import Dataset, Split
from .items import Items
from .recipe_result import Assembled

CARD = "card.json"
_USERS = "users.parquet"
FILES = ("sequences.parquet", *(f"{split}.parquet" for split in SPLITS), "items.parquet", _USERS)
"""What the card names the checksums of."""
_ENCODING = "DELTA_BINARY_PACKED"  # half the time of zstd when it is read, and no larger
_THREADS = 2
COLUMNS = {"user": np.int32, "start": np.int64, "end": np.int64, "target": np.int32}


def write(
    folder: Path, arrays: Assembled, *, items: Items, card: Mapping[str, Any], keep: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Write a data set to `DATA_DIR/NAME`, replacing an earlier one, and return its card.

    The checksums of the files are added to the card as `outputs`. `keep` names files of the earlier data set that stay,
    if they exist.

    Raises:
        DatasetError: the folder cannot be written; the earlier data set is unchanged.
    """
    try:
        with atomic.new_folder(folder) as new:
            outputs = _write_files(new, arrays, items)
            words = json.dumps({**card, "outputs": outputs}, indent=2, ensure_ascii=False)
            (new / CARD).write_text(f"{words}\n", encoding="utf-8")
            for name in keep:
                if (folder / name).is_file():
                    shutil.copy2(folder / name, new / name)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return json.loads(words)


def _write_files(folder: Path, arrays: Assembled, items: Items) -> list[dict[str, Any]]:
    """All files but the card, in parallel; their checksums."""
    tables = {"sequences.parquet": {"item": arrays.flat}}
    tables |= {f"{name}.parquet": _columns(split) for name, split in arrays.splits.items()}

    def write_one(file: str) -> dict[str, Any]:
        if file in tables:
            _write_table(folder / file, tables[file])
        elif file == _USERS:
            _write_texts(folder / file, {"user": range(len(arrays.user_tokens)), "token": arrays.user_tokens})
        else:
            _write_items(folder / file, items)
        return asdict(raw.describe(folder / file))

    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(write_one, FILES))


def read(folder: Path) -> Dataset:
    """The data set in `DATA_DIR/NAME`, checked against its fingerprint; its arrays are read-only.

    A DatasetError if a file is missing, damaged, or of a later version.
    """
    card = read_card(folder)
    flat = _read_table(folder / "sequences.parquet", {"item": np.int32})["item"]
    splits = {}
    for name in SPLITS:
        columns = _read_table(folder / f"{name}.parquet", COLUMNS)
        splits[name] = Split(columns["user"], columns["start"], columns["end"], columns["target"])
    try:
        dataset = Dataset(
            name=folder.name,
            fingerprint=card["fingerprint"],
            num_items=card["statistics"]["items"],
            num_users=card["num_users"],
            flat=flat,
            train=splits["train"],
            valid=splits["valid"],
            test=splits["test"],
            card=card,
        )
    except (KeyError, TypeError) as error:
        raise _damaged(folder / CARD, f"{error} is missing") from error
    if fingerprint(dataset) != dataset.fingerprint:
        raise _damaged(folder, "its arrays do not have the fingerprint that its card names")
    return dataset


def read_card(folder: Path) -> dict[str, Any]:
    """The card of the data set in `DATA_DIR/NAME`; a DatasetError if missing, damaged, or of a later version."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        schema = card["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    if schema != SCHEMA:
        raise DatasetError(f"{path} has schema {schema}, this version reads {SCHEMA}. Prepare the data set again.")
    return card


def read_items(folder: Path) -> Items:
    """Tokens, titles, popularity and texts of a prepared data set's items; a DatasetError if missing or damaged."""
    table = _parquet(folder / "items.parquet")
    try:
        tokens, titles = table["token"].to_pylist(), table["title"].to_pylist()
        counts = table["train_count"].to_numpy()
    except KeyError as error:
        raise _damaged(folder / "items.parquet", f"no column {error}") from error
    texts = table["text"].to_pylist() if "text" in table.column_names else [None]
    return Items(np.array(tokens, dtype=object), _known(titles), counts.astype(np.int64), _known(texts))


def read_users(folder: Path) -> NDArray[np.object_]:
    """(U,) ids in the source of a prepared data set's users, by number.

    Raises:
        DatasetError: damaged or missing, as in a data set that was prepared before these ids were kept.
    """
    path = folder / _USERS
    if not path.is_file():
        raise DatasetError(f"{folder.name} does not hold its users' ids: prepare it again. Its content stays the same.")
    try:
        return np.array(_parquet(path)["token"].to_pylist(), dtype=object)
    except KeyError as error:
        raise _damaged(path, f"no column {error}") from error


def _known(values: list[str | None]) -> NDArray[np.object_] | None:
    return None if all(value is None for value in values) else np.array(values, dtype=object)


def _columns(split: Split) -> dict[str, NDArray[Any]]:
    return {"user": split.users, "start": split.starts, "end": split.ends, "target": split.targets}


def _write_table(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    with path.open("wb") as stream:
        pq.write_table(
            table,
            stream,
            compression="none",
            use_dictionary=False,
            column_encoding=dict.fromkeys(columns, _ENCODING),
            row_group_size=max(1, table.num_rows),  # one chunk a column, which is read without a copy
        )


def _write_items(path: Path, items: Items) -> None:
    columns = {"token": items.tokens, "title": items.titles, "train_count": items.train_counts, "text": items.texts}
    _write_texts(path, {"item": range(len(items.tokens)), **columns})


def _write_texts(path: Path, columns: Mapping[str, Any]) -> None:
    """Numbers from 0 in the first column, and texts, counts or nothing in the others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = len(next(iter(columns.values())))

    def array(values: Any) -> pa.Array:
        if isinstance(values, range):
            return pa.array(np.arange(size, dtype=np.int32))
        if values is None or values.dtype == object:
            return pa.array([None] * size if values is None else values.tolist(), type=pa.string())
        return pa.array(values)

    with path.open("wb") as stream:
        pq.write_table(pa.table({name: array(values) for name, values in columns.items()}), stream, compression="zstd")


def _read_table(path: Path, columns: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    table = _parquet(path)
    arrays = {}
    for name, kind in columns.items():
        if name not in table.column_names:
            raise _damaged(path, f"no column '{name}'")
        column = table[name]
        values = column.chunk(0).to_numpy(zero_copy_only=False) if column.num_chunks == 1 else column.to_numpy()
        if values.dtype != kind:
            raise _damaged(path, f"column '{name}' holds {values.dtype}")
        values.flags.writeable = False
        arrays[name] = values
    return arrays


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream:  # not by its name, which need not be UTF-8
            return pq.ParquetFile(stream).read(use_threads=False)  # a row group is one chunk, which is then not copied
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, " ".join(str(error).split())) from error


def _damaged(path: Path, why: str) -> DatasetError:
    return DatasetError(f"{path} is damaged or missing: {why}. Prepare the data set again.")
