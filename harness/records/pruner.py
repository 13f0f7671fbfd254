"""The pruner of a search trial, as far as it is part of the trial's identity; `plan/pruning.py` decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True)
class Pruner:
    """Who may end a search trial early; part of the trial's identity, so that no other suite takes it for a whole one.

    Attributes:
        kind: "asha".
        cell: id of the cell among whose search trials it runs.
        grace: epochs before the first rung.
        reduction: one in so many goes on at each rung.
    """

    kind: Literal["asha"]
    cell: str
    grace: Annotated[int, Field(ge=1)]
    reduction: Annotated[int, Field(ge=2)]

    def rungs(self, max_epochs: int) -> tuple[int, ...]:
        """The epochs after which a trial may end; none at `max_epochs`, where it ends anyway."""
        epochs = []
        epoch = self.grace
        while epoch < max_epochs:
            epochs.append(epoch)
            epoch *= self.reduction
        return tuple(epochs)
