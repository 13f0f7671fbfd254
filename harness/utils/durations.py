"""Durations as people write them: 90s, 5m, 2h, 1.5d, 1h30m; in a suite also none."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import core_schema

NONE = "none"

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"(\d+(?:\.\d+)?|\.\d+)\s*([smhd])"
_DURATION = re.compile(rf"{_PART}(?:\s*{_PART})*")


class Duration(str):
    """The type of a suite's duration: as it was written, or `none`."""

    noun = "a duration"
    nouns = "a number and a unit (s, m, h, d) such as 90s or 2h, or none"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """A word that is a duration; it stays a word in JSON."""
        return core_schema.no_info_plain_validator_function(
            cls.read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def read(cls, value: Any) -> Duration:
        """Check it.

        Raises:
            ValueError: no duration.
        """
        text = str(value).strip()
        if text != NONE:
            try:
                seconds_of(text)
            except ValueError as error:
                raise ValueError("no duration") from error
        return cls(text)

    @property
    def seconds(self) -> float | None:
        """Its length; None for `none`."""
        return None if self == NONE else seconds_of(self)


def seconds_of(text: str) -> float:
    """Seconds of a duration.

    Args:
        text: a number and a unit (s, m, h or d), or several, the larger unit first.

    Raises:
        ValueError: no such duration, or none at all (0s).
    """
    parts = re.findall(_PART, text) if _DURATION.fullmatch(text.strip()) else []
    units = [_UNITS[unit] for _, unit in parts]
    seconds = sum(float(number) * unit for (number, _), unit in zip(parts, units, strict=True))
    if seconds <= 0 or units != sorted(set(units), reverse=True):
        raise ValueError(f"'{text}' is no duration; one is a number above 0 and a unit, such as 90s, 5m, 2h or 1d")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that they fill, such as 2h or 1.5d."""
    unit = next((unit for unit in ("d", "h", "m") if seconds >= _UNITS[unit]), "s")
    return f"{seconds / _UNITS[unit]:.3g}{unit}"


def duration(seconds: float) -> str:
    """A length of time for people, such as "40 s", "12 min", "3.2 h", "4 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 72 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"
