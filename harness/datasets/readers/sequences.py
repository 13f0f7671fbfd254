"""Sequence files: one user per line, `user item item ...` in time order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...utils.errors import DatasetError
from ..data.events import Events
from ..data.interactions import from_tokens
from ..parsing.bad_lines import BadLineLog
from ..parsing.raw import ReadProgress, describe, is_text, lines_of, split_words
from ..parsing.source_files import RawFiles
from . import Reader
from .tables import one_file

FILE = "sequences.txt"
_A_LINE = "A line is: user item item"


class Sequences(Reader):
    """Reads a sequence file, plain or gzipped; the place in the file is the time."""

    files: Mapping[str, tuple[str, ...]] = {"interactions": (FILE,)}

    def read(self, raw: RawFiles) -> Events:
        """Read the file, which the source may be itself; see `Reader.read`. A user on two lines is an error."""
        path = one_file(raw, "interactions", self.files)
        log = BadLineLog(raw.on_bad_line)
        lines = _checked(path, log, raw.progress, raw.recipe.said_of("interactions").encoding)
        counts = np.array([len(line) - 1 for line in lines], dtype=np.int64)
        users = [line[0] for line in lines for _ in line[1:]]
        items = [item for line in lines for item in line[1:]]
        return Events(
            interactions=from_tokens(users, items, np.arange(len(items), dtype=np.float64)),
            ratings=None,
            sources=(describe(path),),
            time_unit="order",
            bad_lines=log.found(),
            notes={"users_with_fewer_than_3_items_all_in_training": int((counts < 3).sum())},
        )


READER = Sequences()


def _checked(path: Path, log: BadLineLog, progress: ReadProgress, encoding: str) -> list[list[str]]:
    """The words of each line that is not blank and can be read."""
    seen: dict[str, int] = {}
    kept: list[list[str]] = []
    for number, line in lines_of(path, progress, encoding=encoding):
        words = split_words(line)
        if not is_text(line):
            log.add(path, number, "is not UTF-8 text")
        elif len(words) == 1:
            log.add(path, number, "has no items", f"user '{words[0]}' has no items. {_A_LINE}")
        elif words and words[0] in seen:
            earlier = f"user '{words[0]}' stands on line {seen[words[0]]} already"
            log.add(path, number, "its user stands on an earlier line", earlier)
        elif words:
            seen[words[0]] = number
            kept.append(words)
    log.refuse()
    if not kept:
        raise DatasetError(f"{path} is empty. {_A_LINE}.")
    progress(path.stat().st_size, path.stat().st_size, path.name)
    return kept
