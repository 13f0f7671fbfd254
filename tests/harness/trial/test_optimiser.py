"""What weight decay, warm-up, schedule and clipping change, and that their defaults change nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.records.spec import TrainingSettings
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.optimiser import Optimiser, share_of_rate

from ..specs import spec_of

CHANGED: dict[str, Any] = {"weight_decay": 0.1, "warmup_steps": 5, "schedule": "cosine", "grad_clip": 0.01}


def model_of() -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    for parameter in model.parameters():
        parameter.data += 0.5
    return model


def stepped(model: torch.nn.Module, *, scale: float = 1.0, steps: int = 1, **settings: Any) -> list[torch.Tensor]:
    """The weights after some steps in the direction of `scale`, all gradients of which are equal."""
    optimiser = Optimiser(model, TrainingSettings(lr=0.01, max_epochs=4, **settings))
    for step in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, scale)
        optimiser.step(step / 2)
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_the_defaults_are_adam_to_the_bit() -> None:
    model, plain = model_of(), model_of()
    adam = torch.optim.Adam(plain.parameters(), lr=0.01, fused=True)
    for _ in range(3):
        for parameter in plain.parameters():
            parameter.grad = torch.full_like(parameter, 2.0)
        adam.step()
    found = stepped(model, scale=2.0, steps=3)
    assert all(torch.equal(one, other) for one, other in zip(found, plain.parameters(), strict=True))


def test_weight_decay_shrinks_matrices_by_the_learning_rate_times_itself_and_leaves_vectors_alone() -> None:
    start = [parameter.detach().clone() for parameter in model_of().parameters()]
    without, decayed = stepped(model_of()), stepped(model_of(), weight_decay=0.1)
    for before, plain, shrunk in zip(start, without, decayed, strict=True):
        expected = plain - 0.01 * 0.1 * before if before.ndim > 1 else plain
        assert torch.allclose(shrunk, expected, atol=1e-7)
        assert torch.equal(shrunk, plain) is (before.ndim == 1)


def test_clipping_scales_all_gradients_together_and_only_those_that_are_too_long() -> None:
    model = model_of()
    norm = sum(parameter.numel() for parameter in model.parameters()) ** 0.5
    stepped(model, grad_clip=norm / 4)
    assert all(torch.allclose(parameter.grad, torch.tensor(0.25)) for parameter in model.parameters())
    stepped(model, grad_clip=norm * 1.01)
    assert all(torch.equal(parameter.grad, torch.ones_like(parameter)) for parameter in model.parameters())


def test_the_learning_rate_rises_in_the_warm_up_and_falls_along_a_cosine() -> None:
    warm = TrainingSettings(warmup_steps=4)
    assert [share_of_rate(warm, steps=n, epochs=0) for n in (1, 2, 4, 5, 900)] == [0.25, 0.5, 1, 1, 1]
    cosine = TrainingSettings(schedule="cosine", max_epochs=10)
    shares = [share_of_rate(cosine, steps=1, epochs=epochs) for epochs in (0, 2.5, 5, 10, 12)]
    assert shares == pytest.approx([1, 0.853553, 0.5, 0, 0], abs=1e-6)
    both = TrainingSettings(schedule="cosine", max_epochs=10, warmup_steps=8)
    assert share_of_rate(both, steps=2, epochs=5) == pytest.approx(0.125)


def test_the_first_step_of_a_warm_up_is_its_share_of_a_full_one() -> None:
    start = [parameter.detach().clone() for parameter in model_of().parameters()]
    whole, part = stepped(model_of()), stepped(model_of(), warmup_steps=4)
    for before, full, small in zip(start, whole, part, strict=True):
        assert torch.allclose(small - before, (full - before) / 4, atol=1e-7)


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_each_setting_moves_a_trial_and_its_key_and_its_default_is_in_no_key(tiny: Dataset, name: str) -> None:
    plain = spec_of(tiny)
    changed = spec_of(tiny, **{name: CHANGED[name]})
    assert changed.key != plain.key and name not in plain.identity()["training"]
    weights = []
    for spec in (plain, changed):
        trial = ModelTrial(spec, tiny)
        trial.trainer.epoch(1, max_batches=3)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in trial.model.parameters()]))
    assert not torch.equal(*weights)
