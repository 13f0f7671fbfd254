"""How long trials take: the pace of their epochs times how many there are, both from trials of their kind.

Before any has run, operation counts at a guessed pace and a usual number of epochs. An epoch of a running trial counts
as soon as it is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...models.backbones.settings import TransformerSettings
from ...models.settings import StrategySettings
from ..records.results import TrialSummary
from ..records.spec import Component, Purpose, TrainingSettings, TrialSpec
from ..utils.errors import InputError
from ..utils.registry import BACKBONES, STRATEGIES, Registry
from .operations import Shape, encoding, packed_training, scoring, taken_steps

if TYPE_CHECKING:
    from ..plan.cells import Cell

_GUESSED_FLOPS_PER_S = {"cpu": 1e10, "cuda": 3e12}
_BACKWARD_TOO = 3.0
_EPOCHS_TO_BEST = 20  # before any trial of its kind has ended

_PURPOSES: tuple[Purpose, ...] = ("search", "final")

Group = tuple[Any, ...]


@dataclass(frozen=True)
class DataSize:
    """What the cost of an epoch depends on.

    Attributes:
        items: N.
        history: mean length of a training history.
    """

    rows: int
    items: int
    history: float

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> DataSize:
        """The size that a data set's card states."""
        counts = card["statistics"]
        return cls(counts["rows"]["train"], counts["items"], counts["mean_history"]["train"])


class Estimate:
    """Estimated seconds of trials, from summaries with a time and each data set's size."""

    def __init__(self, summaries: Iterable[TrialSummary], sizes: Mapping[str, DataSize]) -> None:
        self._sizes = sizes
        self._pace: dict[Group, tuple[float, float]] = {}  # seconds, operations
        self._epochs: dict[Group, tuple[float, float]] = {}  # epochs, trials
        self._examples: dict[tuple[str, str, Purpose], TrialSpec] = {}
        for summary in summaries:
            self.add(summary)

    def add(self, summary: TrialSummary, *, watched: bool = False) -> None:
        """Learn from a finished trial; of a `watched` one each epoch was told to `epoch`, so that its pace is known."""
        seconds = summary.timings.get("total_s", 0.0)
        if summary.status not in ("done", "pruned") or seconds <= 0 or summary.spec.dataset not in self._sizes:
            return
        groups, epochs = _groups(summary.spec), max(summary.epochs, 1)
        for group in groups[:1] if summary.status == "pruned" else groups:  # only search trials are as short
            _count(self._epochs, group, epochs, 1.0)
        if not watched:
            self.epoch(summary.spec, seconds, epochs=epochs)

    def epoch(self, spec: TrialSpec, seconds: float, *, epochs: int = 1) -> None:
        """Learn from epochs of a trial that took so long."""
        for group in _groups(spec) if spec.dataset in self._sizes else ():
            _count(self._pace, group, seconds, epochs * operations(spec, self._sizes[spec.dataset]))

    def seconds(self, spec: TrialSpec) -> float:
        """The time of a trial."""
        return self.epochs(spec) * self._epoch_seconds(spec)

    def epochs(self, spec: TrialSpec) -> float:
        """How many epochs a trial has: the mean of the nearest kind that has ended."""
        if spec.is_baseline:
            return 1.0
        for group in _groups(spec):
            if group in self._epochs:
                epochs, trials = self._epochs[group]
                return min(epochs / trials, float(spec.training.epoch_limit))
        return usual_epochs(spec.training)

    def left(
        self,
        remaining: Iterable[tuple[Cell, int, int]],
        device: str,
        *,
        running: Iterable[tuple[TrialSpec, int, int]] = (),
        at_once: int = 1,
    ) -> float:
        """Seconds until all trials are over.

        Args:
            remaining: each cell's numbers of search trials and of final runs that are not over, running ones included.
            running: running trials, with the epochs that are behind them and the best one of these, 0 for none.
            at_once: how many trials run side by side.
        """
        under_way = list(running)
        total, longest, waiting = 0.0, 0.0, -len(under_way)
        for cell, *counts in remaining:
            for purpose, count in zip(_PURPOSES, counts, strict=True):
                if count:
                    seconds = self.seconds(self._example(cell, device, purpose))
                    total, longest, waiting = total + count * seconds, max(longest, seconds), waiting + count
        rests = [self._rest(*one) for one in under_way]
        total = max(total - sum(self.seconds(spec) for spec, _, _ in under_way), 0.0) + sum(rests)
        return max(total / at_once, *rests, min(longest, total) if waiting > 0 else 0.0)

    def _rest(self, spec: TrialSpec, done: int, best: int) -> float:
        """Seconds of a running trial: as others of its kind, and not less than patience makes it."""
        least = min(best + spec.training.patience, spec.training.epoch_limit) if best else 0
        return max(self.epochs(spec) - done, least - done, 1) * self._epoch_seconds(spec)

    def seen(self, device: str) -> list[str]:
        """The data sets whose trials the estimate rests on, sorted."""
        seen = {group[1] for group in self._pace if len(group) == 3 and group[0] == device}
        return sorted(seen & set(self._sizes))

    def _epoch_seconds(self, spec: TrialSpec) -> float:
        count = operations(spec, self._sizes[spec.dataset])
        for group in _groups(spec):
            if group in self._pace:
                seconds, seen = self._pace[group]
                return count * seconds / seen
        return count / _GUESSED_FLOPS_PER_S[spec.device]

    def _example(self, cell: Cell, device: str, purpose: Purpose) -> TrialSpec:
        """A trial of a cell, cached: it is needed after each epoch of a run."""
        which = cell.id, device, purpose
        if which not in self._examples:
            self._examples[which] = example(cell, device, purpose)
        return self._examples[which]


