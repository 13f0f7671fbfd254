"""Specs of small trials on a data set that a test has."""

from __future__ import annotations

from typing import Any

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.records.spec import Component, EvaluationSettings, Purpose, TrainingSettings, TrialSpec
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES

SMALL = {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8}


def spec_of(
    data: Dataset,
    strategy: str = "base",
    *,
    kind: str = "sasrec",
    steps: int = 0,
    purpose: Purpose = "final",
    seed: int = 1,
    backbone: dict[str, Any] | None = None,
    hyper: dict[str, Any] | None = None,
    **training: Any,
) -> TrialSpec:
    """A trial; `kind` is the backbone's, `backbone` and `hyper` are settings beside the small ones and the defaults."""
    wanted = {"batch_size": 512, "max_len": 20, "max_epochs": 2, "lr": 0.005, **training}
    encoder, reasoning = BACKBONES.settings(kind), STRATEGIES.settings(strategy)
    vectors = data.vectors.fingerprint if encoder.text_based and data.vectors is not None else ""
    return TrialSpec(
        dataset=data.name,
        dataset_fingerprint=data.fingerprint,
        backbone=Component(kind, encoder.model_validate({**SMALL, **(backbone or {})}).model_dump(mode="json"), 1),
        strategy=Component(strategy, reasoning.model_validate(hyper or {}).model_dump(mode="json"), 1),
        steps=steps,
        training=TrainingSettings.model_validate(wanted),
        evaluation=EvaluationSettings(),
        metric="ndcg@20",
        seed=seed,
        purpose=purpose,
        vectors=vectors,
    )
