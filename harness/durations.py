"""Durations as people write them: 90s, 5m, 2h, 1.5d; in a suite also none."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import core_schema

NONE = "none"

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([smhd])")


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
        if text != NONE and not _DURATION.fullmatch(text):
            raise ValueError("no duration")
        if text != NONE:
            seconds_of(text)
        return cls(text)

    @property
    def seconds(self) -> float | None:
        """Its length; None for `none`."""
        return None if self == NONE else seconds_of(self)


def seconds_of(text: str) -> float:
    """Seconds of a duration.

    Args:
        text: a number and a unit: s, m, h or d.

    Raises:
        ValueError: no such duration, or none at all (0s).
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if seconds <= 0:
        raise ValueError(f"'{text}' is no duration; one is a number above 0 and a unit, such as 90s, 5m, 2h or 1d")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that they fill, such as 2h or 1.5d."""
    unit = next((unit for unit in ("d", "h", "m") if seconds >= _UNITS[unit]), "s")
    return f"{seconds / _UNITS[unit]:.3g}{unit}"
