"""The forest plot as the page shows it: places in percent of its width, which HTML and SVG take as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...utils.text import fixed
from ..figures.panel import Gain, Panel

_TICKS = 6
"""On an axis, at most."""

Span = tuple[float, float]


@dataclass(frozen=True)
class ForestRow:
    """A gain: where its point and its intervals over users and over seeds are, and in words.

    Attributes:
        beyond: where the interval over seeds goes on beyond the axis: at 0, at 100, or both.
    """

    gain: Gain
    at: float
    users: Span | None
    seeds: Span | None
    beyond: tuple[int, ...]
    words: str
    span: str


@dataclass(frozen=True)
class Forest:
    """Gains on one axis.

    Attributes:
        groups: title, of a data set and a backbone, to its rows.
        ticks: place and word of each.
        axis: what the axis shows.
    """

    groups: tuple[tuple[str, tuple[ForestRow, ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float
    axis: str
    about: str

    @property
    def beyond(self) -> bool:
        """Whether an interval goes on beyond the axis."""
        return any(row.beyond for _, rows in self.groups for row in rows)


def forest_of(panels: Sequence[Panel]) -> Forest:
    """The panels of the figure "gains", which have one scale."""
    low, high = panels[0].limits or (-1.0, 1.0)

    def at(percent: float) -> float:
        return round(100 * (percent - low) / (high - low), 2)

    def span(ends: Span | None) -> Span | None:
        return None if ends is None else (max(at(ends[0]), 0.0), min(at(ends[1]), 100.0))

    def row(gain: Gain) -> ForestRow:
        ends = gain.users or gain.seeds
        words = f"[{', '.join(fixed(end, 1, plus='+') for end in ends)}]" if ends else ""
        percent = f"{fixed(gain.percent, 1, plus='+')}%"
        beyond = tuple(end for end, goes_on in zip((0, 100), gain.beyond((low, high)), strict=True) if goes_on)
        return ForestRow(gain, at(gain.percent), span(gain.users), span(gain.seeds), beyond, percent, words)

    return Forest(
        tuple((panel.title.replace("\n", " · "), tuple(map(row, panel.gains))) for panel in panels),
        tuple((at(tick), f"{tick:+g}" if tick else "0") for tick in ticks_of(low, high)),
        at(0.0),
        panels[0].x,
        panels[0].about,
    )


def ticks_of(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from low to high: as many as fit, 0 among them if it is between."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [round(at * step, 10) for at in range(math.ceil(low / step), math.floor(high / step) + 1)]
