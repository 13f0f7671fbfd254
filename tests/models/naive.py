"""A deliberately naive ReaRec: every step encodes the whole extended sequence again, one row at a time, no cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rearec_bench.harness.utils.registry import BACKBONES
from rearec_bench.models.backbones.contract import Histories
from rearec_bench.models.backbones.esasrec import GatedBlock
from rearec_bench.models.backbones.lares import LARES, PreNormBlock
from rearec_bench.models.backbones.morec import MoRec
from rearec_bench.models.backbones.transformer import TransformerBackbone
from rearec_bench.models.backbones.unisrec import UniSRec
from rearec_bench.models.layers import Block, initialise
from rearec_bench.models.reasoning import ReasoningModel

BUILT_IN = tuple(name for name in BACKBONES.names() if BACKBONES.entry(name).origin == "built in")
TEXT_WIDTH = 7
MAX_LEN = 12
HISTORIES = [[3], [9, 9, 0], [22, 5, 14, 2, 8, 8, 1, 0, 3, 11, 12, 13]]


def padded(histories: list[list[int]] = HISTORIES, *, every_prefix: bool = False) -> Histories:
    """A batch of histories of 23 items."""
    longest = max(map(len, histories))
    items = [history + [23] * (longest - len(history)) for history in histories]
    return Histories(torch.tensor(items), torch.tensor([len(history) for history in histories]), every_prefix)


def item_text(num_items: int) -> Tensor:
    """(N, m) float32 random item vectors in place of a data set's."""
    return torch.randn(num_items, TEXT_WIDTH, generator=torch.Generator().manual_seed(11))


def bare(backbone_class: Any, settings: Mapping[str, Any], *, num_items: int, max_len: int) -> Any:
    """A backbone that nothing has initialised; text-based ones get random item vectors."""
    text = {"item_text": item_text(num_items)} if backbone_class.Settings.text_based else {}
    chosen = backbone_class.Settings.model_validate(dict(settings))
    return backbone_class(chosen, num_items=num_items, max_len=max_len, **text)


def strengthen(model: torch.nn.Module, seed: int) -> None:
    """Double precision, and weights large enough that every part of the model matters."""
    model.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * 0.3


def build(
    num_items: int = 23,
    *,
    backbone: str = "sasrec",
    steps: int = 2,
    width: int = 8,
    layers: int = 2,
    dropout: float = 0.0,
    positions: bool = True,
    streams: int | None = None,
    rescale: bool = False,
    seed: int = 0,
    **settings: Any,
) -> ReasoningModel:
    """A small model in float64 with weights large enough that every part of it matters."""
    sizes = {"width": width, "layers": layers, "heads": 2, "feed_forward": 12}
    rates = {"dropout": dropout, "input_dropout": dropout}
    encoder = bare(BACKBONES.component(backbone), {**sizes, **rates, **settings}, num_items=num_items, max_len=MAX_LEN)
    model = ReasoningModel(encoder, steps=steps, positions=positions, streams=streams, rescale=rescale)
    initialise(model, seed)
    strengthen(model, seed)
    return model


def _norm(x: Tensor, layer: torch.nn.Module) -> Tensor:
    if isinstance(layer, torch.nn.Identity):
        return x
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-12).sqrt() * layer.weight + layer.bias


def _seen(place: int, items: int, *, causal: bool) -> int:
    """How many entries of the extended sequence the one at `place` attends to; they are its first ones."""
    return items if place < items and not causal else place + 1


def _block(x: Tensor, block: Block, items: int, *, causal: bool) -> Tensor:
    """(n, d) to (n, d): attention head by head and place by place, over what each place sees; then feed-forward."""
    n, d = x.shape
    read = _norm(x, block.attention_norm) if isinstance(block, GatedBlock | PreNormBlock) else x
    keys, values = (read @ block.key_value.weight.T + block.key_value.bias).split(d, -1)
    queries = read @ block.query.weight.T + block.query.bias
    size = d // block.heads
    rows = []
    for i in range(n):
        seen = _seen(i, items, causal=causal)
        heads = []
        for part in (slice(head * size, (head + 1) * size) for head in range(block.heads)):
            weights = (keys[:seen, part] @ queries[i, part] / math.sqrt(size)).exp()
            heads.append(weights @ values[:seen, part] / weights.sum())
        rows.append(torch.cat(heads))
    attended = torch.stack(rows) @ block.output.weight.T + block.output.bias
    if isinstance(block, GatedBlock):
        return _gated(x, attended, block)
    if isinstance(block, PreNormBlock):
        x = x + attended
        hidden = _gelu(_norm(x, block.feed_forward_norm) @ block.expand.weight.T + block.expand.bias)
        return x + hidden @ block.contract.weight.T + block.contract.bias
    x = _norm(x + attended, block.attention_norm)
    hidden = _gelu(x @ block.expand.weight.T + block.expand.bias)
    return _norm(x + hidden @ block.contract.weight.T + block.contract.bias, block.feed_forward_norm)


