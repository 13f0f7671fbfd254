"""Softmax losses over the catalogue and over the batch, with their gradients, in bounded memory.

A dense loss keeps several (R, T, N) matrices for its backward pass. Here rows are taken in chunks small enough for
the cache; each chunk's gradient is written down in closed form while its logits are there, so that nothing of size N
outlives its chunk except the one gradient of the items.

Shapes: R rows, b rows of a chunk, T states, d width, N items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CPU_CHUNK_BYTES = 8 << 20
_DEVICE_CHUNK_BYTES = 256 << 20


@dataclass(frozen=True)
class Divergence:
    """Pairwise KL terms between the states of one row.

    Attributes:
        weights: (T, T), w_ij multiplies KL(p_i || p_j); the diagonal is zero.
        both: gradients flow through both arguments; False: through p_i alone.
    """

    weights: Tensor
    both: bool


def chunk_rows(row_bytes: int, device: torch.device) -> int:
    """How many rows one chunk takes, so that its working memory stays near a constant.

    Args:
        row_bytes: working memory of one row.
        device: where the chunk lives: CPU chunks should fit the cache, others only the memory.
    """
    budget = _CPU_CHUNK_BYTES if device.type == "cpu" else _DEVICE_CHUNK_BYTES
    return max(1, budget // max(1, row_bytes))


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
        """Returns total, cross-entropy and KL, all three means over rows."""
        needs_states, needs_items = ctx.needs_input_grad[:2]
        queries = states * inverse_temperatures[:, None]  # (R, T, d)
        grads = _Gradients.empty(queries, items, needs_states=needs_states, needs_items=needs_items)
        rows = states.shape[0]
        ce = states.new_zeros(())
        kl = states.new_zeros(())
        total = states.new_zeros(())
        if divergence is not None:
            divergence = Divergence(divergence.weights / rows, both=divergence.both)
        for chunk in _chunks(queries, items, rows_per_chunk, buffers=1 if divergence is None else 3):
            labels = targets[chunk, None].expand(-1, states.shape[1]).reshape(-1)  # (b * T,)
            if divergence is None:
                losses = _cross_entropy_chunk(queries[chunk], items, labels, ce_weights / rows, grads, chunk)
                ce += losses
                total += losses
            else:
                part = _divergence_chunk(queries[chunk], items, labels, ce_weights / rows, divergence, grads, chunk)
                ce += part[0]
                total += part[0] + part[1]
                kl += part[2] / rows
        if grads.queries is not None:
            grads.queries.mul_(inverse_temperatures[:, None])
        ctx.grads = (grads.queries, grads.items)
        ctx.mark_non_differentiable(ce, kl)
        return total, ce, kl

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, total: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the forward pass, scaled."""
        by_states, by_items = ctx.grads
        return (
            None if by_states is None else by_states * total,
            None if by_items is None else by_items * total,
            *(None,) * 5,
        )


class ContrastiveLoss(torch.autograd.Function):
    """Cross-entropy of each query against the keys of all rows, its own row's key being the target."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, users: Tensor | None, inverse_temperature: float, per_chunk: int | None
    ) -> Tensor:
        """Returns the mean over rows of the sum over the K steps; queries and keys are (K, R, d)."""
        needs_queries, needs_keys = ctx.needs_input_grad[:2]
        steps, rows, _ = queries.shape
        weights = queries.new_full((1,), 1.0 / rows)
        own = torch.arange(rows, device=queries.device)
        by_queries = torch.empty_like(queries) if needs_queries else None
        by_keys = torch.zeros_like(keys) if needs_keys else None
        loss = queries.new_zeros(())
        for step in range(steps):
            scaled = (queries[step] * inverse_temperature)[:, None]  # (R, 1, d)
            grads = _Gradients(
                None if by_queries is None else by_queries[step, :, None], None if by_keys is None else by_keys[step]
            )
            for chunk in _chunks(scaled, keys[step], per_chunk, buffers=1):
                hidden = None
                if users is not None:
                    hidden = users[chunk, None] == users  # (b, R)
                    hidden &= own[chunk, None] != own
                loss += _cross_entropy_chunk(scaled[chunk], keys[step], own[chunk], weights, grads, chunk, hidden)
        if by_queries is not None:
            by_queries *= inverse_temperature
        ctx.grads = (by_queries, by_keys)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the forward pass, scaled."""
        by_queries, by_keys = ctx.grads
        return (
            None if by_queries is None else by_queries * loss,
            None if by_keys is None else by_keys * loss,
            *(None,) * 3,
        )


