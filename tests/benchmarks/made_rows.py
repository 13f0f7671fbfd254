"""Made-up rows, and a trainer on them, for benchmarks of training and evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.records.spec import TrainingSettings
from rearec_bench.harness.trial.batches import SplitReader
from rearec_bench.harness.trial.train import Trainer
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES
from rearec_bench.models.reasoning import ReasoningModel
from rearec_bench.models.strategies.contract import Strategy

EPOCH = 9
"""Beyond any warm-up."""


def made_dataset(users: int, items: int, history: int, *, prefixes: bool = True) -> Dataset:
    """Users with history + 1 items each: every prefix is a row, or the whole history alone."""
    size, count = history + 1, history if prefixes else 1
    flat = np.random.default_rng(0).integers(0, items, users * size).astype(np.int32)
    starts = np.repeat(np.arange(users) * size, count)
    ends = starts + np.tile(np.arange(size - count, size), users)
    split = Split(np.repeat(np.arange(users), count).astype(np.int32), starts, ends, flat[ends])
    return Dataset("made", "made", items, users, flat, split, split, split, {})


def reader_of(data: Dataset, *, max_len: int, packed: bool = False) -> SplitReader:
    """Training rows, on the processor."""
    return SplitReader(data, data.train, max_len=max_len, device=torch.device("cpu"), packed=packed)


def sasrec(items: int, *, strategy: str, steps: int, max_len: int, hyper: Any = None, **settings: Any) -> Any:
    """(model, strategy): SASRec, whose K is 0 where the strategy is base."""
    backbone, kind = BACKBONES.component("sasrec"), STRATEGIES.component(strategy)
    chosen: Strategy = kind(kind.Settings(**(hyper or {})), steps=0 if strategy == "base" else steps)
    encoder = backbone(backbone.Settings(**settings), num_items=items, max_len=max_len)
    return ReasoningModel.of(encoder, chosen, epoch=EPOCH), chosen


def trainer_of(
    model: ReasoningModel, strategy: Strategy, reader: SplitReader, *, batch: int, temperature: float = 1.0
) -> Trainer:
    """A trainer with the default learning rate."""
    settings = TrainingSettings(batch_size=batch)
    return Trainer(model, strategy, reader, settings=settings, temperature=temperature, seed=1)
