"""Full ranking at d = 256, K = 2, against the matrix products that it cannot do without, on one thread and on two.

The products are one fp32 `queries @ items.T` of the same queries, 512 at a time into one buffer (all at once they would
not fit the memory at the largest size); the encoder is left out of everything, states are random. What is ranked:

- states and readout: every state and the readout of each row, as they are scored for a table (ERL, whose readout is the
  mean of the states: K + 2 queries a row; PRL, whose readout is the last state: K + 1);
- after an epoch: the readout alone, `readout_ranks`;
- all that is kept: `evidence`, with ranks of K + 1 noised copies, the ten best items, and each state's entropy and
  margin, against the products of all these queries.

"in blocks" divides by the same products cut into blocks of items that stay in the cache, which is faster than one wide
product: the time that the passes over the scores take on top of the fastest products known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from figure import Figure, alternating, main
from made_rows import made_dataset, reader_of
from torch import Tensor

from rearec_bench.harness.trial.evaluate import Scorer, evidence, readout_ranks
from rearec_bench.harness.trial.ranking import Ranker
from rearec_bench.models.backbones.contract import Histories
from rearec_bench.models.backbones.sasrec import SASRec
from rearec_bench.models.backbones.settings import SASRecSettings
from rearec_bench.models.reasoning import ReasoningModel
from rearec_bench.models.strategies.contract import Strategy
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.prl import PRL
from rearec_bench.models.strategies.settings import ERLSettings, PRLSettings

SIZES = ((1_000, 12_101), (1_000, 22_933), (500, 87_969))
"""Rows and items; both sides are linear in rows from some hundred rows on."""
WIDTH = 256
STEPS = 2
HISTORY = 6
SLICE = 512
TARGET = 1.5


class States(ReasoningModel):
    """A model whose encoder takes no time: random states."""

    def __init__(self, items: int, rows: int) -> None:
        backbone = SASRec(SASRecSettings(width=WIDTH), num_items=items, max_len=HISTORY)
        super().__init__(backbone, steps=STEPS, positions=False)
        torch.manual_seed(0)
        torch.nn.init.normal_(backbone.items, std=0.05)
        self.states = torch.randn(rows, 1, STEPS + 1, WIDTH)

    def reason(self, histories: Histories) -> Tensor:
        """See `ReasoningModel.reason`."""
        return self.states[: len(histories.items)]


class Case:
    """One size and one strategy, whose readout is ranked."""

    def __init__(self, rows: int, items: int, strategy: Strategy) -> None:
        self.model = States(items, rows)
        self.reader = reader_of(made_dataset(rows, items, HISTORY, prefixes=False), max_len=HISTORY)
        self.scorer = Scorer(self.model.backbone, 1.0, False)
        self.strategy = strategy
        self.items = self.model.backbone.item_vectors().detach()
        states = self.model.states[:, 0]
        self.with_readout = torch.cat([states, strategy.readout(states)[:, None]], 1)
        if torch.equal(self.with_readout[:, -1], self.with_readout[:, -2]):
            self.with_readout = states
        self.own = self.with_readout.shape[1]

    def states_and_readout(self) -> None:
        """Ranks of the targets by all states and the readout."""
        self._ranked(self.with_readout)

    def _ranked(self, queries: Tensor) -> None:
        ranker = Ranker(self.items, states=queries.shape[1], rows=len(queries))
        for start in range(0, len(queries), ranker.rows):
            part = slice(start, start + ranker.rows)
            ranker.score(queries[part]).ranks(self.reader.targets[part])

    def after_an_epoch(self) -> None:
        """Ranks by the readout."""
        readout_ranks(self.model, self.strategy, self.reader, self.scorer)

    def all_that_is_kept(self) -> None:
        """Evidence of a split."""
        evidence(self.model, self.strategy, self.reader, self.scorer, seed=1, split="test", traced=True)

    def products(self, states: int) -> None:
        """`queries @ items.T` of so many queries a row, and nothing else."""
        queries = self.model.states[:, 0, :1].expand(-1, states, -1).flatten(0, 1)
        buffer = torch.empty(min(SLICE, len(queries)), len(self.items))
        for part in queries.split(SLICE):
            torch.mm(part, self.items.T, out=buffer[: len(part)])

    def products_in_blocks(self, states: int) -> None:
        """The same, in the blocks of a ranker."""
        queries = self.model.states[:, 0, :1].expand(-1, states, -1)
        ranker = Ranker(self.items, states=states, rows=len(queries))
        for part in queries.split(ranker.rows):
            ranker.score(part)


def measure(tiny: bool) -> list[Figure]:
    """Each size, one thread and two."""
    torch.set_flush_denormal(True)
    sizes = ((50, 300),) if tiny else SIZES
    strategies = (ERL(ERLSettings(), steps=STEPS), PRL(PRLSettings(), steps=STEPS))
    figures = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for rows, items in sizes:
            for strategy in strategies:
                figures += _figures(Case(rows, items, strategy), threads, repeats=3)
    return figures


def _figures(case: Case, threads: int, *, repeats: int) -> list[Figure]:
    name = type(case.strategy).__name__.lower()
    where = f"{len(case.reader):,} rows, N = {len(case.items):,}, {threads} thread{'s' if threads > 1 else ''}"
    measured: list[tuple[str, Callable[[], None], int, float | None]] = [
        (f"states and readout, {name}", case.states_and_readout, case.own, TARGET)
    ]
    if case.own > STEPS + 1:
        measured += [
            ("after an epoch", case.after_an_epoch, 1, TARGET),
            ("all that is kept", case.all_that_is_kept, case.own + STEPS + 1, None),
        ]
    figures = []
    for what, call, states, target in measured:
        versions = {
            "ours": call,
            "products": partial(case.products, states),
            "in blocks": partial(case.products_in_blocks, states),
        }
        with torch.inference_mode():
            clock = time.process_time if threads == 1 else time.perf_counter
            taken = alternating(versions, repeats=repeats, clock=clock)
        detail = ", ".join(f"{version} {seconds:.2f} s" for version, seconds in taken.items())
        over = {version: taken["ours"] / taken[version] for version in ("products", "in blocks")}
        figures += [
            Figure(f"ranking over its products: {what}, {where}", over["products"], target=target, detail=detail),
            Figure(f"ranking over its products in blocks: {what}, {where}", over["in blocks"]),
        ]
    return figures


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
