"""The ReaRec loop (paper, section 3.1.2): encode the history once, then K cached steps on the model's own states."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from .backbones.contract import Backbone, Histories
from .layers import dropout_stream
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
        if reasoning.noise_std is None or self.steps == 0:
            return torch.stack(self._steps(first, cache), 2), None
        noises = [self._noise(first, reasoning.noise_std, generator) for _ in range(self.steps)]
        apart = reasoning.second_encoding or reasoning.noise_from_clean or reasoning.shared_masks
        together = None if apart else self.backbone.side_by_side(cache, 2)
        if together is not None:
            return self._both(first, together, noises)
        masks = dropout_stream(self.backbone) if reasoning.shared_masks else None
        again = contextlib.nullcontext() if masks is None else masks.again(masks.state())
        clean = self._steps(first, cache)
        if reasoning.second_encoding:
            _, cache = self.backbone.encode(histories)
        with again:
            noised = self._noised(clean, cache, noises, from_clean=reasoning.noise_from_clean)
        return torch.stack(clean, 2), torch.stack(noised, 2)

    def _steps(self, first: Tensor, cache: Any) -> list[Tensor]:
        """The states r_0..r_K, each (G, Q, d)."""
        states = [first]
        for step in range(self.steps):
            state, cache = self.backbone.advance(self._input(states[-1], step), cache)
            states.append(state)
        return states

    def _both(self, first: Tensor, cache: Any, noises: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Clean and noised view in one step each, as twice as many query positions."""
        states = [torch.cat([first, first], 1)]  # (G, 2 Q, d)
        for step, noise in enumerate(noises):
            inputs = self._input(states[-1], step) + torch.cat([torch.zeros_like(noise), noise], 1)
            state, cache = self.backbone.advance(inputs, cache)
            states.append(state)
        clean, noised = torch.stack(states, 2).chunk(2, 1)  # each (G, Q, T, d)
        return clean, noised[:, :, 1:]

    def _noised(self, clean: list[Tensor], cache: Any, noises: list[Tensor], *, from_clean: bool) -> list[Tensor]:
        """The noised view's states of steps 1..K after the clean ones, each (G, Q, d)."""
        states = [clean[0]]
        for step, noise in enumerate(noises):
            source = clean[step] if from_clean else states[-1]
            state, cache = self.backbone.advance(self._input(source, step) + noise, cache)
            states.append(state)
        return states[1:]

    @staticmethod
    def _noise(like: Tensor, std: float, generator: torch.Generator | None) -> Tensor:
        """Normal noise of a state's shape, the same on every device where the generator is the CPU's."""
        return torch.empty(like.shape, dtype=like.dtype).normal_(0, std, generator=generator).to(like.device)

    def _input(self, state: Tensor, step: int) -> Tensor:
        """Equation 4: the last state plus the step's position embedding."""
        return state if self.reasoning_positions is None else state + self.reasoning_positions[step]
