"""The publisher's splits of Amazon Reviews 2023: rows with whole histories, three files a category."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ...utils.messages import did_you_mean
from ..data.item_attributes import ItemAttributes
from ..data.published import Rows
from ..data.ready_rows import ReadyRows, ReadySplit
from ..parsing.bad_lines import BadLineLog, OnBadLine
from ..parsing.blocks import Parsed
from ..parsing.event_columns import ITEM, RATING, TIME, USER, EventColumns, in_one_unit
from ..parsing.event_frames import log_wrong
from ..parsing.numbering import Numbering
from ..parsing.raw import ReadProgress, Source
from ..parsing.separated import Layout
from ..parsing.source_files import find_files
from ..parsing.table_files import TableFile, format_of
from ..recipe.recipe import Recipe
from .item_tables import ItemTable, read_items
from .table_reader import text_columns
from .tables import split_paths

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = {"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp", "history": "history"}


class AmazonSplits:
    """Reads CATEGORY.{train,valid,test}.csv and meta_CATEGORY.jsonl, each plain or gzipped.

    A row has the user's earlier items as its history, separated by spaces, oldest first; it may be empty. Histories
    are whole, so that a user's rows lie in the longest of them.
    """

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Role -> name of the file."""
        splits = {split: (f"*.{split}.csv",) for split in ("train", "valid", "test")}
        return {**splits, "items": ("meta_*.jsonl",)}

    def read(self, source: Path, recipe: Recipe, *, progress: ReadProgress, on_bad_line: OnBadLine) -> ReadyRows:
        """Read the three files; see `Reader.read`.

        Raises:
            DatasetError: a missing file or column, a row that cannot be read, seconds among milliseconds, no row at
                all.
        """
        paths = split_paths(source, recipe, self.files)
        if recipe.text.fields:
            find_files(source, recipe, "items", self.files)
        reading = _Reading(recipe)
        log = BadLineLog(on_bad_line)
        layout = Layout(separator=recipe.separator or ",")
        blocks = [reading.blocks(TableFile(path, format_of(path, layout), progress, log)) for path in paths]
        log.refuse()
        sizes = [sum(len(block.lines) for block in of_file) for of_file in blocks]
        for path, size in zip(paths, sizes, strict=True):
            if not size:
                raise DatasetError(f"{path} holds no row. {log.words()}".rstrip())
        times, unit = reading.times(blocks, f"{source}  {reading.columns.time}")
        user_places, user_tokens = reading.users.finish()
        item_places, item_tokens = reading.items.finish()
        train, valid, test = (
            _ready(of_file, of_split, user_places.astype(np.int32), item_places.astype(np.int32))
            for of_file, of_split in zip(blocks, np.split(times, np.cumsum(sizes)[:-1]), strict=True)
        )
        return ReadyRows(
            train=train,
            valid=valid,
            test=test,
            user_tokens=user_tokens,
            item_tokens=item_tokens,
            sources=tuple(reading.sources),
            bad_lines=log.found(),
            layout="prefixes",
            notes={"time_unit": unit, "repeated_rows_kept": _repeated((train, valid, test), times)},
        )

    def attributes(
        self,
        source: Path,
        recipe: Recipe,
        wanted: Collection[str],
        *,
        progress: ReadProgress,
        on_bad_line: OnBadLine,
    ) -> ItemAttributes | None:
        """Read the metadata of some items; see `Reader.attributes`."""
        if not recipe.text.fields:
            return None
        log = BadLineLog(on_bad_line)
        item = recipe.item_columns.get("item", _COLUMNS["item"])
        tables = [
            ItemTable(TableFile(path, format_of(path, Layout()), progress, log), item, text_columns(recipe))
            for path in find_files(source, recipe, "items", self.files)
        ]
        return read_items(tables, recipe.text.fields, wanted, log, repeated="first")


READER = AmazonSplits()


@dataclass(frozen=True)
class _Block:
    """Rows of a block, R of them, by numbers of first appearance; columns as in `Rows` and `ReadySplit`."""

    users: NDArray[np.int32]
    targets: NDArray[np.int32]
    history: NDArray[np.int32]
    lengths: NDArray[np.int64]
    ratings: NDArray[np.float32]
    times: NDArray[np.float64]
    lines: NDArray[np.int64]