@dataclass(frozen=True)
class _Gradients:
    """Where the chunks leave their gradients; None where none is asked for."""

    queries: Tensor | None  # (R, T, d)
    items: Tensor | None  # (N, d)

    @staticmethod
    def empty(queries: Tensor, items: Tensor, *, needs_states: bool, needs_items: bool) -> _Gradients:
        return _Gradients(
            torch.empty_like(queries) if needs_states else None, torch.zeros_like(items) if needs_items else None
        )

    @property
    def wanted(self) -> bool:
        return self.queries is not None or self.items is not None

    def add(self, chunk: slice, by_logits: Tensor, row_scale: Tensor, queries: Tensor, items: Tensor) -> None:
        """From d loss / d logits = row_scale * by_logits (b * T, N) to queries and items."""
        if self.queries is not None:
            by_queries = by_logits.mm(items).mul_(row_scale)  # (b * T, d)
            self.queries[chunk] = by_queries.view(-1, *self.queries.shape[1:])
        if self.items is not None:
            self.items.addmm_(by_logits.t(), queries * row_scale)  # (N, d)


def _chunks(queries: Tensor, items: Tensor, rows_per_chunk: int | None, *, buffers: int) -> Iterator[slice]:
    rows, states = queries.shape[:2]
    row_bytes = states * items.shape[0] * items.element_size() * buffers
    size = rows_per_chunk or chunk_rows(row_bytes, items.device)
    for start in range(0, rows, size):
        yield slice(start, min(rows, start + size))


def _cross_entropy_chunk(
    queries: Tensor,
    items: Tensor,
    labels: Tensor,
    weights: Tensor,
    grads: _Gradients,
    chunk: slice,
    hidden: Tensor | None = None,
) -> Tensor:
    """Weighted sum of the chunk's cross-entropies; `hidden` (b * T, N) logits leave the softmax."""
    rows = queries.shape[0]
    flat = queries.reshape(-1, queries.shape[-1])  # (b * T, d)
    weight = weights.repeat(rows)[:, None]  # (b * T, 1)
    label = labels[:, None]  # (b * T, 1)
    logits = flat.mm(items.t())  # (b * T, N)
    if hidden is not None:
        logits.masked_fill_(hidden, float("-inf"))
    peak = logits.amax(1, keepdim=True)
    logits -= peak
    target = logits.gather(1, label)
    mass = logits.exp_().sum(1, keepdim=True)  # logits are now unnormalised probabilities
    loss = ((mass.log() - target) * weight).sum()
    if grads.wanted:
        logits.scatter_(1, label, logits.gather(1, label) - mass)  # (p - 1[target]) * mass
        grads.add(chunk, logits, weight / mass, flat, items)
    return loss


def _divergence_chunk(
    queries: Tensor,
    items: Tensor,
    labels: Tensor,
    weights: Tensor,
    divergence: Divergence,
    grads: _Gradients,
    chunk: slice,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted sum of the chunk's cross-entropies, weighted and unweighted sum of its KL terms (over all rows' count).

    With z centred on each state's largest logit, Z its sum of exponentials and X_ij = sum_n p_i z_j:
    KL_ij = X_ii - X_ij - log Z_i + log Z_j, and the gradient with respect to z_i is
    p_i (sum_j w_ij ((z_i - X_ii) - (z_j - X_ij))) + sum_j w_ji (p_i - p_j): no logarithm of a probability anywhere.
    """
    rows, states, _ = queries.shape
    flat = queries.reshape(rows * states, -1)  # (b * T, d)
    label = labels[:, None]
    logits = flat.mm(items.t())  # (b * T, N)
    logits -= logits.amax(1, keepdim=True)
    target = logits.gather(1, label)
    odds = logits.exp()  # (b * T, N), p * Z
    mass = odds.sum(1, keepdim=True)
    log_mass = mass.log()
    ce = ((log_mass - target).view(rows, states) * weights).sum()

    logits3, odds3 = logits.view(rows, states, -1), odds.view(rows, states, -1)  # (b, T, N)
    mass3 = mass.view(rows, states, 1)
    cross = odds3.bmm(logits3.transpose(1, 2)).div_(mass3)  # (b, T, T), X_ij
    log3 = log_mass.view(rows, states, 1)
    kl = cross.diagonal(dim1=1, dim2=2)[:, :, None] - cross - log3 + log3.transpose(1, 2)  # (b, T, T)
    scale = divergence.weights
    weighted = (kl * scale).sum()
    plain = (kl * (scale != 0)).sum()  # not yet divided by the number of all rows

    if grads.wanted:
        mixing = scale.sum(1).diag() - scale  # (T, T), M: sum_j M_ij z_j = sum_j w_ij (z_i - z_j)
        offset = -(mixing * cross).sum(2, keepdim=True) + weights[:, None]  # (b, T, 1)
        if divergence.both:
            offset = offset + scale.sum(0)[:, None]
        by_logits = torch.baddbmm(offset / mass3, mixing / mass3, logits3).mul_(odds3)  # (b, T, N)
        if divergence.both:
            by_logits.baddbmm_((-scale.t()) / mass3.transpose(1, 2), odds3)
        flat_grad = by_logits.view(rows * states, -1)
        weight = weights.repeat(rows)[:, None]
        flat_grad.scatter_(1, label, flat_grad.gather(1, label) - weight)
        grads.add(chunk, flat_grad, torch.ones_like(mass), flat, items)
    return ce, weighted, plain
