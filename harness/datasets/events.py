"""Events: the interactions of a source with their ratings, as a reader hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .blocks import BadLineLog, BadLines, Parsed
from .event_columns import ITEM, RATING, TIME, USER, EventColumns, Wrong, check_format, in_one_unit, words_of
from .interactions import Interactions
from .numbering import Numbering
from .raw import Source

if TYPE_CHECKING:
    from .recipe import TimeFormat
    from .table_files import TableFile


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
    users, items = Numbering(), Numbering()
    held: dict[str, list[NDArray[Any]]] = {USER: [], ITEM: [], RATING: [], TIME: []}
    sources: list[Source] = []
    dated = False
    for file in files:
        for parsed in file.parsed(columns.names, tokens=(columns.user, columns.item), sources=sources):
            frame, wrong = columns.read(parsed.frame)
            dated = dated or columns.is_dated(parsed.frame)
            if wrong:
                frame = frame.filter(~log_wrong(file, parsed, wrong))
            held[USER].append(users.add(frame[USER]))
            held[ITEM].append(items.add(frame[ITEM]))
            if columns.rating:
                held[RATING].append(frame[RATING].to_numpy().astype(np.float32))
            if columns.time:
                held[TIME].append(frame[TIME].to_numpy())
    log.refuse()
    user_codes = _in_order(held.pop(USER), users)
    item_codes = _in_order(held.pop(ITEM), items)
    if not len(user_codes[0]):
        raise DatasetError(f"{', '.join(str(file.path) for file in files)}: no interaction. {log.words()}".rstrip())
    ratings = np.concatenate(held.pop(RATING)) if columns.rating else None
    times, unit = np.arange(len(user_codes[0]), dtype=np.float64), "order"
    if columns.time:
        times, unit = np.concatenate(held.pop(TIME)), "seconds"
        if not dated:
            times, unit = in_one_unit(times, time.unit, f"{files[0].path}  {columns.time}")
    return Events(
        interactions=Interactions(user_codes[0], item_codes[0], times, user_codes[1], item_codes[1]),
        ratings=ratings,
        sources=tuple(sources),
        time_unit=unit,
        bad_lines=log.found(),
    )


def _in_order(
    blocks: Sequence[NDArray[np.int32]], numbering: Numbering
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    places, tokens = numbering.finish()
    return np.concatenate([places[block] for block in blocks] or [places]), tokens


def log_wrong(file: TableFile, parsed: Parsed, wrong: Sequence[Wrong]) -> NDArray[np.bool_]:
    """Count rows that cannot be read; each once, for its first column that is wrong.

    Args:
        file: its log is told.
        parsed: R rows.
        wrong: of them.

    Returns:
        (R,) which rows are wrong somewhere.
    """
    rows = np.zeros(parsed.frame.height, dtype=bool)
    for one in wrong:
        new = np.flatnonzero(one.rows & ~rows)
        rows |= one.rows
        values = parsed.frame[one.column]
        empty = np.array([value is None or not str(value).strip() for value in values.gather(new)], dtype=bool)
        for chosen, why in ((new[empty], "is empty"), (new[~empty], f"is not {one.wanted}")):
            if len(chosen):
                first = int(chosen[0])
                fault = "is empty" if why == "is empty" else f"{words_of(values[first])} {why}"
                line = int(parsed.lines[first])
                file.log.add(file.path, line, f"{one.column} {why}", f"{one.column}: {fault}", lines=len(chosen))
    return rows
