"""MoRec: how the projection starts, and where it drops."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rearec_bench.models.backbones.morec import MoRec
from rearec_bench.models.backbones.settings import MoRecSettings
from rearec_bench.models.layers import initialise, seed_dropout

from .naive import build

CPU = torch.device("cpu")


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
