"""Events: the interactions of a source with their ratings, as a reader hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..parsing.bad_lines import BadLineLog, BadLines
from ..parsing.event_columns import ITEM, RATING, TIME, USER, EventColumns, check_format, in_one_unit
from ..parsing.event_frames import EventFrames
from ..parsing.numbering import TokenColumn
from ..parsing.raw import Source
from .interactions import Interactions

if TYPE_CHECKING:
    from ..parsing.table_files import TableFile
    from ..recipe.recipe import TimeFormat


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


def read_events(files: Sequence[TableFile], columns: EventColumns, time: TimeFormat, log: BadLineLog) -> Events:
    """Read the interactions of files, one after the other.

    Args:
        files: they share a log.
        columns: which of their columns hold what.
        time: the unit of numbers.
        log: of the files.

    Returns:
        All of them, in the order of the files.

    Raises:
        DatasetError: a line that cannot be read, unless such lines are skipped; no interaction; times of several units.
    """
    if columns.time_format:
        check_format(columns.time_format)
    ratings: list[NDArray[np.float32]] = []
    times: list[NDArray[np.float64]] = []
    frames = EventFrames(columns)
    with TokenColumn() as users, TokenColumn() as items:
        for file in files:
            for frame in frames.of(file):
                users.add(frame[USER])
                items.add(frame[ITEM])
                if columns.rating:
                    ratings.append(frame[RATING].to_numpy().astype(np.float32))
                if columns.time:
                    times.append(frame[TIME].to_numpy())
        log.refuse()
        of_users, of_items = users.finish(), items.finish()
        (user_codes, user_tokens), (item_codes, item_tokens) = of_users.result(), of_items.result()
    if not len(user_codes):
        skipped = f" {log.words()}" if log.found() else ""
        raise DatasetError(f"{', '.join(str(file.path) for file in files)} holds no interaction.{skipped}")
    every_time, unit = np.arange(len(user_codes), dtype=np.float64), "order"
    if columns.time:
        every_time, unit = np.concatenate(times), "seconds"
        if not frames.dated:
            every_time, unit = in_one_unit(every_time, time.unit, f"{files[0].path}  {columns.time}")
    return Events(
        interactions=Interactions(user_codes, item_codes, every_time, user_tokens, item_tokens),
        ratings=np.concatenate(ratings) if columns.rating else None,
        sources=tuple(frames.sources),
        time_unit=unit,
        bad_lines=log.found(),
    )
