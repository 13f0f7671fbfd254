"""Figures of single rows and their states: rank trajectories (8), similarity of steps (9), the states (10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...analysis.resultset import CellResults
from ...records.results import Rows, TestEvidence
from .context import FigureContext, MissingData, reasoning_cells, single_rows, title_of
from .style import COLOURS, LINES, MARKERS, legend, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 6
_NEAR = 100


@dataclass(frozen=True)
class Trajectory:
    """A curve of Figure 8: a test row's user, and the rank of its target at each step."""

    user: int
    ranks: tuple[int, ...]


@dataclass(frozen=True)
class States:
    """A panel of Figure 10.

    Attributes:
        points: (T, K + 1, 2) states of the traced test rows on their first two principal components.
        explained: share of the variance of each component.
    """

    cell: CellResults
    points: NDArray[np.float64]
    explained: tuple[float, float]


def trajectories(context: FigureContext) -> list[tuple[CellResults, list[Trajectory]]]:
    """Figure 8's curves of each row with steps; `trajectories_figure` describes the choice of test rows.

    Raises:
        MissingData: no such row, none of a user asked for, or only aggregates are to be shown.
    """
    panels = []
    for cell in single_rows(context):
        rows = context.results.store.rows(cell.runs[0].key, "test")
        chosen = rows_of_users(rows, context.users) if context.users else typical_rows(rows.step_ranks)
        panels.append(
            (cell, [Trajectory(int(rows.users[row]), tuple(rows.step_ranks[row].tolist())) for row in chosen])
        )
    return panels


def trajectories_figure(context: FigureContext) -> Figure:
    """Figure 8: the target's rank at each step for single test rows of the first seed's run.

    Rows are those of the users asked for. Otherwise, of the rows whose target is among the first 100 at some step, the
    six at even quantiles of the change of log rank from the first to the last step: losses and gains as they are.
    """
    panels = trajectories(context)
    figure, axes = wrapped(len(panels))
    for axis, (cell, curves) in zip(axes, panels, strict=True):
        for number, curve in enumerate(curves):
            steps = len(curve.ranks)
            axis.plot(
                range(steps),
                curve.ranks,
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                linestyle=LINES[number % len(LINES)],
            )
            axis.annotate(
                f" user {curve.user}", (steps - 1, curve.ranks[-1]), va="center", fontsize=5, annotation_clip=False
            )
        axis.set_yscale("log")
        axis.invert_yaxis()
        axis.set_xticks(range(len(curves[0].ranks)))
        axis.set_xlabel("step")
        axis.set_ylabel("rank of the target")
        axis.set_title(title_of(cell))
        axis.yaxis.set_major_formatter("{x:g}")
    return figure


def similarities(context: FigureContext) -> list[tuple[CellResults, NDArray[np.float64]]]:
    """Figure 9's (K + 1, K + 1) matrix of each row with steps; `MissingData` if there is no such row."""
    return [(cell, _similarity(cell, context)) for cell in reasoning_cells(context)]


def similarity_figure(context: FigureContext) -> Figure:
    """Figure 9: mean cosine between the states of the steps over all test rows, averaged over runs."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    panels = similarities(context)
    figure, axes = wrapped(len(panels), size=(2.1, 2.1))
    lowest = min(float(values.min()) for _, values in panels)
    scale = Normalize(math.floor(10 * min(lowest, 0.9)) / 10, 1.0)
    for axis, (cell, values) in zip(axes, panels, strict=True):
        axis.imshow(values, cmap="cividis", norm=scale)
        for down in range(len(values)):
            for across in range(len(values)):
                dark = scale(values[down, across]) < 0.5
                axis.text(
                    across,
                    down,
                    f"{values[down, across]:.2f}",
                    ha="center",
                    va="center",
                    fontsize=6,
                    color="white" if dark else "black",
                )
        axis.set_xticks(range(len(values)))
        axis.set_yticks(range(len(values)))
        axis.set_xlabel("step")
        axis.set_ylabel("step")
        axis.grid(visible=False)
        axis.set_title(title_of(cell))
    figure.colorbar(ScalarMappable(scale, "cividis"), ax=axes, label="cosine", shrink=0.8)
    return figure


def components(context: FigureContext) -> list[States]:
    """Figure 10's panels of each row with steps, first seed.

    Raises:
        MissingData: no final run has stored states, or only aggregates are to be shown.
    """
    panels = []
    for cell in single_rows(context):
        test = context.results.store.read(cell.runs[0].key).test
        if test is not None and test.traces is not None and len(test.traces.rows) > 1:
            panels.append(States(cell, *principal_components(test.traces.states)))
    if not panels:
        raise MissingData("needs final runs with stored states of traced rows")
    return panels


def states_figure(context: FigureContext) -> Figure:
    """Figure 10: the states of the traced test rows at each step, on their first two principal components."""
    panels = components(context)
    figure, axes = wrapped(len(panels))
    for axis, states in zip(axes, panels, strict=True):
        for k in range(states.points.shape[1]):
            axis.scatter(
                states.points[:, k, 0],
                states.points[:, k, 1],
                s=5,
                alpha=0.6,
                linewidths=0,
                color=COLOURS[k % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                label=f"step {k}",
            )
        axis.set_xlabel(f"PC 1 ({states.explained[0]:.0%} of the variance)")
        axis.set_ylabel(f"PC 2 ({states.explained[1]:.0%})")
        axis.set_title(title_of(states.cell))
    legend(figure)
    return figure


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
        raise MissingData(f"needs users with test rows; {', '.join(map(str, users))} have none")
    return last


def _similarity(cell: CellResults, context: FigureContext) -> NDArray[np.float64]:
    tests: list[TestEvidence] = []
    for run in cell.runs:
        test = context.results.store.read(run.key).test
        if test is not None:
            tests.append(test)
    return np.asarray(np.mean([np.asarray(test.similarity) for test in tests], axis=0), dtype=np.float64)
