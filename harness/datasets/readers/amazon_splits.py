"""The publisher's splits of Amazon Reviews 2023: rows with whole histories, three files per category."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.card import SPLITS
from ..data.histories import Rows
from ..data.items import ItemAttributes
from ..data.ready_rows import ReadyRows
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import RATING, PackedRows
from ..parsing.source_files import RawFiles
from ..parsing.table_files import Wrong
from .table_reader import AMAZON_REVIEWS, chosen_columns
from .tables import HISTORY, numbered, read_tables, split_files, split_paths, words

if TYPE_CHECKING:
    import polars as pl


class AmazonSplits:
    """Reads CATEGORY.{train,valid,test}.csv and meta_CATEGORY.jsonl, each plain or gzipped.

    A row has the user's earlier items as its history, separated by spaces, oldest first; it may be empty. Histories
    are whole, so that a user's rows lie in the longest of them.
    """

    files: Mapping[str, tuple[str, ...]] = {
        **{split: (f"*.{split}.csv",) for split in SPLITS},
        "items": ("meta_*.jsonl",),
    }

    def read(self, raw: RawFiles) -> ReadyRows:
        """Read the three files; see `Reader.read`. Seconds among milliseconds are an error."""
        import polars as pl

        paths = split_paths(raw, self.files)
        if raw.recipe.text.fields:
            raw.find("items", self.files)
        columns = chosen_columns(AMAZON_REVIEWS.columns, raw.recipe)
        history = raw.recipe.columns.get("history", "history")
        packed = PackedRows(columns)
        log = BadLineLog(raw.on_bad_line)
        files = split_files(raw, paths, (*columns.names, history), log, any_format=True)

        def convert(frame: pl.DataFrame) -> tuple[pl.DataFrame, Sequence[Wrong]]:
            read, wrong = packed.read(frame)
            return read.with_columns(words(frame[history]).cast(pl.List(packed.items)).alias(HISTORY)), wrong

        tokens = (columns.user, columns.item)
        table, parts, sources = read_tables(files, [*columns.names, history], convert, tokens=tokens)
        times, unit = packed.times(table, paths[0], columns.time, log)
        rows, user_tokens, item_tokens = numbered(table)
        return ReadyRows(
            rows=rows,
            parts=parts,
            user_tokens=user_tokens,
            item_tokens=item_tokens,
            sources=sources,
            ratings=table[RATING].to_numpy(),
            times=times,
            bad_lines=log.found(),
            guessed=log.guessed(),
            warnings=tuple(log.warnings),
            layout="prefixes",
            notes={"time_unit": unit, "repeated_rows_kept": _repeated(rows, times)},
        )

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """Read the metadata of some items; see `Reader.attributes`."""
        return replace(AMAZON_REVIEWS, files=self.files).attributes(raw, wanted)


READER = AmazonSplits()


def _repeated(rows: Rows, times: NDArray[np.float64]) -> int:
    """Number of rows with the same user, item and time as an earlier one."""
    order = np.lexsort((times, rows.targets, rows.users))
    same = [np.diff(column[order]) == 0 for column in (rows.users, rows.targets, times)]
    return int((same[0] & same[1] & same[2]).sum())
