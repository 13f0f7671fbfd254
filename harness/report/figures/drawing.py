"""One panel on matplotlib's axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .colours import COLOURS, FAINT, GREY, colour_of
from .panel import GROUP, OTHERS, RANK_INTERVAL, Panel, Series
from .style import HATCHES, LINES, MARKERS, SMALL
from .text import apart, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

NOTE = 5.5
"""Points of the words beside lines and points."""

HEAT_NUMBERS = 6
"""Steps of a matrix whose numbers are written into it; more of them leave no room."""

GAIN, CLEAR, INTERVALS = "gain", "gain, more than chance", ("95% over users", "95% over seeds")
"""The legend of gains."""

STANDING_BAR = 0.45
"""Height of a group's bar, in rows."""

NAME_AT_MOST = 2.6
"""Inches of a row's name beside its gain."""

_ERRORS = {"elinewidth": 0.6}
_SPOTS = (((0, 3), "center", "bottom"), ((0, -3), "center", "top"), ((4, 0), "left", "center"))
"""Where a word may stand beside its point: offset in points, and what of the word is there."""
_LEFT = ((-4, 0), "right", "center")


def draw_panel(axes: Axes, panel: Panel, *, upright: bool) -> None:
    """Draw a panel; `upright` turns the words along x."""
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    if panel.heat is not None:
        _heat(axes, panel)
    elif panel.gains:
        _gains(axes, panel)
    elif panel.standings:
        _standings(axes, panel)
    else:
        _series(axes, panel, upright=upright)


def scale_of(panel: Panel) -> tuple[Normalize, str]:
    """The colours of a matrix."""
    from matplotlib.colors import Normalize

    return Normalize(*panel.limits or (None, None)), "cividis"


def name_ends(axes: Axes, panel: Panel, *, gap: float) -> None:
    """Write each line's name beside its last point, the names `gap` of the axis apart; after the axis has its scale."""
    lines = [series for series in panel.series if series.kind == "line"]
    ends = [(_x(series)[-1], series.y[-1] or 0.0) for series in lines]
    shown = axes.transAxes.inverted().transform(axes.transData.transform(ends))
    places = apart([float(place) for place in shown[:, 1]], gap)
    for series, end, place in zip(lines, ends, places, strict=True):
        colour = _look(series, panel)["color"]
        axes.annotate(
            series.name,
            end,
            xytext=(1.06, place),
            textcoords="axes fraction",
            va="center",
            fontsize=NOTE,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": colour, "shrinkA": 0, "shrinkB": 2},
        )


def note_points(axes: Axes, panel: Panel) -> None:
    """Write the notes beside their points where they meet no other note; after the figure has its layout."""
    taken: list[Any] = []
    inside = axes.get_window_extent()
    for series in panel.series:
        for at, note in enumerate(series.notes):
            point, value = _x(series)[at], series.y[at]
            if value is None:
                continue
            for offset, across, down in (*_SPOTS, _LEFT):
                text = axes.annotate(
                    note, (point, value), offset, textcoords="offset points", ha=across, va=down, fontsize=NOTE
                )
                text.set_in_layout(False)
                box = text.get_window_extent()
                outside = not (inside.containsx(box.x0) and inside.containsx(box.x1))
                outside = outside or not (inside.containsy(box.y0) and inside.containsy(box.y1))
                if outside or any(box.overlaps(other) for other in taken):
                    text.remove()
                    continue
                taken.append(box)
                break


def _series(axes: Axes, panel: Panel, *, upright: bool) -> None:
    for number, series in enumerate(panel.behind):
        mark = {"linestyle": "", "marker": ".", "markersize": 3} if series.kind == "points" else {}
        label = OTHERS if number == 0 else ""
        axes.plot(_x(series), series.y, color=FAINT, zorder=1, label=label, **mark)  # type: ignore[arg-type]
    bars = [series for series in panel.series if series.kind == "bars"]
    for series in panel.series:
        look = _look(series, panel)
        if series.kind == "bars":
            _bars(axes, series, bars, panel)
        elif series.kind == "level":
            axes.axhline(series.y[0] or 0.0, label=series.name, **{**look, "marker": "", "linewidth": 0.8})
        elif series.kind == "points":
            look |= {"linestyle": "", "markersize": 3, "markeredgewidth": 0, "alpha": 0.7}
            axes.plot(series.x, series.y, label=series.name, **look)  # type: ignore[arg-type]
        else:
            axes.errorbar(_x(series), series.y, series.spread or None, label=series.name, **_ERRORS, **look)  # type: ignore[arg-type]
    if panel.labels:
        axes.set_xticks(range(len(panel.labels)), panel.labels, rotation=90 if upright else 0)
        room = max(0.6, 1.1 - len(panel.labels) / 4)
        axes.set_xlim(-room, len(panel.labels) - 1 + room)
    elif panel.whole:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    else:
        axes.locator_params(axis="x", nbins=4)
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    elif bars:
        axes.set_ylim(bottom=0.0)
    if panel.ranks:
        axes.set_yscale("log")
        axes.invert_yaxis()
    axes.grid(visible=not bars, axis="x")


def _x(series: Series) -> Sequence[float]:
    return series.x or range(len(series.y))


