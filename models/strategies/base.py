"""Base: no reasoning. Cross-entropy on the next item from the last item's state (paper, eq. 5). Cost B N d."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..losses import catalogue_loss
from ..settings import StrategySettings
from .contract import Catalogue, Reasoned, Reasoning, Strategy, unit
from .settings import BaseSettings


class Base(Strategy):
    """The backbone as it is."""

    Settings: type[StrategySettings] = BaseSettings

    def reasoning(self, epoch: int) -> Reasoning:
        """Nothing is fed back."""
        return Reasoning(positions=False)

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """Cross-entropy of the last state, whichever it is."""
        loss = last_state_cross_entropy(reasoned, catalogue)
        return loss, {"cross_entropy": float(loss.detach())}

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The cross-entropy."""
        return {"cross_entropy": last_state_cross_entropy(reasoned, catalogue)}


def last_state_cross_entropy(reasoned: Reasoned, catalogue: Catalogue) -> Tensor:
    """Cross-entropy of the last state r_K at the score temperature (eq. 5)."""
    return catalogue_loss(
        reasoned.states[:, -1:],
        catalogue.vectors,
        reasoned.targets,
        temperatures=(catalogue.temperature,),
        ce_weights=unit(1),
    ).total
