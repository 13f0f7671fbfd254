"""Readers: who turns the files of a source into interactions, or into rows that are cut already.

A reader is an object with the verbs of `Reader`, found by the name that a recipe gives. Modules are loaded when they
are asked for, so that looking at recipes loads no library for reading.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..data.events import Events
    from ..data.item_attributes import ItemAttributes
    from ..data.ready_rows import ReadyRows
    from ..parsing.source_files import RawFiles
    from ..recipe.recipe import ReaderName


class Reader(Protocol):
    """Whoever knows a layout of raw files."""

    @property
    def files(self) -> Mapping[str, tuple[str, ...]]:
        """Role -> what the file may be called where the recipe does not say, or globs; `.gz` may come after."""

    def read(self, raw: RawFiles) -> Events | ReadyRows:
        """Read what the users did.

        Args:
            raw: the files of a source.

        Returns:
            Everything the files hold, in their order; no rule of the recipe is applied.

        Raises:
            DatasetError: a missing file (also one that `attributes` will want), a wrong column, a line that cannot be
                read, a file that is cut short or damaged.
        """

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """Read what the source tells of some items.

        Args:
            raw: as of `read`.
            wanted: tokens of the items; the others are passed over.

        Returns:
            None where the recipe wants no text, or the source describes no items.

        Raises:
            DatasetError: as `read`.
        """


READERS: Mapping[ReaderName, str] = {
    "csv": "delimited:CSV",
    "parquet": "delimited:PARQUET",
    "jsonl": "delimited:JSONL",
    "recbole": "recbole:READER",
    "movielens": "movielens:READER",
    "yelp": "yelp:READER",
    "amazon-2023-reviews": "amazon_reviews:READER",
    "amazon-2023-splits": "amazon_splits:READER",
    "sequences": "sequences:READER",
    "released": "released:READER",
    "splits": "splits:READER",
}
"""Name in a recipe -> "module of this package:object" of the reader."""


def reader_of(name: ReaderName) -> Reader:
    """The reader of a name.

    Args:
        name: as in `Recipe.reader`.
    """
    module, _, attribute = READERS[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
