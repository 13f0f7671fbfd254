"""SASRec (Kang and McAuley 2018, "Self-Attentive Sequential Recommendation").

Deviation: the original is pre-norm with ReLU and separate dropouts; the paper under test follows its released code's
transformer (`transformer.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..settings import BackboneSettings
from .settings import SASRecSettings
from .transformer import TransformerBackbone


class SASRec(TransformerBackbone):
    """Causal self-attention over item and position embeddings; scores are dot products with the item table."""

    Settings: type[BackboneSettings] = SASRecSettings

    def __init__(self, settings: SASRecSettings, *, num_items: int, max_len: int) -> None:
        """Build the layers; see `TransformerBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len)
        self.items = nn.Parameter(torch.empty(num_items + 1, settings.width))  # the last row is padding

    def embed(self, items: Tensor) -> Tensor:
        """Rows of the item table; see `TransformerBackbone.embed`."""
        return F.embedding(items, self.items)

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """The item table; see `Backbone.item_vectors`."""
        return self.items if padding else self.items[: self.num_items]
