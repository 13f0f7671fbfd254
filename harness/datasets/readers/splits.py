"""Ready splits: train, valid and test as CSV files whose rows bring their histories, perhaps cut by their publisher."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.card import SPLITS
from ..data.histories import Rows, share_histories
from ..data.items import ItemAttributes
from ..data.ready_rows import ReadyRows
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import ITEM, USER
from ..parsing.line_by_line import LINE
from ..parsing.raw import MissingFileError
from ..parsing.source_files import RawFiles
from ..parsing.table_files import TableFile, Wrong
from ..rules import rules
from .item_tables import ItemTable, read_items
from .table_reader import text_columns
from .tables import HISTORY, numbered, one_file, read_tables, split_files, split_paths, words

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("user_id", "item_id", "history")
ITEMS = "items.jsonl"

_ITEM = r"""^[^\s,;|"'\[\](){}]+$"""
_NAME = "a name without spaces, commas, quotes or brackets"
_MISSING = ("nan", "none", "null", "<na>")


class Splits:
    """Reads `{train,valid,test}.csv` and, if it exists, `items.jsonl`, each plain or gzipped."""

    files: Mapping[str, tuple[str, ...]] = {**{split: (f"{split}.csv",) for split in SPLITS}, "items": (ITEMS,)}

    def read(self, raw: RawFiles) -> ReadyRows:
        """Read the three files; see `Reader.read`.

        A row equal to an earlier one is an error unless it continues the user's row before it: once histories are cut,
        a user who repeats the same items has such rows.
        """
        import polars as pl

        paths = split_paths(raw, self.files)
        self._items(raw)
        log = BadLineLog(raw.on_bad_line)
        users, items = (pl.Categorical(pl.Categories.random()) for _ in range(2))
        files = split_files(raw, paths, COLUMNS, log)
        table, parts, sources = read_tables(files, COLUMNS, partial(_convert, users, items), tokens=())
        rows, user_tokens, item_tokens = numbered(table)
        repeated = _repeated(rows)
        lines = table[LINE]
        for row, earlier in repeated.items():
            path, other = paths[parts[row]], paths[parts[earlier]]
            message = f"the same user, item and history stand in {other.name}:{lines[earlier]} already"
            log.add(path, lines[row], "the row stands there already", message)
        log.refuse()
        kept = np.ones(len(rows), dtype=bool)
        kept[list(repeated)] = False
        return ReadyRows(
            rows=rows.take(kept),
            parts=parts[kept],
            user_tokens=user_tokens,
            item_tokens=item_tokens,
            sources=sources,
            bad_lines=log.found(),
            guessed=log.guessed(),
            layout="lengths",
        )

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """Read `items.jsonl`; see `Reader.attributes`."""
        path = self._items(raw)
        if path is None:
            return None
        log = BadLineLog(raw.on_bad_line)
        file = TableFile(path, "jsonl", raw.progress, log)
        table = ItemTable(file, raw.recipe.item_columns.get("item", "item_id"), text_columns(raw.recipe), optional=True)
        items = read_items([table], raw.recipe.text.fields, wanted, repeated="refuse")
        in_no_row = items.described - len(items.values)
        return replace(items, notes={"items_described": items.described, "items_described_in_no_row": in_no_row})

    def _items(self, raw: RawFiles) -> Path | None:
        """The file of items; None if the recipe wants no text, or names no such file and there is none."""
        try:
            return one_file(raw, "items", self.files) if raw.recipe.text.fields else None
        except MissingFileError:
            if "items" in raw.recipe.files:
                raise
            return None


READER = Splits()


def _convert(
    user_names: pl.Categorical, item_names: pl.Categorical, frame: pl.DataFrame
) -> tuple[pl.DataFrame, Sequence[Wrong]]:
    """See `table_files.Convert`: the columns user, item, history, and their line."""
    import polars as pl

    users, items = (frame[name].str.strip_chars() for name in ("user_id", "item_id"))
    history = words(frame["history"])
    not_an_item = items.to_frame("item").select(~_is_item(pl.col("item"))).to_series()
    not_items = history.list.eval(~_is_item(pl.element())).list.any()
    wrong = (
        Wrong("user_id", (users == "").to_numpy(), "a name"),
        Wrong("item_id", not_an_item.to_numpy(), f"an item ({_NAME})"),
        Wrong("history", not_items.to_numpy(), f"a list of items separated by spaces (an item: {_NAME})"),
    )
    columns = {
        USER: users.cast(user_names),
        ITEM: items.cast(item_names),
        HISTORY: history.cast(pl.List(item_names)),
        LINE: frame[LINE],
    }
    return pl.DataFrame(columns), wrong


def _is_item(token: pl.Expr) -> pl.Expr:
    return token.str.contains(_ITEM) & ~token.str.to_lowercase().is_in(_MISSING)


def _repeated(rows: Rows) -> dict[int, int]:
    """Duplicate rows with history -> the first of their kind; none that continues its user's row before."""
    places = np.flatnonzero(rows.lengths > 0)
    rows = rows.take(rows.lengths > 0)
    if not len(rows):
        return {}
    alike = _hashes(rows)
    _, kind, counts = np.unique(alike, return_inverse=True, return_counts=True)
    candidates = np.flatnonzero(counts[kind] > 1)
    if not len(candidates):
        return {}
    continues = _continues(rows)
    stops = np.cumsum(rows.lengths)
    first: dict[bytes, int] = {}
    repeated = {}
    for row in candidates.tolist():
        history = rows.history[stops[row] - rows.lengths[row] : stops[row]]
        earlier = first.setdefault(np.array([rows.users[row], rows.targets[row], *history]).tobytes(), row)
        if earlier != row and not continues[row]:
            repeated[int(places[row])] = int(places[earlier])
    return repeated


def _hashes(rows: Rows) -> NDArray[np.uint64]:
    """(R,) equal where user, target and history are."""
    begins = np.cumsum(rows.lengths) - rows.lengths
    place = np.arange(len(rows.history)) - np.repeat(begins, rows.lengths)
    of_items = rules.mix((rows.history + (place << 32)).astype(np.uint64))
    of_row = rules.mix((rows.targets + (rows.users << 32)).astype(np.uint64))
    return np.add.reduceat(of_items, begins) ^ of_row


def _continues(rows: Rows) -> NDArray[np.bool_]:
    """(R,) whether a row's history ends with the target of the user's row before it, in the same place."""
    _, _, ends = share_histories(rows, by_length=True)
    continues = np.zeros(len(ends), dtype=bool)
    order = np.argsort(ends)
    continues[order[1:]] = np.diff(ends[order]) == 1
    return continues
