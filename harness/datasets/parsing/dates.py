"""Times that are written as dates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .times import looks_like

if TYPE_CHECKING:
    import polars as pl

ISO = "iso"
"""The format of ISO 8601, with or without time of day, fractions and zone."""
EXAMPLES = {ISO: "2024-03-01T09:12:44Z"}
"""Format -> a time in it, where the format does not show it."""

_DIRECTIVES = re.compile(r"%(.)")
_DIGITS = re.compile(r"[0-9]{9,}")  # a number, of which Python takes a digit for the "T" between date and time
_KNOWN_TO_POLARS = frozenset("YmdHMS")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y"),
    *("%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%m %d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y"),
)
_CLOCKS = ("", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S %z", " %H:%M:%S %Z")
_OTHERS = ("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z")
_COMMON = (*(f"{day}{clock}" for day in _DAYS for clock in _CLOCKS), *_OTHERS)


def read_times(column: pl.Series, layout: str) -> pl.Series:
    """Seconds since 1970, (R,) float64, of text times, in UTC unless they have a zone; null if not a time."""
    import polars as pl

    if set(_DIRECTIVES.findall(layout)) != _KNOWN_TO_POLARS:
        return _by_datetime(column, layout)
    read = column.str.to_datetime(layout, strict=False, time_unit="us").dt.epoch("us").cast(pl.Float64) / 1e6
    if not read.null_count():
        return read
    unread = column.set(read.is_not_null(), None)
    return pl.select(pl.coalesce(read, _by_datetime(unread, layout))).to_series()


def is_iso(text: str) -> bool:
    """Whether a text is a date of ISO 8601 that is no number."""
    return "-" in text[1:] and _seconds(text, ISO) is not None


def telling(texts: Iterable[str]) -> str:
    """Of texts that are no times the one with the fewest formats, the first of those: 13/02/2024, not 01/02/2024."""
    return min(texts, key=lambda text: len(_formats(text)) or len(_COMMON), default="")


def advice(text: str) -> str:
    """The line of a recipe that reads times such as this one."""
    try:
        return f"For '{text}', say  time: {{unit: {looks_like(float(text)) or 'any'}}}"
    except ValueError:
        pass
    lines = [f'time: {{format: "{layout}"}}' for layout in _formats(text)[:2]]
    if not lines:
        return f"For '{text}', say  time: {{format: ...}}  with the format that Python's strptime reads it with."
    return f"For '{text}', say  {lines[0]}" + (f"  or, if that is how it is meant,  {lines[1]}" if lines[1:] else "")


def _formats(text: str) -> list[str]:
    return [ISO] if is_iso(text) else [layout for layout in _COMMON if _seconds(text, layout) is not None]


def _by_datetime(column: pl.Series, layout: str) -> pl.Series:
    import polars as pl

    seconds = {text: _seconds(text, layout) for text in column.unique().to_list()}
    return pl.Series(column.name, [seconds[text] for text in column.to_list()], dtype=pl.Float64)


def _seconds(text: str | None, layout: str) -> float | None:
    if text is None or (layout == ISO and _DIGITS.fullmatch(text.strip())):
        return None
    try:
        moment = datetime.fromisoformat(text.strip()) if layout == ISO else datetime.strptime(text.strip(), layout)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds()
