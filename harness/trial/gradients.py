"""How the terms of a loss compare where they enter the encoder: the gradient of each by the encoder's states."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch

from ...models.strategies.contract import Catalogue, Reasoned, Strategy

EVERY = 100
"""Batches from one comparison to the next in a trial. One costs at most what the loss of one and a half steps does."""


def term_gradients(strategy: Strategy, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, float]:
    """Norm of the gradient of each of `Strategy.terms`, by the raw states of the batch, clean and noised ones together.

    The states are cut off from the model: nothing is added to its gradients, and nothing is drawn.
    """
    raw = reasoned.raw.detach().requires_grad_()
    noised = None if reasoned.noised is None else reasoned.noised.detach().requires_grad_()
    states = [raw] if noised is None else [raw, noised]
    with torch.enable_grad():
        cut = dataclasses.replace(reasoned, states=reasoned.queries(raw), raw=raw, noised=noised)
        terms = strategy.terms(cut, Catalogue(catalogue.vectors.detach(), catalogue.temperature))
        return {name: _norm(term, states) for name, term in terms.items()}


def _norm(term: torch.Tensor, states: list[torch.Tensor]) -> float:
    if not term.requires_grad:
        return 0.0
    by_states = torch.autograd.grad(term, states, retain_graph=True, allow_unused=True)
    return float(torch.stack([grad.float().square().sum() for grad in by_states if grad is not None]).sum().sqrt())
