"""Which search trials end early: asynchronous successive halving (Li et al., MLSys 2020), in its stopping form.

Rungs are at `grace`, `grace` x `reduction`, `grace` x `reduction`^2, ... epochs. A trial that comes to a rung goes on
if its best validation metric so far is among the best 1 / `reduction` of what the search trials of its cell had reached
there, as far as is known by then; the paper pauses a trial where this ends it. What is known depends on how many trials
run at once and how fast each is, so that a search with a pruner is not the same twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..records.pruner import Pruner

if TYPE_CHECKING:
    from ..records.results import Epoch, TrialResult, TrialSummary


@dataclass(frozen=True)
class Reached:
    """How far a trial was trained.

    Attributes:
        values: the best validation metric at each rung that it has come to, in order.
        final: the best of all where the trial was trained to its end: no later rung would have shown more.
    """

    values: tuple[float, ...]
    final: float | None = None

    @classmethod
    def of(cls, history: Iterable[Epoch], *, metric: str, rungs: Sequence[int], ended: bool = False) -> Reached:
        """A training history at these rungs (epochs); `ended` where the trial was trained to its end."""
        best, values = -math.inf, []
        for epoch in history:
            value = epoch.validation[metric]
            best = max(best, value) if math.isfinite(value) else best
            if epoch.epoch in rungs:
                values.append(best)
        return cls(tuple(values), best if ended else None)

    def at(self, rung: int) -> float | None:
        """The value at a rung, counted from 0; None where the trial never came there."""
        return self.values[rung] if rung < len(self.values) else self.final


class Brackets:
    """What the search trials of each cell have reached, and which of them go on at a rung.

    Args:
        over: cell id to the keys of its search trials that were over when the run began.
    """

    def __init__(self, load: Callable[[str], TrialSummary | None], over: Mapping[str, Sequence[str]]) -> None:
        self._load = load
        self._over = over
        self._reached: dict[str, dict[str, Reached]] = {}

    def promote(self, key: str, reached: Reached, pruner: Pruner, *, metric: str) -> str:
        """Record that a trial reached a rung, and decide whether it goes on: "" if it does, else the reason.

        Args:
            reached: its values, that of this rung last.
        """
        bracket = self._bracket(pruner)
        bracket[key] = reached
        rung, value = len(reached.values) - 1, reached.values[-1]
        reached_by_others = (other.at(rung) for name, other in bracket.items() if name != key)
        others = [other for other in reached_by_others if other is not None]
        better = sum(other > value for other in others)
        promoted = max((len(others) + 1) // pruner.reduction, 1)
        if better < promoted:
            return ""
        epoch = pruner.grace * pruner.reduction**rung
        return (
            f"at epoch {epoch}, {better} of {len(others)} had a better {metric} than {value:.4f}; {promoted} may go on"
        )

    def ended(self, result: TrialResult) -> None:
        """Take in the end of a trial; of those without a pruner, nothing."""
        pruner = result.spec.pruner
        if pruner is not None:
            self._bracket(pruner)[result.key] = _reached(result, pruner)

    def _bracket(self, pruner: Pruner) -> dict[str, Reached]:
        """The trials of a pruner's cell by key, those stored before this run included."""
        if pruner.cell not in self._reached:
            stored = ((key, self._load(key)) for key in self._over.get(pruner.cell, ()))
            self._reached[pruner.cell] = {key: _reached(trial, pruner) for key, trial in stored if trial is not None}
        return self._reached[pruner.cell]


def _reached(trial: TrialResult | TrialSummary, pruner: Pruner) -> Reached:
    return Reached.of(
        trial.history,
        metric=trial.spec.metric,
        rungs=pruner.rungs(trial.spec.training.epoch_limit),
        ended=trial.status == "done",
    )
