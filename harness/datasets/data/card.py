"""The card of a prepared data set: its sources, protocol, statistics and fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...._version import VERSION
from .dataset import Dataset
from .items import train_counts
from .recipe_result import Assembled, RecipeResult

SCHEMA = 1
SPLITS = ("train", "valid", "test")


def fingerprint(arrays: Assembled | Dataset) -> str:
    """64 hexadecimal digits, the same on every machine and under any name.

    They hash what a model sees: the number of items and users, the flat array and the rows, in little-endian bytes.
    """
    digest = hashlib.sha256(f"rearec-bench dataset 1 items={arrays.num_items} users={arrays.num_users}".encode())
    columns: list[tuple[str, Any, str]] = [("flat", arrays.flat, "<i4")]
    for name, split in arrays.splits.items():
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


def make_card(result: RecipeResult, name: str) -> dict[str, Any]:
    """The card of a recipe's result: JSON values without dates or machine paths, the same for the same source."""
    arrays = result.assembled
    card: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "recipe": result.recipe,
        "fingerprint": fingerprint(arrays),
        "num_users": arrays.num_users,
        "sources": [asdict(source) for source in result.sources],
        "protocol": dict(result.protocol),
        "statistics": statistics(arrays),
        "source": dict(result.source_counts),
        "filtered": _filtered(result),
        "dropped": _dropped(arrays),
        "versions": {
            "rearec-bench": VERSION,
            **{name: version(name) for name in ("numpy", "pandas", "polars", "pyarrow")},
        },
    }
    if result.time_range is not None:
        card["time_range"] = [_plain(time) for time in result.time_range]
    return card | {key: value for key, value in result.notes.items() if key not in card}


def statistics(arrays: Assembled | Dataset) -> dict[str, Any]:
    """Counts of a data set, as JSON values.

    They are `users` and `items` (of the catalogue), `interactions` (prediction rows of all splits, as the paper's Table
    1 counts them), `sequence_items` (the flat array's length), and by split `rows`, `row_users`, `mean_history`,
    `mean_rows_per_user`, `max_rows_per_user`, `repeats` (rows whose target is in the history); of validation and test
    `unseen_targets` (rows whose target is in no training row, as target or in the history).
    """
    splits = arrays.splits
    counts = {name: np.bincount(split.users, minlength=arrays.num_users) for name, split in splits.items()}
    per_user = {name: of_users[of_users > 0] for name, of_users in counts.items()}
    before, seen = _last_occurrences(arrays.flat), train_counts(arrays) > 0
    return {
        "users": int(np.any([of_users > 0 for of_users in counts.values()], axis=0).sum()),
        "items": arrays.num_items,
        "interactions": sum(len(split) for split in splits.values()),
        "sequence_items": len(arrays.flat),
        "rows": {name: len(split) for name, split in splits.items()},
        "row_users": {name: len(of_users) for name, of_users in per_user.items()},
        "mean_history": {name: _mean(split.ends - split.starts) for name, split in splits.items()},
        "mean_rows_per_user": {name: _mean(of_users) for name, of_users in per_user.items()},
        "max_rows_per_user": {name: int(of_users.max(initial=0)) for name, of_users in per_user.items()},
        "repeats": {name: int((before[split.ends] >= split.starts).sum()) for name, split in splits.items()},
        "unseen_targets": {name: int((~seen[splits[name].targets]).sum()) for name in SPLITS[1:]},
    }


def _mean(values: NDArray[np.int64]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0


def _last_occurrences(flat: NDArray[np.int32]) -> NDArray[np.int64]:
    """(M,) the previous place of each item, -1 for none: at a row's start or later, the target is repeated."""
    previous = np.full(len(flat), -1, dtype=np.int64)
    bits = len(flat).bit_length()
    packed = flat.astype(np.int64)  # item and place in one number, which sorts faster than argsort
    packed <<= bits
    packed |= np.arange(len(flat))
    packed.sort()
    same = (packed[1:] >> bits) == (packed[:-1] >> bits)
    packed &= (1 << bits) - 1
    previous[packed[1:]] = np.where(same, packed[:-1], -1)
    return previous


def _filtered(result: RecipeResult) -> list[dict[str, Any]]:
    total = left = result.source_counts.get("interactions", 0)
    entries = []
    for why, count in result.filtered:
        left -= count
        share = round(count / total, 6) if total else 0.0
        entries.append({"why": why, "interactions": count, "share": share, "left": left})
    return entries


def _dropped(arrays: Assembled) -> list[dict[str, Any]]:
    total = {name: len(arrays.splits[name]) + sum(rows[name] for rows in arrays.dropped.values()) for name in SPLITS}
    left = dict(total)
    entries = []
    for why, rows in arrays.dropped.items():
        left = {name: left[name] - rows[name] for name in SPLITS}
        shares = {name: round(rows[name] / max(1, total[name]), 6) for name in SPLITS}
        entries.append({"why": why, "rows": dict(rows), "share": shares, "left": left})
    return entries


def _plain(number: float) -> int | float:
    return int(number) if float(number).is_integer() else float(number)
