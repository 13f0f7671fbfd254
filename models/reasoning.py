"""The ReaRec loop (paper, section 3.1.2): encode the history once, then K cached steps on the model's own states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .backbones.contract import Backbone, Histories
from .strategies.contract import Reasoning


class ReasoningModel(nn.Module):
    """A backbone and its reasoning position embeddings.

    Attributes:
        steps: K.
    """

    def __init__(self, backbone: Backbone, *, steps: int, positions: bool) -> None:
        """Join a backbone with K steps.

        Args:
            backbone: the sequence encoder.
            steps: K >= 0.
            positions: whether steps have position embeddings P^R, (K, d) (eq. 4).
        """
        super().__init__()
        self.backbone = backbone
        self.steps = steps
        self.reasoning_positions = nn.Parameter(torch.empty(steps, backbone.width)) if positions and steps else None

    def reason(self, histories: Histories) -> Tensor:
        """All states without a noised view: (G, Q, T, d)."""
        states, _ = self.reason_twice(histories, Reasoning(), None)
        return states

    def reason_twice(
        self, histories: Histories, reasoning: Reasoning, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """All states, and those of the noised view where the strategy asks for one.

        Args:
            histories: G groups with Q query positions each.
            reasoning: what the strategy needs.
            generator: source of the noise (eq. 10), on the model's device or on the CPU.

        Returns:
            (G, Q, T, d) raw states r_0..r_K, and (G, Q, K, d) noised states of steps 1..K or None.
        """
        first, cache = self.backbone.encode(histories)
        clean = [first]
        clean_cache = cache
        for step in range(self.steps):
            state, clean_cache = self.backbone.advance(self._input(clean[-1], step), clean_cache)
            clean.append(state)
        states = torch.stack(clean, 2)
        if reasoning.noise_std is None or self.steps == 0:
            return states, None
        noised_cache = cache
        if reasoning.second_encoding:
            _, noised_cache = self.backbone.encode(histories)
        noised = [first]
        for step in range(self.steps):
            source = clean[step] if reasoning.noise_from_clean else noised[-1]
            noise = torch.empty(source.shape, dtype=source.dtype).normal_(0, reasoning.noise_std, generator=generator)
            state, noised_cache = self.backbone.advance(
                self._input(source, step) + noise.to(source.device), noised_cache
            )
            noised.append(state)
        return states, torch.stack(noised[1:], 2)

    def _input(self, state: Tensor, step: int) -> Tensor:
        """Equation 4: the last state plus the step's position embedding."""
        return state if self.reasoning_positions is None else state + self.reasoning_positions[step]
