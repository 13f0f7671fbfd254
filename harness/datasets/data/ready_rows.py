"""Rows that a source has already cut: train, valid and test, each row with a history of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..parsing.raw import Source
from .histories import Layout, Rows

if TYPE_CHECKING:
    from ..parsing.bad_lines import BadLines, Guess


@dataclass(frozen=True)
class ReadyRows:
    """R rows in the order of their files, before any rule.

    Attributes:
        rows: numbers of users, targets and histories; a history may be empty.
        parts: (R,) int8, the split of each row: 0 for training, 1 for validation, 2 for test.
        user_tokens: (U,) ids in the source, in the order of the numbers; sorted as `number_tokens` does.
        item_tokens: (N,) the same of the items of every row, target or in the history.
        ratings: (R,) float32, the row's own rating; None if the source has none.
        times: (R,) float64, of the target, in the source's unit; None if the source has none.
        bad_lines: lines that were skipped, by file and reason.
        guessed: how files were read where the recipe does not say it.
        warnings: what is to be doubted of the source.
        layout: how histories share the flat array: see `histories.lay_out`.
        fixed_numbers: users and items are the source's own numbers, 0 to the largest: all are kept and none is
            renumbered.
        notes: more facts for the card.
    """

    rows: Rows
    parts: NDArray[np.int8]
    user_tokens: NDArray[np.object_]
    item_tokens: NDArray[np.object_]
    sources: tuple[Source, ...]
    ratings: NDArray[np.float32] | None = None
    times: NDArray[np.float64] | None = None
    bad_lines: tuple[BadLines, ...] = ()
    guessed: tuple[Guess, ...] = ()
    warnings: tuple[str, ...] = ()
    layout: Layout = "files"
    fixed_numbers: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)
