"""A plug-in of a kind that is not built in: a state that reads the history again and again through a GRU's gates.

r_0 is a projection of the last item; step k attends to the items before the query position with the state as the query,
and a GRU cell decides what of it enters the state. The strategy ranks by a trained mixture of all states.
"""

from math import sqrt

import torch
from torch import nn

from rearec_bench.models.backbones.contract import Backbone, causal_bias
from rearec_bench.models.layers import Dropout
from rearec_bench.models.losses import catalogue_loss
from rearec_bench.models.settings import BackboneSettings, StrategySettings, param
from rearec_bench.models.strategies.contract import Strategy


class Gated(Backbone):
    class Settings(BackboneSettings):
        """Attention to the items, and a GRU cell that takes it into the state."""

        width: int = param(64, "width of item vectors and states", symbol="d", ge=1)
        dropout: float = param(0.2, "dropout on item inputs", ge=0, lt=1)
        score_temperature: float = param(1.0, "scores are divided by it in training and ranking", gt=0)

    def __init__(self, settings, *, num_items, max_len):
        super().__init__()
        self.num_items, self.width = num_items, settings.width
        self.items = nn.Parameter(torch.empty(num_items + 1, settings.width))
        self.positions = nn.Parameter(torch.empty(max_len, settings.width))
        self.keys_values = nn.Linear(settings.width, 2 * settings.width)
        self.start = nn.Linear(settings.width, settings.width)
        self.cell = nn.GRUCell(settings.width, settings.width)
        self.cell.initial_std = dict.fromkeys(("weight_ih", "weight_hh"), settings.width**-0.5)
        self.start.initial_std = self.keys_values.initial_std = {"weight": settings.width**-0.5}
        self.dropout = Dropout(settings.dropout)

    def encode(self, histories):
        items = self.dropout(self.items[histories.items] + self.positions[: histories.items.shape[1]])  # (G, L, d)
        keys, values = self.keys_values(items).chunk(2, -1)
        states = self.start(items)
        if not histories.every_prefix:
            states = states[torch.arange(len(states)), histories.lengths - 1][:, None]  # (G, 1, d)
        bias = causal_bias(histories)[:, 0]  # (G, Q, L)
        states, _ = self.advance(states, (keys, values, bias))
        return states, (keys, values, bias)

    def advance(self, inputs, cache):
        keys, values, bias = cache
        read = (inputs @ keys.transpose(1, 2) / sqrt(self.width) + bias).softmax(-1) @ values  # (G, Q, d)
        state = self.cell(read.flatten(0, 1), inputs.flatten(0, 1)).view(inputs.shape)
        return state, cache

    def item_vectors(self, *, padding=False):
        return self.items if padding else self.items[: self.num_items]


class Mixture(Strategy):
    class Settings(StrategySettings):
        """Ranks by a mixture of all states, weighed by a trained score of each."""

    def module(self, width):
        return nn.Linear(width, 1) if self.steps else None

    def readout(self, states):
        return (self.own(states).softmax(-2) * states).sum(-2) if self.steps else states[..., -1, :]

    def loss(self, reasoned, catalogue):
        mixed = reasoned.queries(self.readout(reasoned.raw))[:, None]  # (R, 1, d)
        given = {"temperatures": [catalogue.temperature], "ce_weights": [1.0]}
        terms = catalogue_loss(mixed, catalogue.vectors, reasoned.targets, **given)
        return terms.total, {"cross_entropy": float(terms.cross_entropy)}


BACKBONES, STRATEGIES = {"gated": Gated}, {"mixture": Mixture}
