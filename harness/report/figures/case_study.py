"""Figure 11: one user's history, what the model would recommend after each step, and the target, by title."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...analysis.groups import check_dataset
from ...datasets.data.items import Items
from ...utils.errors import DatasetError
from ...utils.text import one_line
from .context import FigureContext, MissingData, single_rows, title_of
from .text import cells, fonts_for, in_cells, inches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HISTORY = 5
_WIDTH = 60
_SIZE, _LINE, _MARGIN = 6.5, 0.11, 0.1
"""Points of the letters, inches of a line and of what is around the text."""


@dataclass(frozen=True)
class CaseStep:
    """The first recommendation of a step: its title, whether it is the target, and the target's rank."""

    title: str
    hit: bool
    rank: int


@dataclass(frozen=True)
class Case:
    """A test row by titles.

    Attributes:
        row: of the suite: data set, backbone, strategy, K.
        history: the last items, newest last.
        steps: step 0 first.
        target: what came next.
    """

    row: str
    user: str
    history: tuple[str, ...]
    steps: tuple[CaseStep, ...]
    target: str


def case_of(context: FigureContext) -> Case:
    """The traced test row whose target climbs furthest from step 0 to the last one, by log rank: a best case.

    Of the last row of the suite with steps, first seed. With users asked for: the first of them that is traced.

    Raises:
        MissingData: no run holds states, the data set is not prepared, no user asked for is traced, or only aggregates
            are to be shown.
        InputError: the data set is not the one that the runs were tested on.
    """
    cell = single_rows(context)[-1]
    run = cell.runs[0]
    test = context.results.store.read(run.key).test
    if test is None or test.traces is None or not len(test.traces.rows):
        raise MissingData("needs a final run with stored states of traced rows")
    try:
        data, items = check_dataset(context.load(cell.dataset), cell), context.items(cell.dataset)
    except DatasetError as error:
        raise MissingData(f"needs the prepared data set {cell.dataset} (--data-dir)") from error
    ranks = test.rows.step_ranks[test.traces.rows]  # (T, K + 1)
    at = _chosen(test.rows.users[test.traces.rows], ranks, context.asked(cell.dataset))
    row = int(test.traces.rows[at])
    history = data.flat[data.test.starts[row] : data.test.ends[row]][-_HISTORY:]
    target = int(data.test.targets[row])
    firsts = [int(item) for item in test.traces.top_items[at, :, 0]]
    return Case(
        row=title_of(cell).replace("\n", " "),
        user=context.user(cell.dataset, int(test.rows.users[row])),
        history=tuple(_title(items, int(item)) for item in history),
        steps=tuple(
            CaseStep(_title(items, first), first == target, int(rank))
            for first, rank in zip(firsts, ranks[at], strict=True)
        ),
        target=_title(items, target),
    )


def case_figure(context: FigureContext) -> Figure:
    """Figure 11: the case that `case_of` chooses, as text."""
    from matplotlib.figure import Figure

    case = case_of(context)
    lines = [f"{case.row}, {case.user}", "", "history, newest last:"]
    lines += [f"    {title}" for title in case.history]
    lines.append("first recommendation after")
    for k, step in enumerate(case.steps):
        hit = "  = target" if step.hit else ""
        lines.append(f"    step {k}:  {step.title}{hit}   (target at rank {step.rank:,})")
    lines.append(f"target: {case.target}")
    fonts = fonts_for("".join(lines), "monospace")
    lines = [*(line.translate(fonts.lacking) for line in lines), *(["", fonts.said] if fonts.said else [])]
    size = (max(map(cells, lines)) * inches("m", _SIZE, "monospace") + 2 * _MARGIN, _LINE * len(lines) + 2 * _MARGIN)
    figure = Figure(figsize=size)
    figure.text(_MARGIN / size[0], 0.5, "\n".join(lines), va="center", family=fonts.families, fontsize=_SIZE)
    return figure


def _chosen(users: NDArray[np.int32], ranks: NDArray[np.int32], asked: tuple[int, ...]) -> int:
    if asked:
        traced = np.flatnonzero(np.isin(users, asked))
        if not len(traced):
            raise MissingData(
                "needs users whose states are stored; those asked for are not among them. A suite names them under "
                "evaluation: {trace_users: [...]}"
            )
        return int(traced[0])
    return int(np.argmax(np.log(ranks[:, 0]) - np.log(ranks[:, -1])))


def _title(items: Items, item: int) -> str:
    title = " ".join(str(items.titles[item]).split()) if items.titles is not None else ""
    return in_cells(one_line(title or str(items.tokens[item])), _WIDTH)
