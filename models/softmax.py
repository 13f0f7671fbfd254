"""Softmax losses over the catalogue and over the batch, with their gradients, in bounded memory.

A dense loss keeps several (R, T, N) matrices for its backward pass. Here rows are taken in chunks small enough for
the cache, and each chunk's gradient is written down in closed form while its logits are there: nothing of size N
outlives its chunk but the one gradient of the items. Three matrix products and one exponential per logit are what is
left; everything else is done in place, in buffers that all chunks share.

Shapes: R rows, b rows of a chunk, T states, d width, N items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# One buffer of a chunk (tests/benchmarks/losses.py --chunks): matrix products want at least 48 rows, the passes
# between them want the cache. Other devices have no such cache and want large products.
_CPU_BUFFER_BYTES = 4 << 20
_DEVICE_BUFFER_BYTES = 256 << 20
_LEAST_PRODUCT_ROWS = 48


@dataclass(frozen=True)
class Divergence:
    """Pairwise KL terms between the states of one row.

    Attributes:
        weights: (T, T), w_ij multiplies KL(p_i || p_j); the diagonal is zero.
        both: gradients flow through both arguments; False: through p_i alone.
    """

    weights: Tensor
    both: bool


class CatalogueLoss(torch.autograd.Function):
    """Weighted cross-entropies of T states per row plus weighted KL terms between them."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        items: Tensor,
        targets: Tensor,
        inverse_temperatures: Tensor,
        ce_weights: Tensor,
        divergence: Divergence | None,
        rows_per_chunk: int | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns total, weighted cross-entropy and unweighted KL, all means over rows."""
        rows, count, _ = states.shape
        queries = (states * inverse_temperatures[:, None]).contiguous()  # (R, T, d)
        grads = _Gradients.like(queries, items, wanted=ctx.needs_input_grad)
        ce, total, kl = (states.new_zeros(()) for _ in range(3))
        buffers = 1 if divergence is None else 3 if grads.wanted else 2
        for chunk, work in _chunks(queries, items, rows_per_chunk, buffers=buffers):
            labels = targets[chunk].repeat_interleave(count)  # (b * T,)
            if divergence is None:
                cross_entropy = _cross_entropy(queries[chunk], items, labels, ce_weights, work[0], chunk, grads)
                total += cross_entropy
            else:
                cross_entropy, weighted, unweighted = _cross_entropy_and_divergence(
                    queries[chunk], items, labels, ce_weights, divergence, work, chunk, grads
                )
                total += cross_entropy + weighted
                kl += unweighted
            ce += cross_entropy
        ctx.grads = grads.mean_over(rows, inverse_temperatures[:, None])
        total, ce, kl = (term / rows for term in (total, ce, kl))
        ctx.mark_non_differentiable(ce, kl)
        return total, ce, kl

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, total: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients that the forward pass left, scaled."""
        return (*(None if grad is None else grad * total for grad in ctx.grads), *(None,) * 5)


class ContrastiveLoss(torch.autograd.Function):
    """Cross-entropy of each query against the keys of all rows, its own row's key being the target."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, users: Tensor | None, temperature: float, rows_per_chunk: int | None
    ) -> Tensor:
        """Returns the mean over rows of the sum over the K steps; queries and keys are (K, R, d)."""
        steps, rows, _ = queries.shape
        weight = queries.new_ones(1)
        own = torch.arange(rows, device=queries.device)
        scaled = (queries / temperature)[:, :, None]  # (K, R, 1, d)
        grads = _Gradients.like(scaled, keys, wanted=ctx.needs_input_grad)
        loss = queries.new_zeros(())
        for step in range(steps):
            for chunk, work in _chunks(scaled[step], keys[step], rows_per_chunk, buffers=1):
                hidden = None
                if users is not None:
                    hidden = (users[chunk, None] == users) & (own[chunk, None] != own)  # (b, R)
                loss += _cross_entropy(
                    scaled[step, chunk], keys[step], own[chunk], weight, work[0], chunk, grads.of_step(step), hidden
                )
        by_queries, by_keys = grads.mean_over(rows, 1.0 / temperature)
        ctx.grads = (None if by_queries is None else by_queries[:, :, 0], by_keys)
        return loss / rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients that the forward pass left, scaled."""
        return (*(None if grad is None else grad * loss for grad in ctx.grads), *(None,) * 3)


@dataclass(frozen=True)
class _Gradients:
    """Where the chunks leave their gradients; None where none is asked for."""

    queries: Tensor | None  # (R, T, d)
    items: Tensor | None  # (N, d)

    @classmethod
    def like(cls, queries: Tensor, items: Tensor, *, wanted: tuple[bool, ...]) -> _Gradients:
        return cls(torch.empty_like(queries) if wanted[0] else None, torch.zeros_like(items) if wanted[1] else None)

    @property
    def wanted(self) -> bool:
        return self.queries is not None or self.items is not None

    def of_step(self, step: int) -> _Gradients:
        return _Gradients(*(None if grad is None else grad[step] for grad in (self.queries, self.items)))

    def mean_over(self, rows: int, query_scale: Tensor | float) -> tuple[Tensor | None, Tensor | None]:
        """The sums become means, and the gradient of the scaled queries that of the states."""
        return (
            None if self.queries is None else self.queries.mul_(query_scale).div_(rows),
            None if self.items is None else self.items.div_(rows),
        )

    def add(self, chunk: slice, by_logits: Tensor, queries: Tensor, items: Tensor, scale: Tensor | None) -> None:
        """From d loss / d logits = by_logits * scale, (b * T, N) and (b * T, 1), to queries and items."""
        if self.queries is not None:
            by_queries = by_logits.mm(items)  # (b * T, d)
            by_queries = by_queries if scale is None else by_queries.mul_(scale)
            self.queries[chunk] = by_queries.view(-1, *self.queries.shape[1:])
        if self.items is not None:
            self.items.addmm_(by_logits.t(), queries if scale is None else queries * scale)  # (N, d)


