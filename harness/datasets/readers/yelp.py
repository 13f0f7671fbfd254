"""The Yelp open dataset: JSON lines of reviews and businesses."""

from __future__ import annotations

from .table_reader import TableReader

READER = TableReader(
    files={
        "interactions": ("yelp_academic_dataset_review.json",),
        "items": ("yelp_academic_dataset_business.json",),
    },
    columns={"user": "user_id", "item": "business_id", "rating": "stars", "time": "date"},
    item="business_id",
    time_format="%Y-%m-%d %H:%M:%S",  # its time zone is not published; read as UTC
    format="jsonl",
)
