"""How long trials take: from stored ones of their kind where there are any, from operation counts before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..records.results import TrialSummary
from ..records.spec import TrialSpec, likely_epoch_limit
from ..utils.errors import InputError
from ..utils.registry import STRATEGIES
from .operations import Shape, inference, packed_training, scoring, taken_steps

if TYPE_CHECKING:
    from ..plan.cells import Cell

_GUESSED_FLOPS_PER_S = {"cpu": 1e10, "cuda": 3e12}
_BACKWARD_TOO = 3.0
_EPOCHS_SHARE = 0.5  # of max_epochs, before early stopping has been seen


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


@dataclass(frozen=True)
class _Kind:
    """What the time of a trial is estimated from; `share` is of `max_epochs`, where no trial of its kind is stored."""

    groups: tuple[tuple[Any, ...], ...]
    operations: float
    device: str
    share: float


class Estimate:
    """Estimated seconds of trials, from summaries with a time and each data set's size."""

    def __init__(self, summaries: Iterable[TrialSummary], sizes: Mapping[str, DataSize]) -> None:
        self._sizes = sizes
        self._groups: dict[tuple[Any, ...], list[float]] = {}
        self._kinds: dict[tuple[str, str], _Kind] = {}
        for summary in summaries:
            self.add(summary)

    def add(self, summary: TrialSummary) -> None:
        """Add a finished trial to the estimate."""
        seconds = summary.timings.get("total_s", 0.0)
        if summary.status not in ("done", "pruned") or seconds <= 0 or summary.spec.dataset not in self._sizes:
            return
        groups = _groups(summary.spec)
        for group in groups[:1] if summary.status == "pruned" else groups:  # comparable to other search trials only
            totals = self._groups.setdefault(group, [0.0, 0.0])
            totals[0] += seconds
            totals[1] += operations(summary.spec, self._sizes[summary.spec.dataset])

    def seconds(self, spec: TrialSpec) -> float:
        """The time of a trial: its operations at the pace of the nearest kind of trial that was seen."""
        return self._seconds(self._kind(spec))

    def left(self, remaining: Iterable[tuple[Cell, int]], device: str) -> float:
        """Seconds of the trials that are left, one after the other; `remaining` has each cell's number of them."""
        return sum(count * self._seconds(self._kind_of(cell, device)) for cell, count in remaining)

    def _seconds(self, kind: _Kind) -> float:
        for group in kind.groups:
            if group in self._groups:
                seconds, seen = self._groups[group]
                return kind.operations * seconds / seen
        return kind.operations * kind.share / _GUESSED_FLOPS_PER_S[kind.device]

    def _kind_of(self, cell: Cell, device: str) -> _Kind:
        """The kind of a cell's trials, cached: it is needed after each trial of a run."""
        if (cell.id, device) not in self._kinds:
            self._kinds[cell.id, device] = self._kind(example(cell, device))
        return self._kinds[cell.id, device]

    def _kind(self, spec: TrialSpec) -> _Kind:
        training = spec.training
        share = 1.0 if training.patience >= likely_epoch_limit(training.max_epochs) else _EPOCHS_SHARE
        return _Kind(_groups(spec), operations(spec, self._sizes[spec.dataset]), spec.device, share)

    def seen(self, device: str) -> list[str]:
        """The data sets whose trials the estimate rests on, sorted."""
        seen = {group[1] for group in self._groups if len(group) == 3 and group[0] == device}
        return sorted(seen & set(self._sizes))


def example(cell: Cell, device: str) -> TrialSpec:
    """A trial of the cell, with the first value of everything that is searched."""
    values = {name: space.choices[0] if space.choices else space.low for name, space in cell.space.items()}
    return cell.spec(values, seed=cell.search.seed, purpose="search", fingerprint="", device=device)


def operations(spec: TrialSpec, size: DataSize) -> float:
    """Floating-point operations of training to the last epoch, with every backbone treated as a transformer."""
    if spec.is_baseline:
        return float(size.rows) * size.items
    settings = spec.backbone.settings
    width = int(settings.get("width", 64))
    shape = Shape(width, int(settings.get("layers", 2)), int(settings.get("feed_forward", 4 * width)))
    max_len = spec.training.max_len
    length = max(1, round(min(size.history, max_len)))
    steps, items, passes = spec.steps, size.items, _passes_per_step(spec.strategy.kind)
    row: float = _single(shape, length, steps, items, passes=passes)
    if spec.training.packing == "users":
        alone = math.exp(-max_len / size.history) if size.history else 0.0  # longer than max_len: a row by itself
        together = packed_training(shape, length=length, steps=steps, items=items, scored=1 + steps, passes=passes)
        row = alone * _single(shape, max_len, steps, items, passes=passes) + (1 - alone) * together
    return _BACKWARD_TOO * size.rows * row * likely_epoch_limit(spec.training.max_epochs)


def _passes_per_step(strategy: str) -> int:
    """How often each step is computed; once in a stored trial's strategy that is not installed any more."""
    try:
        return int(STRATEGIES.settings(strategy).passes_per_step)
    except (InputError, ImportError, AttributeError):
        return 1


def _single(shape: Shape, length: int, steps: int, items: int, *, passes: int) -> int:
    """The forward pass of a row that shares its history with no other, and the scores of its states."""
    more = (passes - 1) * taken_steps(shape, length, steps)
    return inference(shape, length=length, steps=steps, items=items) + more + steps * scoring(shape, items=items)


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