def _chunks(
    queries: Tensor, items: Tensor, rows_per_chunk: int | None, *, buffers: int
) -> Iterator[tuple[slice, Tensor]]:
    """Slices of rows, each with the same working memory: `buffers` matrices (b * T, N)."""
    rows, states = queries.shape[:2]
    width = items.shape[0]
    if rows_per_chunk is None:
        limit = _CPU_BUFFER_BYTES if items.device.type == "cpu" else _DEVICE_BUFFER_BYTES
        product_rows = max(_LEAST_PRODUCT_ROWS, limit // (width * items.element_size()))
        rows_per_chunk = max(1, product_rows // states)
    size = min(rows, rows_per_chunk)
    work = queries.new_empty((buffers, size * states, width))
    for start in range(0, rows, size):
        chunk = slice(start, min(rows, start + size))
        yield chunk, work[:, : (chunk.stop - start) * states]


def _cross_entropy(
    queries: Tensor,
    items: Tensor,
    labels: Tensor,
    weights: Tensor,
    logits: Tensor,
    chunk: slice,
    grads: _Gradients,
    hidden: Tensor | None = None,
) -> Tensor:
    """Weighted sum of the cross-entropies of queries (b, T, d); logits that `hidden` marks leave the softmax."""
    flat = queries.flatten(0, 1)  # (b * T, d)
    label = labels[:, None]  # (b * T, 1)
    weight = weights.repeat(len(queries))[:, None]  # (b * T, 1)
    torch.mm(flat, items.t(), out=logits)  # (b * T, N)
    if hidden is not None:
        logits.masked_fill_(hidden, float("-inf"))
    logits -= logits.amax(1, keepdim=True)
    target = logits.gather(1, label)
    odds = logits.exp_()
    mass = odds.sum(1, keepdim=True)  # (b * T, 1), at least 1
    if grads.wanted:
        odds.scatter_(1, label, target.exp() - mass)  # (p - [n = target]) * mass
        grads.add(chunk, odds, flat, items, weight / mass)
    return ((mass.log() - target) * weight).sum()


def _cross_entropy_and_divergence(
    queries: Tensor,
    items: Tensor,
    labels: Tensor,
    weights: Tensor,
    divergence: Divergence,
    work: Tensor,
    chunk: slice,
    grads: _Gradients,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted sum of the cross-entropies, weighted and unweighted sum of the KL terms, of queries (b, T, d).

    Let z be logits less the largest of their row, Z_i = sum_n exp z_i and X_ij = sum_n p_i z_j. Then
    KL_ij = X_ii - X_ij - log Z_i + log Z_j, and its gradient is p_i ((z_i - X_ii) - (z_j - X_ij)) with respect to
    z_i and p_j - p_i with respect to z_j: no logarithm of a probability, so none of an underflown one. Over all pairs
    that is p_i (sum_j M_ij (z_j - X_ij)) + sum_j w_ji (p_i - p_j), with M = diag(sum_j w_ij) - w: two products of
    (T, T) by (T, N) matrices per row.
    """
    rows, states, _ = queries.shape
    kl_weights = divergence.weights
    flat = queries.flatten(0, 1)  # (b * T, d)
    label = labels[:, None]  # (b * T, 1)
    torch.mm(flat, items.t(), out=work[0])  # (b * T, N)
    work[0] -= work[0].amax(1, keepdim=True)
    target = work[0].gather(1, label).view(rows, states, 1)
    torch.exp(work[0], out=work[1])
    logits, odds = (buffer.view(rows, states, -1) for buffer in work[:2])  # (b, T, N)
    mass = odds.sum(2, keepdim=True)  # (b, T, 1), at least 1
    log_mass = mass.log()
    cross = odds.bmm(logits.transpose(1, 2)).div_(mass)  # (b, T, T), X_ij
    kl = cross.diagonal(dim1=1, dim2=2)[:, :, None] - cross - log_mass + log_mass.transpose(1, 2)  # (b, T, T)

    if grads.wanted:
        mixing = kl_weights.sum(1).diag() - kl_weights  # (T, T), M
        offset = weights[:, None] - (mixing * cross).sum(2, keepdim=True)  # (b, T, 1)
        if divergence.both:
            offset = offset + kl_weights.sum(0)[:, None]
        by_logits = work[2].view(rows, states, -1)  # (b, T, N)
        torch.baddbmm(offset / mass, mixing / mass, logits, out=by_logits)
        by_logits *= odds
        if divergence.both:
            by_logits.baddbmm_(-kl_weights.t() / mass.transpose(1, 2), odds)
        work[2].scatter_add_(1, label, -weights.repeat(rows)[:, None])
        grads.add(chunk, work[2], flat, items, None)
    return ((log_mass - target).sum(2) * weights).sum(), (kl * kl_weights).sum(), (kl * (kl_weights != 0)).sum()
