"""MoRec: the projection and its scores against a computation by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rearec_bench.models.backbones.contract import Histories
from rearec_bench.models.backbones.morec import MoRec
from rearec_bench.models.backbones.settings import MoRecSettings
from rearec_bench.models.layers import initialise, seed_dropout

from .naive import build, naive_states

CPU = torch.device("cpu")


def gelu(value: float) -> float:
    return value * 0.5 * (1 + math.erf(value / math.sqrt(2)))


def by_hand(backbone: MoRec, text: list[float]) -> list[float]:
    for layer in (part for part in backbone.projection if isinstance(part, nn.Linear)):
        rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        text = [gelu(sum(w * x for w, x in zip(row, text, strict=True)) + bias) for row, bias in rows]
    return text


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_items_are_projected_layer_by_layer_and_scored_by_dot_products(layers: int) -> None:
    model = build(backbone="morec", steps=2, projection_layers=layers).eval()
    backbone = model.backbone
    assert isinstance(backbone, MoRec)
    assert sum(isinstance(part, nn.Linear) for part in backbone.projection) == layers
    history = [3, 9, 9, 0]
    states = model.reason(Histories(torch.tensor([history]), torch.tensor([4])))[0, 0]
    found = (backbone.queries(states) @ backbone.item_vectors().T).detach()
    raw = naive_states(model, history).tolist()
    for item in range(23):
        vector = by_hand(backbone, backbone.text[item].tolist())
        for step in range(3):
            expected = sum(a * b for a, b in zip(raw[step], vector, strict=True))
            assert float(found[step, item]) == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_the_projection_starts_with_xaviers_scale_and_items_as_large_as_positions() -> None:
    text = torch.nn.functional.normalize(torch.randn(500, 300, generator=torch.Generator().manual_seed(0)), dim=-1)
    backbone = MoRec(MoRecSettings(width=64), num_items=500, max_len=50, item_text=text)
    initialise(backbone, 0)
    first, second = (part for part in backbone.projection if isinstance(part, nn.Linear))
    assert float(first.weight.detach().std()) == pytest.approx(math.sqrt(2 / 364), rel=0.05)
    assert float(second.weight.detach().std()) == pytest.approx(math.sqrt(2 / 128), rel=0.05)
    assert not first.bias.any()
    assert not second.bias.any()
    items = backbone.eval().item_vectors().detach()
    positions = backbone.positions.detach()
    assert 0.5 < float(items.pow(2).mean().sqrt() / positions.pow(2).mean().sqrt()) < 2


def test_dropout_stands_before_every_layer_but_the_first() -> None:
    def table(**settings: Any) -> Tensor:
        model = build(backbone="morec", steps=0, **settings).train()
        seed_dropout(model, 5, CPU)
        return model.backbone.item_vectors()

    plain = table(projection_layers=1, projection_dropout=0.0)
    assert torch.equal(table(projection_layers=1, projection_dropout=0.5), plain)
    assert not torch.allclose(table(projection_dropout=0.5), table(projection_dropout=0.0))
    assert not torch.allclose(table(projection_dropout=0.0), plain)
