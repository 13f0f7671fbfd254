"""MoRec (Yuan et al. 2023, "Where to Go Next for Recommender Systems? ID- vs. Modality-based Recommender Models").

The original trains the text encoder together with the recommender. Here, as in the paper under test, the features are
extracted once and frozen; what is trained is the projection on top of them (the original's two-stage variant) and
SASRec. Reference code: westlake-repl/IDvs.MoRec, `bce_text/main-2stage(SASRec)`: a linear layer and GELU, then for each
further layer dropout, a linear layer and GELU.

Deviations: trained with the softmax over the catalogue as our other backbones, not with one sampled negative; an item
is projected once a batch, so its dropout mask is shared by the histories it stands in and by its place in the
catalogue, where the original draws anew for each occurrence; the transformer is that of our other backbones.

The projection starts as the original's, Xavier normal with biases 0. At normal(0, 0.02) each layer would shrink its
input (by 0.02 sqrt(d) / 2 beyond the first: 0.08 at d = 64), and items would start at a few percent of the position
embeddings they are added to.

Cost of a batch: O(N (m + layers d) d) for the projection, the transformer's, B N d for each state scored.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from ..layers import Dropout
from .settings import MoRecSettings
from .text import TextBackbone


class MoRec(TextBackbone):
    """Projected text vectors under SASRec's transformer; scores are dot products with them."""

    Settings = MoRecSettings

    def __init__(self, settings: MoRecSettings, *, num_items: int, max_len: int, item_text: Tensor) -> None:
        """Build the layers; see `TextBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len, item_text=item_text)
        layers: list[nn.Module] = [Projection(item_text.shape[1], settings.width), nn.GELU()]
        for _ in range(settings.projection_layers - 1):
            layers += [Dropout(settings.projection_dropout), Projection(settings.width, settings.width), nn.GELU()]
        self.projection = nn.Sequential(*layers)

    def represent(self, items: Tensor | slice) -> Tensor:
        """Projected vectors."""
        projected: Tensor = self.projection(self.text[items])
        return projected


class Projection(nn.Linear):
    """A linear layer with Xavier's normal initialisation (Glorot and Bengio 2010)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.initial_std = {"weight": math.sqrt(2 / (inputs + outputs))}
