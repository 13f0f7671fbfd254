"""Times of interactions: their unit, and what is to be doubted of them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...utils.errors import DatasetError

PER_SECOND = {"seconds": 1, "milliseconds": 1000, "microseconds": 1_000_000}
"""Unit -> how many of it a second has."""

_FROM = {"seconds": 1e8, "milliseconds": 1e11, "microseconds": 1e14}
"""Unit -> from where on a number looks like it; smaller ones look like nothing."""
_MILLISECONDS_S = 1e11  # from here on a number of a mixed column is one of milliseconds


def in_one_unit(times: NDArray[np.float64], unit: str, place: str) -> tuple[NDArray[np.float64], str, list[str]]:
    """Times (M,) in one unit, the unit, and warnings; "mixed" becomes milliseconds.

    `unit` is that of the recipe's `TimeFormat`: one that is named is believed. `place` is file and column, for
    messages.

    Raises:
        DatasetError: the recipe names no unit and the times look like several, or they do not fit "mixed".
    """
    looks = _looks(times)
    summary = ", ".join(f"{count:,} look like {word}" for word, count in looks.items())
    if unit == "mixed":
        if "microseconds" in looks:
            raise DatasetError(f"{place}: {summary}; time: {{unit: mixed}} is for seconds and milliseconds.")
        times = np.where(np.abs(times) < _MILLISECONDS_S, times * 1000.0, times)
        return times, "milliseconds", [*doubts(times, "milliseconds", place)]
    if unit == "any":
        if len(looks) > 1:
            raise DatasetError(
                f"{place}: the recipe names no unit of time, and of the numbers {summary}. Say which all of them "
                f"have, such as  time: {{unit: {list(looks)[-1]}}}  (or {{unit: mixed}} for seconds and milliseconds)."
            )
        return times, unit, [*doubts(times, next(iter(looks), ""), place)]
    warnings = [*doubts(times, unit, place)]
    if looks.keys() - {unit}:
        warnings.insert(0, f"{place}: read as {unit}, as the recipe says; {summary}.")
    return times, unit, warnings


def doubts(times: NDArray[np.float64], unit: str, place: str) -> Iterator[str]:
    """Warnings of times (M,) that are 0 or in the future, with their counts; "" as unit for an unknown one."""
    zeros = int((times == 0).sum())
    if zeros and unit:
        yield f"{place}: {zeros:,} of {len(times):,} times are 0, as where a time is missing."
    later = int((times > time.time() * PER_SECOND[unit]).sum()) if unit else 0
    if later:
        yield f"{place}: {later:,} of {len(times):,} times are in the future."


def looks_like(number: float) -> str:
    """The unit that a number since 1970 is probably of, "" if it may be any."""
    return next(iter(_looks(np.array([number]))), "")


def _looks(times: NDArray[np.float64]) -> dict[str, int]:
    """Unit -> how many times are of its size, without units that none is of."""
    sizes = np.abs(times)
    places = np.searchsorted(list(_FROM.values()), sizes, side="right")
    counts = np.bincount(places, minlength=len(_FROM) + 1)[1:]
    return {unit: int(count) for unit, count in zip(_FROM, counts, strict=True) if count}
