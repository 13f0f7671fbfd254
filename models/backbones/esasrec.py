"""eSASRec (Tikhonovich et al. 2025, "eSASRec: Enhancing Transformer-based Recommendations in a Modular Fashion").

SASRec's shifted sequence with the layers of LiGR (arXiv 2502.03417): pre-norm, each sublayer behind a sigmoid gate that
reads the layer's input, a SwiGLU feed-forward layer without biases; no norm on the input or at the end. Reference code:
RecTools, whose layers these are.

Deviations: its sampled softmax over 256 negatives is the strategy's full softmax here; positions count from the first
item of the window, not from the last, so that the prefixes of a user can be packed; weights start as everywhere in this
project. A reasoning step's input is the last state, as it is: what attention and the feed-forward layer read is normed.

Cost: a SASRec's, and per position and layer 4 d^2 more for the gates and 2 d f more for SwiGLU.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers import Block, Dropout
from ..settings import BackboneSettings
from .sasrec import SASRec
from .settings import ESASRecSettings


class GatedBlock(Block):
    """One layer of LiGR: x + gate(x) * attention(norm(x)), then the same with SwiGLU."""

    def __init__(
        self, width: int, heads: int, feed_forward: int, dropout: float, step_dropout: float | None = None
    ) -> None:
        super().__init__(width, heads, feed_forward, dropout, step_dropout)
        self.expand = nn.Linear(width, 2 * feed_forward, bias=False)  # what is activated, and what it multiplies
        self.contract = nn.Linear(feed_forward, width, bias=False)
        self.attention_gate = nn.Linear(width, width)
        self.feed_forward_gate = nn.Linear(width, width)
        self.hidden_dropout = Dropout(dropout)

    def _before(self, x: Tensor) -> Tensor:
        normed: Tensor = self.attention_norm(x)
        return normed

    def _finish(self, mixed: Tensor, inputs: Tensor, rate: float | None = None) -> Tensor:
        attended = self.output_dropout(self.output(mixed), rate=rate)
        x = torch.addcmul(inputs, self.attention_gate(inputs).sigmoid(), attended)
        active, factor = self.expand(self.feed_forward_norm(x)).chunk(2, -1)
        hidden = self.hidden_dropout(F.silu(active) * factor, rate=rate)
        out = self.feed_forward_dropout(self.contract(hidden), rate=rate)
        return torch.addcmul(x, self.feed_forward_gate(x).sigmoid(), out)


class ESASRec(SASRec):
    """SASRec with gated pre-norm layers: the strong base that reasoning steps have to beat."""

    Settings: type[BackboneSettings] = ESASRecSettings
    block: ClassVar[type[Block]] = GatedBlock

    def __init__(self, settings: ESASRecSettings, *, num_items: int, max_len: int) -> None:
        """Build the layers; see `TransformerBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len)
        self.input_norm = nn.Identity()
