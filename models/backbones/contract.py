"""What a backbone offers to reasoning, training and ranking."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..settings import BackboneSettings


@dataclass(frozen=True)
class Histories:
    """Histories of a few rows, padded at the right; positions are counted from the first item.

    Attributes:
        items: (G, L) int64; N stands for padding.
        lengths: (G,) int64.
        every_prefix: True where every position of a group is a query (Q = L: the row whose history ends there), False
            where only the last item's is (Q = 1).
    """

    items: Tensor
    lengths: Tensor
    every_prefix: bool = False


class Cache(Protocol):
    """Whatever a backbone's `advance` needs of the history and of the steps before; immutable."""


class Backbone(nn.Module):
    """A sequence encoder that can be fed its own states.

    A backbone's constructor takes `(settings, *, num_items, max_len)`; where `Settings.text_based` holds, also
    `item_text`, the data set's (N, m) float32 item vectors.

    Attributes:
        num_items: N.
        width: d, of states and item vectors.
    """

    Settings: type[BackboneSettings]
    num_items: int
    width: int

    def encode(self, histories: Histories) -> tuple[Tensor, Any]:
        """Encode histories once.

        Returns:
            (G, Q, d) states r_0 of the query positions, and the cache.
        """
        raise NotImplementedError

    def advance(self, inputs: Tensor, cache: Any) -> tuple[Tensor, Any]:
        """One cached step.

        Args:
            inputs: (G, Q, d), the state fed back (with position embedding and noise, where the strategy has them).
            cache: from `encode` or from the step before.

        Returns:
            (G, Q, d) states, and the cache with this step in it.
        """
        raise NotImplementedError

    def side_by_side(self, cache: Any, views: int) -> Any | None:
        """A cache from `encode` for several views of each query position, stepped together.

        Args:
            cache: of Q query positions.
            views: how many; the inputs of `advance` are then (G, views * Q, d), view after view.

        Returns:
            the cache; None where a backbone has no such thing, and its views are stepped one after the other.
        """
        return None

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """(N, d) vectors that queries are scored against; (N + 1, d) with the padding row last."""
        raise NotImplementedError

    def prepared(self) -> AbstractContextManager[None]:
        """Holds what depends on no history, such as item vectors made from texts, for one batch or one evaluation.

        The engine runs `encode`, `advance` and `item_vectors` of a batch inside it. They work outside as well, at the
        price of computing it each time.
        """
        return nullcontext()

    def queries(self, states: Tensor) -> Tensor:
        """States as queries: (..., d) to (..., d). A score is query . item / score temperature."""
        return states


def history_bias(histories: Histories) -> Tensor:
    """Additive attention mask of a bidirectional encoder.

    Returns:
        (G, 1, 1, L): 0 at items, -inf at padding.
    """
    positions = torch.arange(histories.items.shape[1], device=histories.items.device)
    padding = positions[None, :] >= histories.lengths[:, None]  # (G, L)
    return torch.zeros(padding.shape, device=padding.device).masked_fill_(padding, float("-inf"))[:, None, None]


def causal_bias(histories: Histories) -> Tensor:
    """Additive attention mask of a causal encoder.

    Returns:
        (G, 1, L, L) where every prefix is a query, else (G, 1, 1, L): 0 where visible, -inf where not.
    """
    length = histories.items.shape[1]
    positions = torch.arange(length, device=histories.items.device)
    visible = positions[None, :] < histories.lengths[:, None]  # (G, L)
    mask = visible[:, None, None, :]
    if histories.every_prefix:
        mask = mask & (positions[None, :] <= positions[:, None])[None, None]  # (G, 1, L, L)
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, float("-inf"))
