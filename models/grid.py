"""Tokens without padding for everything that works token by token, and the padded grid that attention wants.

Shapes: G groups, L length of the longest, T tokens, w any width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_WORTH_IT = 0.95
"""Grids with a larger share of tokens keep their padding: copying costs more."""


@dataclass(frozen=True)
class Grid:
    """Where the tokens of a batch stand.

    Attributes:
        groups: G.
        length: L.
        ends: (G,) number of each group's last token.
        places: (T,) place of each token among the G * L; None where every place counts as a token.
        holders: (G * L,) number of the token at each place, T where there is none; None as above.
    """

    groups: int
    length: int
    ends: Tensor
    places: Tensor | None = None
    holders: Tensor | None = None

    @classmethod
    def of(cls, lengths: Tensor, longest: int) -> Grid:
        """The grid of histories that are padded at the right.

        Args:
            lengths: (G,) int64.
            longest: L.
        """
        groups = len(lengths)
        last = lengths.cumsum(0)
        total = int(last[-1])
        if total >= _WORTH_IT * groups * longest:
            return cls(groups, longest, torch.arange(groups, device=lengths.device) * longest + lengths - 1)
        inside = (torch.arange(longest, device=lengths.device) < lengths[:, None]).flatten()
        holders = torch.where(inside, inside.cumsum(0) - 1, total)
        return cls(groups, longest, last - 1, inside.nonzero().flatten(), holders)

    def collect(self, grid: Tensor) -> Tensor:
        """The tokens alone: (G, L, w) to (T, w)."""
        flat = grid.flatten(0, 1)
        if self.places is None:
            return flat
        tokens: Tensor = _Collect.apply(flat, self.places, self.holders)  # type: ignore[no-untyped-call]
        return tokens

    def spread(self, tokens: Tensor) -> Tensor:
        """Tokens at their places: (T, w) to (G, L, w). What stands at the other places is finite and means nothing.

        No gradient comes back from those: attention masks them, so that theirs is zero.
        """
        if self.places is None:
            return tokens.view(self.groups, self.length, -1)
        grid: Tensor = _Spread.apply(tokens, self.places, self.holders)  # type: ignore[no-untyped-call]
        return grid.view(self.groups, self.length, -1)


class _Collect(torch.autograd.Function):
    """Rows of a grid, (G * L, w) to (T, w)."""

    @staticmethod
    def forward(ctx: Any, grid: Tensor, places: Tensor, holders: Tensor) -> Tensor:
        ctx.save_for_backward(holders)
        return grid.index_select(0, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (holders,) = ctx.saved_tensors
        return torch.cat([grad, grad.new_zeros(1, grad.shape[1])]).index_select(0, holders), None, None


class _Spread(torch.autograd.Function):
    """Tokens to the rows of a grid, (T, w) to (G * L, w); the last token stands where there is none."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, places: Tensor, holders: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return tokens.index_select(0, holders.clamp(max=len(tokens) - 1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return grad.index_select(0, places), None, None
