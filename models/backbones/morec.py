"""MoRec (Yuan et al. 2023, "Where to Go Next for Recommender Systems? ID- vs. Modality-based Recommender Models")."""

from __future__ import annotations

from torch import Tensor, nn

from .settings import MoRecSettings
from .text import TextBackbone


class MoRec(TextBackbone):
    """Projected text vectors under SASRec's transformer; scores are dot products with them."""

    Settings = MoRecSettings

    def __init__(self, settings: MoRecSettings, *, num_items: int, max_len: int, item_text: Tensor) -> None:
        """Build the layers; see `TextBackbone`."""
        super().__init__(settings, num_items=num_items, max_len=max_len, item_text=item_text)
        layers: list[nn.Module] = [nn.Linear(item_text.shape[1], settings.width), nn.GELU()]
        for _ in range(settings.projection_layers - 1):
            layers += [nn.Linear(settings.width, settings.width), nn.GELU()]
        self.projection = nn.Sequential(*layers)

    def represent(self, items: Tensor) -> Tensor:
        """Projected vectors."""
        projected: Tensor = self.projection(self.text[items])
        return projected
