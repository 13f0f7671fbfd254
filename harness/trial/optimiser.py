"""The optimiser of a trial: Adam or AdamW, its learning rate from step to step, and the clipping of gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from ..records.spec import TrainingSettings


class Optimiser:
    """Changes a model's weights by their gradients."""

    def __init__(self, model: torch.nn.Module, settings: TrainingSettings) -> None:
        self._settings = settings
        self._parameters = list(model.parameters())
        self._steps = 0
        if settings.weight_decay:
            matrices = [parameter for parameter in self._parameters if parameter.ndim > 1]
            vectors = [parameter for parameter in self._parameters if parameter.ndim <= 1]
            groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
            decay = settings.weight_decay
            self._torch: torch.optim.Adam = torch.optim.AdamW(groups, lr=settings.lr, weight_decay=decay, fused=True)
        else:
            self._torch = torch.optim.Adam(self._parameters, lr=settings.lr, fused=True)

    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""
        self._torch.zero_grad(set_to_none=True)

    def step(self, epochs: float) -> None:
        """Take a step; `epochs` have been trained before it, such as 2.5 in the middle of the third."""
        settings = self._settings
        if settings.grad_clip:
            torch.nn.utils.clip_grad_norm_(self._parameters, settings.grad_clip)
        self._steps += 1
        if settings.warmup_steps or settings.schedule != "constant":
            rate = settings.lr * share_of_rate(settings, steps=self._steps, epochs=epochs)
            for group in self._torch.param_groups:
                group["lr"] = rate
        self._torch.step()

    def state(self) -> dict[str, Any]:
        """What the next step depends on, the weights apart."""
        return {"optimiser": self._torch.state_dict(), "steps": self._steps}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; those of checkpoints made before there was a warm-up have no number of steps."""
        self._torch.load_state_dict(state["optimiser"])
        self._steps = state.get("steps", 0)


def share_of_rate(settings: TrainingSettings, *, steps: int, epochs: float) -> float:
    """The share of `lr` with which step `steps`, counted from 1, is taken after so many epochs."""
    share = min(steps / settings.warmup_steps, 1.0) if settings.warmup_steps else 1.0
    if settings.schedule == "cosine":
        share *= 0.5 * (1 + math.cos(math.pi * min(epochs / settings.epoch_limit, 1.0)))
    return share
