"""Training rows per second beside ReaRec's released code and RecBole 3.0, in one process, in turns.

Each code trains its own model on the same rows: SASRec, d = 64, two layers, two heads, feed-forward 300, dropout 0.5
(0.2 on the input), K = 2, batches of 512, at most 50 items of history, full cross-entropy, Adam, one thread, processor
time. Theirs get batches that are ready as tensors, and no data loader; ours build theirs within the time. ERL and PRL
with its contrastive term; Base is RecBole's ERL without a step (the released code has none). Of ours, the recipe
`released` row by row computes what they do; the paper's recipe packed is what a suite runs.

    git clone https://github.com/TangJiakai/ReaRec             # 7f46432 was measured
    git clone https://github.com/RUCAIBox/RecBole3.0           # 71b0d83 was measured
    pip install accelerate hydra-core scikit-learn             # what RecBole's packages import
    python tests/benchmarks/peers.py --rearec ReaRec --recbole RecBole3.0 --data-dir data ml-100k

Any prepared data sets can be named. A peer that is not given is left out.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figure import Figure, machine, table
from made_rows import EPOCH, reader_of, sasrec, trainer_of
from torch import Tensor, nn

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data.dataset import Dataset

BATCH, HISTORY, WIDTH, FEED_FORWARD, K = 512, 50, 64, 300, 2
TARGETS = {("ERL", "released code"): 10, ("PRL", "released code"): 10, ("Base", "RecBole 3.0"): 5}  # of packed training
Step = Callable[[], int]
"""Trains on the next batch; gives its rows."""


def ours(data: Dataset, strategy: str, *, recipe: str | None, packed: bool) -> Step:
    """Training with our code."""
    settings = {"width": WIDTH, "feed_forward": FEED_FORWARD}
    hyper = {"recipe": recipe} if recipe else {}
    model, chosen = sasrec(data.num_items, strategy=strategy.lower(), steps=K, max_len=HISTORY, hyper=hyper, **settings)
    reader = reader_of(data, max_len=HISTORY, packed=packed)
    trainer = trainer_of(model, chosen, reader, batch=BATCH, temperature=0.07 if recipe == "released" else 1.0)
    model.train()
    batches = [rows for rows in itertools.islice(reader.batches(BATCH, seed=1, epoch=1), 16) if len(rows) >= BATCH]
    following = itertools.cycle(batches)

    def step() -> int:
        rows = next(following)
        trainer._batch(rows, EPOCH, before=0)
        return len(rows)

    return step


def padded(data: Dataset) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The same rows as of ours row by row: items (B, 50) padded on the left by N, lengths, targets."""
    reader = reader_of(data, max_len=HISTORY)
    batches = []
    for rows in itertools.islice(reader.batches(BATCH, seed=1, epoch=1), 16):
        items = torch.full((len(rows), HISTORY), data.num_items)
        for row, number in enumerate(rows):
            length = int(reader.lengths[number])
            start = int(reader.starts[number])
            items[row, HISTORY - length :] = torch.from_numpy(data.flat[start : start + length].astype(np.int64))
        if len(rows) == BATCH:
            batches.append((items, torch.from_numpy(reader.lengths[rows].astype(np.int64)), reader.targets[rows]))
    return batches


