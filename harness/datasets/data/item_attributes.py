"""What a source tells of its items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..parsing.bad_lines import BadLines
from ..parsing.raw import Source


@dataclass(frozen=True)
class ItemAttributes:
    """What a source tells of its items.

    Attributes:
        values: item token -> label of a text field -> its value, "" where it has none; of the wanted items that are
            described. All labels of the recipe's text, in their order.
        sources: the files.
        bad_lines: lines that were skipped, by file and reason.
        notes: facts for the card, such as how many items are described twice.
        described: how many items the files describe, wanted or not.
    """

    values: Mapping[str, Mapping[str, str]]
    sources: tuple[Source, ...]
    bad_lines: tuple[BadLines, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    described: int = 0
