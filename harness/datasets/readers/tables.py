"""Tables of rows with histories: one file per split, and the lines of it that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..data.card import SPLITS
from ..data.histories import Rows
from ..data.interactions import number_categories
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import ITEM, USER
from ..parsing.guesses import layout_for
from ..parsing.raw import MissingFileError, Source
from ..parsing.source_files import RawFiles
from ..parsing.table_files import Convert, TableFile
from ..recipe.uses import format_by_name

if TYPE_CHECKING:
    import polars as pl

HISTORY = "history"


def one_file(raw: RawFiles, role: str, names: Mapping[str, tuple[str, ...]]) -> Path:
    """The only file of a role; arguments and errors as `RawFiles.find`, and a DatasetError if there are several."""
    paths = raw.find(role, names)
    if len(paths) > 1:
        several = ", ".join(path.name for path in paths)
        raise DatasetError(
            f"{raw.source} holds {len(paths)} files of {role}: {several}. Name one in the recipe's files."
        )
    return paths[0]


def split_paths(raw: RawFiles, names: Mapping[str, tuple[str, ...]]) -> list[Path]:
    """The files of training, validation and test; arguments and errors as `one_file`."""
    if raw.source.is_file():
        raise MissingFileError(f"{raw.source} is a file; a folder is wanted.")
    return [one_file(raw, split, names) for split in SPLITS]


def split_files(
    raw: RawFiles, paths: Sequence[Path], columns: Sequence[str], log: BadLineLog, *, any_format: bool = False
) -> list[TableFile]:
    """The files of training, validation and test with such columns; the log gets what is guessed.

    Delimited text is UTF-8 unless the recipe says otherwise, since names of items depend on it. With `any_format` a
    file may be another one, by its name.
    """
    files = []
    for path, split in zip(paths, SPLITS, strict=True):
        said = raw.recipe.said_of(split)
        kind = (any_format and format_by_name(path.name)) or layout_for(path, said, columns, log, guess_encoding=False)
        files.append(TableFile(path, kind, raw.progress, log))
    return files


def read_tables(
    files: Sequence[TableFile], columns: Sequence[str], convert: Convert, *, tokens: Sequence[str]
) -> tuple[pl.DataFrame, NDArray[np.int8], tuple[Source, ...]]:
    """All rows of the splits' files, the number of each row's file (R,), and digests; arguments as `TableFile.read`.

    Raises:
        DatasetError: a line that cannot be read, unless such lines are skipped; a file without rows.
    """
    import polars as pl

    log = files[0].log
    tables, sources = zip(*(file.read(columns, convert, tokens=tokens) for file in files), strict=True)
    log.refuse()
    for file, table in zip(files, tables, strict=True):
        if not table.height:
            raise DatasetError(f"{file.path} holds no row. {log.words() if log.found() else ''}".rstrip())
    heights = [table.height for table in tables]
    return pl.concat(tables), np.repeat(np.arange(len(tables), dtype=np.int8), heights), sources


def words(texts: pl.Series) -> pl.Series:
    """(R,) lists of the words of texts, separated by blanks."""
    import polars as pl

    return (
        texts.fill_null("")
        .str.replace_all("\t", " ", literal=True)
        .str.split(" ")
        .list.eval(pl.element().filter(pl.element() != ""))
    )


def numbered(table: pl.DataFrame) -> tuple[Rows, NDArray[np.object_], NDArray[np.object_]]:
    """The rows of a table with columns user, item and history (a list), and the tokens of users and items."""
    history, lengths = histories_of(table)
    (users,), user_tokens = number_categories(table[USER])
    (targets, items), item_tokens = number_categories(table[ITEM], history)
    return Rows(users, targets, items, lengths), user_tokens, item_tokens


def histories_of(table: pl.DataFrame) -> tuple[pl.Series, NDArray[np.int64]]:
    """The histories of all rows, concatenated, and (R,) the number of items in each."""
    history = table[HISTORY]
    lengths = history.list.len()
    return history.filter(lengths > 0).explode(), lengths.to_numpy().astype(np.int64)