def stepping(model: nn.Module, loss: Callable[[Tensor, Tensor, Tensor], Tensor], data: Dataset) -> Step:
    """Training with another code."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    following = itertools.cycle(padded(data))

    def step() -> int:
        items, lengths, targets = next(following)
        optimiser.zero_grad()
        loss(items, lengths, targets).backward()
        optimiser.step()
        return len(items)

    return step


def recbole(folder: Path, data: Dataset, strategy: str) -> Step:
    """RecBole 3.0's ReaRec on its SASRec."""
    sys.path.insert(0, str(folder / "src"))
    from recbole3.dataset import ITEM_ID
    from recbole3.model.rearec.config import ReaRecConfig
    from recbole3.model.rearec.model import ReaRecModel
    from recbole3.model.sequential import HISTORY_ITEM_IDS

    sizes = {"embedding_dim": WIDTH, "inner_size": FEED_FORWARD, "history_max_length": HISTORY}
    method = {"learning_strategy": "prl" if strategy == "PRL" else "erl", "reason_step": 0 if strategy == "Base" else K}
    model = ReaRecModel(ReaRecConfig(**sizes, **method))
    model._init_params(data.num_items)

    def loss(items: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        batch = {HISTORY_ITEM_IDS: items, "history_lengths": lengths, ITEM_ID: targets}
        return model.compute_loss(batch, model(batch))

    return stepping(model, loss, data)


def released(folder: Path, data: Dataset, strategy: str) -> Step:
    """The authors' code."""
    sys.path.insert(0, str(folder / "src"))
    sys.modules.setdefault("openai", types.ModuleType("openai"))  # imported there for item texts, not used here
    __import__(f"models.{strategy}")
    kind: Any = getattr(sys.modules[f"models.{strategy}"], strategy)
    parser = kind.parse_model_args(argparse.ArgumentParser())
    arguments = parser.parse_args(["--emb_size", str(WIDTH), "--inner_size", str(FEED_FORWARD)])
    arguments.device = torch.device("cpu")
    corpus = types.SimpleNamespace(n_users=len(np.unique(data.train.users)) + 1, n_items=data.num_items + 1)
    model = kind(arguments, corpus)
    epoch = EPOCH if strategy == "PRL" else 1  # past the warm-up ERL reads a noise that it does not have

    def loss(items: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
        feed = {"history_id": items, "item_seq_len": lengths, "item_id": targets}
        return model.loss(model(feed, epoch=epoch))

    return stepping(model, loss, data)


def measure(data: Dataset, peers: Mapping[str, Callable[[Dataset, str], Step]], *, repeats: int) -> list[Figure]:
    """Ratios on one data set: each of our versions over each peer, medians of steps in turns."""
    figures = []
    for strategy in ("ERL", "PRL", "Base"):
        recipes = (None,) if strategy == "Base" else ("released", "paper")
        steps = {
            f"{'packed' if packed else 'row by row'}{f', recipe {recipe}' if recipe else ''}": ours(
                data, strategy, recipe=recipe, packed=packed
            )
            for packed, recipe in itertools.product((False, True), recipes)
        }
        mine = list(steps)
        theirs = [peer for peer in peers if (strategy, peer) != ("Base", "released code")]
        steps |= {peer: peers[peer](data, strategy) for peer in theirs}
        rates: dict[str, list[float]] = {name: [] for name in steps}
        for repeat in range(repeats + 1):
            for name, step in steps.items():
                began = time.process_time()
                rows = step()
                if repeat:  # the first step of each does not count
                    rates[name].append(rows / (time.process_time() - began))
        rate = {name: statistics.median(values) for name, values in rates.items()}
        figures += [
            Figure(
                f"{data.name} ({data.num_items:,} items), {strategy}, {name}, over {peer}",
                rate[name] / rate[peer],
                target=TARGETS.get((strategy, peer)) if name.startswith("packed") else None,
                sense="min",
                detail=f"{rate[name]:,.0f} / {rate[peer]:,.0f} rows/s",
            )
            for peer, name in itertools.product(theirs, mine)
        ]
    return figures


def main() -> int:
    """Measure on each data set and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rearec", type=Path, help="A clone of the released code.")
    parser.add_argument("--recbole", type=Path, help="A clone of RecBole 3.0.")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="Where the data sets are prepared.")
    parser.add_argument("--repeats", type=int, default=7, help="Steps of each version, 7 by default.")
    parser.add_argument("data", nargs="+", help="Prepared data sets.")
    options = parser.parse_args()
    peers: dict[str, Callable[[Dataset, str], Step]] = {}
    if options.rearec:
        peers["released code"] = lambda data, strategy: released(options.rearec, data, strategy)
    if options.recbole:
        peers["RecBole 3.0"] = lambda data, strategy: recbole(options.recbole, data, strategy)
    if not peers:
        parser.error("nothing to compare with: give --rearec DIR, --recbole DIR or both")
    for folder, holds in (
        (options.rearec, "src/models/PRL.py"),
        (options.recbole, "src/recbole3/model/rearec/model.py"),
    ):
        if folder is not None and not (folder / holds).is_file():
            parser.error(f"{folder} is not a clone of it: it has no {holds}. How to get one: --help")
    if missing := [name for name in options.data if not catalog.is_prepared(name, options.data_dir)]:
        parser.error(f"not prepared in {options.data_dir}: {', '.join(missing)}. How: rearec-bench prepare --help")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    figures: list[Figure] = []
    try:
        for name in options.data:
            figures += measure(catalog.load_dataset(name, data_dir=options.data_dir), peers, repeats=options.repeats)
    except ModuleNotFoundError as error:
        parser.error(f"{error}, which a peer imports. What to install: --help")
    print(f"{table(figures)}\n\n{machine()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
