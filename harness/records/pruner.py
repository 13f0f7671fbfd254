"""The pruner of a search trial, as part of the trial's identity; `plan/pruning.py` decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True)
class Pruner:
    """The pruner that may end a search trial early; part of the trial's identity, so that other suites do not reuse it.

    Attributes:
        kind: "asha".
        cell: id of the cell among whose search trials it runs.
        grace: epochs before the first rung.
        reduction: 1 in this many trials is promoted at each rung.
    """

    kind: Literal["asha"]
    cell: str
    grace: Annotated[int, Field(ge=1)]
    reduction: Annotated[int, Field(ge=2)]

    def rungs(self, max_epochs: int) -> tuple[int, ...]:
        """The epochs after which a trial may end, without `max_epochs`, where it ends anyway."""
        epochs = []
        epoch = self.grace
        while epoch < max_epochs:
            epochs.append(epoch)
            epoch *= self.reduction
        return tuple(epochs)
