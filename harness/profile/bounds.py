"""What the machine reaches, and the least time in which it could do what a pass over test rows demands.

The bound of a part is the larger of its operations over the machine's matrix products and its memory traffic over the
machine's copying. Operations: `cost/operations.py`, at the rows' own lengths. Traffic, in fp32: weights, once a forward
pass; the histories' item vectors; the keys and values that encoding writes, and that each step reads and adds its own
to; the states between; in scoring the item vectors, once a forward pass, and the ranks. Everything else (attention
weights, hidden layers, scores) could stay in caches or registers and counts as free. What fits the processor's cache
may be read faster than the machine copies, so that a part of a small model can come out below its bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..cost import operations as flops
from ..cost.operations import Shape
from ..records.profile import Machine
from .timing import clock_of

_FLOAT_BYTES = 4
_SIZES = {"cpu": (1536, 48 << 20), "cuda": (8192, 512 << 20)}
"""Width of the fp32 product, which fills the device, and bytes of the copy, which no cache holds."""
_MIN_S = 0.3
_MIN_REPEATS = 5


def reach(device: torch.device) -> Machine:
    """Measure the machine: the fastest of several matrix products and copies, with torch's threads as they are."""
    width, size = _SIZES[device.type]
    left = torch.randn(width, width, device=device)
    right = torch.randn(width, width, device=device)
    out = torch.empty_like(left)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        product_s = _fastest(lambda: torch.mm(left, right, out=out), device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    source = torch.ones(size // _FLOAT_BYTES, device=device)
    target = torch.empty_like(source)
    copy_s = _fastest(lambda: target.copy_(source), device)
    return Machine(flops_per_s=2 * width**3 / product_s, bytes_per_s=2 * source.nbytes / copy_s)


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """The least seconds of repeats that go on for a while."""
    clock = clock_of(device)
    work()
    taken: list[float] = []
    until = time.perf_counter() + _MIN_S
    while len(taken) < _MIN_REPEATS or time.perf_counter() < until:
        began = clock()
        work()
        taken.append(clock() - began)
    return min(taken)


@dataclass(frozen=True)
class Demand:
    """Operations and memory traffic of a part."""

    flops: int
    traffic_bytes: int


@dataclass(frozen=True)
class Workload:
    """Test rows as the bound sees them.

    Attributes:
        lengths: (R,), items of each row's history.
        items: N.
        passes: forward passes that the rows are cut into; each reads the weights and the item vectors once.
    """

    shape: Shape
    lengths: NDArray[np.int64]
    items: int
    passes: int

    def encode(self) -> Demand:
        """Encode every history, and keep its keys and values."""
        shape, rows, tokens = self.shape, len(self.lengths), int(self.lengths.sum())
        moved = tokens * shape.width + 2 * shape.layers * tokens * shape.width + rows * shape.width
        return Demand(self._summed(lambda length: flops.encoding(shape, length=length)), self._with_weights(moved))

    def step(self, number: int) -> Demand:
        """The cached step of this number, counted from 1."""
        shape, rows, tokens = self.shape, len(self.lengths), int(self.lengths.sum())
        cached = 2 * shape.layers * (tokens + number * rows) * shape.width  # read, but for its own, which it writes
        return Demand(
            self._summed(lambda length: flops.step(shape, length=length, number=number)),
            self._with_weights(cached + 2 * rows * shape.width),
        )

    def score(self) -> Demand:
        """Score one state of each row against the catalogue, and rank its target."""
        rows, width = len(self.lengths), self.shape.width
        moved = self.passes * self.items * width + rows * width + rows
        return Demand(rows * flops.scoring(self.shape, items=self.items), moved * _FLOAT_BYTES)

    def parts(self, steps: int) -> dict[str, Demand]:
        """The parts of a pass by their names."""
        deep = {f"step {number}": self.step(number) for number in range(1, steps + 1)}
        return {"encode": self.encode(), **deep, "score": self.score()}

    def inference(self, steps: int) -> int:
        """Operations of the whole, by `flops.inference`."""
        return self._summed(lambda length: flops.inference(self.shape, length=length, steps=steps, items=self.items))

    def _summed(self, of: Callable[[int], int]) -> int:
        lengths, counts = np.unique(self.lengths, return_counts=True)
        return sum(int(count) * of(int(length)) for length, count in zip(lengths, counts, strict=True))

    def _with_weights(self, moved: int) -> int:
        """Bytes of so many numbers and of the layers' weights in each forward pass."""
        shape = self.shape
        weights = shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.feed_forward)
        if shape.gated:
            weights += shape.layers * (2 * shape.width**2 + shape.width * shape.feed_forward)
        return (moved + self.passes * weights) * _FLOAT_BYTES
