"""Settings that would change nothing are refused, others are not: every reader with every setting."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rearec_bench.harness.datasets.readers import READERS
from rearec_bench.harness.datasets.recipe.recipe import READY_READERS, Recipe

GIVEN: dict[str, Any] = {
    "separator": ";",
    "header": True,
    "encoding": "latin-1",
    "decimal": ",",
    "columns": {"user": "u", "item": "i", "rating": "r", "time": "t"},
    "item_columns": {"item": "i"},
    "text": {"fields": {"title": "title"}},
    "time": {"format": "iso"},
    "ratings": {"above": 3, "of": "target"},
}
OBJECTS = {"separator", "header", "encoding", "decimal"}
UNUSED = {
    "csv": set(),
    "jsonl": OBJECTS,
    "parquet": OBJECTS,
    "yelp": OBJECTS,
    "recbole": {"separator", "header"},
    "movielens": {"separator", "header", "columns", "item_columns"},
    "amazon-2023-reviews": set(),
    "amazon-2023-splits": {"header"},
    "sequences": GIVEN.keys() - {"encoding"},
    "released": GIVEN.keys() - {"separator", "encoding"},
    "splits": {"header", "decimal", "columns", "time", "ratings"},
}
ITEMS = {"text": GIVEN["text"]}


def refused(reader: str, given: dict[str, Any]) -> str:
    """What is said of a recipe, "" if it is one."""
    split = "given" if reader in READY_READERS else "leave_one_out"
    needed = {"columns": GIVEN["columns"]} if reader in ("csv", "jsonl", "parquet") else {}
    try:
        Recipe.model_validate({"reader": reader, "split": split, **needed, **given})
    except ValidationError as error:
        return error.errors()[0]["msg"]
    return ""


@pytest.mark.parametrize("setting", GIVEN)
@pytest.mark.parametrize("reader", READERS)
def test_a_setting_is_refused_where_its_reader_does_not_use_it(reader: str, setting: str) -> None:
    items = ITEMS if setting == "item_columns" and "text" not in UNUSED[reader] else {}
    said = refused(reader, {**items, setting: GIVEN[setting]})
    assert (f"{setting}: " in said, bool(said)) == (setting in UNUSED[reader],) * 2, said


@pytest.mark.parametrize(
    ("reader", "given", "said"),
    [
        *(
            (
                reader,
                {**ITEMS, "files": {"items": names}, setting: {"items": value}},
                f"{setting}.items: " if wanted else "",
            )
            for setting, value in (("separator", ";"), ("header", False), ("encoding", "latin-1"))
            for reader, names, wanted in (
                ("csv", "items.jsonl", True),
                ("csv", ["a.json", "items-*.parquet"], True),
                ("csv", "items.ndjson.gz", True),
                ("csv", "items.csv", False),
                ("csv", "items.jsonl | items.csv", False),
                ("jsonl", "items.csv", False),
                ("parquet", "items.parquet", True),
                ("amazon-2023-reviews", "meta.jsonl", True),
            )
        ),
        ("splits", {**ITEMS, "separator": {"items": ";"}}, "separator.items: "),
        ("amazon-2023-splits", {**ITEMS, "encoding": {"items": "latin-1"}}, "encoding.items: "),
        ("yelp", {**ITEMS, "separator": {"items": ";"}}, "separator.items: "),
        ("csv", {"separator": {"items": ";"}}, "separator.items: "),
        ("splits", {"files": {"train": "a.parquet"}, "encoding": {"train": "cp1252"}}, ""),
        ("csv", {"separator": {"item": ";"}}, "separator.item: no such files"),
        ("csv", {"separator": {"interactions": ";"}}, ""),
        ("jsonl", {**ITEMS, "files": {"items": "items.csv"}, "separator": ";"}, ""),
        ("amazon-2023-reviews", {"files": {"interactions": "r.jsonl"}, "separator": ";"}, "separator: "),
        ("amazon-2023-splits", {"files": {"train": "a.parquet"}, "encoding": {"train": "cp1252"}}, "encoding.train: "),
        ("csv", {"columns": {"user": "u", "item": "i"}, "decimal": ","}, "decimal: "),
        ("csv", {"columns": {"user": "u", "item": "i"}, "time": {"unit": "seconds"}}, "time: no column"),
        ("csv", {"time": {"unit": "seconds", "format": "iso"}}, "time: a unit is for numbers"),
        ("yelp", {"time": {"unit": "seconds"}}, "time.unit: "),
        ("amazon-2023-splits", {"columns": {"hisotry": "past"}}, "columns: unknown 'hisotry'. Did you mean 'history'?"),
        ("amazon-2023-splits", {"columns": {"history": "past"}}, ""),
        ("amazon-2023-reviews", {"columns": {"history": "past"}}, "columns: unknown 'history'. Known: user, "),
        ("csv", {"item_columns": {"item": "i"}}, "item_columns: items are read for their texts only"),
        ("csv", {"files": {"items": "i.csv"}}, "files.items: items are read for their texts only"),
        ("csv", {"text": {"template": "A"}}, "text.template: "),
    ],
)
def test_what_a_setting_is_refused_for(reader: str, given: dict[str, Any], said: str) -> None:
    told = refused(reader, given)
    assert (said in told, bool(told)) == (True, bool(said)), told
