import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from rearec_bench.models import layers
from rearec_bench.models.layers import Block, Dropout, DropoutStream, Noise, initialise, seed_dropout, seed_noise

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


def test_a_rate_next_to_one_keeps_one_element_in_65536() -> None:
    mask, scale = DropoutStream(1, CPU).keep(torch.Size([1 << 20]), 0.999999, torch.float32)
    assert scale == 65536 and 2 <= int(mask.sum()) <= 40


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
    assert torch.equal(part.eval()(x), x) and torch.equal(part(x, x), x + x), "nothing in evaluation"


@pytest.mark.parametrize(
    ("one", "other"), [({"steps": 3}, {"steps": 0}), ({"backbone": "unisrec"}, {}), ({"backbone": "morec"}, {})]
)
def test_models_that_share_a_part_start_alike_in_it(one: dict[str, Any], other: dict[str, Any]) -> None:
    models = build(**one), build(**other)
    for model in models:
        initialise(model, 11)
    left, right = (dict(model.named_parameters()) for model in models)
    assert right.keys() - left.keys() <= ({"backbone.items"} if "backbone" in one else set())
    for name in left.keys() & right.keys():
        assert torch.equal(left[name], right[name]), name
    assert float(models[0].reasoning_positions.detach().std()) == pytest.approx(0.02, rel=0.4)


def test_a_module_names_the_parameters_that_start_otherwise() -> None:
    def parts(**stds: float) -> torch.nn.ModuleDict:
        inner = torch.nn.Linear(60, 50)
        inner.initial_std = stds
        found = torch.nn.ModuleDict({"inner": inner, "other": torch.nn.Linear(60, 50)})
        initialise(found, 3)
        return found

    plain, scaled, zero = parts(), parts(weight=0.5), parts(weight=0.0)
    torch.testing.assert_close(scaled["inner"].weight, plain["inner"].weight * 25)
    assert not zero["inner"].weight.any()
    for found in (scaled, zero):
        assert torch.equal(found["other"].weight, plain["other"].weight)
        assert not found["inner"].bias.any()
    with pytest.raises(AttributeError, match="wieght"):
        parts(wieght=0.0)


def test_noise_is_standard_normal_in_training_and_absent_in_evaluation() -> None:
    part = torch.nn.ModuleList([Noise(), Noise()]).train()
    seed_noise(part, 4, CPU)
    like = torch.zeros(300, 400, dtype=torch.float64, requires_grad=True)
    first, second = part[0](like), part[1](like)
    assert first.shape == like.shape
    assert first.dtype == like.dtype
    assert not first.requires_grad
    for noise in (first, second):
        assert abs(float(noise.mean())) < 5 / math.sqrt(120_000)
        assert float(noise.std()) == pytest.approx(1, abs=0.02)
    assert abs(float((first * second).mean())) < 5 / math.sqrt(120_000), "one stream, not the same numbers twice"
    seed_noise(part, 4, CPU)
    assert torch.equal(part[0](like), first)
    assert part.eval()[0](like) is None


def test_a_seed_drawn_from_a_dropout_stream_starts_the_same_masks_twice() -> None:
    stream, again = DropoutStream(5, CPU), DropoutStream(5, CPU)
    seeds = [stream.draw_seed() for _ in range(3)]
    assert seeds == [again.draw_seed() for _ in range(3)]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("count", [1, 7, 8, 30])
def test_the_feed_forward_layer_without_gradients_equals_that_with_them(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_BLOCK", 8)
    block = Block(4, 2, 6, 0.0).double()
    initialise(block, 3)
    x = torch.randn(count, 2, 4, dtype=torch.float64)
    expected = block.contract(F.gelu(block.expand(x)))
    with torch.no_grad():
        torch.testing.assert_close(block._feed_forward(x), expected.detach(), rtol=1e-13, atol=1e-15)
    assert torch.equal(block._feed_forward(x), expected), "with gradients it is the plain one"


@pytest.mark.parametrize("norm", [torch.nn.LayerNorm(6), torch.nn.RMSNorm(6), torch.nn.GroupNorm(2, 6)])
def test_norms_of_every_kind_start_at_one_and_without_shift(norm: torch.nn.Module) -> None:
    initialise(norm, 3)
    for name, parameter in norm.named_parameters():
        assert torch.equal(parameter, torch.full((6,), float(name == "weight")))
