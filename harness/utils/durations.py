"""Durations: read as people write them (90s, 5m, 2h, 1.5d, 1h30m; in a suite also none), and printed for them."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import core_schema

NONE = "none"

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d+(?:\.\d+)?|\.\d+)\s*([smhd])"
_DURATION = re.compile(rf"{_PART}(?:\s*{_PART})*")


class Duration(str):
    """A suite's duration as written, or `none`."""

    nouns = "a number and a unit (s, m, h, d) such as 90s or 2h, or none"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """A string that is a duration; it stays a string in JSON."""
        return core_schema.no_info_plain_validator_function(
            cls.read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def read(cls, value: Any) -> Duration:
        """A checked duration; a ValueError if it is not valid."""
        text = str(value).strip()
        if text != NONE:
            try:
                seconds_of(text)
            except ValueError as error:
                raise ValueError("not a duration") from error
        return cls(text)

    @property
    def seconds(self) -> float | None:
        """Seconds; None for `none`."""
        return None if self == NONE else seconds_of(self)


def seconds_of(text: str) -> float:
    """A duration in seconds: a number and a unit (s, m, h or d), or several, the larger unit first.

    Raises:
        ValueError: not a valid duration, or 0.
    """
    parts = re.findall(_PART, text) if _DURATION.fullmatch(text.strip()) else []
    units = [_UNITS[unit] for _, unit in parts]
    seconds = sum(float(number) * unit for (number, _), unit in zip(parts, units, strict=True))
    if seconds <= 0 or units != sorted(set(units), reverse=True):
        raise ValueError(
            f"'{text}' is not a valid duration. Allowed: a number above 0 and a unit, such as 90s, 5m, 2h or 1d"
        )
    return seconds


def duration(seconds: float) -> str:
    """A length of time for people, such as "0.5 s", "40 s", "1.5 min", "12 min", "3.2 h", "4 days"."""
    if seconds < 1:
        return f"{seconds:.1g} s" if seconds >= 0.05 else "0 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        minutes = seconds / 60
        return f"{round(minutes, 1) if minutes < 10 else round(minutes):g} min"
    if seconds < 72 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
