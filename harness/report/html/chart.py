"""Panels as Plotly draws them, as its own JSON; no Plotly is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..figures.colours import colour_of
from ..figures.panel import Panel, Series

POINTS = 128
"""Points of a series of a panel that are drawn; the printed figure has all."""

_MANY = 8
"""Bars, or groups of them, that stand; more of them lie, so that their names can be read."""
_LONG = 24
"""Letters of a name below or beside bars; the whole name is shown where the mouse is."""
_ROOM, _BAR, _GAP = 70, 7, 6
"""Pixels around lying bars, of a bar, and between groups of them."""
_RANKS = [first * 10**power for power in range(7) for first in (1, 2, 5)]
_DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
_PATTERNS = ("", "/", ".", "x", "\\", "+")
_HATCH = {"fgcolor": "#ffffff", "fgopacity": 0.6, "size": 6}


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
        x |= {"type": "category", "showgrid": not any(series.kind == "bars" for series in panel.series)}
    if max(map(len, panel.labels), default=0) > _LONG:  # their ends would leave no room for what they name
        names = [label if len(label) <= _LONG else label[: _LONG - 1] + "…" for label in panel.labels]
        x |= {"tickvals": list(panel.labels), "ticktext": names}
    if panel.whole:
        x["dtick"] = 1
    if panel.ranks:
        y |= {"type": "log", "autorange": "reversed", "tickvals": _RANKS, "tickformat": ",d"}
    if panel.heat is not None:
        y |= {"type": "category", "autorange": "reversed", "scaleanchor": "x", "constrain": "domain"}
        x["constrain"] = "domain"
    elif panel.limits is not None:
        y["range"] = list(panel.limits)
    data = [_trace(series, panel) for series in panel.series] if panel.heat is None else [_heat(panel)]
    bars = sum(series.kind == "bars" for series in panel.series)
    if bars and len(panel.labels) > _MANY:
        data = [_lying(trace) for trace in data]
        layout |= {"xaxis": y, "yaxis": {**x, "autorange": "reversed", "dtick": 1}}
        layout["height"] = _ROOM + (_BAR * bars + _GAP) * len(panel.labels)
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
        marker: dict[str, Any]
        if isinstance(series.place, int):
            pattern = {"shape": _PATTERNS[series.place % len(_PATTERNS)], "fillmode": "overlay", **_HATCH}
            marker = {"color": colour_of(series.place, ordered=panel.ordered, filled=True), "pattern": pattern}
        else:  # each bar has its name below it
            marker = {"color": [colour_of(place, ordered=panel.ordered, filled=True) for place in series.place]}
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


def _lying(trace: Mapping[str, Any]) -> dict[str, Any]:
    """Standing bars, turned."""
    turned = {**trace, "x": trace["y"], "y": trace["x"], "orientation": "h"}
    return {**turned, "error_x": turned.pop("error_y")} if "error_y" in turned else turned


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
