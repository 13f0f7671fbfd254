"""The card of a prepared data set: where it comes from, how it was made, what it holds, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from ..._version import VERSION
from .assemble import Assembled
from .dataset import Dataset, Split
from .made import Made

SCHEMA = 1
SPLITS = ("train", "valid", "test")


def fingerprint(arrays: Assembled | Dataset) -> str:
    """Hash what a model sees: the number of items and users, the flat array and the rows, in little-endian bytes.

    Args:
        arrays: a data set, or what will be one.

    Returns:
        64 hexadecimal digits, the same on every machine and under any name.
    """
    digest = hashlib.sha256(f"rearec-bench dataset 1 items={arrays.num_items} users={arrays.num_users}".encode())
    columns: list[tuple[str, Any, str]] = [("flat", arrays.flat, "<i4")]
    for name, split in (("train", arrays.train), ("valid", arrays.valid), ("test", arrays.test)):
        columns += [
            (f"{name}.users", split.users, "<i4"),
            (f"{name}.starts", split.starts, "<i8"),
            (f"{name}.ends", split.ends, "<i8"),
            (f"{name}.targets", split.targets, "<i4"),
        ]
    for name, values, kind in columns:
        digest.update(f"\n{name} {kind} {len(values)}\n".encode())
        digest.update(np.ascontiguousarray(values, dtype=kind).data)
    return digest.hexdigest()


def make_card(made: Made, name: str) -> dict[str, Any]:
    """Write down everything about a data set.

    Args:
        made: what the recipe made.
        name: what suites will call it.

    Returns:
        JSON values only, without dates or machine paths: the same source gives the same card.
    """
    arrays = made.assembled
    card: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "recipe": made.recipe,
        "fingerprint": fingerprint(arrays),
        "num_users": arrays.num_users,
        "sources": [source.to_json() for source in made.sources],
        "protocol": dict(made.protocol),
        "statistics": statistics(arrays),
        "source": dict(made.source_counts),
        "filtered": _filtered(made),
        "dropped": _dropped(arrays),
        "versions": {"rearec-bench": VERSION, **{name: version(name) for name in ("numpy", "pandas", "pyarrow")}},
    }
    if made.time_range is not None:
        card["time_range"] = [_plain(time) for time in made.time_range]
    return card | {key: value for key, value in made.notes.items() if key not in card}


def statistics(arrays: Assembled | Dataset) -> dict[str, Any]:
    """Count a data set.

    Args:
        arrays: a data set, or what will be one.

    Returns:
        JSON values: `users` and `items` (of the catalogue), `interactions` (prediction rows of all splits, as the
        paper's Table 1 counts them), `sequence_items` (the flat array's length), and by split `rows`, `row_users`,
        `mean_history`, `mean_rows_per_user`, `max_rows_per_user`.
    """
    splits = {"train": arrays.train, "valid": arrays.valid, "test": arrays.test}
    per_user = {name: _rows_per_user(split) for name, split in splits.items()}
    return {
        "users": len(np.unique(np.concatenate([split.users for split in splits.values()]))),
        "items": arrays.num_items,
        "interactions": sum(len(split) for split in splits.values()),
        "sequence_items": len(arrays.flat),
        "rows": {name: len(split) for name, split in splits.items()},
        "row_users": {name: len(counts) for name, counts in per_user.items()},
        "mean_history": {name: _mean(split.ends - split.starts) for name, split in splits.items()},
        "mean_rows_per_user": {name: _mean(counts) for name, counts in per_user.items()},
        "max_rows_per_user": {name: int(counts.max()) if len(counts) else 0 for name, counts in per_user.items()},
    }


def _rows_per_user(split: Split) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.unique(split.users, return_counts=True)[1].astype(np.int64)


def _mean(values: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0


def _filtered(made: Made) -> list[dict[str, Any]]:
    total = made.source_counts.get("interactions", 0)
    return [
        {"why": why, "interactions": count, "share": round(count / total, 6) if total else 0.0}
        for why, count in made.filtered
    ]


def _dropped(arrays: Assembled) -> list[dict[str, Any]]:
    splits = {"train": arrays.train, "valid": arrays.valid, "test": arrays.test}
    all_dropped = {name: sum(counts[name] for counts in arrays.dropped.values()) for name in SPLITS}
    entries = []
    for why, counts in arrays.dropped.items():
        shares: Mapping[str, float] = {
            name: round(counts[name] / max(1, len(splits[name]) + all_dropped[name]), 6) for name in SPLITS
        }
        entries.append({"why": why, "rows": dict(counts), "share": dict(shares)})
    return entries


def _plain(number: float) -> int | float:
    return int(number) if float(number).is_integer() else float(number)
