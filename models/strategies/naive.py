"""Naive: the last state is fed back K times as it is; cross-entropy on the last state (paper, section 4.3.2).

Cost: the backbone's, K cached steps, B N d.
"""

from __future__ import annotations

from .base import Base
from .contract import Reasoning
from .settings import NaiveSettings


class Naive(Base):
    """Multi-step reasoning without position embeddings and without supervision of the steps."""

    Settings = NaiveSettings

    def reasoning(self, epoch: int) -> Reasoning:
        """States are fed back bare."""
        return Reasoning(positions=False)
