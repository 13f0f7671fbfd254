"""Lines that cannot be read: counted by file and reason, and refused or left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ...utils.errors import DatasetError
from ...utils.text import printable

OnBadLine: TypeAlias = Literal["error", "skip"]
"""What a line that cannot be read gets: an error that counts them all, or a place in the card's `bad_lines`."""


@dataclass(frozen=True)
class Guess:
    """How a file was read where the recipe does not say it: `what` is a setting of recipes."""

    file: str
    what: str
    value: str


@dataclass(frozen=True)
class BadLines:
    """Lines of a file that were left out for one reason.

    Attributes:
        file: its name, without the folder.
        why: the reason, such as "rating is not a number".
        lines: how many.
        first: number of the first, counted from 1 with the header; of a Parquet file, of the row.
    """

    file: str
    why: str
    lines: int
    first: int


class BadLineLog:
    """Counts the lines that cannot be read; `on_bad_line` decides whether `refuse` raises."""

    def __init__(self, on_bad_line: OnBadLine) -> None:
        self._refuses = on_bad_line == "error"
        self._counts: dict[tuple[Path, str], list[int]] = {}
        self._first: dict[Path, tuple[int, str]] = {}
        self.warnings: list[str] = []
        """What is to be doubted, for the card."""
        self._guesses: dict[tuple[Path, str], str] = {}

    def add(self, path: Path, line: int, why: str, message: str = "", *, lines: int = 1) -> None:
        """Count lines from number `line` on; `message` is the reason with the first line's value, "" for `why`."""
        count = self._counts.setdefault((path, why), [0, line])
        count[0] += lines
        count[1] = min(count[1], line)
        if path not in self._first or line < self._first[path][0]:
            self._first[path] = (line, message or why)

    def guess(self, path: Path, what: str, value: str) -> None:
        """Note that a file is read with this value of a setting that the recipe does not have."""
        self._guesses[path, what] = value

    def guessed(self) -> tuple[Guess, ...]:
        """What was guessed, in the order of reading."""
        return tuple(Guess(printable(path.name), what, value) for (path, what), value in self._guesses.items())

    def found(self) -> tuple[BadLines, ...]:
        """The counts, in the order of the files, then by the first line."""
        files = list(self._first)
        entries = sorted(self._counts.items(), key=lambda entry: (files.index(entry[0][0]), entry[1][1]))
        return tuple(BadLines(printable(path.name), why, lines, first) for (path, why), (lines, first) in entries)

    def refuse(self, *, nothing_read: bool = False, advice: str = "") -> None:
        """A DatasetError with the first bad line and how many of which kind, if there are some and none are skipped.

        `advice` is how to mend it, where that is known; if nothing could be read, skipping is not offered.
        """
        if self._refuses and self._first:
            path, (line, message) = next(iter(self._first.items()))
            if line == 1 and all(bad.first == 1 and bad.lines == 1 for bad in self.found()):
                advice = f"{advice} Line 1 may be a header: if so, name the columns as it does.".strip()
            skip = "" if nothing_read else "Mend the file, or leave them out and have them counted:  --on-bad-line skip"
            last = " ".join(filter(None, ("No line can be read." if nothing_read else "", advice, skip)))
            raise DatasetError(f"{path}:{line}  {message}.\n{self.words()} {last}")

    def words(self) -> str:
        """All counts, as one line."""
        entries = self.found()
        kinds = [
            f"{bad.lines:,} x {bad.why} (first: line {bad.first}{f' of {bad.file}' if len(self._first) > 1 else ''})"
            for bad in entries
        ]
        return f"Lines that cannot be read: {sum(bad.lines for bad in entries):,}. {'; '.join(kinds)}."
