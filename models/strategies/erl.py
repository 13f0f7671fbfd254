"""ERL, Ensemble Reasoning Learning (paper, section 3.2).

recipe paper: sum over k = 0..K of CE(r_k) (eq. 6) minus lambda times the sum over i < j of KL(p_i || p_j) (eq. 7 and 8;
the text says that the divergence is maximised, the sign of eq. 7 says otherwise), gradient through both sides.
Readout: the mean of the raw states (the printed 1/K over K + 1 terms is a slip without effect on ranks).
recipe released: CE(mean of the states) minus kl_weight times the mean over ordered pairs' sum of KL(p_j || p_i),
gradient through p_j alone; the padding row is a class of the training softmax; score temperature 0.07.
recipe recbole (RecBole 3.0, 71b0d83): the released loss without the padding class; where scores are cosines, as on its
HSTU, the mean is of the states as queries. Readout: r_K, although the mean is supervised. What its configuration says
of the run belongs to a suite: at most 10 epochs, patience 2, batches of 512 (`training`), NDCG@10 (`search: metric`),
the history left out of the ranking (`evaluation: mask_history`). Not taken over: sampled negatives, which its HSTU has,
and that an epoch must be better by 0.001.

Cost: the backbone's, K cached steps, (K + 1) B N d.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..losses import CatalogueTerms, catalogue_loss
from .contract import Catalogue, Reasoned, Reasoning, Strategy, unit, with_pooled
from .settings import ERLSettings


class ERL(Strategy):
    """Every step is supervised, and the steps' distributions are pushed apart."""

    Settings = ERLSettings
    settings: ERLSettings

    def reasoning(self, epoch: int) -> Reasoning:
        """Position embeddings; in the released recipe the padding class as well."""
        return Reasoning(padding_class=self.settings.recipe == "released")

    @property
    def _pools(self) -> bool:
        """Whether the mean of the states is supervised, and the KL terms are averaged: all recipes but the paper's."""
        return self.settings.recipe != "paper"

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """Equation 8, or what the code of the recipe computes."""
        terms = self._catalogue_loss(reasoned, catalogue)
        return terms.total, {"cross_entropy": float(terms.cross_entropy), "kl": float(terms.kl)}

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The cross-entropy and the KL term."""
        cross_entropy = self._catalogue_loss(reasoned, catalogue, kl=False).total
        if self._kl_weights(reasoned.raw.shape[1]) is None:
            return {"cross_entropy": cross_entropy}
        return {"cross_entropy": cross_entropy, "kl": self._catalogue_loss(reasoned, catalogue).total - cross_entropy}

    def _catalogue_loss(self, reasoned: Reasoned, catalogue: Catalogue, *, kl: bool = True) -> CatalogueTerms:
        """The loss with its parts, without the KL term where not asked for."""
        states = reasoned.states
        count = states.shape[1]
        ce_weights = (1.0,) * count
        if self._pools:  # the released code supervises what ranks: the query of the mean, not the mean of the queries
            pooled = reasoned.raw if self.settings.recipe == "released" else reasoned.states
            states, ce_weights = with_pooled(reasoned, pooled), unit(count + 1)
        return catalogue_loss(
            states,
            catalogue.vectors,
            reasoned.targets,
            temperatures=(catalogue.temperature,) * states.shape[1],
            ce_weights=ce_weights,
            kl_weights=self._kl_weights(count) if kl else None,
            kl_gradient="first" if self._pools else "both",
        )

    def readout(self, states: Tensor) -> Tensor:
        """The mean of the raw states (section 3.2.3); r_K in RecBole."""
        return super().readout(states) if self.settings.recipe == "recbole" else states.mean(-2)

    def _kl_weights(self, count: int) -> list[list[float]] | None:
        """w_ij of KL(p_i || p_j): the upper triangle (paper), or all ordered pairs of what is not pooled."""
        if not self.settings.diversity or self.settings.kl_weight == 0 or count == 1:
            return None
        size = count + self._pools
        weights = [[0.0] * size for _ in range(size)]
        for i in range(count):
            for j in range(count):
                if i < j or (self._pools and i != j):
                    weights[i][j] = -self.settings.kl_weight / (count * (count - 1) if self._pools else 1)
        return weights
