"""Settings and roles that a recipe's reader has no use for: they are refused, since they would change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, Literal

from ...utils.text import hint

_OBJECTS = "no delimited text is read there"
_LAYOUT = "its files have a layout of their own"
_NO_TIMES = "it reads no times"
_NO_ITEMS = "its files describe no items"
_NO_RATINGS = "it reads no ratings"
_OWN_COLUMNS = "its files have columns of their own"

UNUSED: Mapping[str, Mapping[str, str]] = {
    "csv": {},
    "parquet": {"decimal": _OBJECTS},
    "jsonl": {"decimal": _OBJECTS},
    "recbole": dict.fromkeys(("separator", "header"), _LAYOUT),
    "movielens": dict.fromkeys(("separator", "header", "columns", "item_columns"), _LAYOUT),
    "yelp": {"decimal": _OBJECTS},
    "amazon-2023-reviews": {},
    "amazon-2023-splits": {"header": _LAYOUT},
    "sequences": {
        **dict.fromkeys(("separator", "header", "decimal"), _LAYOUT),
        "columns": "it has no columns",
        "item_columns": _NO_ITEMS,
        "text": _NO_ITEMS,
        "time": "its order is that of the file",
        "ratings": _NO_RATINGS,
    },
    "released": {
        **dict.fromkeys(("header", "columns"), _OWN_COLUMNS),
        "decimal": _NO_RATINGS,
        "item_columns": _NO_ITEMS,
        "text": _NO_ITEMS,
        "time": "its times are taken as they are",
        "ratings": _NO_RATINGS,
    },
    "splits": {
        **dict.fromkeys(("header", "columns"), _OWN_COLUMNS),
        "decimal": _NO_RATINGS,
        "time": _NO_TIMES,
        "ratings": _NO_RATINGS,
    },
}
"""Every reader -> setting that it does not use -> why."""

_JSON = (".jsonl", ".json", ".ndjson")
_PARQUET = (".parquet", ".pq")
_TABLES = ("csv", "jsonl", "parquet")
_OF_TEXT = ("separator", "header", "encoding")
_ITEMS = {"yelp": ("*.json",), "amazon-2023-splits": ("*.jsonl",)}
"""Reader -> names of its files of items, if the recipe gives none."""


def format_by_name(name: str) -> Literal["jsonl", "parquet", ""]:
    """What a file's name, or a glob, says of its format: JSON lines, Parquet, or "" for nothing."""
    suffix = PurePath(name.strip().removesuffix(".gz")).suffix.lower()
    if suffix in _JSON:
        return "jsonl"
    return "parquet" if suffix in _PARQUET else ""


def unknown_roles(recipe: Any) -> Iterator[str]:
    """Why each role under `files`, `columns` and `item_columns` of a `Recipe` is none of its reader's."""
    history = ("history",) if recipe.reader == "amazon-2023-splits" else ()
    roles = {
        "files": _file_roles(recipe),
        "columns": ("user", "item", "rating", "time", *history),
        "item_columns": ("item",),
    }
    for setting, known in roles.items():
        for role in getattr(recipe, setting):
            if role not in known:
                yield f"{setting}: unknown '{role}'.{hint(role, known)} Known: {', '.join(known)}"


def _file_roles(recipe: Any) -> tuple[str, ...]:
    return ("train", "valid", "test", "items") if recipe.ready else ("interactions", "items")


def passed_over(recipe: Any) -> Iterator[str]:
    """Why each setting that a `Recipe` gives would change nothing."""
    given = recipe.model_fields_set
    for setting, why in UNUSED[recipe.reader].items():
        if setting in given:
            yield f"{setting}: the reader {recipe.reader} does not use it: {why}. Remove it"
    if recipe.reader in _TABLES and "time" in given and "time" not in recipe.columns:
        yield "time: no column of times is named. Add  columns: {time: NAME}, or remove it"
    if recipe.time.format and "unit" in recipe.time.model_fields_set:
        yield "time: a unit is for numbers, a format for text. Give one of them"
    if recipe.reader == "yelp" and "unit" in recipe.time.model_fields_set:
        yield "time.unit: the reader yelp reads dates. Give a format, or remove it"
    if not recipe.text.fields:
        if recipe.text.template:
            yield "text.template: there are no fields to put in. Add  text: {fields: {title: COLUMN}}"
        for setting, there in (("item_columns", recipe.item_columns), ("files.items", "items" in recipe.files)):
            if there:
                yield f"{setting}: items are read for their texts only. Add  text: {{fields: {{title: COLUMN}}}}"
    if recipe.decimal and recipe.reader == "csv" and not {"rating", "time"} & recipe.columns.keys():
        yield "decimal: no column of ratings or times is named. Remove it"
    roles = _file_roles(recipe)
    for setting in (one for one in _OF_TEXT if one not in UNUSED[recipe.reader]):
        for role in getattr(recipe, setting):
            if role and role not in roles:
                yield f"{setting}.{role}: no such files. Known: {', '.join(roles)}"
            elif not any(_is_delimited(recipe, one) for one in ([role] if role else roles)):
                key = f"{setting}.{role}" if role else setting
                yield f"{key}: the reader {recipe.reader} does not use it: {_OBJECTS}. Remove it"


def _is_delimited(recipe: Any, role: str) -> bool:
    """Whether files of a role are read, and some may be delimited text."""
    if role == "items":
        if not recipe.text.fields or recipe.reader == "splits":
            return False
    elif not recipe.reader.startswith("amazon"):
        return recipe.reader not in ("jsonl", "parquet", "yelp")
    names = recipe.files.get(role, _ITEMS.get(recipe.reader, ()) if role == "items" else ())
    return not names or not all(format_by_name(one) for name in names for one in name.split("|"))
