"""Source files in blocks of whole lines, read in a thread of their own; and the lines that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for the card."""
        return {"file": self.file, "why": self.why, "lines": self.lines, "first": self.first}
