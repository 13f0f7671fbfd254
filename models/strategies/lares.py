"""LARES's self-supervised training (Liu et al. 2025, arXiv 2505.16865) on the steps of any backbone.

A training batch takes a drawn number of steps, Poisson with a log-normal rate: min(Poisson(rate), 3 m - 1), rate
log-normal with mean m = `train_steps` and sigma 0.5. r_0 is the first of the paper's passes, which has 1 + Poisson of
them, at most 3 m. Ranking takes K. Loss: CE of the last state; plus alpha times the symmetric InfoNCE between the last
states of two rows with the same target, the second drawn from the training rows, the row itself where it is alone; plus
gamma times the symmetric InfoNCE between the last state and one of the row's states, drawn for the batch, where it has
more than one. InfoNCE is on cosines over tau, against the other rows of the batch. Readout: the last state. Without
steps it is Base. Reference code: BishopLiu/LARES, and RecBole 3.0 (`model/lares`).

Deviations: the code computes the row once more for the two InfoNCE, with its own depth, noise and dropout; here they
take the states of the cross-entropy, which saves a third. Other rows of a user are no negatives where users are packed.
The second stage, reinforcement learning, is left out.

Cost: two encodings and about 2 m steps in training, K at inference; B N d + 4 B^2 d. The second rows come from
everywhere: packing does not help them, and a packed batch costs as much as its rows one by one. trajectory_weight: 0
leaves them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..losses import info_nce
from .base import last_state_cross_entropy
from .contract import Catalogue, Reasoned, Reasoning, Strategy
from .settings import LARESSettings

_SIGMA = 0.5  # of the logarithm of the rate


class LARES(Strategy):
    """Steps of a drawn number, whose states agree with those of rows with the same target and with one another."""

    Settings = LARESSettings
    settings: LARESSettings

    def reasoning(self, epoch: int) -> Reasoning:
        """States are fed back bare, so often as the batch draws, for two rows with the same target."""
        if self.steps == 0:
            return Reasoning(positions=False)
        return Reasoning(
            positions=False,
            same_target=self.settings.trajectory_weight > 0,
            depth=partial(draw_depth, mean=self.settings.training_steps(self.steps)),
        )

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """The cross-entropy and the two InfoNCE, which are logged without their weights."""
        parts = self._parts(reasoned, catalogue)
        total = sum((weight * part for weight, part in parts.values()), start=torch.zeros(()).to(reasoned.raw))
        return total, {name: float(part.detach()) for name, (_, part) in parts.items()}

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The cross-entropy, and the InfoNCE that are on."""
        return {name: weight * part for name, (weight, part) in self._parts(reasoned, catalogue).items()}

    def _parts(self, reasoned: Reasoned, catalogue: Catalogue) -> dict[str, tuple[float, Tensor]]:
        """Each term of the loss with its weight."""
        parts = {"cross_entropy": (1.0, last_state_cross_entropy(reasoned, catalogue))}
        last, count = reasoned.states[:, -1], reasoned.states.shape[1]
        if reasoned.partner is not None:
            other = reasoned.queries(reasoned.partner[:, -1])
            parts["trajectory"] = (self.settings.trajectory_weight, self._aligned(last, other, reasoned))
        if self.steps and self.settings.step_weight:
            drawn = reasoned.states[:, int(reasoned.chance * count)]
            aligned = self._aligned(last, drawn, reasoned) if count > 1 else last.new_zeros(())
            parts["step"] = (self.settings.step_weight, aligned)
        return parts

    def _aligned(self, one: Tensor, other: Tensor, reasoned: Reasoned) -> Tensor:
        """The InfoNCE between (R, d) states and their counterparts, the mean of both directions."""
        users = reasoned.users if self.settings.same_user_negatives == "mask" else None
        first, second = (F.normalize(states, dim=-1)[:, None] for states in (one, other))
        pairs = ((first, second), (second, first))
        temperature = self.settings.contrastive_temperature
        there, back = (info_nce(queries, keys, temperature=temperature, users=users) for queries, keys in pairs)
        return (there + back) / 2


def draw_depth(generator: torch.Generator, *, mean: float) -> int:
    """The steps of a batch: Poisson with a log-normal rate of this mean, at most 3 mean - 1."""
    normal = torch.randn((), generator=generator, dtype=torch.float64)
    rate = (math.log(mean) - _SIGMA**2 / 2 + _SIGMA * normal).exp()
    return min(int(torch.poisson(rate, generator=generator)), int(3 * mean) - 1)
