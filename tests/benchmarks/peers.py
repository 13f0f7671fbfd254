"""Training rows per second beside those of the authors' released code, RecBole and WarpRec, as orders of magnitude.

Theirs were measured on other days (two shared CPU cores), so no ratio here is exact. Settings are theirs: d = 64, two
layers, two heads. The released code: feed-forward 300, dropout 0.5 (0.2 on the input), batch 512, K = 2, one thread,
its ml-100k; PRL from the epoch on in which its contrastive term runs. RecBole 1.2.1 and WarpRec 2.2.8: SASRec,
feed-forward 256, batch 2048, two threads, MovieLens-100k.

    rearec-bench prepare released --source DIR      # the released code's ml-100k, as a data set of this name
    rearec-bench prepare ml-100k --source DIR
    python tests/benchmarks/peers.py --data-dir data [--released NAME]

Without prepared data it says so and ends.
"""

from __future__ import annotations

import statistics
import time

import torch
from figure import Figure, main_on_prepared
from made_rows import EPOCH, reader_of, sasrec, trainer_of

from rearec_bench.harness.datasets.data.dataset import Dataset

RELEASED = {"erl": 278, "prl": 140}
PEERS = {"RecBole": 654, "WarpRec": 636}
BATCHES = 12


def rows_per_s(
    data: Dataset, strategy: str, *, recipe: str | None, packing: str, batch: int, threads: int, feed_forward: int
) -> float:
    """Rows over the median seconds of a training step."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    settings = {"width": 64, "feed_forward": feed_forward}
    hyper = {"recipe": recipe} if recipe else {}
    model, chosen = sasrec(data.num_items, strategy=strategy, steps=2, max_len=50, hyper=hyper, **settings)
    reader = reader_of(data, max_len=50, packed=packing == "users")
    trainer = trainer_of(model, chosen, reader, batch=batch, temperature=0.07 if recipe == "released" else 1.0)
    model.train()
    rates = []
    for number, rows in enumerate(reader.batches(batch, seed=1, epoch=1)):
        began = time.perf_counter()
        trainer._batch(rows, EPOCH, before=0)
        if number:
            rates.append(len(rows) / (time.perf_counter() - began))
        if len(rates) == BATCHES:
            break
    return statistics.median(rates)


def measure(released: Dataset, whole: Dataset) -> list[Figure]:
    """All figures."""
    figures = []
    for strategy, theirs in RELEASED.items():
        for recipe in ("paper", "released"):
            for packing in ("users", "none"):
                ours = rows_per_s(
                    released, strategy, recipe=recipe, packing=packing, batch=512, threads=1, feed_forward=300
                )
                name = f"{strategy}, recipe {recipe}, packing {packing}, over the released code"
                detail = f"{ours:,.0f} / {theirs} rows/s"
                figures.append(Figure(name, ours / theirs, target=10, sense="min", detail=detail))
    for packing in ("users", "none"):
        ours = rows_per_s(whole, "base", recipe=None, packing=packing, batch=2048, threads=2, feed_forward=256)
        for peer, theirs in PEERS.items():
            name = f"base, packing {packing}, over {peer}"
            figures.append(Figure(name, ours / theirs, target=5, sense="min", detail=f"{ours:,.0f} / {theirs} rows/s"))
    return figures


if __name__ == "__main__":
    raise SystemExit(main_on_prepared(__doc__, measure, released="released-ml-100k", whole="ml-100k"))
