"""A chart as Plotly's own JSON, and the traces that charts are made of; no Plotly is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...analysis.compare import Measured, Stat
from ...analysis.resultset import CellResults
from ..figures.context import title_of
from ..figures.scores import METRIC
from ..figures.style import COLOURS

_DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
_PATTERNS = ("", "/", ".", "x", "\\", "+")


@dataclass(frozen=True)
class Chart:
    """One interactive figure, or a panel of one.

    Attributes:
        about: a description for those who cannot see it.
        data: Plotly traces; black is drawn in the colour of the page's text.
        layout: what differs from the page's own layout.
    """

    title: str
    about: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]


def line(name: str, x: Sequence[Any], y: Sequence[Any], place: int, **more: Any) -> dict[str, Any]:
    """A curve with colour, dash and marker of its place."""
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": COLOURS[place % len(COLOURS)], "dash": _DASHES[place % len(_DASHES)]},
        "marker": {"symbol": symbol(place)},
        **more,
    }


def bars(name: str, labels: Sequence[str], stats: Sequence[Stat | None], place: int) -> dict[str, Any]:
    """Bars of one kind: means, with standard deviations over seeds; none where there is nothing."""
    return {
        "type": "bar",
        "name": name,
        "x": list(labels),
        "y": [None if stat is None else stat.mean for stat in stats],
        "error_y": {"type": "data", "array": [0.0 if stat is None else stat.std or 0.0 for stat in stats]},
        "marker": {"color": fill(place), "pattern": {"shape": pattern(place)}},
    }


def spreads(rows: Sequence[Measured]) -> dict[str, Any]:
    """Standard deviations over seeds, as error bars."""
    return {"type": "data", "array": [row.stats[METRIC].std or 0.0 for row in rows]}


def fill(place: int) -> str:
    """Colour of a bar."""
    return COLOURS[place % len(COLOURS)] if place % len(COLOURS) else "#777777"


def pattern(place: int) -> str:
    """Hatch of a bar."""
    return _PATTERNS[place % len(_PATTERNS)]


def symbol(place: int) -> str:
    """Marker of a series."""
    return _SYMBOLS[place % len(_SYMBOLS)]


def cell_name(cell: CellResults) -> str:
    """What the printed figures call a row, in one line."""
    return title_of(cell).replace("\n", " ")


def short(value: float) -> float:
    """Five digits: what a curve on a screen can show."""
    return float(f"{value:.5g}")
