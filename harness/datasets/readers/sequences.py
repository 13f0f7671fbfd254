"""Sequence files: one user a line, `user item item ...` in time order."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ...utils.errors import DatasetError
from ..data.events import Events
from ..data.interactions import from_tokens
from ..data.item_attributes import ItemAttributes
from ..parsing import raw
from ..parsing.bad_lines import BadLines, OnBadLine
from ..parsing.raw import ReadProgress
from ..recipe.recipe import Recipe
from .tables import one_file

FILE = "sequences.txt"
_A_LINE = "A line is: user item item ..."


class Sequences:
    """Reads a sequence file, plain or gzipped; the place in the file is the time."""

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Role -> name of the file."""
        return {"interactions": (FILE,)}

    def read(self, source: Path, recipe: Recipe, *, progress: ReadProgress, on_bad_line: OnBadLine) -> Events:
        """Read the file, which the source may be itself; see `Reader.read`.

        Raises:
            DatasetError: a missing file, a line without items, a user on two lines.
        """
        path = one_file(source, recipe, "interactions", self.files)
        lines, bad_lines = _checked(path, on_bad_line)
        progress(path.stat().st_size, path.stat().st_size, path.name)
        counts = np.array([len(line) - 1 for line in lines], dtype=np.int64)
        users = np.repeat(np.array([line[0] for line in lines], dtype=object), counts)
        items = np.array([item for line in lines for item in line[1:]], dtype=object)
        return Events(
            interactions=from_tokens(users, items, np.arange(len(items), dtype=np.float64)),
            ratings=None,
            sources=(raw.describe(path),),
            time_unit="order",
            bad_lines=bad_lines,
            notes={"users_with_fewer_than_3_items_all_in_training": int((counts < 3).sum())},
        )

    def attributes(
        self,
        source: Path,
        recipe: Recipe,
        wanted: Collection[str],
        *,
        progress: ReadProgress,
        on_bad_line: OnBadLine,
    ) -> ItemAttributes | None:
        """The file tells nothing of items."""
        return None


READER = Sequences()


def _checked(path: Path, on_bad_line: OnBadLine) -> tuple[list[list[str]], tuple[BadLines, ...]]:
    """The words of each line that has any, and the lines that were skipped."""
    seen: dict[str, int] = {}
    kept: list[list[str]] = []
    skipped: dict[str, list[int]] = {}
    for number, line in enumerate(_bytes(path).splitlines(), start=1):
        try:
            words = line.decode("utf-8").split()
        except UnicodeDecodeError as error:
            why, said = "is not UTF-8 text", f"{path} is not UTF-8 text: line {number}: {error}."
        else:
            if not words:
                continue
            if len(words) > 1 and words[0] not in seen:
                seen[words[0]] = number
                kept.append(words)
                continue
            if len(words) == 1:
                why, said = "has no items", f"{path}:{number}  user '{words[0]}' has no items. {_A_LINE}"
            else:
                why = "its user stands on an earlier line"
                said = f"{path}:{number}  user '{words[0]}' stands on line {seen[words[0]]} already."
        if on_bad_line == "error":
            raise DatasetError(said)
        skipped.setdefault(why, []).append(number)
    if not kept:
        raise DatasetError(f"{path} is empty. {_A_LINE}")
    return kept, tuple(BadLines(path.name, why, len(where), where[0]) for why, where in skipped.items())


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.name.endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
