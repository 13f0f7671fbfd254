"""Training steps, timed by their phases."""

from __future__ import annotations

import pytest
import torch

from rearec_bench.harness.profile.training import PHASES, training
from rearec_bench.harness.trial.batches import SplitReader
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.train import Trainer

from . import models

CPU = torch.device("cpu")


def measured(*, rows: int, steps: int, strategy: str = "prl", depth: int = 2, warmups: int = 1):
    data = models.dataset([9] * rows)
    run = ModelTrial(models.spec(strategy=strategy, steps=depth), data)
    reader = SplitReader(data, data.train, max_len=9, device=CPU)
    return run, training(run, reader, steps=steps, clock=models.TickingClock(), warmups=warmups)


def test_each_step_is_cut_into_its_phases_and_nothing_is_left_out() -> None:
    _, found = measured(rows=64, steps=3)
    assert tuple(found.phases) == PHASES
    assert len(found.times.seconds) == 3
    assert found.rows == (4, 4, 4)
    assert found.times.median == sum(found.phases.values())
    assert found.phases["loss"] == found.phases["backward"] == found.phases["optimiser"] == 1


def test_short_epochs_follow_each_other_until_there_are_enough_steps() -> None:
    _, found = measured(rows=6, steps=4)  # batches of 4 and 2
    assert found.rows == (2, 4, 2, 4)
    assert len(found.times.seconds) == 4
    assert max(found.times.seconds) < 20  # the time between two epochs is no part of a step


def test_nobody_listens_afterwards() -> None:
    run, _ = measured(rows=8, steps=1)
    assert run.trainer.watch is Trainer.watch


def test_a_step_counts_its_backward_pass_too() -> None:
    _, found = measured(rows=128, steps=1, strategy="base", depth=0)
    shape, items = (models.WIDTH, models.LAYERS, models.FEED_FORWARD), models.ITEMS
    from rearec_bench.harness.cost.operations import Shape, inference

    forward = found.flops_rows * inference(Shape(*shape), length=9, steps=0, items=items)
    assert found.flops_rows == 4
    assert 2.5 * forward <= found.flops <= 5 * forward


@pytest.mark.parametrize("strategy", ["naive", "rpe", "erl", "prl"])
def test_every_strategy_is_measured(strategy: str) -> None:
    _, found = measured(rows=8, steps=1, strategy=strategy)
    assert found.rows_per_s > 0
    assert found.peak_memory_bytes > 0
    assert found.flops > 0
