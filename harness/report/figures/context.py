"""The data of figures, and the error where a suite lacks what a figure needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...analysis.groups import Load
from ...analysis.resultset import CellResults, ResultSet
from ...datasets.data.items import Items
from ...records.profile import Profile
from ...utils.errors import DatasetError, InputError
from ..labels import label_of, steps_label


@dataclass(frozen=True)
class FigureContext:
    """A stored suite and the other data of its figures.

    Attributes:
        results: of the suite, without baselines.
        load: gives a data set by its name.
        items: gives a data set's items (titles) by its name.
        profiles: stored profiles of the suite.
        users: test rows of these users, by their ids in the source, are shown where a figure shows single ones; empty
            for its own rule.
        user_tokens: gives the ids of a data set's users by its name; a DatasetError where they are not there.
        aggregates: nothing of single users or items is shown.
    """

    results: ResultSet
    load: Load
    items: Callable[[str], Items]
    profiles: Sequence[Profile] = ()
    users: tuple[str, ...] = ()
    aggregates: bool = False
    user_tokens: Callable[[str], NDArray[np.object_]] | None = None

    def asked(self, dataset: str) -> tuple[int, ...]:
        """The numbers of the users asked for in a data set; `MissingData` if it has none of them."""
        if not self.users:
            return ()
        tokens = self._tokens(dataset)
        if tokens is None:
            raise MissingData(f"needs the ids of the users of {dataset}: the prepared data set (--data-dir)")
        found = np.flatnonzero(np.isin(tokens, self.users))
        if not len(found):
            raise MissingData(f"needs one of the users {', '.join(self.users)}; {dataset} has none of them")
        order = {token: place for place, token in enumerate(self.users)}
        return tuple(sorted((int(number) for number in found), key=lambda number: order[str(tokens[number])]))

    def refuse_unknown_users(self) -> None:
        """Raise `InputError` for a user asked for that none of the suite's data sets has."""
        names = sorted({cell.dataset for cell in self.results.cells})
        held = [tokens for tokens in map(self._tokens, names) if tokens is not None]
        for user in self.users:
            if len(held) == len(names) and not any((tokens == user).any() for tokens in held):
                raise InputError(f"there is no user '{user}' in {', '.join(names)}: --user takes an id of the source.")

    def user(self, dataset: str, number: int) -> str:
        """A user by its id in the source: "user 12"; by its number, and said so, where ids are not there."""
        tokens = self._tokens(dataset)
        return f"user number {number}" if tokens is None else f"user {tokens[number]}"

    def _tokens(self, dataset: str) -> NDArray[np.object_] | None:
        try:
            return None if self.user_tokens is None else self.user_tokens(dataset)
        except DatasetError:
            return None


class MissingData(Exception):
    """A suite lacks what a figure needs."""


def reasoning_cells(context: FigureContext) -> list[CellResults]:
    """Cells with at least one run of at least one step; `MissingData` if there are none."""
    cells = [cell for cell in context.results.once().cells if cell.runs and cell.runs[0].spec.steps >= 1]
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
