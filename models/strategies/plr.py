"""PLR, Parallel Latent Reasoning (Tang et al. 2026, arXiv 2601.03153; no code is public).

M streams start from r_0, each from a trained trigger of its own: h_0m = r_0 + tau_m. Each goes K cached steps with the
shared layers, h_km = f(h_(k-1)m + p_k) + h_(k-1)m, and sees the items and its own steps alone. A softmax gate, linear
on r_0, weighs the streams' means over their steps: z. Loss: CE(z), minus lambda times the mean over ordered pairs of
the K M states of KL(p_i || p_j), plus InfoNCE in the batch between z of two computations with their own dropout.
Readout: r_0 + z.

Where the paper is silent: the KL term is a mean, as in the released code of ERL by the same authors (as a sum, lambda
0.1 drowns the cross-entropy); the InfoNCE's weight is 1 and its temperature that of the scores; other rows of a user
are no negatives where users are packed. gate: false weighs the streams alike.

Cost: two encodings and 2 M K cached steps in training, M K at inference; (1 + K M) B N d + B^2 d.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..losses import CatalogueTerms, catalogue_loss, info_nce
from .contract import Catalogue, Reasoned, Reasoning, Strategy, unit
from .settings import PLRSettings


class PLR(Strategy):
    """Several chains of steps side by side, mixed by a gate."""

    Settings = PLRSettings
    settings: PLRSettings

    def reasoning(self, epoch: int) -> Reasoning:
        """Streams with position embeddings, and a second computation for the contrastive term."""
        if self.steps == 0:
            return Reasoning()
        return Reasoning(streams=self.settings.streams, twice=self.settings.contrastive_weight > 0)

    def module(self, width: int) -> nn.Module | None:
        """The gate, (d) to (M)."""
        return nn.Linear(width, self.settings.streams) if self.steps and self.settings.gate else None

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """The cross-entropy of z, the KL term and the contrastive one; the last two are logged without weights."""
        terms = self._catalogue_loss(reasoned, catalogue)
        named = {"cross_entropy": float(terms.cross_entropy), "kl": float(terms.kl)}
        if reasoned.again is None:
            return terms.total, named
        contrastive = self._contrastive(reasoned, reasoned.again, catalogue)
        total = terms.total + self.settings.contrastive_weight * contrastive
        return total, {**named, "contrastive": float(contrastive.detach())}

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The cross-entropy, and the other terms where they are on."""
        found = {"cross_entropy": self._catalogue_loss(reasoned, catalogue, kl=False).total}
        if self._diverse:
            found["kl"] = self._catalogue_loss(reasoned, catalogue).total - found["cross_entropy"]
        if reasoned.again is not None:
            contrastive = self._contrastive(reasoned, reasoned.again, catalogue)
            found["contrastive"] = self.settings.contrastive_weight * contrastive
        return found

    def readout(self, states: Tensor) -> Tensor:
        """r_0 + z; r_0 without steps."""
        return states[..., 0, :] + self._mixed(states) if self.steps else states[..., 0, :]

    @property
    def _diverse(self) -> bool:
        return self.settings.kl_weight > 0 and self.states > 2

    def _mixed(self, states: Tensor) -> Tensor:
        """z: (..., T, d) raw states to (..., d)."""
        *rows, _, width = states.shape
        means = states[..., 1:, :].reshape(*rows, self.settings.streams, self.steps, width).mean(-2)  # (..., M, d)
        if self.own is None:
            return means.mean(-2)
        return (self.own(states[..., 0, :]).softmax(-1)[..., None] * means).sum(-2)

    def _scored(self, raw: Tensor) -> Tensor:
        """z, or r_0 without steps, from raw states."""
        return self._mixed(raw) if self.steps else raw[..., 0, :]

    def _catalogue_loss(self, reasoned: Reasoned, catalogue: Catalogue, *, kl: bool = True) -> CatalogueTerms:
        scored = reasoned.queries(self._scored(reasoned.raw))[:, None]  # (R, 1, d)
        paired = kl and self._diverse
        states = torch.cat([reasoned.states[:, 1:], scored], 1) if paired else scored
        count = states.shape[1]
        pairs = (count - 1) * (count - 2)
        apart = -self.settings.kl_weight / pairs if paired else 0.0
        weights = [[apart * (i != j) for j in range(count - 1)] + [0.0] for i in range(count - 1)]
        return catalogue_loss(
            states,
            catalogue.vectors,
            reasoned.targets,
            temperatures=(catalogue.temperature,) * count,
            ce_weights=unit(count),
            kl_weights=[*weights, [0.0] * count] if paired else None,
        )

    def _contrastive(self, reasoned: Reasoned, again: Tensor, catalogue: Catalogue) -> Tensor:
        """InfoNCE between z of the two computations, without its weight."""
        first, second = (reasoned.queries(self._scored(raw))[:, None] for raw in (reasoned.raw, again))
        masked = self.settings.same_user_negatives == "mask"
        users = reasoned.users if masked else None
        return info_nce(second, first, temperature=catalogue.temperature, users=users)
