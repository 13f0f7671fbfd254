"""The data of figures, and the error where a suite lacks what a figure needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...analysis.groups import Load
from ...analysis.resultset import CellResults, ResultSet
from ...datasets.data.items import Items
from ...records.profile import Profile
from ..labels import label_of, steps_label


@dataclass(frozen=True)
class FigureContext:
    """A stored suite and the other data of its figures.

    Attributes:
        results: of the suite, without baselines.
        load: gives a data set by its name.
        items: gives a data set's items (titles) by its name.
        profiles: stored profiles of the suite.
        users: test rows of these users are shown, where a figure shows single ones; empty for its own rule.
        aggregates: nothing of single users or items is shown.
    """

    results: ResultSet
    load: Load
    items: Callable[[str], Items]
    profiles: Sequence[Profile] = ()
    users: tuple[int, ...] = field(default=())
    aggregates: bool = False


class MissingData(Exception):
    """A suite lacks what a figure needs."""


def reasoning_cells(context: FigureContext) -> list[CellResults]:
    """Cells with at least one run of at least one step; `MissingData` if there are none."""
    cells = [cell for cell in context.results.cells if cell.runs and cell.runs[0].spec.steps >= 1]
    if not cells:
        raise MissingData("needs a row with steps whose runs are stored")
    return cells


def single_rows(context: FigureContext) -> list[CellResults]:
    """`reasoning_cells` for a figure of single test rows; `MissingData` also if only aggregates may be shown."""
    if context.aggregates:
        raise MissingData("shows single users, which --aggregates leaves out")
    return reasoning_cells(context)


def title_of(cell: CellResults) -> str:
    """What a panel is called: data set, backbone, row."""
    shown = f" ({steps_label(cell.runs[0].spec.steps if cell.runs else cell.steps)})"
    return f"{cell.dataset}\n{label_of(cell.backbone)} {label_of(cell.strategy)}{shown}"
