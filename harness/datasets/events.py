"""Events: the interactions of a source with their ratings, as a reader hands them over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import BadLines
from .interactions import Interactions
from .raw import Source


@dataclass(frozen=True)
class Events:
    """M interactions in the order of the files, before any rule.

    Attributes:
        interactions: users, items and times. Without a column of times, the place in the files, from 0.
        ratings: (M,) float32; None where the source has none.
        sources: the files.
        time_unit: "seconds", "milliseconds", "microseconds", "any" (as the source has it), "order" (the place).
        bad_lines: lines that were skipped, by file and reason.
        notes: more facts for the card.
    """

    interactions: Interactions
    ratings: NDArray[np.float32] | None
    sources: tuple[Source, ...]
    time_unit: str = "any"
    bad_lines: tuple[BadLines, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.interactions)
