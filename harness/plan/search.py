"""One cell's search: which configuration comes next, as a pure function of the seed, the cell and earlier results.

Suggestion i depends on `search.seed`, the cell's id and the outcomes of suggestions 0 to i - window, in index order;
grid and random look at no outcome. The budget decides how many suggestions of tpe are random, and whether a finite
space is enumerated. Nothing else enters: neither the clock, nor how many trials run at once, nor how often the run was
killed. With a budget in epochs there is a suggestion i where suggestions 0 to i - 1 have fewer epochs
than the budget, which is known before they are over as long as even `max_epochs` of each would not reach it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..records.results import Status, TrialSummary
from ..records.spec import TrialSpec, epoch_limit, likely_epoch_limit
from ..utils.errors import InputError
from ..utils.seeds import stream_seed

if TYPE_CHECKING:
    from ..suite.model import Space
    from .cells import Cell

_EPOCHS_SHARE = 0.5  # of max_epochs, before early stopping has been seen

Values = Mapping[str, Any]
"""Hyper-parameters by dotted name."""


@dataclass(frozen=True)
class Outcome:
    """What a search learns from a trial.

    Attributes:
        value: its validation metric, unrounded; None unless it is done and finite.
        epochs: that it was trained for.
        reached: the best validation metric of a trial that its pruner ended; None of any other.
    """

    status: Status
    value: float | None
    epochs: int = 0
    reached: float | None = None

    @classmethod
    def of(cls, summary: TrialSummary, metric: str) -> Outcome:
        """The outcome of a stored trial by one validation metric."""
        value = summary.validation[metric] if summary.status == "done" and summary.validation else None
        value = value if value is not None and math.isfinite(value) else None
        seen = (epoch.validation[metric] for epoch in summary.history) if summary.status == "pruned" else ()
        return cls(summary.status, value, summary.epochs, max(filter(math.isfinite, seen), default=None))


Known = Callable[[str], Outcome | None]
"""The outcome of a key, None where it is not known yet; once known it must not change."""


@dataclass(frozen=True)
class Suggestion:
    """One entry of a cell's search.

    Attributes:
        index: counted from 0.
        values: chosen hyper-parameters, by dotted name.
        duplicate: an earlier suggestion was the same; it uses up budget and is not run again. With `search.distinct`
            there is none in a finite space.
    """

    index: int
    values: Values
    spec: TrialSpec
    duplicate: bool


class CellSearch:
    """The search of one cell; `build` makes a trial's spec from hyper-parameters."""

    def __init__(self, cell: Cell, build: Callable[[Values], TrialSpec]) -> None:
        self._cell = cell
        self._build = build
        self._space = {name: cell.space[name] for name in sorted(cell.space)}
        self._points = _enumerated(self._space, cell)
        self._suggestions: list[Suggestion] = []
        self._keys: set[str] = set()
        self._count = _count(self._space)
        self.size = search_size(cell)
        self.complete = False

    def suggestions(self, known: Known) -> Sequence[Suggestion]:
        """All suggestions that the known outcomes determine, in index order; `complete` says whether there are more."""
        while not self.complete:
            index = len(self._suggestions)
            room = self._has_room(known)
            self.complete = room is False
            outcomes = self._outcomes(index, known) if room else None
            if outcomes is None:
                break
            values = self._values(index, outcomes)
            spec = self._build(values)
            if spec.key in self._keys and self._cell.search.distinct and self._count is not None:
                untried = self._untried(index, self._count)
                if untried is None:
                    self.complete = True
                    break
                values, spec = untried
            self._suggestions.append(Suggestion(index, values, spec, duplicate=spec.key in self._keys))
            self._keys.add(spec.key)
        return self._suggestions

    def expected(self, known: Known) -> int:
        """How many suggestions there will be; with a budget in epochs about so many, until it is complete."""
        count, budget = len(self._suggestions), self._cell.search.epochs
        if self.complete:
            return count
        if budget is None:
            return self.size
        spent, unknown = self._spent(known)
        over = count - len(unknown)
        each = spent / over if over else _EPOCHS_SHARE * _of_max_epochs(self._cell, likely_epoch_limit)
        more = max(math.ceil((budget - spent) / max(each, 1.0)) - len(unknown), 1)
        points = math.inf if self._count is None else self._count
        return min(count + more, int(min(points, budget)))

    def spent(self, known: Known) -> int:
        """Epochs of the suggestions whose outcome is known."""
        return self._spent(known)[0]

    def best(self, known: Known) -> Suggestion | None:
        """The suggestion with the highest value, the earliest of equals; None where no trial succeeded."""
        best: Suggestion | None = None
        best_value = -math.inf
        for suggestion in self.suggestions(known):
            outcome = known(suggestion.spec.key)
            if outcome is not None and outcome.value is not None and outcome.value > best_value:
                best, best_value = suggestion, outcome.value
        return best

    def _has_room(self, known: Known) -> bool | None:
        """Whether the budget has room for one more suggestion; None where that depends on outcomes not known yet."""
        budget, count = self._cell.search.epochs, len(self._suggestions)
        if budget is None or not self._space:
            return count < self.size
        if count == (len(self._points) if self._points is not None else budget) or len(self._keys) == self._count:
            return False
        spent, unknown = self._spent(known)
        if spent >= budget:
            return False
        return True if spent + sum(suggestion.spec.training.epoch_limit for suggestion in unknown) < budget else None

    def _spent(self, known: Known) -> tuple[int, list[Suggestion]]:
        """Epochs of the suggestions with a known outcome, and the others; a trial that failed at once counts one."""
        spent, unknown = 0, []
        for suggestion in self._suggestions:
            outcome = known(suggestion.spec.key)
            if outcome is None:
                unknown.append(suggestion)
            else:
                spent += max(outcome.epochs, 1)
        return spent, unknown

    def _outcomes(self, index: int, known: Known) -> list[tuple[Values, Outcome]] | None:
        """What suggestion `index` may look at, in index order; None where some of it is not known yet."""
        if self._points is not None or self._cell.search.sampler != "tpe":
            return []
        outcomes = []
        for suggestion in self._suggestions[: max(index - self._cell.search.window + 1, 0)]:
            outcome = known(suggestion.spec.key)
            if outcome is None:
                return None
            outcomes.append((suggestion.values, outcome))
        return outcomes

    def _values(self, index: int, outcomes: Sequence[tuple[Values, Outcome]]) -> Values:
        if self._points is not None:
            return dict(zip(self._space, self._points[index], strict=True))
        search = self._cell.search
        seed = stream_seed(search.seed, self._cell.id, index) % 2**32
        return _ask(self._space, outcomes, sampler=search.sampler, seed=seed, trials=_trials_at_least(self._cell))

    def _untried(self, index: int, count: int) -> tuple[Values, TrialSpec] | None:
        """The first point of a finite space that was not suggested, from one on that suggestion `index` draws."""
        axes = [_listed(axis) or () for axis in self._space.values()]
        start = stream_seed(self._cell.search.seed, self._cell.id, index, "untried")
        for place in range(start, start + count):
            values, rest = [], place % count
            for axis in reversed(axes):
                rest, at = divmod(rest, len(axis))
                values.append(axis[at])
            point = dict(zip(self._space, reversed(values), strict=True))
            spec = self._build(point)
            if spec.key not in self._keys:
                return point, spec
        return None


