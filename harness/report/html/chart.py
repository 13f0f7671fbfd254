"""Panels as Plotly draws them, as its own JSON; no Plotly is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..figures.colours import colour_of
from ..figures.panel import Gain, Panel, Series

POINTS = 128
"""Points of a series of a panel that are drawn; the printed figure has all."""

_GAINS_ROOM, _GAIN_HEIGHT = 180, 22
"""Pixels of a forest plot around its rows, and of a row."""
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


def chart_of(figure: str, panel: Panel) -> Chart:
    """A panel of the figure with that title."""
    about = panel.about
    most = max((len(series.y) for series in panel.series if series.kind == "points"), default=0)
    if most > POINTS:
        about += f" Here {POINTS} of {most}."
    x: dict[str, Any] = {"title": panel.x}
    y: dict[str, Any] = {"title": panel.y}
    layout: dict[str, Any] = {"barmode": "group", "xaxis": x, "yaxis": y}
    if panel.labels:
        x["type"] = "category"
    if panel.whole:
        x["dtick"] = 1
    if panel.ranks:
        y |= {"type": "log", "autorange": "reversed"}
    if panel.heat is not None:
        y |= {"type": "category", "autorange": "reversed"}
    elif panel.limits is not None and not panel.gains:
        y["range"] = list(panel.limits)
    if panel.gains:
        x |= {"range": list(panel.limits or ()), "zeroline": True}
        y |= {"type": "category", "autorange": "reversed", "automargin": True, "dtick": 1}
        layout["height"] = _GAINS_ROOM + _GAIN_HEIGHT * len(panel.gains)
        data = _gains(panel.gains)
    else:
        data = [_trace(series, panel) for series in panel.series] if panel.heat is None else [_heat(panel)]
    title = f"{figure}: {panel.title}".replace("\n", " ")
    return Chart(title, about, data, layout)


def short(value: float) -> float:
    """Five digits: what a curve on a screen can show."""
    return float(f"{value:.5g}")


def _trace(series: Series, panel: Panel) -> dict[str, Any]:
    x, y = list(series.x or panel.labels), list(series.y)
    trace: dict[str, Any] = {"type": "scatter", "mode": "lines+markers", "name": series.name, "x": x, "y": y}
    if series.spread:
        trace["error_y"] = {"type": "data", "array": list(series.spread)}
    if series.kind == "bars":
        places = [series.place] * len(y) if isinstance(series.place, int) else series.place
        shapes = [_PATTERNS[place % len(_PATTERNS)] for place in places]
        marker = {
            "color": [colour_of(place, ordered=panel.ordered, filled=True) for place in places],
            "pattern": {"shape": shapes},
        }
        return trace | {"type": "bar", "marker": marker, "showlegend": bool(series.name)}
    place = series.place if isinstance(series.place, int) else series.place[0]
    marker = {"color": colour_of(place, ordered=panel.ordered), "symbol": _SYMBOLS[place % len(_SYMBOLS)]}
    if series.kind == "points":
        kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), POINTS)).round().astype(int))
        shown = {"x": [short(series.x[at]) for at in kept], "y": [short(y[at] or 0.0) for at in kept]}
        return trace | shown | {"mode": "markers", "marker": {**marker, "size": 5, "opacity": 0.7}}
    trace |= {"line": {"color": marker["color"], "dash": _DASHES[place % len(_DASHES)]}, "marker": marker}
    if series.kind == "level":
        across: list[Any] = list(panel.labels) or sorted({x for other in panel.series for x in other.x})
        return trace | {"mode": "lines", "x": across, "y": y * len(across)}
    if series.notes:
        trace |= {"mode": "lines+markers+text", "text": list(series.notes), "textposition": "top center"}
    return trace


def _gains(gains: Sequence[Gain]) -> list[dict[str, Any]]:
    """Intervals as lines, thick over users and thin over seeds, and the gains as points over them."""
    over_users, over_seeds = [gain.users for gain in gains], [gain.seeds for gain in gains]
    names = [gain.name for gain in gains]
    traces: list[dict[str, Any]] = []
    for name, intervals, line in (
        ("95% over users", over_users, {"width": 6, "color": colour_of(2)}),
        ("95% over seeds", over_seeds, {"width": 1.5, "color": colour_of(0)}),
    ):
        known = [(row, ends) for row, ends in zip(names, intervals, strict=True) if ends is not None]
        x = [end for _, ends in known for end in (short(ends[0]), short(ends[1]), None)]
        y = [row for row, _ in known for _ in range(3)]
        traces.append({"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line})
    symbols = ["circle" if gain.clear else "circle-open" for gain in gains]
    marker = {"color": colour_of(0), "symbol": symbols, "size": 8}
    x = [short(gain.percent) for gain in gains]
    points = {"type": "scatter", "mode": "markers", "name": "gain", "x": x, "y": names, "marker": marker}
    return [*traces, {**points, "showlegend": False}]


def _heat(panel: Panel) -> dict[str, Any]:
    assert panel.heat is not None and panel.limits is not None  # noqa: S101 - a matrix has limits
    return {
        "type": "heatmap",
        "z": [[short(float(value)) for value in row] for row in panel.heat],
        "x": list(panel.labels),
        "y": list(panel.labels),
        "colorscale": "Cividis",
        "zmin": panel.limits[0],
        "zmax": panel.limits[1],
        "texttemplate": "%{z:.2f}",
    }
