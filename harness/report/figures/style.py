"""How all figures look: readable in print, in grey, and for the colour-blind.

Colours are those of Okabe and Ito in an order in which neighbours differ in lightness; every series has a marker, a
line style and a hatch of its own as well, so that colour alone carries no information.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...analysis.compare import Stat

COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 5)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")

STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "errorbar.capsize": 2,
    "pdf.fonttype": 42,  # fonts that journals accept
    "svg.fonttype": "none",
    "svg.hashsalt": "rearec-bench",  # the same figure twice is the same file
    "savefig.dpi": 200,
    "text.parse_math": False,  # names come from data
}

_PANEL = (2.6, 2.1)


def wrapped(count: int, *, columns: int = 4, size: tuple[float, float] = _PANEL) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of a size in inches, at most `columns` side by side; spare ones are blank."""
    from matplotlib.figure import Figure

    across = min(columns, count)
    down = -(-count // across)
    figure = Figure(figsize=(size[0] * across, size[1] * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def series(place: int) -> dict[str, Any]:
    """Colour, marker and line of a curve."""
    at = place % len(COLOURS)
    return {"color": COLOURS[at], "marker": MARKERS[at], "linestyle": LINES[at]}


def fill(place: int) -> dict[str, Any]:
    """Colour and hatch of a bar."""
    at = place % len(COLOURS)
    face = COLOURS[at] if at else "#666666"
    return {"facecolor": face, "hatch": HATCHES[at], "edgecolor": "white" if HATCHES[at] else face, "linewidth": 0.3}


def bars(axes: Axes, groups: Sequence[str], values: Sequence[tuple[str, Sequence[Stat | None]]]) -> None:
    """Grouped bars; each series has one statistic per group, or None for no bar."""
    width = 0.8 / max(1, len(values))
    for place, (name, stats) in enumerate(values):
        shown = [(at, stat.mean, stat.std or 0.0) for at, stat in enumerate(stats) if stat and stat.mean is not None]
        axes.bar(
            [at + (place - (len(values) - 1) / 2) * width for at, _, _ in shown],
            [mean for _, mean, _ in shown],
            width * 0.94,
            yerr=[spread for _, _, spread in shown],
            error_kw={"elinewidth": 0.6},
            label=name,
            **fill(place),
        )
    axes.set_xticks(range(len(groups)), groups)
    axes.grid(visible=False, axis="x")


def legend(figure: Figure, *, columns: int = 5) -> None:
    """One legend below all panels, with each series of any of them."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=min(columns, len(handles))
        )
