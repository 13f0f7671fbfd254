"""A trial that goes on from a checkpoint ends with the bits of one that was never interrupted."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.checkpoint import Checkpoint, check, pack, unpack
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.datasets.dataset import Dataset
from rearec_bench.harness.errors import CheckpointError
from rearec_bench.harness.registry import BACKBONES, STRATEGIES
from rearec_bench.harness.results import TrialResult
from rearec_bench.harness.spec import Component, EvaluationSettings, TrainingSettings, TrialSpec
from rearec_bench.harness.trial import TrialRun

from .test_kill import told

SIZE = {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8, "dropout": 0.3}


class Stop(Exception):
    """Where the worker dies."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset("tiny", data_dir=tmp_path_factory.mktemp("data"))


def spec_of(data: Dataset, backbone: str = "sasrec", strategy: str = "prl", **training: Any) -> TrialSpec:
    encoder = BACKBONES.settings(backbone)
    size = {name: value for name, value in SIZE.items() if name in encoder.model_fields}
    if "input_dropout" in encoder.model_fields:
        size["input_dropout"] = 0.3
    wanted = {"batch_size": 512, "max_len": 10, "max_epochs": 4, "lr": 0.01, **training}
    return TrialSpec(
        dataset="tiny",
        dataset_fingerprint=data.fingerprint,
        vectors=data.vectors.fingerprint if data.vectors is not None else "",
        backbone=Component(backbone, encoder.model_validate(size).model_dump(mode="json"), 1),
        strategy=Component(strategy, STRATEGIES.settings(strategy).model_validate({}).model_dump(mode="json"), 1),
        steps=0 if strategy == "base" else 2,
        training=TrainingSettings.model_validate(wanted),
        evaluation=EvaluationSettings(),
        metric="ndcg@20",
        seed=3,
        purpose="final",
    )


def finish(run: TrialRun) -> TrialResult:
    while not run.done:
        run.epoch()
    return run.result()


def interrupted(spec: TrialSpec, data: Dataset, *, after: int) -> dict[str, bytes]:
    """The files of the checkpoint after so many batches, put through bytes; everything else of the run is gone."""
    run = TrialRun(spec, data)
    left = after
    taken: list[dict[str, bytes]] = []

    def after_batch() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            taken.append(pack(run.snapshot()))
            raise Stop

    run.after_batch = after_batch
    with pytest.raises(Stop):
        finish(run)
    torch.rand(7)  # what runs in between moves torch's own generator
    return taken[0]


def resumed(spec: TrialSpec, data: Dataset, files: dict[str, bytes]) -> TrialRun:
    run = TrialRun(spec, data)
    run.restore(unpack(files))
    return run


@pytest.mark.parametrize("packing", ["none", "users"])
@pytest.mark.parametrize("strategy", ["base", "erl", "prl"])
def test_a_trial_that_goes_on_from_the_middle_of_an_epoch_ends_with_the_same_bits(
    tiny: Dataset, strategy: str, packing: str
) -> None:
    spec = spec_of(tiny, strategy=strategy, packing=packing)
    whole = finish(TrialRun(spec, tiny))
    counted = TrialRun(spec, tiny)
    batches: list[int] = []
    counted.after_batch = lambda: batches.append(1)
    counted.epoch()
    per_epoch = len(batches)
    assert per_epoch > 2
    for after in (1, per_epoch, 2 * per_epoch + 2):
        files = interrupted(spec, tiny, after=after)
        assert told(finish(resumed(spec, tiny, files))) == told(whole)


def test_between_epochs_and_many_times_over(tiny: Dataset) -> None:
    spec = spec_of(tiny)
    whole = finish(TrialRun(spec, tiny))
    run = TrialRun(spec, tiny)
    for _ in range(3):
        run.epoch()
        run = resumed(spec, tiny, pack(run.snapshot()))
    found = finish(run)
    assert told(found) == told(whole)
    assert found.environment["restarts"] == 3
    assert "restarts" not in whole.environment
