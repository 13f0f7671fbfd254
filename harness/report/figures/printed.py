"""Panels as matplotlib draws them: side by side, on as many pages as they need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .drawing import (
    CLEAR,
    GAIN,
    INTERVALS,
    NAME_AT_MOST,
    STANDING_BAR,
    draw_panel,
    name_ends,
    note_points,
    scale_of,
)
from .panel import GROUP, OTHERS, RANK_INTERVAL, Panel, by_strategy
from .style import SIZE, SMALL
from .text import broken, fonts_for, inches, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 7.2, 9.2
"""Inches of a page: what a paper has, so that letters are printed in their size."""
_PANEL, _SQUARE = (2.4, 2.1), (1.8, 1.9)
_STANDINGS_AXIS = 2.4
_GAINS_AXIS, _GAINS_LEAST, _GAIN_HEIGHT, _GAINS_ROOM = 1.9, 1.4, 0.15, 0.8
_BESIDE = 0.75
"""Inches of a panel beside its axes: ticks, label and room."""
_OFF_CENTRE = 0.6
"""Inches that a title lacks, since it is above the middle of the axes, not of the panel."""
_LABEL, _BAR, _BETWEEN = 0.18, 0.045, 0.08
"""Inches of a word along x turned upright, of a bar, and between the bars of two words."""
_UPRIGHT_AT_MOST = 1.5
_LINE, _KEY = 0.14, 0.5
"""Inches of a line of a title or of the legend, and of a line's sample in the legend."""
_TITLE_LINES = 4
_NAME_GAP = 0.08
"""Of an axis between the names at the ends of lines."""


@dataclass(frozen=True)
class _Layout:
    """Sizes of the panels of a figure in inches, and whether words along x are turned.

    Attributes:
        beside: what stands once at the left of all panels: the names of rows.
    """

    width: float
    height: float
    upright: bool = False
    beside: float = 0.0


def printed(panels: Sequence[Panel]) -> list[Figure]:
    """The pages of a figure, each with one legend below its panels.

    Panels of one `scale` have the same y axis, on all pages. Signs that the font lacks come from another one; a line
    on each page says where none has them.
    """
    from matplotlib import rc_context

    fonts = fonts_for("".join(panel.words() for panel in panels), "sans-serif")
    with rc_context({"font.family": fonts.families}):
        return _pages([panel.translated(fonts.lacking) for panel in panels], fonts.said)


