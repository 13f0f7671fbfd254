"""Trials on a made data set whose sizes are easy to reckon with."""

from __future__ import annotations

from typing import Any

import numpy as np

from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.datasets.vectors.vectors import ItemVectors
from rearec_bench.harness.records.spec import Component, EvaluationSettings, TrainingSettings, TrialSpec
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES

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


def spec(
    backbone: str = "sasrec",
    strategy: str = "prl",
    *,
    steps: int = 2,
    encoder: dict[str, Any] | None = None,
    **training: Any,
) -> TrialSpec:
    """A small transformer."""
    kind = BACKBONES.settings(backbone)
    sizes = {"width": WIDTH, "layers": LAYERS, "heads": 2, "feed_forward": FEED_FORWARD, **(encoder or {})}
    return TrialSpec(
        dataset="made",
        dataset_fingerprint="made",
        backbone=Component(backbone, kind.model_validate(sizes).identity(), kind.version),
        strategy=Component(strategy, STRATEGIES.settings(strategy).model_validate({}).identity(), 1),
        steps=steps,
        training=TrainingSettings.model_validate({"batch_size": 4, "max_len": 9, "max_epochs": 5, **training}),
        evaluation=EvaluationSettings(),
        metric="ndcg@20",
        seed=1,
        purpose="search",
        vectors="vectors" if kind.text_based else "",
    )
