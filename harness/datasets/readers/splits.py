"""Ready splits: train, valid and test as CSV files whose rows bring their histories, perhaps cut by their publisher."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..data.histories import share_histories
from ..data.interactions import number_tokens
from ..data.item_attributes import ItemAttributes
from ..data.published import Rows, join
from ..data.ready_rows import ReadyRows, ReadySplit
from ..parsing import raw
from ..parsing.bad_lines import BadLines, OnBadLine
from ..parsing.raw import ReadProgress
from ..recipe.recipe import Recipe
from ..rules import rules
from .item_lines import read_attributes
from .tables import Table, split_paths

COLUMNS = ("user_id", "item_id", "history")
ITEMS = "items.jsonl"

_ITEM = re.compile(r"[^\s,;|\"'\[\](){}]+")
_MISSING = ("nan", "none", "null", "<na>")


class Splits:
    """Reads `{train,valid,test}.csv` and, where there is one, `items.jsonl`, each plain or gzipped."""

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Role -> name of the file."""
        return {"train": ("train.csv",), "valid": ("valid.csv",), "test": ("test.csv",), "items": (ITEMS,)}

    def read(self, source: Path, recipe: Recipe, *, progress: ReadProgress, on_bad_line: OnBadLine) -> ReadyRows:
        """Read the three files; see `Reader.read`.

        Raises:
            DatasetError: a missing file or column, an id that is none, no row at all, a row that is there twice. Right
                is a row equal to an earlier one only where it continues the user's row before it: once histories are
                cut, a user who takes the same items again and again has such rows.
        """
        paths = split_paths(source, recipe, self.files)
        tables = []
        for path in paths:
            tables.append(_table(path, on_bad_line))
            progress(path.stat().st_size, path.stat().st_size, path.name)
        parts, user_tokens, item_tokens = _number(tables)
        bad_lines = [bad for table in tables for bad in table.bad_lines]
        repeated = _repeated(join(parts))
        if repeated and on_bad_line == "error":
            raise DatasetError(_said_of_repeated(tables, *next(iter(repeated.items()))))
        splits, low = [], 0
        for rows, table in zip(parts, tables, strict=True):
            kept = np.array([low + row not in repeated for row in range(len(rows))], dtype=bool)
            splits.append(ReadySplit(rows.take(kept), lines=table.lines[kept]))
            if not kept.all():
                first = int(table.lines[np.argmin(kept)])
                bad_lines.append(BadLines(table.path.name, "the row stands there already", int((~kept).sum()), first))
            low += len(rows)
        train, valid, test = splits
        return ReadyRows(
            train=train,
            valid=valid,
            test=test,
            user_tokens=user_tokens,
            item_tokens=item_tokens,
            sources=tuple(map(raw.describe, paths)),
            bad_lines=tuple(bad_lines),
            layout="lengths",
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
        """Read `items.jsonl`; see `Reader.attributes`.

        Raises:
            DatasetError: a broken line, or none of the wanted items in the file.
        """
        name = recipe.files.get("items", (ITEMS,))[0]
        path = next((path for one in (name, f"{name}.gz") if (path := source / one).is_file()), None)
        if path is None or not recipe.text.fields:
            return None
        columns = list(dict.fromkeys(column for named in recipe.text.fields.values() for column in named))
        bad_lines: list[BadLines] | None = [] if on_bad_line == "skip" else None
        held = read_attributes(path, columns, key=recipe.item_columns.get("item", "item_id"), bad_lines=bad_lines)
        progress(path.stat().st_size, path.stat().st_size, path.name)
        known = [token for token in wanted if token in held]
        if wanted and not known:
            raise DatasetError(
                f"{path} has none of the {len(wanted):,} items of the rows. Its first item_id is "
                f"'{next(iter(held))}', theirs '{next(iter(wanted))}'."
            )
        return ItemAttributes(
            values={
                token: {
                    label: ", ".join(filter(None, (held[token][column] for column in named)))
                    for label, named in recipe.text.fields.items()
                }
                for token in known
            },
            sources=(raw.describe(path),),
            bad_lines=tuple(bad_lines or ()),
            notes={"items_described": len(held), "items_described_in_no_row": len(held) - len(known)},
        )


READER = Splits()


def _table(path: Path, on_bad_line: OnBadLine) -> Table:
    table = Table(path, COLUMNS, on_bad_line=on_bad_line)
    table.frame = table.frame.apply(lambda column: column.str.strip())
    table.tokens("user_id")
    table.tokens("item_id")
    _refuse_words(table, "item_id", ([item] for item in table.frame["item_id"]))
    _refuse_words(table, "history", (text.split() for text in table.frame["history"]))
    return table


def _refuse_words(table: Table, column: str, rows: Iterable[Sequence[str]]) -> None:
    is_item: dict[str, bool] = {}
    first_wrong: dict[int, str] = {}
    for row, words in enumerate(rows):
        for word in words:
            if word not in is_item:
                is_item[word] = _ITEM.fullmatch(word) is not None and word.lower() not in _MISSING
            if not is_item[word]:
                first_wrong.setdefault(row, word)

    def said(row: int, more: int) -> str:
        return (
            f"{column}: '{first_wrong[row]}' is no item. An item is a name without spaces, commas, quotes or "
            "brackets; those of a history are separated by spaces, oldest first."
        )

    wrong = np.zeros(len(table), dtype=bool)
    wrong[list(first_wrong)] = True
    table.refuse(wrong, f"{column} holds what is no item", said)


def _number(tables: Sequence[Table]) -> tuple[list[Rows], NDArray[np.object_], NDArray[np.object_]]:
    """The rows in numbers, and the tokens of users and items."""
    users, user_tokens = number_tokens(np.concatenate([table.frame["user_id"].to_numpy() for table in tables]))
    targets = np.concatenate([table.frame["item_id"].to_numpy() for table in tables])
    histories = [[text.split() for text in table.frame["history"]] for table in tables]
    words = [word for of_table in histories for history in of_table for word in history]
    items, item_tokens = number_tokens(np.concatenate([targets, np.array(words, dtype=object)]))
    lengths = [np.array([len(history) for history in of_table], dtype=np.int64) for of_table in histories]
    ends = np.cumsum([len(table) for table in tables])[:-1]
    word_ends = np.cumsum([of_table.sum() for of_table in lengths])[:-1]
    columns = (
        np.split(users, ends),
        np.split(items[: len(targets)], ends),
        np.split(items[len(targets) :], word_ends),
        lengths,
    )
    return [Rows(*of_table) for of_table in zip(*columns, strict=True)], user_tokens, item_tokens


def _repeated(rows: Rows) -> dict[int, int]:
    """Rows with history that are there twice -> the first of their kind; none that continues its user's row before."""
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
    _, _, ends = share_histories(rows.users, rows.targets, history=rows.history, lengths=rows.lengths, by_length=True)
    continues = np.zeros(len(ends), dtype=bool)
    order = np.argsort(ends)
    continues[order[1:]] = np.diff(ends[order]) == 1
    return continues


def _said_of_repeated(tables: Sequence[Table], row: int, earlier: int) -> str:
    places = [(table.path, line) for table in tables for line in table.lines]
    (path, line), (other, other_line) = places[row], places[earlier]
    return (
        f"{path}:{line}  the same user, item and history stand in {other.name}:{other_line} already. "
        "Remove repeated rows."
    )