def _gated(x: Tensor, attended: Tensor, block: GatedBlock) -> Tensor:
    """The rest of a LiGR layer: each sublayer's output behind a sigmoid of a linear map of its input; SwiGLU."""
    x = x + attended * _sigmoid(x @ block.attention_gate.weight.T + block.attention_gate.bias)
    a, b = (_norm(x, block.feed_forward_norm) @ part.T for part in block.expand.weight.chunk(2))
    out = (a * _sigmoid(a) * b) @ block.contract.weight.T
    return x + out * _sigmoid(x @ block.feed_forward_gate.weight.T + block.feed_forward_gate.bias)


def _sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


def _gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def naive_items(backbone: TransformerBackbone) -> Tensor:
    """(N, d) inputs of the items before positions, made one by one where they are made from texts."""
    if isinstance(backbone, UniSRec):
        return torch.stack([_adapted(backbone, item) for item in range(backbone.num_items)])
    if isinstance(backbone, MoRec):
        return torch.stack([_projected(backbone, text) for text in backbone.text[:-1]])
    return backbone.items[:-1]


def _adapted(backbone: UniSRec, item: int) -> Tensor:
    """The experts' whitened vectors of one item, weighted by a softmax gate (no noise: as in evaluation)."""
    text, adaptor = backbone.text[item], backbone.adaptor
    gates = (adaptor.gate @ text).exp()
    mixed = sum(
        gate * ((text - bias) @ weight) for gate, bias, weight in zip(gates, adaptor.bias, adaptor.weight, strict=True)
    )
    return mixed / gates.sum() + (0 if backbone.items is None else backbone.items[item])


def _projected(backbone: MoRec, text: Tensor) -> Tensor:
    for layer in backbone.projection:
        if isinstance(layer, torch.nn.Linear):
            text = _gelu(text @ layer.weight.T + layer.bias)
    return text


def naive_streams(model: ReasoningModel, history: list[int]) -> Tensor:
    """(1 + M K, d): r_0, and the states of one stream after the other, each encoded as if it were alone."""
    assert model.triggers is not None
    chains = [naive_states(model, history, trigger=trigger) for trigger in model.triggers]
    return torch.cat([chains[0][:1], *(chain[1:] for chain in chains)])


def naive_states(
    model: ReasoningModel, history: list[int], noise: Tensor | None = None, trigger: Tensor | None = None
) -> Tensor:
    """(K + 1, d) states of one row; with `noise` (K, d) added to each step's input, of the noised view.

    With the `trigger` of a stream, which the first step's input has besides, each state has its input's added.
    """
    backbone = model.backbone
    assert isinstance(backbone, TransformerBackbone)
    causal = type(backbone).Settings.causal
    items = naive_items(backbone)
    inputs = [items[item] + backbone.positions[place] for place, item in enumerate(history)]
    if isinstance(backbone, LARES):
        return _recurrent_states(model, backbone, torch.stack(inputs), noise, trigger)
    states = []
    for step in range(model.steps + 1):
        if step:
            carried = states[-1] if step > 1 or trigger is None else states[-1] + trigger
            entry = _entry(model, carried, step)
            inputs.append(entry if noise is None else entry + noise[step - 1])
        x = _norm(torch.stack(inputs), backbone.input_norm)
        for block in backbone.blocks:
            x = _block(x, block, len(history), causal=causal)
        states.append(x[-1] if trigger is None or step == 0 else x[-1] + carried)
    return torch.stack(states)


def _entry(model: ReasoningModel, state: Tensor, step: int) -> Tensor:
    """What is fed back to a step, counted from 1, but for noise."""
    if model.rescale:
        lengths = [math.sqrt(sum(x * x for x in item.tolist())) for item in model.backbone.item_vectors()]
        state = state / state.norm() * (sum(lengths) / len(lengths))
    return state if model.reasoning_positions is None else state + model.reasoning_positions[step - 1]


def _recurrent_states(
    model: ReasoningModel, backbone: LARES, inputs: Tensor, noise: Tensor | None, trigger: Tensor | None
) -> Tensor:
    """`naive_states` of LARES from zeros; items are refined apart from what is fed back at the last one's place."""

    def core(before: Tensor) -> Tensor:
        x = _norm((before + history) / 2, backbone.core_norm)
        for block in backbone.core:
            x = _block(x, block, len(x), causal=True)
        return x

    history = _norm(inputs, backbone.input_norm)
    for block in backbone.blocks:
        history = _block(history, block, len(history), causal=True)
    items = core(torch.zeros_like(history))
    states = [items[-1]]
    for step in range(model.steps):
        carried = states[-1] if step or trigger is None else states[-1] + trigger
        entry = _entry(model, carried, step + 1) + (0 if noise is None else noise[step])
        last = core(torch.cat([items[:-1], entry[None]]))[-1]  # no item sees a later one: the others are as they were
        states.append(last if trigger is None else last + carried)
        items = core(items)
    return torch.stack(states)