class _Reading:
    """Reads files one after the other, with one numbering of users and one of items.

    Raises:
        DatasetError: the recipe names a column for what there is not.
    """

    def __init__(self, recipe: Recipe) -> None:
        for role in recipe.columns:
            if role not in _COLUMNS:
                known = ", ".join(_COLUMNS)
                raise DatasetError(f"columns: unknown '{role}'.{did_you_mean(role, _COLUMNS)} Known: {known}.")
        named = {**_COLUMNS, **recipe.columns}
        self.columns = EventColumns(
            named["user"], named["item"], rating=named["rating"], time=named["time"], time_format=recipe.time.format
        )
        self.users, self.items = Numbering(), Numbering()
        self.sources: list[Source] = []
        self._history = named["history"]
        self._unit = recipe.time.unit
        self._dated = False

    def blocks(self, file: TableFile) -> list[_Block]:
        """The rows of a file that can be read.

        Raises:
            DatasetError: a missing column, a file that is cut short or damaged.
        """
        columns = self.columns
        numbers = [columns.rating] if columns.time_format else [columns.rating, columns.time]
        parts = file.parsed(
            [*columns.names, self._history],
            tokens=(columns.user, columns.item),
            sources=self.sources,
            numbers=numbers,
        )
        return [self._block(file, parsed) for parsed in parts]

    def times(self, blocks: Sequence[Sequence[_Block]], place: str) -> tuple[NDArray[np.float64], str]:
        """The times of all rows, in one unit.

        Raises:
            DatasetError: they are of several, and the recipe does not say so.
        """
        times = np.concatenate([block.times for of_file in blocks for block in of_file])
        return (times, "seconds") if self._dated else in_one_unit(times, self._unit, place)

    def _block(self, file: TableFile, parsed: Parsed) -> _Block:
        read, wrong = self.columns.read(parsed.frame)
        self._dated = self._dated or self.columns.is_dated(parsed.frame)
        history, lines = parsed.frame[self._history], parsed.lines
        if wrong:
            kept = ~log_wrong(file, parsed, wrong)
            read, history, lines = read.filter(kept), history.filter(kept), lines[kept]
        words, lengths = _split_words(history)
        return _Block(
            users=self.users.add(read[USER]),
            targets=self.items.add(read[ITEM]),
            history=self.items.add(words),
            lengths=lengths,
            ratings=read[RATING].to_numpy().astype(np.float32),
            times=read[TIME].to_numpy(),
            lines=lines,
        )


def _split_words(texts: pl.Series) -> tuple[pl.Series, NDArray[np.int64]]:
    """All words of all texts, and how many each text has."""
    lists = texts.fill_null("").str.split(" ")
    lengths = lists.list.len().to_numpy().astype(np.int64)
    words = lists.explode()
    empty = (words == "").to_numpy()
    if empty.any():
        of_text = np.repeat(np.arange(len(lengths)), lengths)
        lengths = lengths - np.bincount(of_text[empty], minlength=len(lengths))
        words = words.filter(~empty)
    return words, lengths


def _ready(
    blocks: list[_Block], times: NDArray[np.float64], user_places: NDArray[np.int32], item_places: NDArray[np.int32]
) -> ReadySplit:
    """Blocks in one, by the numbers that count; they are emptied on the way, so that histories are held once."""
    sizes = np.cumsum([0, *(len(block.history) for block in blocks)])
    history = np.empty(int(sizes[-1]), dtype=np.int32)
    others = []
    for start in sizes[:-1].tolist():
        block = blocks.pop(0)
        history[start : start + len(block.history)] = item_places[block.history]
        others.append(replace(block, history=history[:0]))

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(block, name) for block in others])

    rows = Rows(user_places[column("users")], item_places[column("targets")], history, column("lengths"))
    return ReadySplit(rows, ratings=column("ratings"), times=times, lines=column("lines"))


def _repeated(splits: Sequence[ReadySplit], times: NDArray[np.float64]) -> int:
    """Rows of the same user, item and time as another one before them."""
    users = np.concatenate([split.rows.users for split in splits])
    targets = np.concatenate([split.rows.targets for split in splits])
    order = np.lexsort((times, targets, users))
    same = [np.diff(column[order]) == 0 for column in (users, targets, times)]
    return int((same[0] & same[1] & same[2]).sum())
