"""A deliberately naive ReaRec: every step encodes the whole extended sequence again, one row at a time, no cache."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rearec_bench.models.backbones.sasrec import SASRec
from rearec_bench.models.backbones.settings import SASRecSettings
from rearec_bench.models.layers import Block, initialise
from rearec_bench.models.reasoning import ReasoningModel


def build(
    num_items: int = 23, *, steps: int = 2, width: int = 8, layers: int = 2, dropout: float = 0.0, seed: int = 0
) -> ReasoningModel:
    """A small model in float64 with weights large enough that every part of it matters."""
    settings = SASRecSettings(
        width=width, layers=layers, heads=2, feed_forward=12, dropout=dropout, input_dropout=dropout
    )
    model = ReasoningModel(SASRec(settings, num_items=num_items, max_len=12), steps=steps, positions=True).double()
    initialise(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * 0.3
    return model


def _norm(x: Tensor, layer: torch.nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt() * layer.weight + layer.bias


def _block(x: Tensor, block: Block) -> Tensor:
    """(n, d) to (n, d): full causal attention head by head, then feed-forward."""
    n, d = x.shape
    keys, values = (x @ block.key_value.weight.T + block.key_value.bias).split(d, -1)
    queries = x @ block.query.weight.T + block.query.bias
    size = d // block.heads
    mixed = torch.zeros_like(x)
    for head in range(block.heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(n):
            scores = torch.stack([queries[i, part] @ keys[j, part] / math.sqrt(size) for j in range(i + 1)])
            weights = scores.exp() / scores.exp().sum()
            mixed[i, part] = sum(weights[j] * values[j, part] for j in range(i + 1))
    x = _norm(x + mixed @ block.output.weight.T + block.output.bias, block.attention_norm)
    hidden = x @ block.expand.weight.T + block.expand.bias
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return _norm(x + hidden @ block.contract.weight.T + block.contract.bias, block.feed_forward_norm)


def naive_states(model: ReasoningModel, history: list[int], noise: Tensor | None = None) -> Tensor:
    """(K + 1, d) states of one row; with `noise` (K, d) added to each step's input, of the noised view."""
    backbone = model.backbone
    assert isinstance(backbone, SASRec)
    inputs = [backbone.items[item] + backbone.positions[place] for place, item in enumerate(history)]
    states = []
    for step in range(model.steps + 1):
        if step:
            entry = states[-1]
            if model.reasoning_positions is not None:
                entry = entry + model.reasoning_positions[step - 1]
            inputs.append(entry if noise is None else entry + noise[step - 1])
        x = _norm(torch.stack(inputs), backbone.input_norm)
        for block in backbone.blocks:
            x = _block(x, block)
        states.append(x[-1])
    return torch.stack(states)
