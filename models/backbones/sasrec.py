"""SASRec (Kang and McAuley 2018, "Self-Attentive Sequential Recommendation").

Reference code: the ReaRec release's SASRec (post-norm, GELU, feed-forward 300, learned positions counted from the first
item of the window, layer norm and dropout on the input and again on each reasoning step's input). The original is
pre-norm with ReLU and separate dropouts; the paper under test follows the former.

Deviations: histories are padded at the right and masked, which changes no state; the last layer computes the query
positions alone. Cost of a row: encoding O(layers (L d^2 + L^2 d)), each step O(layers (d^2 + (L + K) d)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..layers import Block, Dropout, LayerCache
from .contract import Backbone, Histories, causal_bias
from .settings import SASRecSettings


@dataclass(frozen=True)
class TransformerCache:
    """Keys and values of all layers, and the mask between query positions and items."""

    layers: tuple[LayerCache, ...]
    bias: Tensor


class SASRec(Backbone):
    """Causal self-attention over item and position embeddings; scores are dot products with the item table."""

    Settings = SASRecSettings

    def __init__(self, settings: SASRecSettings, *, num_items: int, max_len: int) -> None:
        """Build the layers; `models.layers.initialise` fills them.

        Args:
            settings: architecture.
            num_items: N.
            max_len: most history items of a row.
        """
        super().__init__()
        self.num_items = num_items
        self.items = nn.Parameter(torch.empty(num_items + 1, settings.width))  # the last row is padding
        self.positions = nn.Parameter(torch.empty(max_len, settings.width))
        self.input_norm = nn.LayerNorm(settings.width, eps=1e-12)
        self.input_dropout = Dropout(settings.input_dropout)
        self.blocks = nn.ModuleList(
            Block(settings.width, settings.heads, settings.feed_forward, settings.dropout)
            for _ in range(settings.layers)
        )

    def encode(self, histories: Histories) -> tuple[Tensor, TransformerCache]:
        """Encode histories once; see `Backbone.encode`."""
        length = histories.items.shape[1]
        embedded = nn.functional.embedding(histories.items, self.items) + self.positions[:length]  # (G, L, d)
        x = self.input_dropout(self.input_norm(embedded))
        query_bias = causal_bias(histories)
        full_bias = query_bias
        if len(self.blocks) > 1 and not histories.every_prefix:
            full_bias = causal_bias(Histories(histories.items, histories.lengths, every_prefix=True))
        caches = []
        for number, block in enumerate(self._layers()):
            if number + 1 < len(self.blocks):
                x, cache = block.encode(x, x, full_bias)
            else:
                queries = x if histories.every_prefix else _last(x, histories.lengths)
                x, cache = block.encode(x, queries, query_bias)
            caches.append(cache)
        return x, TransformerCache(tuple(caches), query_bias)

    def advance(self, inputs: Tensor, cache: TransformerCache) -> tuple[Tensor, TransformerCache]:
        """One cached step; see `Backbone.advance`."""
        x = self.input_dropout(self.input_norm(inputs))
        caches = []
        for block, layer in zip(self._layers(), cache.layers, strict=True):
            x, extended = block.advance(x, layer, cache.bias)
            caches.append(extended)
        return x, TransformerCache(tuple(caches), cache.bias)

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """The item table; see `Backbone.item_vectors`."""
        return self.items if padding else self.items[: self.num_items]

    def _layers(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))


def _last(x: Tensor, lengths: Tensor) -> Tensor:
    """(G, L, d) to (G, 1, d): the state of each group's last item."""
    index = (lengths - 1)[:, None, None].expand(-1, 1, x.shape[-1])
    return x.gather(1, index)