def _bars(axes: Axes, series: Series, beside: Sequence[Series], panel: Panel) -> None:
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
            **_fill(series.place if isinstance(series.place, int) else series.place[at], panel),
        )


def _gains(axes: Axes, panel: Panel) -> None:
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    over_users, over_seeds = {"linewidth": 3, "alpha": 0.5}, {"linewidth": 0.8, "color": COLOURS[0]}
    for gain in panel.gains:
        at = panel.labels.index(gain.name)
        colour = colour_of(gain.place, filled=True)
        if gain.users is not None:
            axes.plot(gain.users, (at, at), color=colour, **over_users)  # type: ignore[arg-type]
        if gain.seeds is not None:
            axes.plot(gain.seeds, (at, at), **over_seeds)  # type: ignore[arg-type]
        for end, arrow, goes_on in zip(panel.limits or (), "<>", gain.beyond(panel.limits), strict=False):
            if goes_on:
                axes.plot(end, at, arrow, color=COLOURS[0], markersize=3, clip_on=False)
        face = colour if gain.clear else "white"
        axes.plot(gain.percent, at, MARKERS[gain.place % len(MARKERS)], color=colour, markerfacecolor=face)
    for label, look in (
        (INTERVALS[0], {**over_users, "color": GREY}),
        (INTERVALS[1], over_seeds),
        (GAIN, {"color": GREY, "marker": MARKERS[0], "linestyle": "", "markerfacecolor": "white"}),
        (CLEAR, {"color": GREY, "marker": MARKERS[0], "linestyle": ""}),
    ):
        axes.plot([], [], label=label, **look)
    axes.set_yticks(range(len(panel.labels)), [shortened(name, NAME_AT_MOST, SMALL) for name in panel.labels])
    axes.set_ylim(len(panel.labels) - 0.5, -0.5)
    axes.set_xlim(*panel.limits or (None, None))
    axes.locator_params(axis="x", nbins=5)
    axes.grid(visible=False, axis="y")


def _standings(axes: Axes, panel: Panel) -> None:
    bars, between = panel.bars(), {"color": COLOURS[0], "linewidth": 0.8}
    top = -STANDING_BAR * (len(bars) + 1 + (panel.difference is not None))
    grouped = {"color": GREY, "linewidth": 2.5, "marker": "o", "markersize": 3}
    for number, ranks in enumerate(bars, start=1):
        axes.plot(ranks, [-STANDING_BAR * number - 0.2] * len(ranks), label=GROUP * (number == 1), **grouped)  # type: ignore[arg-type]
    if panel.difference is not None:
        ends = (1.0, 1.0 + panel.difference)
        axes.plot(ends, [top, top], marker="|", **between)  # type: ignore[arg-type]
        axes.annotate("CD", (ends[1], top), (3, 0), textcoords="offset points", va="center", fontsize=NOTE)
    for at, one in enumerate(panel.standings):
        axes.plot((one.rank, one.rank), (top, at), color=FAINT, linewidth=0.6, zorder=1)
        if one.interval is not None:
            axes.plot(one.interval, (at, at), label=RANK_INTERVAL * (at == 0), **between)  # type: ignore[arg-type]
        colour = colour_of(one.place, filled=True)
        axes.plot(one.rank, at, MARKERS[one.place % len(MARKERS)], color=colour)
    names = [shortened(one.name, NAME_AT_MOST, SMALL) for one in panel.standings]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, top - 0.4)
    axes.set_xlim(0.7, len(names) + 0.3)
    axes.set_xticks(range(1, len(names) + 1, -(-len(names) // 8)))
    axes.grid(visible=False)


def _heat(axes: Axes, panel: Panel) -> None:
    assert panel.heat is not None  # noqa: S101 - asked before
    scale, colours = scale_of(panel)
    axes.imshow(panel.heat, cmap=colours, norm=scale)
    every = -(-len(panel.labels) // (2 * HEAT_NUMBERS))
    if len(panel.labels) <= HEAT_NUMBERS:
        for (down, across), value in np.ndenumerate(panel.heat):
            colour = "white" if scale(value) < 0.5 else "black"
            axes.text(across, down, f"{value:.2f}", ha="center", va="center", fontsize=NOTE, color=colour)
    ticks = range(0, len(panel.labels), every)
    axes.set_xticks(ticks, panel.labels[::every])
    axes.set_yticks(ticks, panel.labels[::every])
    axes.grid(visible=False)


def _look(series: Series, panel: Panel) -> dict[str, Any]:
    """Colour, marker and line of a series."""
    place = series.place if isinstance(series.place, int) else series.place[0]
    at, colour = (place + series.variant) % len(MARKERS), panel.colour(place)
    face = "white" if series.variant else colour
    return {"color": colour, "marker": MARKERS[at], "markerfacecolor": face, "linestyle": LINES[at]}


def _fill(place: int, panel: Panel) -> dict[str, Any]:
    """Colour and hatch of a bar."""
    at, face = place % len(HATCHES), panel.colour(place, filled=True)
    return {"facecolor": face, "hatch": HATCHES[at], "edgecolor": "white" if HATCHES[at] else face, "linewidth": 0.3}
