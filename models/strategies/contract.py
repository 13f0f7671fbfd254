"""What a strategy tells the reasoning loop, and what it makes of the loop's states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..settings import StrategySettings


@dataclass(frozen=True)
class Reasoning:
    """What a strategy's reasoning needs.

    Attributes:
        positions: reasoning position embeddings P^R (eq. 4).
        noise_std: standard deviation of the noise of a second view; None for no such view (eq. 10).
        noise_from_clean: the noised view's input at step k starts from the clean view's last state (the released
            code) instead of the noised view's own (the paper).
        second_encoding: the noised view encodes the history again, with its own dropout (the released code).
        shared_masks: the noised view's steps have the dropout masks of the clean view's, instead of their own.
        padding_class: the padding row is one more class of the training softmax (the released code).
        streams: M, that many chains of K steps start from r_0, each from a trained vector of its own added to it, and
            each step adds its input's state (PLR); None for the one chain of eq. 4. Without a noised view.
        twice: everything is computed a second time, with its own dropout.
        rescale: a state is fed back at the mean length of the items' vectors (ManCAR).
        same_target: for each row, the states of another training row with the same target are computed as well, one
            drawn at random; of the row itself, with its own dropout, where there is no other.
        depth: draws how many steps a training batch takes, from the trial's generator on the CPU; None for K.
            Without position embeddings, a noised view and streams alone.
    """

    positions: bool = True
    noise_std: float | None = None
    noise_from_clean: bool = False
    second_encoding: bool = False
    shared_masks: bool = False
    padding_class: bool = False
    streams: int | None = None
    twice: bool = False
    rescale: bool = False
    same_target: bool = False
    depth: Callable[[torch.Generator], int] | None = None

    def __post_init__(self) -> None:
        """Refuse a drawn depth with what is made for K steps, and streams with the noised view that they lack."""
        if self.depth is not None and (self.positions or self.noise_std is not None or self.streams):
            raise ValueError("a drawn depth goes without position embeddings, a noised view and streams")
        if self.streams and self.noise_std is not None:
            raise ValueError("streams go without a noised view")


def _identity(states: Tensor) -> Tensor:
    return states


@dataclass(frozen=True)
class Reasoned:
    """A batch after reasoning; R rows, T states: K + 1, or with M streams 1 + M K, r_0 and stream after stream.

    With a drawn depth K is that of the batch.

    Attributes:
        states: (R, T, d) clean states r_0..r_K, as queries.
        raw: (R, T, d) the same before the backbone made queries of them.
        noised: (R, K, d) raw states of the noised view, steps 1..K; None where none was asked for.
        targets: (R,) int64.
        users: (R,) int64.
        queries: makes queries of raw states, (..., d) to (..., d): `Backbone.queries`.
        again: (R, T, d) raw states of the second computation; None where none was asked for.
        last: (R,) int64, the last item of each row's history.
        partner: (R, T, d) raw states of rows with the same targets; None where none were asked for.
        chance: drawn for the batch from [0, 1) where its depth is, for a choice of the strategy's own; else 0.
    """

    states: Tensor
    raw: Tensor
    noised: Tensor | None
    targets: Tensor
    users: Tensor
    queries: Callable[[Tensor], Tensor] = _identity
    again: Tensor | None = None
    last: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    partner: Tensor | None = None
    chance: float = 0.0


@dataclass(frozen=True)
class Interactions:
    """Which users have which items in the training rows, histories and targets: P distinct pairs, sorted.

    Attributes:
        users: (P,) int64.
        items: (P,) int64.
        num_items: N.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    num_items: int


@dataclass(frozen=True)
class Catalogue:
    """What states are scored against.

    Attributes:
        vectors: (N, d), or (N + 1, d) where the strategy asked for the padding class.
        temperature: scores are divided by it.
    """

    vectors: Tensor
    temperature: float


class Strategy:
    """A way to train and to read the reasoning steps.

    Attributes:
        settings: typed hyper-parameters.
        steps: K.
        own: what `module` gave, within the model that is trained; None before, and where there is none.
    """

    Settings: type[StrategySettings]
    own: Any = None

    def __init__(self, settings: Any, *, steps: int) -> None:
        self.settings = settings
        self.steps = steps

    @property
    def states(self) -> int:
        """T, how many states a row has."""
        return 1 + self.steps * (self.reasoning(1).streams or 1)

    def module(self, width: int) -> nn.Module | None:
        """Parameters of the strategy's own, trained and stored with the model's; None for none.

        Args:
            width: d, of the states.
        """
        return None

    def prepare(self, seen: Interactions) -> None:
        """Count what the loss needs of the training rows; called once, before training begins or goes on.

        Nothing of validation and test is in `seen`. The same rows have to give the same counts.
        """

    def reasoning(self, epoch: int) -> Reasoning:
        """What the loop has to provide in this epoch (counted from 1)."""
        return Reasoning()

    def loss(self, reasoned: Reasoned, catalogue: Catalogue) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of a batch.

        Returns:
            The scalar to minimise (mean over rows), and its named terms for the training history.
        """
        raise NotImplementedError

    def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> Mapping[str, Tensor]:
        """The terms of `loss` apart, each a scalar with its weight and its gradient; their sum is the loss.

        Asked for once in a while, so that the history says how their gradients compare; {} for no comparison. Draws
        nothing.
        """
        return {}

    def temperatures(self, temperature: float) -> tuple[float, ...]:
        """What the states r_0..r_K divide scores by, given the score temperature: for their entropy and margin."""
        return (temperature,) * self.states

    def readout(self, states: Tensor) -> Tensor:
        """The state that ranks: (..., T, d) raw states to (..., d)."""
        return states[..., -1, :]


def unit(count: int, position: int = -1) -> tuple[float, ...]:
    """`count` zeros with a one at `position`."""
    weights = [0.0] * count
    weights[position] = 1.0
    return tuple(weights)


def with_pooled(reasoned: Reasoned, states: Tensor) -> Tensor:
    """(R, T + 1, d): the states as queries, and as one more the query of the mean of `states`, (R, T, d)."""
    return torch.cat([reasoned.states, reasoned.queries(states.mean(1, keepdim=True))], 1)
