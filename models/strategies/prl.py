"""PRL, Progressive Reasoning Learning (paper, section 3.3): annealed temperatures (PTA), contrastive denoising (RCL).

recipe paper: sum over k = 0..K of CE at tau * alpha^(K - k) (eq. 6 and 9), plus InfoNCE between noised and clean states
at the same step, summed over k = 1..K, at tau (eq. 11); noise of variance gamma = noise_std^2 on each step's input,
whose state comes from the noised view itself (eq. 10). Both views share the encoded history.
recipe released: CE of r_K, plus the *mean* over the earlier states of CE at the annealed temperatures, plus the *mean*
over steps of InfoNCE from the epoch after `warmup_epochs`; the noised view encodes the history again and starts each
step from the clean view's last state; the padding row is a class of the training softmax; score temperature 0.07.
recipe recbole (RecBole 3.0, 71b0d83): the released one without the padding class and without warm-up; what it says of
the run, such as patience 2, at most 10 epochs and the history masked in ranking, belongs to a suite (`erl.py`).
In all, `supervision_weight` multiplies the cross-entropies of the earlier states, `contrastive_weight` the InfoNCE.
All temperatures multiply the score temperature. InfoNCE compares the states as they are scored: raw ones under a dot
product, as in eq. 11, and of length one under a cosine, whose temperature is meant for such
(docs/measurements/log.md). Readout: r_K (section 3.3.3).

Cost: the backbone's, 2 K cached steps (and a second encoding but in the paper's recipe), (K + 1) B N d + K B^2 d.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..losses import catalogue_loss, info_nce
from .contract import Catalogue, Reasoned, Reasoning, Strategy
from .settings import PRLSettings


class PRL(Strategy):
    """Steps sharpen progressively, and learn to undo noise."""

    Settings = PRLSettings
    settings: PRLSettings

    def reasoning(self, epoch: int) -> Reasoning:
        """Position embeddings, and a noised view once the contrastive term is on."""
        contrastive = self.settings.contrasts and self.steps > 0 and epoch > self.settings.warmup_epochs
        return Reasoning(
            noise_std=self.settings.noise_std if contrastive else None,
            noise_from_clean=self._averages,
            second_encoding=self._averages,
            shared_masks=self.settings.noise_masks == "shared",
            padding_class=self.settings.recipe == "released",
        )

    @property
    def _averages(self) -> bool:
        """Whether sums over states and steps are means, and the views part as in the released code."""
        return self.settings.recipe != "paper"

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """Equation 12, or what the code of the recipe computes; the contrastive term is logged without its weight."""
        supervised = self._supervised(reasoned, catalogue)
        named = {"cross_entropy": float(supervised.detach())}
        if reasoned.noised is None:
            return supervised, named
        contrastive = self._contrastive(reasoned, reasoned.noised, catalogue)
        total = supervised + self.settings.contrastive_weight * contrastive
        return total, {**named, "contrastive": float(contrastive.detach())}

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The cross-entropies, and the contrastive term where it is on."""
        supervised = self._supervised(reasoned, catalogue)
        if reasoned.noised is None:
            return {"cross_entropy": supervised}
        contrastive = self._contrastive(reasoned, reasoned.noised, catalogue)
        return {"cross_entropy": supervised, "contrastive": self.settings.contrastive_weight * contrastive}

    def _supervised(self, reasoned: Reasoned, catalogue: Catalogue) -> Tensor:
        """The cross-entropies of all states at their temperatures."""
        count = reasoned.states.shape[1]
        earlier = self.settings.supervision_weight * (1 / max(count - 1, 1) if self._averages else 1.0)
        return catalogue_loss(
            reasoned.states,
            catalogue.vectors,
            reasoned.targets,
            temperatures=self._annealed(catalogue.temperature, count),
            ce_weights=(*((earlier,) * (count - 1)), 1.0),
        ).total

    def temperatures(self, temperature: float) -> tuple[float, ...]:
        """The score temperature times tau * alpha^(K - k) (eq. 9)."""
        return self._annealed(temperature, self.steps + 1)

    def _annealed(self, temperature: float, count: int) -> tuple[float, ...]:
        base = self.settings.temperature * temperature
        decay = self.settings.decay if self.settings.annealing else 1.0
        return tuple(base * decay ** (count - 1 - k) for k in range(count))

    def _contrastive(self, reasoned: Reasoned, noised: Tensor, catalogue: Catalogue) -> Tensor:
        """InfoNCE between the views, without its weight."""
        masked = self.settings.same_user_negatives == "mask"
        contrastive = info_nce(
            reasoned.queries(noised),
            reasoned.states[:, 1:],
            temperature=self.settings.temperature * catalogue.temperature,
            users=reasoned.users if masked else None,
        )
        return contrastive / noised.shape[1] if self._averages else contrastive
