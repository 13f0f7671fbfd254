"""LARES's encoder (Liu et al. 2025, "LARES: Latent Reasoning for Sequential Recommendation", arXiv 2505.16865).

A pre-block of layers runs once over the items, a core of as many layers again and again: the mean of the pre-block's
output and of the core's last output is normed and goes through the core, all items at once. r_0 is the state after
the core's first pass, so that without steps the encoder is one transformer of twice the layers, and each reasoning step
is one more pass: K steps are the paper's K + 1. Scores are cosines over a temperature. The first pass starts from
truncated normal noise in training. Reference code: BishopLiu/LARES, and RecBole 3.0 (`model/lares`).

A state that comes back as it was given is a position of the items' own pass. One that a strategy has changed (position
embeddings, noise) goes through the core beside them and attends to the items before it and to itself: what is fed back
changes no other prefix, and packed users have the states of their rows.

Deviations: ranking starts from zeros (the code's `normal_zero`, not its default), as noise there would make ranks
depend on chance; layers are pre-norm as in RecBole 3.0, those of the authors' code are RecBole 1's post-norm ones; the
mean alone of the three adapters.

Cost of a row: encoding and each step O(n (L d^2 + L^2 d)) for n layers of either block, where another backbone's step
costs O(n (d^2 + L d)). Packed users share it as they share an encoding, and a changed state costs one more position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..grid import Grid
from ..layers import Block, LayerCache, Noise
from ..settings import BackboneSettings
from .contract import Histories, causal_bias
from .sasrec import SASRec
from .settings import LARESSettings


class PreNormBlock(Block):
    """One pre-norm layer: x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def _before(self, x: Tensor) -> Tensor:
        normed: Tensor = self.attention_norm(x)
        return normed

    def _finish(self, mixed: Tensor, inputs: Tensor, rate: float | None = None) -> Tensor:
        x = self.output_dropout(self.output(mixed), inputs, rate=rate)
        out: Tensor = self.feed_forward_dropout(self._feed_forward(self.feed_forward_norm(x)), x, rate=rate)
        return out


@dataclass(frozen=True)
class LARESCache:
    """What the next pass of the core starts from.

    Attributes:
        histories: as encoded.
        grid: where the items stand.
        bias: (G, 1, L, L), what each of them sees.
        history: (T, d) output of the pre-block.
        items: (T, d) output of the core's last pass.
        states: (G, Q, d) the same at the query positions.
        views: of each query position; see `Backbone.side_by_side`.
    """

    histories: Histories
    grid: Grid
    bias: Tensor
    history: Tensor
    items: Tensor
    states: Tensor
    views: int = 1


class LARES(SASRec):
    """A pre-block, and a core that refines the states of all items at each step."""

    Settings: type[BackboneSettings] = LARESSettings
    block: ClassVar[type[Block]] = PreNormBlock

    def __init__(self, settings: LARESSettings, *, num_items: int, max_len: int) -> None:
        """Build the layers; see `TransformerBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len)
        self.cosine = settings.scores == "cosine"
        self.state_scale = settings.state_scale
        self.noise = Noise(bound=3.0)
        self.core_norm = nn.LayerNorm(settings.width, eps=1e-12)
        self.core = nn.ModuleList(
            self.block(settings.width, settings.heads, settings.feed_forward, settings.dropout, settings.step_dropout)
            for _ in range(settings.layers)
        )

    def encode(self, histories: Histories) -> tuple[Tensor, Any]:
        """The pre-block and the core's first pass; see `Backbone.encode`."""
        grid = Grid.of(histories.lengths, histories.items.shape[1])
        bias = causal_bias(replace(histories, every_prefix=True))
        x = grid.collect(self.embed(histories.items) + self.positions[: grid.length])  # (T, d)
        x = self.input_dropout(self.input_norm(x))
        for block in self._layers():
            x, _ = block.encode(x, grid, bias, last=False)
        noise = self.noise(x) if self.state_scale else None
        start = torch.zeros_like(x) if noise is None else noise * self.state_scale
        items, _ = self._pass(start, x, grid, bias, None)
        states = _at_queries(items, grid, histories)
        return states, LARESCache(histories, grid, bias, x, items, states)

    def advance(self, inputs: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """One more pass of the core; see `Backbone.advance`."""
        items, layers = self._pass(cache.items, cache.history, cache.grid, cache.bias, self.step_dropout)
        own = _at_queries(items, cache.grid, cache.histories)
        after = replace(cache, items=items, states=own)
        if inputs is cache.states:
            return own, after
        history = _at_queries(cache.history, cache.grid, cache.histories).repeat(1, cache.views, 1)
        before = _bias_before(cache.histories)
        before = before if before.shape[2] == 1 else before.repeat(1, 1, cache.views, 1)
        x = self.core_norm((inputs + history) / 2)  # (G, views * Q, d)
        for block, layer in zip(self._core(), layers, strict=True):
            x, _ = block.advance(x, layer, before)
        return x, after

    def side_by_side(self, cache: Any, views: int) -> Any:
        """The same items for each view; see `Backbone.side_by_side`."""
        return replace(cache, views=views)

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """The item table, of length one for cosines; see `Backbone.item_vectors`."""
        return self.queries(super().item_vectors(padding=padding))

    def queries(self, states: Tensor) -> Tensor:
        """Of length one for cosines; see `Backbone.queries`."""
        return F.normalize(states, dim=-1) if self.cosine else states

    def _pass(
        self, states: Tensor, history: Tensor, grid: Grid, bias: Tensor, rate: float | None
    ) -> tuple[Tensor, list[LayerCache]]:
        """The core over all items: (T, d) states to (T, d), and the keys and values of its layers."""
        x = self.core_norm((states + history) / 2)
        caches = []
        for block in self._core():
            x, cache = block.encode(x, grid, bias, last=False, rate=rate)
            caches.append(cache)
        return x, caches

    def _core(self) -> list[Block]:
        return cast("list[Block]", list(self.core))


def _at_queries(items: Tensor, grid: Grid, histories: Histories) -> Tensor:
    """(T, d) to (G, Q, d)."""
    return grid.spread(items) if histories.every_prefix else items.index_select(0, grid.ends)[:, None]


def _bias_before(histories: Histories) -> Tensor:
    """(G, 1, 1, L) or (1, 1, L, L), additive mask of the query positions: 0 at the items before each, else -inf."""
    places = torch.arange(histories.items.shape[1], device=histories.items.device)
    own = places[None] if histories.every_prefix else (histories.lengths - 1)[:, None]  # (1, L) or (G, 1)
    hidden = places[None, None] >= own[..., None]
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill_(hidden, float("-inf"))[:, None]
