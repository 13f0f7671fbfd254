"""The columns of interactions: tokens, ratings and times, with the rows where they are invalid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError
from .table_files import Wrong

if TYPE_CHECKING:
    import polars as pl

USER, ITEM, RATING, TIME = "user", "item", "rating", "time"
SPACES = " \t\r\n\v\f"

_DIRECTIVES = re.compile(r"%(.)")
_KNOWN_TO_POLARS = frozenset("YmdHMS")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class EventColumns:
    """The columns of a file by role; "" for none.

    Attributes:
        time_format: as strptime knows it; "" for numbers, or for columns that are dates already.
    """

    user: str
    item: str
    rating: str = ""
    time: str = ""
    time_format: str = ""

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
    """

    def __init__(self, columns: EventColumns) -> None:
        import polars as pl

        self.dated = bool(columns.time_format)
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
            ratings = _numbers(frame[names.rating], names.rating)
            wrong.append(Wrong(names.rating, _not_finite(ratings), "a number"))
            columns[RATING] = ratings.cast(pl.Float32)
        if names.time:
            columns[TIME] = self._times(frame[names.time])
            wanted = f"a time such as {names.time_format}" if names.time_format else "a number"
            wrong.append(Wrong(names.time, _not_finite(columns[TIME]), wanted))
        read = pl.DataFrame([column.alias(name) for name, column in columns.items()])
        return read, wrong

    def _times(self, column: pl.Series) -> pl.Series:
        import polars as pl

        if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
            self.dated = True
            return column.dt.epoch("us").cast(pl.Float64) / 1e6
        if not self._columns.time_format:
            return _numbers(column, self._columns.time)
        if column.dtype != pl.String:
            raise DatasetError(f"the column '{self._columns.time}' is of type {column.dtype}; time.format is for text.")
        return read_times(column, self._columns.time_format)


def as_tokens(column: pl.Series, name: str) -> pl.Series:
    """A column of names as strings; a DatasetError if they are neither text nor whole numbers."""
    import polars as pl

    if column.dtype == pl.String:
        return column
    if column.dtype.is_integer() or column.dtype in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    raise DatasetError(f"the column '{name}' is of type {column.dtype}; text or whole numbers are wanted.")


def read_times(column: pl.Series, layout: str) -> pl.Series:
    """Seconds since 1970, (R,) float64, of text times, in UTC unless they have a zone; null if not a time."""
    import polars as pl

    if set(_DIRECTIVES.findall(layout)) != _KNOWN_TO_POLARS:
        return _by_strptime(column, layout)
    read = column.str.to_datetime(layout, strict=False, time_unit="us").dt.epoch("us").cast(pl.Float64) / 1e6
    if not read.null_count():
        return read
    unread = column.set(read.is_not_null(), None)
    return pl.select(pl.coalesce(read, _by_strptime(unread, layout))).to_series()


def _by_strptime(column: pl.Series, layout: str) -> pl.Series:
    import polars as pl

    seconds = {text: _seconds(text, layout) for text in column.unique().to_list()}
    return pl.Series(column.name, [seconds[text] for text in column.to_list()], dtype=pl.Float64)


def _seconds(text: str | None, layout: str) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.strptime(text.strip(), layout)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds()


def check_format(layout: str) -> None:
    """A DatasetError for a format of times that strptime does not know."""
    try:
        datetime.strptime(_EPOCH.strftime(layout), layout)
    except (ValueError, re.error) as error:
        raise DatasetError(f"time.format: '{layout}' is none: {error}. Such as \"%Y-%m-%d %H:%M:%S\".") from error


def _numbers(column: pl.Series, name: str) -> pl.Series:
    """Numbers, null if a text is not one."""
    import polars as pl

    if column.dtype == pl.String:
        read = column.cast(pl.Float64, strict=False)
        if read.null_count():
            read = column.str.strip_chars(SPACES).cast(pl.Float64, strict=False)
        return read
    if column.dtype.is_numeric():
        return column.cast(pl.Float64)
    raise DatasetError(f"the column '{name}' is of type {column.dtype}; numbers are wanted.")


def _not_finite(column: pl.Series) -> NDArray[np.bool_]:
    return ~np.isfinite(column.to_numpy())


def _empty(column: pl.Series) -> NDArray[np.bool_]:
    """Where a token is missing or blank."""
    first = column.min()
    if not column.null_count() and isinstance(first, str) and first[:1] > " ":
        return np.zeros(len(column), dtype=bool)  # the smallest begins with no space, so none does
    return (column.is_null() | (column.str.strip_chars(SPACES) == "")).to_numpy()
