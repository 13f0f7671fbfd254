"""What a figure shows, apart from how it is drawn: `printed.py` and `html/chart.py` draw the same panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...analysis.compare import Stat


@dataclass(frozen=True)
class Series:
    """One series of a panel.

    Attributes:
        kind: "level" is a line across the whole panel, at its only y.
        y: values; None where there is none.
        place: number of its colour, marker, line and hatch, or of each of its bars; see `colours.py`.
        x: empty for the panel's labels, one after the other.
        spread: standard deviations; empty for none.
        notes: a word beside each point; empty for none.
    """

    kind: Literal["bars", "line", "level", "points"]
    name: str
    y: Sequence[float | None]
    place: int | Sequence[int] = 0
    x: Sequence[float] = ()
    spread: Sequence[float] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Gain:
    """A row's gain over another one, in percent, with 95% intervals as (low, high); None for none.

    Attributes:
        place: of its strategy's colour and marker.
        clear: more than chance after correction.
    """

    name: str
    percent: float
    users: tuple[float, float] | None
    seeds: tuple[float, float] | None
    clear: bool
    place: int = 0


@dataclass(frozen=True)
class Panel:
    """A pair of axes.

    Attributes:
        title: data set and the rest, in two lines.
        about: a description for those who cannot see it.
        heat: a square matrix in place of series.
        gains: a forest plot in place of series, the first of `labels` at its top.
        labels: words along x, or the names of all rows of a forest plot, which may lack some of them; empty where x are
            numbers.
        whole: x are whole numbers.
        limits: of the y axis, of the x axis of `gains`, or of the colours of `heat`; None for those of the values.
        ranks: the y axis is logarithmic, and 1 is at its top.
        named: each line has its name at its end, in print in place of a legend.
        ordered: the series are no strategies; their colours are a scale.
        behind: series drawn faintly behind the others, in print.
        scale: panels of one scale are compared, and have the same y axis in print; "" for an axis of its own.
    """

    title: str
    about: str
    series: Sequence[Series] = ()
    x: str = ""
    y: str = ""
    heat: NDArray[np.float64] | None = None
    gains: Sequence[Gain] = ()
    labels: Sequence[str] = ()
    whole: bool = False
    limits: tuple[float, float] | None = None
    ranks: bool = False
    named: bool = False
    ordered: bool = False
    behind: Sequence[Series] = ()
    scale: str = ""


def over_seeds(
    kind: Literal["bars", "line"],
    name: str,
    stats: Sequence[Stat | None],
    place: int | Sequence[int],
    *,
    x: Sequence[float] = (),
    notes: Sequence[str] = (),
) -> Series:
    """Means with standard deviations over seeds."""
    means = [None if stat is None else stat.mean for stat in stats]
    return Series(kind, name, means, place, x, [0.0 if stat is None else stat.std or 0.0 for stat in stats], notes)