def search_size(cell: Cell) -> int:
    """How many suggestions the search of a cell makes, duplicates included; about, where its budget is in epochs."""
    if not cell.space:
        return 0
    trials, budget = cell.search.trials, cell.search.epochs
    if budget is not None:
        each = _EPOCHS_SHARE * _of_max_epochs(cell, likely_epoch_limit)
        trials = max(min(math.ceil(budget / each), budget), 1)
    points = _count(cell.space)
    return trials if points is None else min(points, trials)


def _trials_at_least(cell: Cell) -> int:
    """How many trials the budget is enough for, however long they are."""
    budget = cell.search.epochs
    return cell.search.trials if budget is None else math.ceil(budget / _of_max_epochs(cell, epoch_limit))


def _of_max_epochs(cell: Cell, number: Callable[[Any], int]) -> int:
    """The highest number of the values of `max_epochs` that trials of the cell may have."""
    space = cell.space.get("training.max_epochs")
    values = (cell.training["max_epochs"],) if space is None else space.choices or (space.high or 1,)
    return max(map(number, values))


def _count(space: Mapping[str, Space]) -> int | None:
    """Number of points of a finite space, None for an infinite one."""
    axes = [_listed(axis) for axis in space.values()]
    return None if None in axes else math.prod(len(values) for values in axes if values is not None)


def _listed(space: Space) -> Sequence[Any] | None:
    """All values of a space in order, None where it is a range that cannot be listed evenly."""
    if space.choices:
        return space.choices
    if space.integer and not space.log and space.low is not None and space.high is not None:
        return range(int(space.low), int(space.high) + 1)
    return None


def _enumerated(space: Mapping[str, Space], cell: Cell) -> list[tuple[Any, ...]] | None:
    """All points in the order of itertools.product where the space is enumerated, else None."""
    if not space:
        return None
    count = _count(space)
    if count is None or (count > _trials_at_least(cell) and cell.search.sampler != "grid"):
        return None
    axes = [_listed(axis) or () for axis in space.values()]
    budget = cell.search.trials if cell.search.epochs is None else cell.search.epochs
    return list(itertools.islice(itertools.product(*axes), budget))


def _ask(
    space: Mapping[str, Space], outcomes: Sequence[tuple[Values, Outcome]], *, sampler: str, seed: int, trials: int
) -> Values:
    """One suggestion of a fresh Optuna study that gets these outcomes in this order."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {name: _distribution(axis) for name, axis in space.items()}
    study = optuna.create_study(sampler=_sampler(sampler, seed, trials), direction="maximize")
    for values, outcome in outcomes:
        params = {name: _outward(space[name], value) for name, value in values.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, **_state(outcome)))
    asked = study.ask(distributions).params
    return {name: _inward(axis, asked[name]) for name, axis in space.items()}


def _state(outcome: Outcome) -> dict[str, Any]:
    """An outcome in Optuna's terms; for a pruned trial TPE uses its last epoch and value."""
    from optuna.trial import TrialState

    if outcome.value is not None:
        return {"state": TrialState.COMPLETE, "value": outcome.value}
    if outcome.reached is not None:
        return {"state": TrialState.PRUNED, "intermediate_values": {outcome.epochs: outcome.reached}}
    return {"state": TrialState.FAIL}


def _sampler(name: str, seed: int, trials: int) -> Any:
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # Optuna's default of 10 random trials would leave nothing of a small budget to the model.
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=max(4, min(10, trials // 2)), multivariate=False, constant_liar=False
    )


def _distribution(space: Space) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if space.choices:
        return CategoricalDistribution(tuple(range(len(space.choices))))
    low, high = space.low, space.high
    if low is None or high is None:
        raise InputError("a search space needs either a list of values or low and high.")
    if space.integer:
        return IntDistribution(int(low), int(high), log=space.log)
    return FloatDistribution(float(low), float(high), log=space.log)


def _outward(space: Space, value: Any) -> Any:
    """A value as Optuna holds it: the position of a choice, so that choices may be anything."""
    return space.choices.index(value) if space.choices else value


def _inward(space: Space, value: Any) -> Any:
    return space.choices[value] if space.choices else value
