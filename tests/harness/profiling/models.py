"""Trials on a made data set whose sizes are easy to reckon with."""

from __future__ import annotations

from typing import Any

import numpy as np

from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.datasets.vectors.vectors import ItemVectors
from rearec_bench.harness.records.spec import TrialSpec

from ..specs import spec_of

ITEMS = 128
WIDTH, LAYERS, FEED_FORWARD = 8, 2, 12
TEXT_WIDTH = 6


def dataset(lengths: list[int], *, text: bool = False) -> Dataset:
    """A user a row, whose history has so many items; the same rows for training, validation and test."""
    draw = np.random.default_rng(1)
    ends = np.cumsum(lengths)
    rows = Split(
        users=np.arange(len(lengths), dtype=np.int32),
        starts=(ends - lengths).astype(np.int64),
        ends=ends.astype(np.int64),
        targets=draw.integers(0, ITEMS, len(lengths)).astype(np.int32),
    )
    values = draw.random((ITEMS, TEXT_WIDTH)).astype(np.float32)
    return Dataset(
        name="made",
        fingerprint="made",
        num_items=ITEMS,
        num_users=len(lengths),
        flat=draw.integers(0, ITEMS, int(ends[-1])).astype(np.int32),
        train=rows,
        valid=rows,
        test=rows,
        card={},
        vectors=ItemVectors(values, "vectors", {}) if text else None,
    )


def spec(backbone: str = "sasrec", strategy: str = "prl", *, steps: int = 2, encoder: Any = None) -> TrialSpec:
    """A small transformer."""
    sizes = {"width": WIDTH, "layers": LAYERS, "feed_forward": FEED_FORWARD, **(encoder or {})}
    data = dataset([9], text=True)
    training = {"batch_size": 4, "max_len": 9, "max_epochs": 5}
    return spec_of(data, strategy, kind=backbone, steps=steps, purpose="search", backbone=sizes, **training)


class TickingClock:
    """A second more each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now
