"""Inference, SASRec at d = 64 on one thread: encoding and each cached step beside what this machine could do at best.

The bound of a part is the larger of its operations over the machine's fastest matrix product and its least memory
traffic over the machine's copying (`harness/profile/bounds.py`); nothing can be below it that does not fit a cache. The
increase of a whole pass over base is what the paper's Table 4 reports (3.51 % for two steps, 10.61 % for five, PRL on
SASRec); it depends on how fast base is, and is no target.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from figure import Figure, alternating, main
from numpy.typing import NDArray
from training import Setting, Training

from rearec_bench.harness.cost.operations import Shape
from rearec_bench.harness.profile.bounds import Demand, Workload, reach
from rearec_bench.harness.records.profile import Machine
from rearec_bench.harness.trial.batches import Chunk
from rearec_bench.harness.trial.evaluate import Scorer, readout_ranks
from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.settings import BaseSettings

HISTORIES = (50, 34, 6)
ROWS = 2_000
ITEMS = 12_101
PAPER = {2: 3.51, 5: 10.61}


class Pass:
    """Rows whose histories have one length, cut into the chunks of an evaluation."""

    def __init__(self, history: int, rows: int, items: int) -> None:
        self.training = Training(Setting(items, history, "prl", "none"))
        self.training.model.eval()
        reader = self.training.reader
        longest = np.flatnonzero(reader.lengths == history)
        self.rows: NDArray[np.int64] = np.resize(longest, rows)
        self.model = self.training.model.backbone
        with torch.inference_mode():
            self.chunks: list[Chunk] = list(reader.chunks(self.rows))
            self.encoded = [self.model.encode(chunk.histories) for chunk in self.chunks]
        self.load = Workload(
            Shape(width=64, layers=2, feed_forward=300), reader.lengths[self.rows], items, len(self.chunks)
        )

    def encode(self) -> None:
        with torch.inference_mode():
            for chunk in self.chunks:
                self.model.encode(chunk.histories)

    def step(self) -> None:
        with torch.inference_mode():
            for states, cache in self.encoded:
                self.model.advance(states, cache)


def _bound_figures(tiny: bool, machine: Machine) -> list[Figure]:
    figures = []
    for history in (8,) if tiny else HISTORIES:
        made = Pass(history, 50 if tiny else ROWS, 300 if tiny else ITEMS)
        parts: dict[str, tuple[Callable[[], object], Demand, float | None]] = {
            "encoding": (made.encode, made.load.encode(), None),
            "a cached step": (made.step, made.load.step(1), 2.0),
        }
        seconds = alternating(
            {name: part[0] for name, part in parts.items()}, repeats=1 if tiny else 15, clock=time.process_time
        )
        for name, (_, demand, target) in parts.items():
            bound = machine.bound_s(flops=demand.flops, traffic_bytes=demand.traffic_bytes)
            detail = f"{seconds[name] / len(made.rows) * 1e6:.1f} / {bound / len(made.rows) * 1e6:.1f} us a row"
            figures.append(
                Figure(f"{name} / bound, history {history}", seconds[name] / bound, target=target, detail=detail)
            )
    return figures


def _increase_figures(tiny: bool) -> list[Figure]:
    """Whole passes over test rows with histories of all lengths, at K = 0, 2 and 5."""
    figures = []
    history = 8 if tiny else 50
    passes = {}
    for steps in (0, *PAPER):
        training = Training(Setting(300 if tiny else ITEMS, history, "prl" if steps else "base", "none", depth=steps))
        scorer = Scorer(training.model.backbone, 1.0, False)
        strategy = Base(BaseSettings(), steps=steps)
        passes[steps] = lambda training=training, strategy=strategy, scorer=scorer: readout_ranks(
            training.model, strategy, training.reader, scorer
        )
    seconds = alternating(
        {str(steps): call for steps, call in passes.items()}, repeats=1 if tiny else 9, clock=time.process_time
    )
    for steps, paper in PAPER.items():
        increase = 100 * (seconds[str(steps)] / seconds["0"] - 1)
        detail = f"{seconds[str(steps)]:.3f} / {seconds['0']:.3f} s; paper {paper}%"
        figures.append(
            Figure(f"a pass with K = {steps} over base, history 1 to {history}", increase, "%", detail=detail)
        )
    return figures


def measure(tiny: bool) -> list[Figure]:
    """All figures."""
    torch.set_num_threads(1)
    before = reach(torch.device("cpu"))
    figures = [*_bound_figures(tiny, before), *_increase_figures(tiny)]
    return [
        *figures,
        Figure("fp32 matrix product, one thread", before.flops_per_s / 1e9, "GFLOP/s"),
        Figure("copying, one thread", before.bytes_per_s / 1e9, "GB/s"),
    ]


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
