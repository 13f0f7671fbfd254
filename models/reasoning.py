"""The ReaRec loop (paper, section 3.1.2): encode the history once, then K cached steps on the model's own states."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .backbones.contract import Backbone, Histories
from .layers import dropout_stream
from .strategies.contract import Reasoning, Strategy


class ReasoningModel(nn.Module):
    """A backbone, its reasoning position embeddings, and what the strategy trains of its own.

    Attributes:
        steps: K.
        triggers: (M, d), what each stream adds to r_0; None for the one chain.
        own: `Strategy.module`.
        rescale: whether states are fed back at the items' mean length.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        steps: int,
        positions: bool,
        streams: int | None = None,
        own: nn.Module | None = None,
        rescale: bool = False,
    ) -> None:
        """Join a backbone with K steps.

        Args:
            backbone: the sequence encoder.
            steps: K >= 0.
            positions: whether steps have position embeddings P^R, (K, d) (eq. 4).
            streams: M; see `Reasoning`.
            own: see `Strategy.module`.
            rescale: see `Reasoning`.
        """
        super().__init__()
        self.backbone = backbone
        self.steps = steps
        width = backbone.width
        self.reasoning_positions = nn.Parameter(torch.empty(steps, width)) if positions and steps else None
        self.triggers = nn.Parameter(torch.empty(streams, width)) if streams and steps else None
        self.own = own
        self.rescale = rescale

    @classmethod
    def of(cls, backbone: Backbone, strategy: Strategy, *, epoch: int = 1) -> ReasoningModel:
        """What a strategy needs in an epoch around a backbone; the strategy knows its own part from then on."""
        wanted = strategy.reasoning(epoch)
        strategy.own = strategy.module(backbone.width)
        return cls(
            backbone,
            steps=strategy.steps,
            positions=wanted.positions,
            streams=wanted.streams,
            own=strategy.own,
            rescale=wanted.rescale,
        )

    def reason(self, histories: Histories, *, steps: int | None = None) -> Tensor:
        """All states without a noised view: (G, Q, T, d); T = K + 1, or 1 + M K with M streams."""
        states, _ = self.reason_twice(histories, Reasoning(), None, steps=steps)
        return states

    def reason_twice(
        self,
        histories: Histories,
        reasoning: Reasoning,
        generator: torch.Generator | None,
        *,
        steps: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """All states, and those of the noised view where the strategy asks for one.

        Args:
            histories: G groups with Q query positions each.
            reasoning: what the strategy needs.
            generator: source of the noise (eq. 10), on the model's device or on the CPU.
            steps: how many are taken where the batch has drawn its own; None for K.

        Returns:
            (G, Q, T, d) raw states r_0..r_K, and (G, Q, K, d) noised states of steps 1..K or None.
        """
        first, cache = self.backbone.encode(histories)
        if self.triggers is not None:
            return torch.stack(self._streams(first, cache, self.triggers), 2), None
        if reasoning.noise_std is None or self.steps == 0:
            return torch.stack(self._steps(first, cache, self.steps if steps is None else steps), 2), None
        noises = [self._noise(first, reasoning.noise_std, generator) for _ in range(self.steps)]
        apart = reasoning.second_encoding or reasoning.noise_from_clean or reasoning.shared_masks
        together = None if apart else self.backbone.side_by_side(cache, 2)
        if together is not None:
            return self._both(first, together, noises)
        masks = dropout_stream(self.backbone) if reasoning.shared_masks else None
        again = contextlib.nullcontext() if masks is None else masks.again(masks.state())
        clean = self._steps(first, cache, self.steps)
        if reasoning.second_encoding:
            _, cache = self.backbone.encode(histories)
        with again:
            noised = self._noised(clean, cache, noises, from_clean=reasoning.noise_from_clean)
        return torch.stack(clean, 2), torch.stack(noised, 2)

    def _steps(self, first: Tensor, cache: Any, count: int) -> list[Tensor]:
        """The states r_0..r_count, each (G, Q, d)."""
        states = [first]
        for step in range(count):
            state, cache = self.backbone.advance(self._input(states[-1], step), cache)
            states.append(state)
        return states

    def _streams(self, first: Tensor, cache: Any, triggers: Tensor) -> list[Tensor]:
        """r_0, then the states of each stream, each (G, Q, d); streams do not see each other.

        A stream starts at r_0 plus its trigger, and each step adds the state that it started from.
        """
        count = len(triggers)
        together = self.backbone.side_by_side(cache, count)
        starts = [first + trigger for trigger in triggers]
        if together is None:
            chains = [self._chain(start, cache) for start in starts]
        else:
            states = self._chain(torch.cat(starts, 1), together)  # each (G, M Q, d)
            chains = [list(chain) for chain in zip(*(state.chunk(count, 1) for state in states), strict=True)]
        return [first, *(state for chain in chains for state in chain)]

    def _chain(self, start: Tensor, cache: Any) -> list[Tensor]:
        """The K states after `start`."""
        states = [start]
        for step in range(self.steps):
            state, cache = self.backbone.advance(self._input(states[-1], step), cache)
            states.append(state + states[-1])
        return states[1:]

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
        """Equation 4: the last state, at the items' mean length where that is asked for, plus the step's position.

        That mean has no gradient, and takes as long as the scores of one row.
        """
        if self.rescale:
            state = F.normalize(state, dim=-1) * self.backbone.item_vectors().detach().norm(dim=-1).mean()
        return state if self.reasoning_positions is None else state + self.reasoning_positions[step]