def _pages(panels: Sequence[Panel], said: str) -> list[Figure]:
    panels = [part for panel in panels for part in by_strategy(panel)]
    layout = _layout(panels)
    panels = [_fitting(panel, layout) for panel in panels]
    lines = max(panel.title.count("\n") for panel in panels) - 1
    layout = replace(layout, height=layout.height + _LINE * max(lines, 0))
    across = min(max(int((_WIDTH - layout.beside) // layout.width), 1), len(panels))
    across -= across % panels[0].abreast if across > panels[0].abreast else 0
    each = across * max(int((_HEIGHT - _legend_height(panels, _WIDTH)) // layout.height), 1)
    starts = range(0, len(panels), each)
    pages = [_page(panels[start : start + each], layout, across=across) for start in starts]
    drawn = [pair for _, pairs in pages for pair in pairs]
    _share_scales(drawn)
    for figure, pairs in pages:
        if said:
            words = broken(said, figure.get_figwidth() - 0.1, SMALL, lines=_TITLE_LINES)
            figure.set_figheight(figure.get_figheight() + _LINE * (1 + words.count("\n")))
            figure.suptitle(words, fontsize=SMALL)
        for axes, panel in pairs:
            if panel.named:
                name_ends(axes, panel, gap=_NAME_GAP)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, for all formats
        for axes, panel in pairs:
            note_points(axes, panel)
    return [figure for figure, _ in pages]


def _layout(panels: Sequence[Panel]) -> _Layout:
    if panels[0].heat is not None:
        return _Layout(*_SQUARE)
    if panels[0].gains:
        names = max(inches(name, SMALL) for name in panels[0].labels)
        height = _GAINS_ROOM + _GAIN_HEIGHT * len(panels[0].labels)
        beside = min(names, NAME_AT_MOST)
        width = max(min((_WIDTH - beside) / len(panels), _GAINS_AXIS), _GAINS_LEAST)
        return _Layout(width, height, beside=beside)
    if panels[0].standings:
        beside = max(inches(one.name, SMALL) for panel in panels for one in panel.standings)
        lines = max(len(panel.standings) + STANDING_BAR * (len(panel.bars()) + 2) for panel in panels)
        return _Layout(min(beside, NAME_AT_MOST) + _STANDINGS_AXIS, _GAINS_ROOM + _GAIN_HEIGHT * lines)
    width, height = _PANEL
    words = max((len(panel.labels) for panel in panels), default=0)
    if not words:
        return _Layout(width, height)
    bars = max(sum(series.kind == "bars" for series in panel.series) for panel in panels)
    width = min(max(width, _BESIDE + words * max(_LABEL, bars * _BAR + _BETWEEN)), _WIDTH)
    room = (width - _BESIDE) / max(words, 2) - 0.06
    longest = max(inches(label, SMALL) for panel in panels for label in panel.labels)
    if longest <= room:
        return _Layout(width, height)
    return _Layout(width, height + min(longest, _UPRIGHT_AT_MOST), upright=True)


def _fitting(panel: Panel, layout: _Layout) -> Panel:
    """The panel with words that fit into its place."""
    width = layout.width if panel.gains else layout.width - _OFF_CENTRE
    if panel.standings:  # the title is above the axes, beside the names
        width = _STANDINGS_AXIS - _OFF_CENTRE / 2
    title = "\n".join(broken(line, width, SIZE, lines=_TITLE_LINES - 1) for line in panel.title.split("\n"))
    labels = panel.labels if panel.gains else [shortened(label, _UPRIGHT_AT_MOST, SMALL) for label in panel.labels]
    return replace(
        panel,
        title=title,
        labels=labels,
        x=shortened(panel.x, width, SIZE),
        series=[replace(series, name=shortened(series.name, _WIDTH - 1, SMALL)) for series in panel.series],
    )


def _page(panels: Sequence[Panel], layout: _Layout, *, across: int) -> tuple[Figure, list[tuple[Axes, Panel]]]:
    """A figure, and its panels with their axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    down = -(-len(panels) // across)
    width = layout.beside + layout.width * across
    heat = panels[0].heat is not None
    height = layout.height * down + (0.0 if heat else _legend_height(panels, width))
    figure = Figure(figsize=(width + 0.5 * heat, height), layout="compressed" if heat else "constrained")
    FigureCanvasAgg(figure)  # measures text
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[len(panels) :]:
        spare.set_axis_off()
    pairs = list(zip(axes, panels, strict=False))
    for at, (own, panel) in enumerate(pairs):
        draw_panel(own, panel, upright=layout.upright)
        if panel.gains and at % across:
            own.tick_params(labelleft=False)
    if heat:
        shown = axes[: len(panels)]
        figure.colorbar(ScalarMappable(*scale_of(panels[0])), ax=shown, label="cosine", shrink=0.8)
    elif not panels[0].named:
        _legend(figure, [own for own, _ in pairs])
    return figure, pairs


def _share_scales(pairs: Iterable[tuple[Axes, Panel]]) -> None:
    """One y axis for the panels of a scale, and ticks that a logarithmic one has room for."""
    together: dict[str, list[tuple[Axes, Panel]]] = {}
    for axes, panel in pairs:
        together.setdefault(panel.scale or f"own {id(axes)}", []).append((axes, panel))
    for group in together.values():
        ends = [end for axes, _ in group for end in axes.get_ylim()]
        for axes, panel in group:
            if panel.ranks:
                _rank_axis(axes, max(ends))
            elif panel.scale and panel.limits is None:
                axes.set_ylim(min(ends), max(ends))


def _rank_axis(axes: Axes, last: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_ylim(last, 0.85)
    wanted = (1, 2, 5) if last < 50 else (1,)
    ticks = [number * 10**power for power in range(9) for number in wanted if number * 10**power <= last]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _names(panels: Sequence[Panel]) -> list[str]:
    """What the legend says, at most."""
    if panels[0].gains:
        return [*INTERVALS, GAIN, CLEAR]
    if panels[0].standings:
        return [GROUP, RANK_INTERVAL]
    if panels[0].named:
        return []
    names = dict.fromkeys(series.name for panel in panels for series in panel.series if series.name)
    return [*names, *([OTHERS] if any(panel.behind for panel in panels) else [])]


def _columns(names: Iterable[str], width: float) -> int:
    names = list(names)
    entry = _KEY + max(inches(name, SMALL) for name in names)
    return max(min(len(names), int((width - 0.1) // entry)), 1)


def _legend_height(panels: Sequence[Panel], width: float) -> float:
    names = _names(panels)
    return _LINE * -(-len(names) // _columns(names, width)) + 0.1 if names else 0.0


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Each series of any panel once."""
    handles: dict[str, Any] = {}
    for own in axes:
        for handle, label in zip(*own.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        columns = _columns(handles, float(figure.get_figwidth()))
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)
