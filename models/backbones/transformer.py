"""The transformer that all built-in backbones share: post-norm blocks over item inputs, and cached reasoning steps.

Reference code: the ReaRec release's (post-norm, GELU, feed-forward 300, learned positions counted from the first item
of the window, layer norm and dropout on the input and again on each reasoning step's input).

Histories are padded at the right and masked, which changes no state; what works token by token leaves the padding out,
and the last layer computes the query positions alone. Cost of a row: encoding O(layers (L d^2 + L^2 d)), each step
O(layers (d^2 + (L + K) d)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ..grid import Grid
from ..layers import Block, Dropout, LayerCache
from .contract import Backbone, Histories, causal_bias, history_bias
from .settings import TransformerSettings


@dataclass(frozen=True)
class TransformerCache:
    """Keys and values of all layers, and the mask between query positions and items."""

    layers: tuple[LayerCache, ...]
    bias: Tensor


class TransformerBackbone(Backbone):
    """Self-attention over item inputs, causal or bidirectional; a subclass says what the items are.

    Items never attend to reasoning states: step k attends to the items its query position sees, and to its own steps
    up to k (the paper's prefix masking, section 3.1.2).

    Attributes:
        block: class of the layers.
    """

    block: ClassVar[type[Block]] = Block

    def __init__(self, settings: TransformerSettings, *, num_items: int, max_len: int) -> None:
        """Build the layers; `models.layers.initialise` fills them.

        Args:
            settings: architecture.
            num_items: N.
            max_len: most history items of a row.
        """
        super().__init__()
        self.num_items = num_items
        self.width = settings.width
        self.causal = settings.causal
        self.positions = nn.Parameter(torch.empty(max_len, settings.width))
        self.input_norm: nn.Module = nn.LayerNorm(settings.width, eps=1e-12)
        self.input_dropout = Dropout(settings.input_dropout)
        self.step_dropout = settings.step_dropout
        self.blocks = nn.ModuleList(
            self.block(settings.width, settings.heads, settings.feed_forward, settings.dropout, settings.step_dropout)
            for _ in range(settings.layers)
        )

    def embed(self, items: Tensor) -> Tensor:
        """Inputs of items: (G, L) int64, N for padding, to (G, L, d)."""
        raise NotImplementedError

    def encode(self, histories: Histories) -> tuple[Tensor, TransformerCache]:
        """Encode histories once; see `Backbone.encode`.

        Raises:
            ValueError: every prefix is asked for, and the backbone is not causal.
        """
        if histories.every_prefix and not self.causal:
            raise ValueError("the states of prefixes are not those of a bidirectional encoder: no packing")
        grid = Grid.of(histories.lengths, histories.items.shape[1])
        x = grid.collect(self.embed(histories.items) + self.positions[: grid.length])  # (T, d)
        x = self.input_dropout(self.input_norm(x))
        query_bias, item_bias = self._biases(histories)
        caches = []
        for number, block in enumerate(self._layers()):
            final = number + 1 == len(self.blocks)
            last = final and not histories.every_prefix
            x, cache = block.encode(x, grid, query_bias if final else item_bias, last=last)
            caches.append(cache)
        states = grid.spread(x) if histories.every_prefix else x[:, None]
        return states, TransformerCache(tuple(caches), query_bias)

    def advance(self, inputs: Tensor, cache: TransformerCache) -> tuple[Tensor, TransformerCache]:
        """One cached step; see `Backbone.advance`."""
        x = self.input_dropout(self.input_norm(inputs), rate=self.step_dropout)
        caches = []
        for block, layer in zip(self._layers(), cache.layers, strict=True):
            x, extended = block.advance(x, layer, cache.bias)
            caches.append(extended)
        return x, TransformerCache(tuple(caches), cache.bias)

    def side_by_side(self, cache: TransformerCache, views: int) -> TransformerCache:
        """The same items for each view; see `Backbone.side_by_side`."""
        bias = cache.bias if cache.bias.shape[2] == 1 else cache.bias.repeat(1, 1, views, 1)
        return TransformerCache(cache.layers, bias)

    def _biases(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """What query positions see, and what items see in the layers before the last."""
        if not self.causal:
            everything = history_bias(histories)
            return everything, everything
        queries = causal_bias(histories)
        if len(self.blocks) == 1 or histories.every_prefix:
            return queries, queries
        return queries, causal_bias(Histories(histories.items, histories.lengths, every_prefix=True))

    def _layers(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))
