"""UniSRec (Hou et al. 2022, "Towards Universal Sequence Representation Learning for Recommender Systems")."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers import Dropout
from .settings import UniSRecSettings
from .text import TextBackbone


class Adaptor(nn.Module):
    """Mixture of experts; each whitens the vectors with parameters of its own."""

    def __init__(self, text_width: int, width: int, *, experts: int, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.empty(text_width, experts))
        self.weight = nn.Parameter(torch.empty(experts, text_width, width))
        self.bias = nn.Parameter(torch.empty(experts, text_width))
        self.dropout = Dropout(dropout)

    def forward(self, text: Tensor) -> Tensor:
        """(n, m) to (n, d)."""
        gates = (text @ self.gate).softmax(-1)  # (n, G)
        whitened = self.dropout(text.expand(len(self.weight), -1, -1)) - self.bias[:, None]  # (G, n, m)
        return torch.einsum("ng,gnd->nd", gates, whitened @ self.weight)


class UniSRec(TextBackbone):
    """Adapted text vectors under SASRec's transformer; scores are cosines over a temperature."""

    Settings = UniSRecSettings

    def __init__(self, settings: UniSRecSettings, *, num_items: int, max_len: int, item_text: Tensor) -> None:
        """Build the layers; see `TextBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len, item_text=item_text)
        self.adaptor = Adaptor(
            item_text.shape[1], settings.width, experts=settings.experts, dropout=settings.adaptor_dropout
        )
        self.items = nn.Parameter(torch.empty(num_items + 1, settings.width)) if settings.item_ids else None

    def represent(self, items: Tensor) -> Tensor:
        """Adapted vectors, with the items' own embeddings added where the settings say so."""
        adapted: Tensor = self.adaptor(self.text[items])
        return adapted if self.items is None else adapted + self.items[items]

    def item_vectors(self, *, padding: bool = False) -> Tensor:
        """Vectors of length one."""
        return F.normalize(super().item_vectors(padding=padding), dim=-1)

    def queries(self, states: Tensor) -> Tensor:
        """States of length one."""
        return F.normalize(states, dim=-1)
