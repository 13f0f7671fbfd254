"""Tables of rows with histories: one file a split, and the lines of it that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from ..data.card import SPLITS
from ..parsing import raw
from ..parsing.bad_lines import BadLines, OnBadLine
from ..parsing.source_files import find_files
from ..recipe.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd


def one_file(source: Path, recipe: Recipe, role: str, names: Mapping[str, tuple[str, ...]]) -> Path:
    """The file of a role that has one; arguments and errors as `find_files`.

    Raises:
        DatasetError: there are several.
    """
    found = find_files(source, recipe, role, names)
    if len(found) > 1:
        several = ", ".join(path.name for path in found)
        raise DatasetError(f"{source} holds {len(found)} files of {role}: {several}. Name one in the recipe's files.")
    return found[0]


def split_paths(source: Path, recipe: Recipe, names: Mapping[str, tuple[str, ...]]) -> list[Path]:
    """The files of training, validation and test.

    Args:
        source: the folder.
        recipe: may name the files.
        names: split -> what the file may be called where it does not.

    Returns:
        Three files, each with `.gz` after its name where only that is there.

    Raises:
        DatasetError: a missing file, or a split of several files.
    """
    if source.is_file():
        raise raw.MissingFileError(f"{source} is a file; a folder is wanted.")
    return [one_file(source, recipe, split, names) for split in SPLITS]


class Table:
    """A delimited file as text, without the lines that were found to be unreadable.

    Attributes:
        path: the file.
        frame: (R, ...) strings.
        lines: (R,) int64, where each row stands.
        bad_lines: what was skipped.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, on_bad_line: OnBadLine) -> None:
        self.path = path
        self.frame: pd.DataFrame = raw.read_columns(path, columns, separator=",")
        if self.frame.empty:
            raise DatasetError(f"{path} holds no row, only a header.")
        self.lines = np.arange(len(self.frame), dtype=np.int64) + 2
        self.bad_lines: list[BadLines] = []
        self._skip = on_bad_line == "skip"

    def __len__(self) -> int:
        return len(self.lines)

    def refuse(self, wrong: NDArray[np.bool_], why: str, said: Callable[[int, int], str]) -> None:
        """Skip some rows and count them, or refuse the file.

        Args:
            wrong: (R,) which.
            why: what is wrong with them, for the card.
            said: first such row, how many more -> the error, without its place.

        Raises:
            DatasetError: there is such a row, and it is not to be skipped.
        """
        if not wrong.any():
            return
        first, count = int(np.argmax(wrong)), int(wrong.sum())
        if not self._skip:
            raise DatasetError(f"{self.path}:{self.lines[first]}  {said(first, count - 1)}")
        self.bad_lines.append(BadLines(self.path.name, why, count, int(self.lines[first])))
        self.frame, self.lines = self.frame[~wrong], self.lines[~wrong]

    def tokens(self, column: str) -> None:
        """Refuse rows whose field is empty."""
        self._refuse_values(column, (self.frame[column] == "").to_numpy(), "a name")

    def numbers(self, column: str) -> None:
        """Refuse rows whose field is not a finite number."""
        self._refuse_values(column, ~np.isfinite(self.values(column)), "a number")

    def whole_numbers(self, column: str) -> None:
        """Refuse rows whose field is not a whole number from 0 to 2^31 - 2."""
        values = self.values(column)
        wrong = ~np.isfinite(values) | (values < 0) | (values >= raw.LARGEST) | (values != np.floor(values))
        self._refuse_values(column, wrong, "a whole number from 0")

    def values(self, column: str) -> NDArray[np.float64]:
        """(R,) the numbers of a column, NaN where a field is none."""
        import pandas as pd

        return pd.to_numeric(self.frame[column], errors="coerce").to_numpy(dtype=np.float64)

    def _refuse_values(self, column: str, wrong: NDArray[np.bool_], wanted: str) -> None:
        def said(row: int, more: int) -> str:
            found: Any = self.frame[column].iloc[row]
            fault = f"'{found}' is not {wanted}" if found else "is empty"
            others = f" ({more:,} more such lines)" if more else ""
            return f"{column}: {fault}{others}."

        self.refuse(wrong, f"{column} is not {wanted}", said)
