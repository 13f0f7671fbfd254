"""How all figures look: readable in print, in grey, and for the colour-blind.

Colours are in `colours.py`; every series has a marker, a line style and a hatch of its own as well, so that colour
alone carries no information.
"""

from __future__ import annotations

from typing import Any

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 5)))
SIZE, SMALL = 8, 7
"""Points of titles, and of ticks and legends."""
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")

STYLE: dict[str, Any] = {
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
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
