"""The format of a file of rows, by its name."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

_JSON = (".jsonl", ".json", ".ndjson")
_PARQUET = (".parquet", ".pq")


def format_by_name(name: str) -> Literal["jsonl", "parquet", ""]:
    """What a file's name, or a glob, says of its format: JSON lines, Parquet, or "" for nothing."""
    suffix = PurePath(name.strip().removesuffix(".gz")).suffix.lower()
    if suffix in _JSON:
        return "jsonl"
    return "parquet" if suffix in _PARQUET else ""
