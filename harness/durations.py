"""Durations as people write them: 90s, 5m, 2h, 1.5d."""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([smhd])")


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
        raise ValueError(f"'{text}' is no duration: a number above 0 and a unit, such as 90s, 5m, 2h or 1d")
    return seconds


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that they fill, such as 2h or 1.5d."""
    unit = next((unit for unit in ("d", "h", "m") if seconds >= _UNITS[unit]), "s")
    return f"{seconds / _UNITS[unit]:.3g}{unit}"
