"""Events: the interactions of a source with their ratings, as a reader returns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..parsing import dates
from ..parsing.bad_lines import BadLineLog, BadLines, Guess
from ..parsing.event_columns import ITEM, RATING, USER, EventColumns, PackedRows
from ..parsing.raw import Source
from .interactions import Interactions, number_tokens

if TYPE_CHECKING:
    from ..parsing.table_files import TableFile


@dataclass(frozen=True)
class Events:
    """M interactions in the order of the files, before any rule.

    Attributes:
        interactions: users, items and times. Without a column of times, the place in the files, from 0.
        ratings: (M,) float32; None if the source has none.
        time_unit: "seconds", "milliseconds", "microseconds", "any" (as the source has it), "order" (the place).
        bad_lines: lines that were skipped, by file and reason.
        guessed: how files were read where the recipe does not say it.
        warnings: what is to be doubted of the source.
        notes: more facts for the card.
    """

    interactions: Interactions
    ratings: NDArray[np.float32] | None
    sources: tuple[Source, ...]
    time_unit: str = "any"
    bad_lines: tuple[BadLines, ...] = ()
    guessed: tuple[Guess, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


def read_events(files: Sequence[TableFile], columns: EventColumns, log: BadLineLog) -> Events:
    """The interactions of files that share a log, in order.

    Raises:
        DatasetError: a line that cannot be read, unless such lines are skipped; no interaction; times of several units.
    """
    import polars as pl

    packed = PackedRows(columns)
    parts, sources = [], []
    for file in files:
        part, source = file.read(columns.names, packed.read, tokens=(columns.user, columns.item))
        parts.append(part)
        sources.append(source)
    rows = pl.concat(parts)
    advice = dates.advice(packed.not_a_time) if packed.not_a_time else ""
    log.refuse(nothing_read=not rows.height, advice=advice)
    if not rows.height:
        skipped = " ".join(("", log.words(), advice)) if log.found() else ""
        raise DatasetError(f"{', '.join(str(file.path) for file in files)} holds no interaction.{skipped}")
    path = files[0].path
    times, unit = packed.times(rows, path, f"{path.name}  {columns.time}", log)
    user_codes, user_tokens = number_tokens(rows[USER])
    item_codes, item_tokens = number_tokens(rows[ITEM])
    return Events(
        interactions=Interactions(user_codes, item_codes, times, user_tokens, item_tokens),
        ratings=rows[RATING].to_numpy() if columns.rating else None,
        sources=tuple(sources),
        time_unit=unit,
        bad_lines=log.found(),
        notes={} if columns.time else {"times": "none: the order of the files is the order in time"},
        guessed=log.guessed(),
        warnings=tuple(log.warnings),
    )
