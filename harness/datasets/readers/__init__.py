"""Readers: objects that turn the files of a source into interactions, or into rows that are already cut.

A reader implements `Reader` and is found by the name in a recipe. Modules are loaded on demand, so that listing recipes
loads no library for reading.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..data.events import Events
    from ..data.items import ItemAttributes
    from ..data.ready_rows import ReadyRows
    from ..parsing.source_files import RawFiles


class Reader(Protocol):
    """Reads one layout of raw files."""

    @property
    def files(self) -> Mapping[str, tuple[str, ...]]:
        """Role -> names of the file, or globs, if the recipe gives none; `.gz` may follow."""

    def read(self, raw: RawFiles) -> Events | ReadyRows:
        """The interactions or rows of a source, in the order of its files, before any rule of the recipe.

        Raises:
            DatasetError: a missing file (also one that `attributes` needs), a wrong column, a line that cannot be
                read, a file that is cut short or damaged.
        """

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """The attributes of the `wanted` items; None if the recipe wants no text, or the source describes no items.

        Errors as `read`.
        """
        return None


READERS: Mapping[str, str] = {
    "csv": "table_reader:CSV",
    "parquet": "table_reader:PARQUET",
    "jsonl": "table_reader:JSONL",
    "recbole": "table_reader:RECBOLE",
    "movielens": "movielens:READER",
    "yelp": "table_reader:YELP",
    "amazon-2023-reviews": "table_reader:AMAZON_REVIEWS",
    "amazon-2023-splits": "amazon_splits:READER",
    "sequences": "sequences:READER",
    "released": "released:READER",
    "splits": "splits:READER",
}
"""Name in a recipe -> "module of this package:object" of the reader."""


def reader_of(name: str) -> Reader:
    """The reader of a name, as in `Recipe.reader`."""
    module, _, attribute = READERS[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
