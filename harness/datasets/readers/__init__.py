"""Readers: who turns the files of a source into interactions, or into rows that are cut already.

A reader is an object with the verbs of `Reader`, found by the name that a recipe gives. Modules are loaded when they
are asked for, so that looking at recipes loads no library for reading.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from ..parsing.raw import Source

if TYPE_CHECKING:
    from ..data.events import Events
    from ..data.ready_rows import ReadyRows
    from ..parsing.blocks import BadLines
    from ..recipe.recipe import ReaderName, Recipe

OnBadLine: TypeAlias = Literal["error", "skip"]
"""What a line that cannot be read gets: an error that counts them all, or a place in the card's `bad_lines`."""

ReadProgress: TypeAlias = Callable[[int, int, str], None]
"""Told how far reading is: bytes of the file as it lies on disk, its size, its name."""


@dataclass(frozen=True)
class ItemAttributes:
    """What a source tells of its items.

    Attributes:
        values: item token -> label of a text field -> its value, "" where it has none; of the wanted items that are
            described. All labels of the recipe's text, in their order.
        sources: the files.
        bad_lines: lines that were skipped, by file and reason.
        notes: facts for the card, such as how many items are described twice.
    """

    values: Mapping[str, Mapping[str, str]]
    sources: tuple[Source, ...]
    bad_lines: tuple[BadLines, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


class Reader(Protocol):
    """Whoever knows a layout of raw files."""

    @property
    def files(self) -> Mapping[str, tuple[str, ...]]:
        """Role -> what the file may be called where the recipe does not say, or globs; `.gz` may come after."""

    def read(
        self, source: Path, recipe: Recipe, *, progress: ReadProgress, on_bad_line: OnBadLine
    ) -> Events | ReadyRows:
        """Read what the users did.

        Args:
            source: the folder with the files, or, for a reader of a single file, that file.
            recipe: names of files and columns, how times are written; {name} in names of files is filled in already.
            progress: told while reading.
            on_bad_line: see `OnBadLine`.

        Returns:
            Everything the files hold, in their order; no rule of the recipe is applied.

        Raises:
            DatasetError: a missing file (also one that `attributes` will want), a wrong column, a line that cannot be
                read, a file that is cut short or damaged.
        """

    def attributes(
        self,
        source: Path,
        recipe: Recipe,
        wanted: Collection[str],
        *,
        progress: ReadProgress,
        on_bad_line: OnBadLine,
    ) -> ItemAttributes | None:
        """Read what the source tells of some items.

        Args:
            source: as of `read`.
            recipe: the same.
            wanted: tokens of the items; the others are passed over.
            progress: told while reading.
            on_bad_line: see `OnBadLine`.

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
