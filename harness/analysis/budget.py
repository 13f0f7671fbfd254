"""The cost of each row's search, and its result with fewer trials: expected best score against budget.

The expected best of n trials is that of n trials drawn from the row's own, ignoring their order: without
replacement (unbiased, and at n = all the best itself; Tang et al., ACL 2020), and with replacement, as Dodge et al.
(EMNLP 2019, "Show Your Work", equation 1) define it for trials that were drawn at random.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..records.results import Status, TrialSummary
from .compare import row_against
from .resultset import CellResults, ResultSet

if TYPE_CHECKING:
    from ..suite.model import Resources

RISING = 0.01
"""A curve is still rising where the second half of the trials is expected to raise the best by more than this share."""

_TRAINED: tuple[Status, ...] = ("done", "pruned")
_EPOCHS_APART = 1.1


@dataclass(frozen=True)
class Spent:
    """The cost of some trials.

    Attributes:
        gpu_s: seconds of those that ran on GPUs, times the GPUs of each.
        core_s: seconds of those that ran on CPUs, times the cores of each.
    """

    epochs: int
    gpu_s: float
    core_s: float


@dataclass(frozen=True)
class Point:
    """The curve at a number of trials.

    Attributes:
        expected: best validation score of n of the row's trials, drawn without replacement.
        with_replacement: the same, drawn with replacement.
        epochs: of n average trials.
    """

    trials: int
    expected: float
    with_replacement: float
    epochs: float


@dataclass(frozen=True)
class Budget:
    """The search of a row.

    Attributes:
        trials: distinct search trials.
        statuses: how many of them ended how.
        search: what they have cost.
        finals: what the final runs have cost.
        curve: expected best validation score at 1, 2, ... trials; empty where no trial was trained.
    """

    cell: CellResults
    trials: int
    statuses: Mapping[Status, int]
    search: Spent
    finals: Spent
    curve: tuple[Point, ...]
    against: CellResults | None = None

    @property
    def is_exhausted(self) -> bool:
        """Whether every configuration of the search space was tried."""
        return self.cell.points is not None and self.trials >= self.cell.points

    @property
    def rise(self) -> float | None:
        """By which share the second half of the trials raises the expected best; None if unknown."""
        last = self.curve[-1].expected if self.curve else 0.0
        if len(self.curve) < 2 or last <= 0:
            return None
        return 1 - self.curve[math.ceil(len(self.curve) / 2) - 1].expected / last

    @property
    def is_rising(self) -> bool:
        """Whether a longer search is expected to find something better."""
        return not self.is_exhausted and self.rise is not None and self.rise > RISING


def budgets(results: ResultSet) -> tuple[Budget, ...]:
    """The search of every row of models, in the order of the suite, without rows that cannot run."""
    cells = results.models().cells
    resources = results.suite.resources if results.suite is not None else None
    return tuple(_budget(cell, row_against(cell, cells), resources) for cell in cells if not cell.unsupported)


def unequal(budgets: Iterable[Budget], *, in_epochs: bool) -> tuple[tuple[Budget, Budget], ...]:
    """Rows whose budget differs from that of the row they are compared with, each with that row.

    With `in_epochs`, budgets within 10% are equal; otherwise the number of trials must be.
    """
    budgets = tuple(budgets)
    by_cell = {id(budget.cell): budget for budget in budgets}
    pairs = [(budget, by_cell[id(budget.against)]) for budget in budgets if id(budget.against) in by_cell]
    return tuple(pair for pair in pairs if _differ(*pair, in_epochs=in_epochs))


def expected_best(values: Sequence[float]) -> list[float]:
    """The expected maximum of n of these values drawn without replacement, for n = 1, 2, ... all of them.

    The i-th smallest of N is the largest of n in C(i - 1, n - 1) of the C(N, n) draws.
    """
    ordered = sorted(values)
    counts = range(1, len(ordered) + 1)
    return [math.fsum(map(math.prod, zip(ordered, _chances(len(ordered), n), strict=True))) for n in counts]


def expected_best_with_replacement(values: Sequence[float]) -> list[float]:
    """The same with replacement: n independent draws from the empirical distribution (Dodge et al. 2019, eq. 1)."""
    ordered = sorted(values)
    total = len(ordered)
    return [
        math.fsum(value * ((i / total) ** n - ((i - 1) / total) ** n) for i, value in enumerate(ordered, 1))
        for n in range(1, total + 1)
    ]


def score(trial: TrialSummary) -> float:
    """The validation score of a search trial; 0 if it diverged or failed, the best so far if pruned."""
    metric = trial.spec.metric
    if trial.status == "done" and trial.validation is not None:
        value = trial.validation[metric]
    elif trial.status in _TRAINED and trial.history:
        value = max(epoch.validation[metric] for epoch in trial.history)
    else:
        value = 0.0
    return value if math.isfinite(value) else 0.0


def _budget(cell: CellResults, against: CellResults | None, resources: Resources | None) -> Budget:
    search = _spent(cell.searched, resources)
    values = [score(trial) for trial in cell.searched]
    curve: tuple[Point, ...] = ()
    if any(trial.status in _TRAINED for trial in cell.searched):
        without, replaced = expected_best(values), expected_best_with_replacement(values)
        each = search.epochs / len(values)
        pairs = zip(without, replaced, strict=True)
        curve = tuple(Point(n, here, there, n * each) for n, (here, there) in enumerate(pairs, 1))
    return Budget(
        cell=cell,
        trials=len(values),
        statuses=Counter(trial.status for trial in cell.searched),
        search=search,
        finals=_spent(cell.finals, resources),
        curve=curve,
        against=against,
    )


def _spent(trials: Sequence[TrialSummary], resources: Resources | None) -> Spent:
    gpu_s = core_s = 0.0
    for trial in trials:
        seconds = trial.timings.get("total_s", 0.0)
        if trial.spec.device == "cuda":
            gpu_s += seconds * _share(trial, "gpus", resources.gpu if resources is not None else 0.0)
        else:
            core_s += seconds * _share(trial, "cpus", resources.cpu if resources is not None else 0.0)
    return Spent(sum(trial.epochs for trial in trials), gpu_s, core_s)


def _share(trial: TrialSummary, name: str, planned: float) -> float:
    """The cores or GPUs that a trial occupied: as it recorded, else as the suite sets, else 1."""
    noted = trial.environment.get(name)
    return (float(noted) if isinstance(noted, int | float) else 0.0) or planned or 1.0


def _chances(total: int, n: int) -> list[float]:
    """For each of `total` ordered values, the probability of being the largest of n drawn without replacement."""
    chances = [0.0] * total
    chance = n / total
    for i in range(total, n - 1, -1):
        chances[i - 1] = chance
        chance *= (i - n) / (i - 1) if i > 1 else 0.0
    return chances


def _differ(first: Budget, second: Budget, *, in_epochs: bool) -> bool:
    if not in_epochs:
        return first.trials != second.trials
    low, high = sorted((first.search.epochs, second.search.epochs))
    return high > low * _EPOCHS_APART
