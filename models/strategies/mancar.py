"""ManCAR (Yang et al. 2026, arXiv 2602.20093) without its context, after its code (FuCongResearchSquad/ManCAR).

A teacher tells each state which items are near: q_k is the softmax of -rank / gamma_k over the target (rank 0) and the
ten neighbours (1 to 10) of the history's last item, by Swing similarity on the training rows (`models/swing.py`);
gamma_k = gamma (K + 1 - k) shrinks linearly, so that q_K is the sharpest. Loss: the mean over k = 0..K of CE(r_k) at
the score temperature times (k + 1)^2, plus lambda times the sum over k of KL(q_k || p_k), p_k at the score
temperature. A state is fed back at the mean length of the items' vectors. Readout: r_K.

Not taken over: the context (neighbours' vectors in front of the history); item vectors that the loss does not train,
renewed once an epoch (here they are trained as everywhere); a trained factor for each dimension of a state fed back;
the padding item in the place of missing neighbours (here the teacher goes without them). Where the target is a
neighbour too, it has the mass of both ranks, as there. Without steps (K = 0) nothing is taught: base. The rule that
stops once KL(p_(k-1) || p_k) is small is one of adaptive depth's (`harness/analysis/early_exit.py`).

Cost: the backbone's, K cached steps, 2 (K + 1) B N d; the table once before training.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..losses import catalogue_loss
from ..swing import swing_neighbours
from .contract import Catalogue, Interactions, Reasoned, Reasoning, Strategy
from .settings import ManCARSettings


class ManCAR(Strategy):
    """Every step is supervised, and taught by items near the last one.

    Attributes:
        neighbours: (N, n) int64, -1 for none; what `prepare` counts.
    """

    Settings = ManCARSettings
    settings: ManCARSettings
    neighbours: Tensor

    def prepare(self, seen: Interactions) -> None:
        """Count the neighbours of all items."""
        if self._taught:
            count = self.settings.neighbours
            table = swing_neighbours(seen.users, seen.items, num_items=seen.num_items, count=count)
            self.neighbours = torch.from_numpy(table)

    def reasoning(self, epoch: int) -> Reasoning:
        """Position embeddings, and states fed back at the length of items."""
        return Reasoning(rescale=self.settings.rescale)

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """The cross-entropies and the teacher's term, which is logged without its weight."""
        cross_entropy = self._supervised(reasoned, catalogue)
        named = {"cross_entropy": float(cross_entropy.detach())}
        if not self._taught:
            return cross_entropy, named
        kl = self._divergence(reasoned, catalogue)
        return cross_entropy + self.settings.kl_weight * kl, {**named, "kl": float(kl.detach())}

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The cross-entropies, and the teacher's term where there is one."""
        terms = {"cross_entropy": self._supervised(reasoned, catalogue)}
        if self._taught:
            terms["kl"] = self.settings.kl_weight * self._divergence(reasoned, catalogue)
        return terms

    @property
    def _taught(self) -> bool:
        return self.steps > 0 and self.settings.kl_weight > 0

    def _supervised(self, reasoned: Reasoned, catalogue: Catalogue) -> Tensor:
        """The mean of the cross-entropies at their rising temperatures."""
        count = reasoned.states.shape[1]
        return catalogue_loss(
            reasoned.states,
            catalogue.vectors,
            reasoned.targets,
            temperatures=[catalogue.temperature * (step + 1) ** self.settings.rise for step in range(count)],
            ce_weights=(1 / count,) * count,
        ).total

    def _divergence(self, reasoned: Reasoned, catalogue: Catalogue) -> Tensor:
        """The sum over states of KL(q_k || p_k), without its weight.

        With s the scores over the temperature, it is sum q log q + CE(target) + s_target - sum q s.
        """
        states, temperature = reasoned.states, catalogue.temperature
        count = states.shape[1]
        near, teacher = self._teacher(reasoned)
        cross_entropy = catalogue_loss(
            states,
            catalogue.vectors,
            reasoned.targets,
            temperatures=(temperature,) * count,
            ce_weights=(1.0,) * count,
        ).total
        teacher = teacher.to(catalogue.vectors.dtype)
        away = catalogue.vectors[reasoned.targets][:, None] - teacher @ catalogue.vectors[near]  # (R, T, d)
        apart = (states * away).sum(-1) / temperature + torch.xlogy(teacher, teacher).sum(-1)  # (R, T)
        return cross_entropy + apart.sum(1).mean()

    def _teacher(self, reasoned: Reasoned) -> tuple[Tensor, Tensor]:
        """(R, 1 + n) the target and its neighbours, any item for none; (R, T, 1 + n) q_k, which is 0 there."""
        self.neighbours = self.neighbours.to(reasoned.last.device)
        near = torch.cat([reasoned.targets[:, None], self.neighbours[reasoned.last]], 1)
        count, ranks = reasoned.states.shape[1], torch.arange(near.shape[1], device=near.device)
        gammas = self.settings.gamma * (count - torch.arange(count, device=near.device, dtype=torch.float64))
        logits = (-ranks / gammas[:, None]).masked_fill((near < 0)[:, None], float("-inf"))  # (R, T, 1 + n)
        teacher = logits.softmax(-1)
        again = (near == near[:, :1])[:, None] & (ranks > 0)  # (R, 1, 1 + n), the target among its neighbours
        target = (teacher * (again | (ranks == 0))).sum(-1, keepdim=True)
        teacher = torch.where(ranks == 0, target, teacher * ~again)
        return near.clamp(min=0), teacher
