"""Source files: found, hashed, and read into columns, with errors that name the file and the line."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd


ReadProgress: TypeAlias = Callable[[int, int, str], None]
"""Told how far reading is: bytes of the file as it lies on disk, its size, its name."""

LARGEST = 2**31 - 1
"""Ids are below it: they are kept in 32 bits."""


class MissingFileError(DatasetError):
    """A file of the source is not there; whoever knows the recipe's command adds what to do."""


@dataclass(frozen=True)
class Source:
    """A file that a data set was made from.

    Attributes:
        file: its name, without the folder.
        sha256: hexadecimal digest of its bytes.
        bytes: its size.
    """

    file: str
    sha256: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for the card."""
        return {"file": self.file, "sha256": self.sha256, "bytes": self.bytes}


def describe(path: Path) -> Source:
    """Hash a file.

    Args:
        path: the file.

    Returns:
        Its name, digest and size.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Source(path.name, digest, path.stat().st_size)


def find(folder: Path, names: Sequence[str], *, advice: str = "") -> Path:
    """The first of several names that is a file in a folder.

    Args:
        folder: where to look.
        names: what the file may be called, in order of preference.
        advice: what to do where there is none; appended to the error, unless a caller does that.

    Returns:
        The file.

    Raises:
        MissingFileError: there is no such folder or file.
    """
    if not folder.exists():
        raise MissingFileError(f"{folder} does not exist. {advice}".rstrip())
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is a file; a folder is wanted. {advice}".rstrip())
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise MissingFileError(f"{folder} holds no {' or '.join(names)}. {advice}".rstrip())


def read_columns(path: Path, columns: Sequence[str], *, separator: str, also: Sequence[str] = ()) -> pd.DataFrame:
    """Some columns of a delimited text file with a header, as text: nothing is guessed, nothing becomes NaN.

    Args:
        path: the file, gzipped where its name ends in .gz.
        columns: names in the header.
        separator: "," (with CSV's double quotes) or a tab (no quoting).
        also: names of columns that are read where the header has them.

    Returns:
        A frame of strings with these columns; row r stands on line r + 2.

    Raises:
        DatasetError: not readable as such a file, or a column is missing.
    """
    import pandas as pd

    quoting: Literal[0, 3] = 0 if separator == "," else 3  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
    try:
        frame = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            quoting=quoting,
            skip_blank_lines=False,
            encoding="utf-8",
        )
    except (
        OSError,
        EOFError,
        zlib.error,
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
    ) as error:
        raise DatasetError(f"{path} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes the first fields for names of the rows then
        raise DatasetError(f"{path}:2  has more fields than the header: {', '.join(map(str, frame.columns))}.")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        wanted = ", ".join(f"'{name}'" for name in missing)
        raise DatasetError(f"{path}:1  no column {wanted}. The header has: {', '.join(map(str, frame.columns))}.")
    return frame[[*columns, *(name for name in also if name in frame.columns and name not in columns)]]


def numbers(path: Path, frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column of finite numbers.

    Args:
        path: the file it came from, for the error.
        frame: what `read_columns` returned.
        column: its name.

    Returns:
        (R,) float64.

    Raises:
        DatasetError: a value that is not a finite number, with its line.
    """
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
    _refuse_first(path, frame, column, ~np.isfinite(values), "a number")
    return values


def whole_numbers(path: Path, frame: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """A column of whole numbers from 0 to 2^31 - 2; arguments, shape and errors as `numbers`."""
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(values) | (values < 0) | (values >= LARGEST) | (values != np.floor(values))
    _refuse_first(path, frame, column, wrong, "a whole number from 0")
    return values.astype(np.int64)


def tokens(path: Path, frame: pd.DataFrame, column: str) -> NDArray[np.str_]:
    """A column of names, none of them empty; arguments, shape and errors as `numbers`."""
    values = frame[column].to_numpy(dtype=object)
    _refuse_first(path, frame, column, values == "", "a name")
    return values


def _refuse_first(path: Path, frame: pd.DataFrame, column: str, wrong: NDArray[np.bool_], wanted: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        found = frame[column].iloc[row]
        said = f"'{found}' is not {wanted}" if found else "is empty"
        more = int(wrong.sum()) - 1
        others = f" ({more:,} more such lines)" if more else ""
        raise DatasetError(f"{path}:{row + 2}  {column}: {said}{others}.")
