"""Figure 11: one user's history, what the model would recommend after each step, and the target, by title."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...analysis.groups import checked
from ...datasets.items import Items
from ...errors import DatasetError
from ...plain import one_line
from .material import Material, Unfilled, reasoning_cells, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HISTORY = 5
_WIDTH = 60


def case_figure(material: Material) -> Figure:
    """The traced test row whose target climbs furthest from step 0 to the last one, by log rank: a best case.

    Of the last row of the suite with steps, first seed. With users asked for: the first of them that is traced.
    """
    from matplotlib.figure import Figure

    cell = reasoning_cells(material)[-1]
    run = cell.runs[0]
    test = material.results.store.read(run.key).test
    if test is None or test.traces is None or not len(test.traces.rows):
        raise Unfilled("needs a final run that holds states of traced rows")
    try:
        data, items = checked(material.load(cell.dataset), cell), material.items(cell.dataset)
    except DatasetError as error:
        raise Unfilled(f"needs the prepared data set {cell.dataset} (--data-dir)") from error
    ranks = test.rows.step_ranks[test.traces.rows]  # (T, K + 1)
    at = _chosen(test.rows.users[test.traces.rows], ranks, material.users)
    row = int(test.traces.rows[at])
    history = data.flat[data.test.starts[row] : data.test.ends[row]][-_HISTORY:]
    target = int(data.test.targets[row])
    lines = [f"{title_of(cell)}, user {test.rows.users[row]}".replace("\n", " "), "", "history, newest last:"]
    lines += [f"    {_title(items, int(item))}" for item in history]
    lines.append("first recommendation after")
    for k in range(ranks.shape[1]):
        best = int(test.traces.top_items[at, k, 0])
        hit = "  = target" if best == target else ""
        lines.append(f"    step {k}:  {_title(items, best)}{hit}   (target at rank {ranks[at, k]:,})")
    lines.append(f"target: {_title(items, target)}")
    figure = Figure(figsize=(5.2, 0.17 * len(lines) + 0.2))
    figure.text(0.02, 0.97, "\n".join(lines), va="top", family="monospace", fontsize=6.5)
    return figure


def _chosen(users: NDArray[np.int32], ranks: NDArray[np.int32], asked: tuple[int, ...]) -> int:
    if asked:
        found = np.flatnonzero(np.isin(users, asked))
        if not len(found):
            raise Unfilled(
                f"needs users whose states are held; {', '.join(map(str, asked))} are not among them. A suite names "
                "them under evaluation: {trace_users: [...]}"
            )
        return int(found[0])
    return int(np.argmax(np.log(ranks[:, 0]) - np.log(ranks[:, -1])))


def _title(items: Items, item: int) -> str:
    held = str(items.titles[item]) if items.titles is not None else ""
    return shorten(one_line(held or str(items.tokens[item])), _WIDTH, placeholder="...")
