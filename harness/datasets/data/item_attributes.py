"""Attributes of items in a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..parsing.bad_lines import BadLines
from ..parsing.raw import Source


@dataclass(frozen=True)
class ItemAttributes:
    """Attributes of items in a source.

    Attributes:
        values: item token -> label of a text field -> its value, "" for none; of the wanted items that are described.
            All labels of the recipe's text, in their order.
        bad_lines: lines that were skipped, by file and reason.
        notes: facts for the card, such as how many items are described twice.
        described: number of items that the files describe, wanted or not.
    """

    values: Mapping[str, Mapping[str, str]]
    sources: tuple[Source, ...]
    bad_lines: tuple[BadLines, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    described: int = 0
