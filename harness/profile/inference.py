"""A pass over the test rows: encode once, K cached steps, score the readout; timed, counted, and cut into its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from ...models.backbones.contract import Backbone, Histories
from ...models.backbones.settings import TransformerSettings
from ..cost.operations import Shape
from ..datasets.data.dataset import Dataset, Split
from ..records.profile import Machine, Part, Times
from ..records.spec import TrialSpec
from ..trial.batches import Chunk, SplitReader
from ..trial.evaluate import readout_ranks
from ..trial.model_trial import ModelTrial
from ..utils.registry import BACKBONES
from .bounds import Workload
from .timing import Clock, Stopwatch

Watch = Callable[[str], None]


def _unwatched(phase: str) -> None:
    """The default `watch`: does nothing."""


class TestReader(SplitReader):
    """The test rows as a pass reads them.

    Args:
        rows: at most so many of them, evenly spaced; None for all.

    Attributes:
        watch: called with "data" when histories are put together, and with "score" when they are handed over; readout,
            scores and ranks count as "score".
    """

    __test__ = False  # not a test class

    def __init__(self, dataset: Dataset, *, rows: int | None, max_len: int, device: torch.device) -> None:
        super().__init__(dataset, _some(dataset.test, rows), max_len=max_len, device=device)
        self.watch: Watch = _unwatched

    def chunks(self, rows: NDArray[np.int64]) -> Iterator[Chunk]:
        """See `SplitReader.chunks`."""
        self.watch("data")
        for chunk in super().chunks(rows):
            self.watch("score")
            yield chunk
            self.watch("data")
        self.watch("score")  # remaining rows are ranked at the end

    @cached_property
    def passes(self) -> int:
        """Forward passes that the rows are cut into where no gradient is kept."""
        with torch.inference_mode():
            return sum(1 for _ in super().chunks(np.arange(len(self))))


class Inference:
    """A trial's model over test rows, with any weights."""

    def __init__(self, trial: ModelTrial, reader: TestReader) -> None:
        self._trial = trial
        self._reader = reader

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self._trial.model.parameters())

    def once(self) -> NDArray[np.int32]:
        """One pass; the ranks of the targets by the readout."""
        trial = self._trial
        return readout_ranks(trial.model, trial.strategy, self._reader, trial.scorer)

    def flops(self) -> int:
        """Operations of a pass in matrix products, as torch counts them."""
        with FlopCounterMode(display=False) as counter:
            self.once()
        return int(counter.get_total_flops())

    def item_flops(self) -> int:
        """Those of them that depend on no history: the item vectors of a text-based backbone."""
        backbone = self._trial.model.eval().backbone
        with torch.inference_mode(), FlopCounterMode(display=False) as counter, backbone.prepared():
            backbone.item_vectors()
        return int(counter.get_total_flops())

    def phases(self, clock: Clock) -> dict[str, float]:
        """Seconds of one pass by its parts: "items", "data", "encode", "step 1" and so on, "score"."""
        watch = Stopwatch(clock)
        self._reader.watch = watch.switch
        try:
            with _watched(self._trial.model.backbone, watch.switch):
                watch.switch("items")
                self.once()
                return watch.stop()
        finally:
            self._reader.watch = _unwatched


@contextmanager
def _watched(backbone: Backbone, watch: Watch) -> Iterator[None]:
    """Calls `watch` when a call of `encode` or `advance` begins, and with "score" when it has ended."""
    encode, advance = backbone.encode, backbone.advance
    step = 0

    def watched_encode(histories: Histories) -> tuple[torch.Tensor, Any]:
        nonlocal step
        step = 0
        watch("encode")
        encoded = encode(histories)
        watch("score")
        return encoded

    def watched_advance(inputs: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        nonlocal step
        step += 1
        watch(f"step {step}")
        advanced = advance(inputs, cache)
        watch("score")
        return advanced

    backbone.encode, backbone.advance = watched_encode, watched_advance  # type: ignore[method-assign]
    try:
        yield
    finally:
        del backbone.encode, backbone.advance


def workload(spec: TrialSpec, reader: TestReader, *, items: int) -> Workload | None:
    """The sizes that the bound needs; None for a backbone that is not the built-in transformer, LARES, and streams."""
    settings = BACKBONES.settings(spec.backbone.kind).model_validate(dict(spec.backbone.settings))
    if not isinstance(settings, TransformerSettings) or settings.recurrent or spec.states != spec.steps + 1:
        return None
    return Workload(Shape.of(settings), reader.lengths, items, reader.passes)


def parts_of(
    taken: list[dict[str, float]], load: Workload | None, machine: Machine, *, item_flops: int
) -> tuple[Part, ...]:
    """The parts of a pass, each beside its bound, from the seconds by part of several passes."""
    names = [name for name in taken[0] if name != "score"]
    demands = {} if load is None else load.parts(sum(name.startswith("step ") for name in names))
    parts = []
    for name in [*sorted(names, key=_order), "score"]:
        times = Times(tuple(seconds.get(name, 0.0) for seconds in taken))
        demand = demands.get(name)
        if name == "items" and item_flops:
            parts.append(Part(name, times, item_flops, None, machine.bound_s(flops=item_flops, traffic_bytes=0)))
        elif demand is not None:
            bound = machine.bound_s(flops=demand.flops, traffic_bytes=demand.traffic_bytes)
            parts.append(Part(name, times, demand.flops, demand.traffic_bytes, bound))
        elif name != "items":
            parts.append(Part(name, times, None, None, None))
    return tuple(parts)


def bound_s(load: Workload | None, machine: Machine, *, steps: int, item_flops: int) -> float | None:
    """The least time of a pass: the sum over its parts, data left out."""
    if load is None:
        return None
    demands = load.parts(steps).values()
    whole = sum(machine.bound_s(flops=part.flops, traffic_bytes=part.traffic_bytes) for part in demands)
    return whole + machine.bound_s(flops=item_flops, traffic_bytes=0)


def _order(name: str) -> tuple[int, int]:
    first = {"items": 0, "data": 1, "encode": 2}
    return (first[name], 0) if name in first else (3, int(name.removeprefix("step ")))


def _some(split: Split, rows: int | None) -> Split:
    """At most so many rows of a split, evenly spaced."""
    if rows is None or rows >= len(split):
        return split
    kept = np.linspace(0, len(split) - 1, rows).round().astype(np.int64)
    return Split(split.users[kept], split.starts[kept], split.ends[kept], split.targets[kept])
