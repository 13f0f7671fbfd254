"""Panels as Plotly draws them, as its own JSON; no Plotly is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..figures.colours import COLOURS, FAINT, GREY
from ..figures.panel import GROUP, OTHERS, Panel, Series, by_strategy

POINTS = 128
"""Points of a series of a panel that are drawn; the printed figure has all."""

_MANY = 8
"""Bars, or groups of them, that stand; more of them lie, so that their names can be read."""
_BESIDE = 48
"""Letters of all names that fit beside each other below standing bars on a narrow screen."""
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


def charts_of(figure: str, panels: Sequence[Panel]) -> tuple[Chart, ...]:
    """The panels of the figure with that title, those with too many strategies as one for each, on the same axes."""
    charts = []
    for panel in panels:
        parts = by_strategy(panel)
        spans = {axis: {"range": _span(panel.series, axis)} for axis in "xy"} if len(parts) > 1 else {}
        charts += [_chart(figure, part, spans) for part in parts]
    return tuple(charts)


def _chart(figure: str, panel: Panel, spans: Mapping[str, Any]) -> Chart:
    about = panel.about
    most = max((len(series.y) for series in panel.series if series.kind == "points"), default=0)
    if most > POINTS:
        about += f" Here {POINTS} of {most}."
    x: dict[str, Any] = {"title": panel.x, **({} if panel.labels else spans.get("x", {}))}
    y: dict[str, Any] = {"title": panel.y, **({} if panel.ranks else spans.get("y", {}))}
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
    if panel.standings:
        data = _standings(panel)
        x["dtick"] = -(-len(panel.standings) // 8)
        x["tick0"] = 1
        names = [one.name if len(one.name) <= _LONG else one.name[: _LONG - 1] + "…" for one in panel.standings]
        y |= {
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "autorange": "reversed",
            "showgrid": False,
            "zeroline": False,
        }
        layout["height"] = _ROOM + 3 * _BAR * (len(names) + len(panel.bars()))
    elif panel.heat is None:
        data = [*_behind(panel), *(_trace(series, panel) for series in panel.series)]
    else:
        data = [_heat(panel)]
    bars = sum(series.kind == "bars" for series in panel.series)
    if bars and (len(panel.labels) > _MANY or sum(map(len, panel.labels)) > _BESIDE):
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
    trace["showlegend"] = bool(series.name)
    if series.spread:
        trace["error_y"] = {"type": "data", "array": list(series.spread)}
    if series.kind == "bars":
        marker: dict[str, Any]
        if isinstance(series.place, int):
            pattern = {"shape": _PATTERNS[series.place % len(_PATTERNS)], "fillmode": "overlay", **_HATCH}
            marker = {"color": panel.colour(series.place, filled=True), "pattern": pattern}
        else:  # each bar has its name below it
            marker = {"color": [panel.colour(place, filled=True) for place in series.place]}
        return trace | {"type": "bar", "marker": marker}
    place = series.place if isinstance(series.place, int) else series.place[0]
    at = place + series.variant
    marker = {"color": panel.colour(place), "symbol": _SYMBOLS[at % len(_SYMBOLS)] + "-open" * bool(series.variant)}
    if series.kind == "points":
        shown = dict(zip("xy", _thinned(series), strict=True))
        return trace | shown | {"mode": "markers", "marker": {**marker, "size": 7, "opacity": 0.7}}
    trace |= {"line": {"color": marker["color"], "dash": _DASHES[at % len(_DASHES)]}, "marker": marker}
    if series.kind == "level":
        across: list[Any] = list(panel.labels) or _span([*panel.series, *panel.behind], "x")
        return trace | {"mode": "lines", "x": across, "y": y * len(across)}
    if series.notes:
        trace |= {"mode": "lines+markers+text", "text": list(series.notes), "textposition": "top center"}
    return trace


def _behind(panel: Panel) -> list[dict[str, Any]]:
    """What is behind the others as one trace, with gaps between its lines."""
    if not panel.behind:
        return []
    shown = [_thinned(one) if one.kind == "points" else (one.x or panel.labels, one.y) for one in panel.behind]
    trace = {"type": "scatter", "mode": "markers" if panel.behind[0].kind == "points" else "lines", "name": OTHERS}
    x = [value for xs, _ in shown for value in (*xs, None)]
    y = [value for _, ys in shown for value in (*ys, None)]
    look = {"line": {"color": FAINT, "width": 1}, "marker": {"color": FAINT, "size": 4}, "hoverinfo": "skip"}
    return [trace | {"x": x, "y": y} | look]


def _thinned(series: Series) -> tuple[list[float], list[float]]:
    """The points that are drawn of a series of them."""
    kept = np.unique(np.linspace(0, len(series.y) - 1, min(len(series.y), POINTS)).round().astype(int))
    return [short(series.x[at]) for at in kept], [short(series.y[at] or 0.0) for at in kept]


def _span(series: Sequence[Series], axis: str) -> list[float]:
    """Both ends of the values with their spreads, and a little room; 0 to 1 without values."""
    if axis == "x":
        ends = [value for one in series for value in one.x]
    else:
        pairs = [
            (value or 0.0, error)
            for one in series
            for value, error in zip(one.y, one.spread or [0.0] * len(one.y), strict=True)
        ]
        ends = [value + sign * error for value, error in pairs for sign in (-1, 1)]
    ends = ends or [0.0, 1.0]
    room = 0.04 * (max(ends) - min(ends)) or 0.5
    return [min(ends) - room, max(ends) + room]


def _lying(trace: Mapping[str, Any]) -> dict[str, Any]:
    """Standing bars, turned."""
    turned = {**trace, "x": trace["y"], "y": trace["x"], "orientation": "h"}
    return {**turned, "error_x": turned.pop("error_y")} if "error_y" in turned else turned


def _standings(panel: Panel) -> list[dict[str, Any]]:
    """A trace of each row, below one of each group that cannot be told apart; the critical difference is above them."""
    shared = {"type": "scatter", "showlegend": False}
    traces: list[dict[str, Any]] = []
    for number, ranks in enumerate(panel.bars(), start=1):
        look = {"mode": "lines+markers", "line": {"color": GREY, "width": 4}, "marker": {"color": GREY, "size": 6}}
        traces.append(shared | look | {"name": GROUP, "x": ranks, "y": [-0.5 * number - 0.3] * len(ranks)})
    if panel.difference is not None:
        ends = {"x": [1.0, 1.0 + panel.difference], "y": [-0.5 * len(panel.bars()) - 1.0] * 2}
        words = {"text": ["", "CD"], "textposition": "middle right", "name": "critical difference"}
        traces.append(shared | ends | words | {"mode": "lines+text", "line": {"color": COLOURS[0], "width": 1.5}})
    for at, one in enumerate(panel.standings):
        marker = {
            "color": panel.colour(one.place, filled=True),
            "symbol": _SYMBOLS[one.place % len(_SYMBOLS)],
            "size": 9,
        }
        traces.append(shared | {"mode": "markers", "name": one.name, "x": [one.rank], "y": [at], "marker": marker})
        if one.interval is not None:
            low, high = one.rank - one.interval[0], one.interval[1] - one.rank
            traces[-1]["error_x"] = {"type": "data", "symmetric": False, "array": [high], "arrayminus": [low]}
    return traces


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
        "showscale": False,
    }
