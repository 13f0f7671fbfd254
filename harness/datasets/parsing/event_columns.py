"""The columns of interactions: tokens, ratings and times, with the rows where they are invalid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from .bad_lines import BadLineLog
from .dates import EXAMPLES, ISO, is_iso, read_times, telling
from .table_files import Wrong
from .times import doubts, in_one_unit

if TYPE_CHECKING:
    import polars as pl

USER, ITEM, RATING, TIME = "user", "item", "rating", "time"
SPACES = " \t\r\n\v\f"

_LOOKED_AT = 300
"""Values of which the one that shows the format of times best is taken."""
_COMMA = r"^\s*[-+]?[0-9]+,[0-9]+\s*$"


@dataclass(frozen=True)
class EventColumns:
    """The columns of a file by role; "" for none.

    Attributes:
        time_format: as strptime knows it, or "iso"; "" for numbers, or for columns that are dates already.
        unit: of times that are numbers; with "any" and no format, ISO dates are recognised.
        decimal: before the decimals of numbers; "" to recognise commas.
    """

    user: str
    item: str
    rating: str = ""
    time: str = ""
    time_format: str = ""
    unit: str = "any"
    decimal: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, each once."""
        return tuple(dict.fromkeys(name for name in (self.user, self.item, self.rating, self.time) if name))


class PackedRows:
    """Converts rows to the columns user and item (categories), rating (float32) and time (float64), as far as present.

    The categories are shared by all files.

    Attributes:
        items: the type of the column of items.
        dated: whether times were dates, and so are in seconds.
        guessed: setting of a recipe -> its value, where it does not have it.
        not_a_time: a value that is no time and shows the format best, "" while all are or if some are.
    """

    def __init__(self, columns: EventColumns) -> None:
        import polars as pl

        self.dated = bool(columns.time_format)
        self.guessed: dict[str, str] = {}
        self.not_a_time = ""
        self._some_time = False
        self._with_commas: set[str] = set()
        self._format, self._decimal = columns.time_format, columns.decimal
        self.items = pl.Categorical(pl.Categories.random())
        self._users = pl.Categorical(pl.Categories.random())
        self._columns = columns

    def read(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Wrong]]:
        """See `table_files.Convert`; wrong are values that are not names, finite numbers, times.

        A DatasetError if the type of a column does not fit.
        """
        import polars as pl

        names = self._columns
        columns = {USER: as_tokens(frame[names.user], names.user), ITEM: as_tokens(frame[names.item], names.item)}
        wrong = [Wrong(names.user, _empty(columns[USER]), "a name"), Wrong(names.item, _empty(columns[ITEM]), "a name")]
        columns = {USER: columns[USER].cast(self._users), ITEM: columns[ITEM].cast(self.items)}
        if names.rating:
            ratings = self._numbers(frame[names.rating], names.rating)
            wrong.append(Wrong(names.rating, _not_finite(ratings), "a number"))
            columns[RATING] = ratings.cast(pl.Float32)
        if names.time:
            columns[TIME] = self._times(frame[names.time])
            wanted = f"a time such as {EXAMPLES.get(self._format, self._format)}" if self._format else "a number"
            missing = _not_finite(columns[TIME])
            wrong.append(Wrong(names.time, missing, wanted))
            self._look_at(frame[names.time], missing)
        read = pl.DataFrame([column.alias(name) for name, column in columns.items()])
        return read, wrong

    def times(self, rows: pl.DataFrame, path: Path, place: str, log: BadLineLog) -> tuple[NDArray[np.float64], str]:
        """The times (M,) of all rows read, in one unit, and the unit: the place and "order" without a column of times.

        The log gets doubts of `place`, the column as messages name it, and what was guessed of `path`. Errors as
        `in_one_unit`.
        """
        for what, value in self.guessed.items():
            log.guess(path, what, value)
        if not self._columns.time:
            return np.arange(rows.height, dtype=np.float64), "order"
        times, unit = rows[TIME].to_numpy(), "seconds"
        if self.dated:
            log.warnings += doubts(times, unit, place)
        else:
            times, unit, doubted = in_one_unit(times, self._columns.unit, place)
            log.warnings += doubted
        return times, unit

    def _times(self, column: pl.Series) -> pl.Series:
        import polars as pl

        if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
            if self._columns.unit != "any":
                raise DatasetError(f"the column '{column.name}' is of type {column.dtype}; time.unit is for numbers.")
            self.dated = True
            return column.dt.epoch("us").cast(pl.Float64) / 1e6
        guesses = column.dtype == pl.String and not self._format and self._columns.unit == "any"
        if guesses and not self._some_time and is_iso(next(_texts(column), "")):
            # later, dates would stand among numbers
            self.guessed["time.format"] = self._format = ISO
            self.dated = True
        if not self._format:
            return self._numbers(column, self._columns.time)
        if column.dtype != pl.String:
            raise DatasetError(f"the column '{self._columns.time}' is of type {column.dtype}; time.format is for text.")
        return read_times(column, self._format)

    def _numbers(self, column: pl.Series, name: str) -> pl.Series:
        """Numbers, null if a text is not one."""
        import polars as pl

        if column.dtype != pl.String:
            if column.dtype.is_numeric():
                return column.cast(pl.Float64)
            raise DatasetError(f"the column '{name}' is of type {column.dtype}; numbers are wanted.")
        if not self._decimal and _has_commas(column):
            self.guessed["decimal"] = ","
            self._with_commas.add(name)
        if self._decimal == "," or name in self._with_commas:
            column = column.set(column.str.contains(".", literal=True), None).str.replace(",", ".", literal=True)
        read = column.cast(pl.Float64, strict=False)
        if read.null_count():
            read = column.str.strip_chars(SPACES).cast(pl.Float64, strict=False)
        return read

    def _look_at(self, column: pl.Series, missing: NDArray[np.bool_]) -> None:
        self._some_time = self._some_time or not missing.all()
        if self._some_time:
            self.not_a_time = ""
        elif not self.not_a_time and len(column):
            self.not_a_time = telling(_texts(column.head(_LOOKED_AT)))


def _texts(column: pl.Series) -> Iterator[str]:
    """The texts that are not blank."""
    return (text.strip() for value in column if value is not None and (text := str(value)).strip())


def _has_commas(column: pl.Series) -> bool:
    """Whether the numbers of a column of text have decimal commas: one has, and none has a point."""
    return bool(column.str.contains(_COMMA).any()) and not column.str.contains(".", literal=True).any()


def as_tokens(column: pl.Series, name: str) -> pl.Series:
    """A column of names as strings; a DatasetError if they are neither text nor whole numbers."""
    import polars as pl

    if column.dtype == pl.String:
        return column
    if column.dtype.is_integer() or column.dtype in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    raise DatasetError(f"the column '{name}' is of type {column.dtype}; text or whole numbers are wanted.")


def _not_finite(column: pl.Series) -> NDArray[np.bool_]:
    return ~np.isfinite(column.to_numpy())


def _empty(column: pl.Series) -> NDArray[np.bool_]:
    """Where a token is missing or blank."""
    first = column.min()
    if not column.null_count() and isinstance(first, str) and first[:1] > " ":
        return np.zeros(len(column), dtype=bool)  # the smallest begins with no space, so none does
    return (column.is_null() | (column.str.strip_chars(SPACES) == "")).to_numpy()
