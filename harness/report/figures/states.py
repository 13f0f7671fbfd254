"""Figures of single rows and their states: rank trajectories (8), similarity of steps (9), the states (10)."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...analysis.compare import state_names
from ...analysis.resultset import CellResults
from ...records.results import Rows
from .context import FigureContext, MissingData, reasoning_cells, single_rows, title_of
from .panel import Panel, Series

SHOWN = 6
_NEAR = 100


def trajectory_panels(context: FigureContext) -> list[Panel]:
    """Figure 8: the target's rank at each step for single test rows of the first seed's run.

    Rows are those of the users asked for. Otherwise, of the rows whose target is among the first 100 at some step, the
    six at even quantiles of the change of log rank from the first to the last step: losses and gains as they are.

    Raises:
        MissingData: no row with steps, none of a user asked for, or only aggregates are to be shown.
    """
    panels = []
    for cell in single_rows(context):
        rows = context.results.store.rows(cell.runs[0].key, "test")
        asked = context.asked(cell.dataset)
        chosen = rows_of_users(rows, asked) if asked else typical_rows(rows.step_ranks)
        labels, axis = state_labels(cell, rows.step_ranks.shape[1])
        steps = range(len(labels)) if axis == "step" else ()  # streams are no scale
        curves = [
            Series(
                "line", context.user(cell.dataset, int(rows.users[row])), rows.step_ranks[row].tolist(), place, steps
            )
            for place, row in enumerate(chosen)
        ]
        changes = "; ".join(f"{curve.name}: {curve.y[0]:,} to {curve.y[-1]:,}" for curve in curves)
        about = f"Rank of the target at each step for single test rows, losses and gains as they are. {changes}."
        axes = (axis, "rank of the target")
        panel = Panel(title_of(cell), about, curves, *axes, whole=True, ranks=True, named=True, ordered=True)
        panels.append(replace(panel, scale=cell.dataset, labels=() if axis == "step" else labels))
    return panels


def similarity_panels(context: FigureContext) -> list[Panel]:
    """Figure 9: mean cosine between the states of the steps over all test rows, averaged over runs."""
    values = {cell.place: _similarity(cell, context) for cell in reasoning_cells(context)}
    lowest = min(float(of.min()) for of in values.values())
    limits = (math.floor(10 * min(lowest, 0.9)) / 10, 1.0)
    about = "Mean cosine between the states of the steps over all test rows."
    panels = []
    for cell in reasoning_cells(context):
        labels, axis = state_labels(cell, len(values[cell.place]))
        panels.append(
            Panel(title_of(cell), about, x=axis, y=axis, heat=values[cell.place], labels=labels, limits=limits)
        )
    return panels


def state_panels(context: FigureContext) -> list[Panel]:
    """Figure 10: the states of the traced test rows at each step, on their first two principal components.

    Raises:
        MissingData: no final run has stored states, or only aggregates are to be shown.
    """
    panels = []
    for cell in single_rows(context):
        test = context.results.store.read(cell.runs[0].key).test
        if test is None or test.traces is None or len(test.traces.rows) < 2:
            continue
        points, (first, second) = principal_components(test.traces.states)
        labels, axis = state_labels(cell, points.shape[1])
        shown = [
            Series("points", f"{axis} {labels[k]}", points[:, k, 1].tolist(), k, points[:, k, 0].tolist())
            for k in range(points.shape[1])
        ]
        about = (
            f"States of {len(points)} traced test rows at each step, on the first two principal components of all of "
            "them."
        )
        x, y = f"PC 1 ({first:.0%} of the variance)", f"PC 2 ({second:.0%})"
        panels.append(Panel(title_of(cell), about, shown, x, y, ordered=True))
    if not panels:
        raise MissingData("needs final runs with stored states of traced rows")
    return panels


def state_labels(cell: CellResults, count: int) -> tuple[list[str], str]:
    """What states are called on an axis, and that axis: 0 to K, or with streams 0, 1/1, 1/2, 2/1 and so on."""
    names = state_names(count, cell.runs[0].spec.steps)
    axis = "stream/step" if any("stream" in name for name in names) else "step"
    return ["/".join(re.findall(r"\d+", name)) for name in names], axis


def principal_components(states: NDArray[np.float32]) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """(T, K + 1, 2) first two principal components of (T, K + 1, d) states, and each one's share of the variance."""
    flat = states.reshape(-1, states.shape[-1]).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[:2, :][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
    points = centred @ (axes[:2] * signs[:, None]).T
    total = float((sizes**2).sum()) or 1.0
    return points.reshape(*states.shape[:2], 2), (float(sizes[0] ** 2 / total), float(sizes[1] ** 2 / total))


def typical_rows(step_ranks: NDArray[np.int32], count: int = SHOWN) -> list[int]:
    """Rows at even quantiles of the change of log rank, among those that are near at some step; see the figure."""
    near = np.flatnonzero(step_ranks.min(axis=1) <= _NEAR)
    if not len(near):
        near = np.arange(len(step_ranks))
    change = np.log(step_ranks[near, -1]) - np.log(step_ranks[near, 0])
    order = near[np.lexsort((near, change))]
    places = np.unique(np.round(np.linspace(0, len(order) - 1, min(count, len(order)))).astype(int))
    return [int(order[place]) for place in places]


def rows_of_users(rows: Rows, users: tuple[int, ...]) -> list[int]:
    """The last test row of each user asked for; `MissingData` if none has one."""
    by_user = [np.flatnonzero(rows.users == user) for user in users]
    last = [int(places[-1]) for places in by_user if len(places)]
    if not last:
        raise MissingData("needs users with test rows; those asked for have none")
    return last


def _similarity(cell: CellResults, context: FigureContext) -> NDArray[np.float64]:
    """(K + 1, K + 1) mean over the cell's runs."""
    tests = [context.results.store.read(run.key).test for run in cell.runs]
    return np.asarray(np.mean([test.similarity for test in tests if test is not None], axis=0), dtype=np.float64)