def _count(sums: dict[Group, tuple[float, float]], group: Group, value: float, weight: float) -> None:
    before = sums.get(group, (0.0, 0.0))
    sums[group] = before[0] + value, before[1] + weight


def usual_epochs(training: TrainingSettings) -> float:
    """A guess of how many epochs a trial has, for want of any of its kind."""
    return float(min(training.epoch_limit, _EPOCHS_TO_BEST + training.patience))


def example(cell: Cell, device: str, purpose: Purpose = "search") -> TrialSpec:
    """A trial of the cell, with the first value of everything that is searched."""
    values = {name: space.choices[0] if space.choices else space.low for name, space in cell.space.items()}
    return cell.spec(values, seed=cell.search.seed, purpose=purpose, fingerprint="", device=device)


def operations(spec: TrialSpec, size: DataSize) -> float:
    """Floating-point operations of an epoch: a transformer, which any backbone counts as, trained as the row says.

    Not counted: products within a batch (contrastive terms) and with a few items (ManCAR's neighbours).
    """
    if spec.is_baseline:
        return float(size.rows) * size.items
    shape, strategy = _shape(spec.backbone), _settings_of(STRATEGIES, spec.strategy) or StrategySettings()
    steps = round(strategy.training_steps(spec.steps)) if spec.steps else 0
    passes, encodings = (strategy.passes_per_step, strategy.encodings) if steps else (1, 1)
    scored = strategy.scored_states(steps) if steps else 1

    def single(length: int) -> int:
        """The forward pass of a row that shares its history with no other, and its scores."""
        encoded, taken = encoding(shape, length=length), taken_steps(shape, length, steps)
        return encodings * encoded + passes * taken + scored * scoring(shape, items=size.items)

    max_len = spec.training.max_len
    length = max(1, round(min(size.history, max_len)))
    row: float = single(length)
    if spec.training.packing == "users":
        alone = math.exp(-max_len / size.history) if size.history else 0.0  # longer than max_len: a row by itself
        work = {"steps": steps, "items": size.items, "scored": scored, "passes": passes, "encodings": encodings}
        row = alone * single(max_len) + (1 - alone) * packed_training(shape, length=length, **work)
    if steps and strategy.second_row:
        row += encoding(shape, length=length) + taken_steps(shape, length, steps)
    return _BACKWARD_TOO * size.rows * row


def _shape(backbone: Component) -> Shape:
    settings = _settings_of(BACKBONES, backbone)
    if isinstance(settings, TransformerSettings):
        return Shape.of(settings)
    width = int(backbone.settings.get("width", 64))
    return Shape(width, int(backbone.settings.get("layers", 2)), int(backbone.settings.get("feed_forward", 4 * width)))


def _settings_of(registry: Registry, component: Component) -> Any:
    """A component's settings; None for a stored one that is not installed any more, or not as it was."""
    try:
        return registry.settings(component.kind).model_validate(dict(component.settings))
    except (InputError, ImportError, AttributeError, ValueError):
        return None


def _groups(spec: TrialSpec) -> tuple[tuple[Any, ...], ...]:
    """Groups of a trial, narrowest first. Packed and row-by-row training run at different paces and never share one."""
    if spec.is_baseline:
        return ("baseline", spec.backbone.kind, spec.dataset), ("baseline", spec.backbone.kind)
    model = (spec.backbone.kind, spec.strategy.kind, spec.steps, spec.training.packing, spec.training.batch_size)
    return (
        (spec.device, spec.dataset, *model, spec.purpose),
        (spec.device, spec.dataset, *model),
        (spec.device, spec.dataset, spec.training.packing),
        (spec.device, spec.training.packing),
    )
