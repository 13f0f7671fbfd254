"""The pruner of a search trial, as far as it is part of the trial's identity; `plan/pruning.py` decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


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
    grace: int
    reduction: int

    def rungs(self, max_epochs: int) -> tuple[int, ...]:
        """The epochs after which a trial may end; none at `max_epochs`, where it ends anyway."""
        found = []
        epoch = self.grace
        while epoch < max_epochs:
            found.append(epoch)
            epoch *= self.reduction
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Pruner:
        """The inverse of `to_json`.

        Raises:
            TypeError: fields that are missing, unknown or of another type.
        """
        made = cls(**data)
        if not all(isinstance(one, str) for one in (made.kind, made.cell)):
            raise TypeError(f"a pruner is {made!r:.80}")
        if not all(isinstance(one, int) and one > 0 for one in (made.grace, made.reduction - 1)):
            raise TypeError(f"a pruner is {made!r:.80}")
        return made
