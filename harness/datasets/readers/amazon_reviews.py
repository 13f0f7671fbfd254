"""Amazon Reviews 2023: a category's reviews, as JSON lines or as the CSV files with ratings only, and its metadata."""

from __future__ import annotations

from .table_reader import TableReader

READER = TableReader(
    columns={"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp"},
    item="parent_asin",
    repeated="first",
)
