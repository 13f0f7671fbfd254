"""RPE: naive plus reasoning position embeddings (paper, eq. 4); cross-entropy on the last state (section 4.3.2).

Cost: the backbone's, K cached steps, B N d.
"""

from __future__ import annotations

from .base import Base
from .contract import Reasoning
from .settings import RPESettings


class RPE(Base):
    """Reasoning position embeddings tell the model which step it is in."""

    Settings = RPESettings

    def reasoning(self, epoch: int) -> Reasoning:
        """Each step's position embedding is added to the state fed back."""
        return Reasoning(positions=True)
