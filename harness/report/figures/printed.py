"""Panels as matplotlib draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .colours import COLOURS, GREY, colour_of
from .panel import Panel, Series
from .style import HATCHES, LINES, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

_PANEL, _SQUARE = (2.6, 2.1), (2.1, 2.1)
_GAINS_AXIS, _LETTER = 2.2, 0.06
"""Inches of the x axis of gains, and of a letter of their names."""
_GAIN_HEIGHT, _GAINS_ROOM = 0.2, 0.9
_WIDTH = 10.4
"""Inches of the panels side by side, at most."""
_LABEL = 0.18
"""Inches that a word along x needs, turned upright where there are many."""
_MANY = 8
_KEY, _LEGEND_COLUMNS = 0.5, 5
_ERRORS = {"elinewidth": 0.6}
_CROWDED = 30
"""Letters of all labels along x; more of them are turned."""


def printed(panels: Sequence[Panel]) -> Figure:
    """A figure with panels side by side, as many as fit, and one legend below all of them."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    heat = panels[0].heat is not None
    width, height = _SQUARE if heat else _PANEL
    if panels[0].gains:
        width = _GAINS_AXIS + _LETTER * max(len(gain.name) for panel in panels for gain in panel.gains)
        height = _GAINS_ROOM + _GAIN_HEIGHT * max(len(panel.gains) for panel in panels)
    elif not heat:
        width = max(width, _LABEL * max(len(panel.labels) for panel in panels))
        upright = [label for panel in panels if len(panel.labels) > _MANY for label in panel.labels]
        height += _LETTER * max(map(len, upright), default=0)
    across = min(max(int(_WIDTH // width), 1), len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(width * across, height * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[len(panels) :]:
        spare.set_axis_off()
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, panel)
    if heat:
        figure.colorbar(ScalarMappable(*_scale(panels[0])), ax=axes[: len(panels)], label="cosine", shrink=0.8)
    elif not panels[0].named:
        _legend(figure)
    return figure


def _panel(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    if panel.heat is not None:
        _heat(axes, panel)
        return
    if panel.gains:
        _gains(axes, panel)
        return
    bars = [series for series in panel.series if series.kind == "bars"]
    for series in panel.series:
        if series.kind == "bars":
            _bars(axes, series, bars, ordered=panel.ordered)
        elif series.kind == "level":
            axes.axhline(series.y[0] or 0.0, label=series.name, color=COLOURS[0], linewidth=0.8)
        elif series.kind == "points":
            look = {
                **_look(series, ordered=panel.ordered),
                "linestyle": "",
                "markersize": 2,
                "markeredgewidth": 0,
                "alpha": 0.6,
            }
            axes.plot(series.x, series.y, label=series.name, **look)  # type: ignore[arg-type]
        else:
            _line(axes, series, panel)
    if panel.labels:
        turned = {"rotation": 20, "ha": "right"} if sum(map(len, panel.labels)) > _CROWDED else {}
        if len(panel.labels) > _MANY:
            turned = {"rotation": 90}
        axes.set_xticks(range(len(panel.labels)), panel.labels, **turned)  # type: ignore[arg-type]
    if panel.whole:
        axes.set_xticks(sorted({x for series in panel.series for x in series.x}))
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    if panel.ranks:
        axes.set_yscale("log")
        axes.invert_yaxis()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    axes.grid(visible=not bars, axis="x")


def _bars(axes: Axes, series: Series, beside: Sequence[Series], *, ordered: bool) -> None:
    width = 0.8 / len(beside)
    start = (beside.index(series) - (len(beside) - 1) / 2) * width
    shown = [at for at, value in enumerate(series.y) if value is not None]
    for at in shown:
        axes.bar(
            at + start,
            series.y[at] or 0.0,
            width * 0.94,
            yerr=series.spread[at],
            error_kw=_ERRORS,
            label=series.name if at == shown[0] else "",
            **_fill(series.place if isinstance(series.place, int) else series.place[at], ordered=ordered),
        )


def _line(axes: Axes, series: Series, panel: Panel) -> None:
    x, look, named = series.x or range(len(series.y)), _look(series, ordered=panel.ordered), panel.named
    axes.errorbar(x, series.y, series.spread or None, label=series.name, **_ERRORS, **look)  # type: ignore[arg-type]
    notes = [*[""] * (len(x) - 1), f" {series.name}"] if named else series.notes
    for at, note in zip(zip(x, series.y, strict=True), notes, strict=False):
        axes.annotate(note, at, va="center" if named else "bottom", fontsize=5, annotation_clip=False)


def _gains(axes: Axes, panel: Panel) -> None:
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    for at, gain in enumerate(panel.gains):
        first, colour = at == 0, colour_of(gain.place, filled=True)
        if gain.users is not None:
            label = "95% over users" if first else ""
            axes.plot(gain.users, (at, at), color=colour, linewidth=3, alpha=0.5, label=label)
        if gain.seeds is not None:
            axes.plot(gain.seeds, (at, at), color=COLOURS[0], linewidth=0.8, label="95% over seeds" if first else "")
        face = colour if gain.clear else "white"
        axes.plot(gain.percent, at, MARKERS[gain.place % len(MARKERS)], color=colour, markerfacecolor=face)
    axes.set_yticks(range(len(panel.gains)), [gain.name for gain in panel.gains])
    axes.set_ylim(len(panel.gains) - 0.5, -0.5)
    axes.set_xlim(*panel.limits or (None, None))
    axes.grid(visible=False, axis="y")


def _heat(axes: Axes, panel: Panel) -> None:
    assert panel.heat is not None  # noqa: S101 - asked before
    scale, colours = _scale(panel)
    axes.imshow(panel.heat, cmap=colours, norm=scale)
    for (down, across), value in np.ndenumerate(panel.heat):
        colour = "white" if scale(value) < 0.5 else "black"
        axes.text(across, down, f"{value:.2f}", ha="center", va="center", fontsize=6, color=colour)
    axes.set_xticks(range(len(panel.labels)), panel.labels)
    axes.set_yticks(range(len(panel.labels)), panel.labels)
    axes.grid(visible=False)


def _scale(panel: Panel) -> tuple[Normalize, str]:
    from matplotlib.colors import Normalize

    return Normalize(*panel.limits or (None, None)), "cividis"


def _look(series: Series, *, ordered: bool) -> dict[str, Any]:
    """Colour, marker and line of a series."""
    place = series.place if isinstance(series.place, int) else series.place[0]
    at = place % len(MARKERS)
    return {"color": colour_of(place, ordered=ordered), "marker": MARKERS[at], "linestyle": LINES[at]}


def _fill(place: int, *, ordered: bool) -> dict[str, Any]:
    """Colour and hatch of a bar."""
    at, face = place % len(HATCHES), colour_of(place, ordered=ordered, filled=True)
    return {"facecolor": face, "hatch": HATCHES[at], "edgecolor": "white" if HATCHES[at] else face, "linewidth": 0.3}


def _legend(figure: Figure) -> None:
    """Each series of any panel once."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        entry = _KEY + _LETTER * max(map(len, handles))
        columns = min(_LEGEND_COLUMNS, len(handles), max(int(figure.get_figwidth() // entry), 1))
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)
