"""Events: the interactions of a source with their ratings, as a reader hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .blocks import BadLineLog, BadLines, Parsed
from .event_columns import ITEM, RATING, TIME, USER, EventColumns, Wrong, check_format, in_one_unit, words_of
from .interactions import Interactions
from .numbering import Numbering
from .raw import Source

if TYPE_CHECKING:
    import polars as pl

    from .recipe import TimeFormat
    from .table_files import TableFile


_BLOCKS_BEHIND = 2


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
    numbers = [name for name in (columns.rating, "" if columns.time_format else columns.time) if name]
    ratings: list[NDArray[np.float32]] = []
    times: list[NDArray[np.float64]] = []
    sources: list[Source] = []
    dated = False
    with _Column() as users, _Column() as items:
        for file in files:
            tokens = (columns.user, columns.item)
            for parsed in file.parsed(columns.names, tokens=tokens, sources=sources, numbers=numbers):
                frame, wrong = columns.read(parsed.frame)
                dated = dated or columns.is_dated(parsed.frame)
                if wrong:
                    frame = frame.filter(~log_wrong(file, parsed, wrong))
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
        raise DatasetError(f"{', '.join(str(file.path) for file in files)}: no interaction. {log.words()}".rstrip())
    every_time, unit = np.arange(len(user_codes), dtype=np.float64), "order"
    if columns.time:
        every_time, unit = np.concatenate(times), "seconds"
        if not dated:
            every_time, unit = in_one_unit(every_time, time.unit, f"{files[0].path}  {columns.time}")
    return Events(
        interactions=Interactions(user_codes, item_codes, every_time, user_tokens, item_tokens),
        ratings=np.concatenate(ratings) if columns.rating else None,
        sources=tuple(sources),
        time_unit=unit,
        bad_lines=log.found(),
    )


class _Column:
    """Numbers a column of tokens in a thread of its own, a few blocks behind whoever reads them."""

    def __init__(self) -> None:
        self._numbering = Numbering()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._blocks: list[Future[NDArray[np.int32]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, tokens: pl.Series) -> None:
        """Number the tokens of a block, once those before it are; wait for all but the last few."""
        self._blocks.append(self._thread.submit(self._numbering.add, tokens))
        if len(self._blocks) > _BLOCKS_BEHIND:
            self._blocks[-1 - _BLOCKS_BEHIND].result()

    def finish(self) -> Future[tuple[NDArray[np.int64], NDArray[np.object_]]]:
        """The numbers of all rows and the tokens in their order; see `interactions.number_tokens`."""
        return self._thread.submit(self._finished)

    def _finished(self) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        places, tokens = self._numbering.finish()
        return np.concatenate([places, *(places[block.result()] for block in self._blocks)])[len(places) :], tokens


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
