"""Interactive figures of single rows and their states: 8, 9, 10; errors as in `score_charts.py`."""

from __future__ import annotations

import numpy as np

from ..figures.context import FigureContext
from ..figures.states import States, components, similarities, trajectories
from ..figures.style import COLOURS
from .chart import Chart, cell_name, line, short, symbol

POINTS = 128
"""Test rows of a panel of states; the printed figure has all that are stored."""


def trajectory_charts(context: FigureContext) -> list[Chart]:
    """Figure 8: a chart for each row with steps, a curve for each test row."""
    drawn = []
    for cell, curves in trajectories(context):
        data = [
            line(f"user {curve.user}", range(len(curve.ranks)), curve.ranks, place)
            for place, curve in enumerate(curves)
        ]
        changes = "; ".join(f"user {curve.user}: {curve.ranks[0]:,} to {curve.ranks[-1]:,}" for curve in curves)
        about = f"Rank of the target at each step for single test rows, losses and gains as they are. {changes}."
        layout = {
            "xaxis": {"title": "step", "dtick": 1},
            "yaxis": {"title": "rank of the target", "type": "log", "autorange": "reversed"},
        }
        drawn.append(Chart(f"Rank trajectories (Figure 8): {cell_name(cell)}", about, data, layout))
    return drawn


def similarity_charts(context: FigureContext) -> list[Chart]:
    """Figure 9: a chart for each row with steps."""
    drawn = []
    for cell, values in similarities(context):
        steps = [f"step {k}" for k in range(len(values))]
        heat = {
            "type": "heatmap",
            "z": [[short(float(value)) for value in row] for row in values],
            "x": steps,
            "y": steps,
            "colorscale": "Cividis",
            "zmax": 1,
            "texttemplate": "%{z:.2f}",
        }
        about = "Mean cosine between the states of the steps over all test rows."
        title = f"Similarity of steps (Figure 9): {cell_name(cell)}"
        drawn.append(Chart(title, about, [heat], {"yaxis": {"autorange": "reversed"}}))
    return drawn


def state_charts(context: FigureContext) -> list[Chart]:
    """Figure 10: a chart for each row with steps, a colour and a marker for each step."""
    return [_states(states) for states in components(context)]


def _states(states: States) -> Chart:
    count, steps = states.points.shape[:2]
    kept = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"step {k}",
            "x": [short(float(x)) for x in states.points[kept, k, 0]],
            "y": [short(float(y)) for y in states.points[kept, k, 1]],
            "marker": {"color": COLOURS[k % len(COLOURS)], "symbol": symbol(k), "size": 5, "opacity": 0.7},
        }
        for k in range(steps)
    ]
    first, second = states.explained
    rows = f"{len(kept)} of {count}" if len(kept) < count else f"{count}"
    about = f"States of {rows} traced test rows at each step, on the first two principal components of all of them."
    layout = {
        "xaxis": {"title": f"PC 1 ({first:.0%} of the variance)"},
        "yaxis": {"title": f"PC 2 ({second:.0%})"},
    }
    return Chart(f"States (Figure 10): {cell_name(states.cell)}", about, data, layout)
