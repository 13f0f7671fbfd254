"""Row files in the format of the authors' released code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..data.card import SPLITS
from ..data.histories import Rows
from ..data.ready_rows import ReadyRows
from ..parsing import raw
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import ITEM, TIME, USER
from ..parsing.source_files import RawFiles
from ..parsing.table_files import Wrong
from . import Reader
from .tables import HISTORY, histories_of, read_tables, split_files, split_paths, words

if TYPE_CHECKING:
    import polars as pl

_ROOM, _SMALL = 10, 1000  # the largest id is below so many times the number of different ids, and some

COLUMNS = ("user_id", "item_id", "history_id", "timestamp")


class Released(Reader):
    """Reads `{name}.{train,valid,test}.remap.csv`, plain or gzipped.

    Nothing is renumbered: users and items are 0 to the largest, and all of them are ranked.
    """

    files: Mapping[str, tuple[str, ...]] = {split: (f"{{name}}.{split}.remap.csv",) for split in SPLITS}

    def read(self, raw: RawFiles) -> ReadyRows:
        """Read the three files; see `Reader.read`. A row without history is an error."""
        paths = split_paths(raw, self.files)
        log = BadLineLog(raw.on_bad_line)
        files = split_files(raw, paths, COLUMNS, log)
        table, parts, sources = read_tables(files, COLUMNS, _convert, tokens=())
        history, lengths = histories_of(table)
        rows = Rows(table[USER].to_numpy(), table[ITEM].to_numpy(), history.to_numpy(), lengths)
        _refuse_sparse("user_id", rows.users)
        _refuse_sparse("item_id", np.concatenate([rows.targets, rows.history]))
        return ReadyRows(
            rows=rows,
            parts=parts,
            user_tokens=_numbers_to(rows.users.max()),
            item_tokens=_numbers_to(max(rows.targets.max(), rows.history.max())),
            sources=sources,
            times=table[TIME].to_numpy(),
            bad_lines=log.found(),
            guessed=log.guessed(),
            fixed_numbers=True,
        )


READER = Released()


def _refuse_sparse(column: str, ids: NDArray[np.int64]) -> None:
    """A DatasetError if most numbers up to the largest id would be of nobody: all of them get a place in memory."""
    largest, distinct = int(ids.max()), len(np.unique(ids))
    if largest >= _ROOM * distinct + _SMALL:
        raise DatasetError(
            f"{column}: {distinct:,} different ids, and the largest is {largest:,}. Nothing is renumbered here: ids "
            "run from 0 without large gaps. Renumber them, or prepare the data as `splits`, which takes any names."
        )


def _numbers_to(largest: int) -> NDArray[np.object_]:
    return np.arange(largest + 1).astype(str).astype(object)


def _convert(frame: pl.DataFrame) -> tuple[pl.DataFrame, Sequence[Wrong]]:
    import polars as pl

    numbers = {name: frame[name].cast(pl.Float64, strict=False) for name in ("user_id", "item_id", "timestamp")}
    history = words(frame["history_id"]).list.eval(pl.element().cast(pl.Int64, strict=False))
    is_id = pl.element().is_between(0, raw.LARGEST, closed="left").fill_null(value=False)
    all_ids = (history.list.len() > 0) & history.list.eval(is_id).list.all()
    wrong = [Wrong(name, _not_an_id(numbers[name]), "a whole number from 0") for name in ("user_id", "item_id")]
    wrong.append(Wrong("timestamp", ~np.isfinite(numbers["timestamp"].to_numpy()), "a number"))
    wrong.append(Wrong("history_id", ~all_ids.to_numpy(), "whole numbers from 0"))
    read = pl.DataFrame(
        {
            USER: numbers["user_id"].cast(pl.Int64, strict=False),
            ITEM: numbers["item_id"].cast(pl.Int64, strict=False),
            TIME: numbers["timestamp"],
            HISTORY: history,
        }
    )
    return read, wrong


def _not_an_id(column: pl.Series) -> NDArray[np.bool_]:
    values = column.to_numpy()
    return ~((values >= 0) & (values < raw.LARGEST) & (values == np.floor(values)))
