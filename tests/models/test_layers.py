import math

import pytest
import torch

from rearec_bench.models.layers import Dropout, DropoutStream, initialise, seed_dropout

from .naive import build

CPU = torch.device("cpu")


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
def test_dropout_keeps_the_stated_share_and_the_expectation(rate: float) -> None:
    count = 400_000
    mask, scale = DropoutStream(1, CPU).keep(torch.Size([count]), rate, torch.float32)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    error = math.sqrt(rate * (1 - rate) / count)
    assert abs(float(mask.mean()) - (1 - rate)) < 5 * error
    assert abs(float(mask.mean()) * scale - 1) < 5 * error / (1 - rate)


def test_dropout_masks_are_uncorrelated_between_neighbours_and_calls() -> None:
    stream = DropoutStream(2, CPU)
    first, _ = stream.keep(torch.Size([200_000]), 0.5, torch.float64)
    second, _ = stream.keep(torch.Size([200_000]), 0.5, torch.float64)
    for left, right in ((first, second), (first[1:], first[:-1]), (first[4:], first[:-4])):
        assert abs(float(torch.corrcoef(torch.stack([left, right]))[0, 1])) < 5 / math.sqrt(200_000)


def test_dropout_gradient_is_the_mask_and_the_residual_passes_through() -> None:
    part = Dropout(0.4).train()
    seed_dropout(part, 7, CPU)
    x = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    residual = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    out = part(x, residual)
    weights = torch.randn(50, 40, dtype=torch.float64)
    (out * weights).sum().backward()
    factor = (out - residual) / x
    torch.testing.assert_close(x.grad, factor.detach() * weights)
    torch.testing.assert_close(residual.grad, weights)


def test_dropout_does_nothing_in_evaluation() -> None:
    part = Dropout(0.4).eval()
    x = torch.randn(5)
    assert torch.equal(part(x), x)
    assert torch.equal(part(x, x), x + x)


def test_models_that_share_a_part_start_alike_in_it() -> None:
    with_steps, without = build(steps=3), build(steps=0)
    initialise(with_steps, 11)
    initialise(without, 11)
    for (name, left), right in zip(with_steps.backbone.named_parameters(), without.backbone.parameters(), strict=True):
        assert torch.equal(left, right), name
    assert float(with_steps.reasoning_positions.std()) == pytest.approx(0.02, rel=0.4)
