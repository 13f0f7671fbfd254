"""Softmax losses over the catalogue and over the batch, with their gradients, in bounded memory.

A dense loss keeps several (R, T, N) matrices for its backward pass. Here rows are taken in chunks, and each chunk's
gradient is written down in closed form while its logits are there: nothing of size N outlives its chunk but the one
gradient of the items. On a CPU a chunk's items are taken in tiles that stay in the cache from one operation to the
next; a matrix product whose result has rows of length N also takes twice as long as one whose result is a tile.

The first pass over the tiles makes logits, exponentials and their sums, each row shifted by the largest logit of its
tile; the sums of all tiles are then put together as those of one softmax. The second pass makes the gradients. Three
matrix products and one exponential per logit are what is left; everything else is done in place, in buffers that all
chunks share.

Logits are to the base 2 in here: queries are multiplied by log2 e, losses by ln 2. On an x86 CPU torch.exp takes twice
as long as torch.exp2, and 10 to 50 times as long where it underflows, as it does for sharp or diverging models.

Shapes: R rows, b rows of a chunk, T states, d width, N items, J tiles, n items of a tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LN_2 = math.log(2)

# Rows and items of one matrix product on a CPU (tests/benchmarks/losses.py --chunks). Other devices have no such cache
# and want large products: all items are one tile there, and memory alone bounds the rows.
_CPU_PRODUCT_ROWS = 384
_CPU_TILE_ITEMS = 1008
_LINE_ITEMS = 16
_MIN_PRODUCT_ROWS = 48
_CPU_BUFFER_BYTES = 128 << 20
_DEVICE_BUFFER_BYTES = 256 << 20


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
        to_queries = inverse_temperatures[:, None] / _LN_2  # (T, 1)
        queries = (states * to_queries).contiguous()  # (R, T, d)
        grads = _Gradients.like(queries, items, wanted=ctx.needs_input_grad)
        buffers = 1 if divergence is None else 2
        work = _Work.plan(queries, items, rows_per_chunk, buffers=buffers, kept=grads.wanted)
        ce, total, kl = (states.new_zeros(()) for _ in range(3))
        for chunk in work.chunks:
            flat = queries[chunk].flatten(0, 1)  # (b * T, d)
            labels = targets[chunk].repeat_interleave(count)  # (b * T,)
            weights = (ce_weights * (_LN_2 / rows)).repeat(len(flat) // count)  # (b * T,)
            part = grads.of_rows(chunk)
            if divergence is None:
                cross_entropy = _cross_entropy(flat, items, labels, weights, work, part)
                total += cross_entropy
            else:
                mean = replace(divergence, weights=divergence.weights * (_LN_2 / rows))
                cross_entropy, weighted, unweighted = _cross_entropy_and_divergence(
                    flat, items, labels, weights, mean, work, part
                )
                total += cross_entropy + weighted
                kl += unweighted
            ce += cross_entropy
        ctx.grads = grads.of_unscaled(to_queries)
        kl *= _LN_2 / rows
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
        own = torch.arange(rows, device=queries.device)
        weights = queries.new_full((rows,), _LN_2 / rows)
        to_scaled = 1 / (temperature * _LN_2)
        scaled = queries * to_scaled  # (K, R, d)
        grads = _Gradients.like(scaled, keys, wanted=ctx.needs_input_grad)
        work = _Work.plan(scaled[0, :, None], keys[0], rows_per_chunk, buffers=1, kept=grads.wanted)
        loss = queries.new_zeros(())
        for chunk in work.chunks:
            hidden = None
            if users is not None:
                hidden = (users[chunk, None] == users) & (own[chunk, None] != own)  # (b, R)
            for step in range(steps):
                part = grads.of_step(step).of_rows(chunk)
                loss += _cross_entropy(scaled[step, chunk], keys[step], own[chunk], weights[chunk], work, part, hidden)
        ctx.grads = grads.of_unscaled(to_scaled)
        return loss

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
        return cls(torch.zeros_like(queries) if wanted[0] else None, torch.zeros_like(items) if wanted[1] else None)

    @property
    def wanted(self) -> bool:
        return self.queries is not None or self.items is not None

    def of_step(self, step: int) -> _Gradients:
        return _Gradients(*(None if grad is None else grad[step] for grad in (self.queries, self.items)))

    def of_rows(self, chunk: slice) -> _Gradients:
        return _Gradients(None if self.queries is None else self.queries[chunk], self.items)

    def of_unscaled(self, scale: Tensor | float) -> tuple[Tensor | None, Tensor | None]:
        """The gradient of the scaled queries becomes that of the states."""
        return None if self.queries is None else self.queries.mul_(scale), self.items

    def add(self, tile: slice, by_logits: Tensor, queries: Tensor, items: Tensor) -> None:
        """From d loss / d logits, (b * T, n), to queries, (b * T, d), and the tile's items, (n, d)."""
        if self.queries is not None:
            self.queries.view(queries.shape).addmm_(by_logits, items)
        if self.items is not None:
            self.items[tile].addmm_(by_logits.t(), queries)


@dataclass(frozen=True)
class _Work:
    """How rows and items are cut, and the memory that all chunks share.

    Attributes:
        chunks: of rows.
        tiles: of items.
        memory: one line per buffer; a tile of a buffer is contiguous.
        kept: whether a buffer holds all tiles of a chunk, or one at a time.
    """

    chunks: tuple[slice, ...]
    tiles: tuple[slice, ...]
    memory: Tensor
    kept: bool

    @classmethod
    def plan(cls, queries: Tensor, items: Tensor, rows_per_chunk: int | None, *, buffers: int, kept: bool) -> _Work:
        """For queries (R, T, d) and items (N, d)."""
        rows, states = queries.shape[:2]
        count = items.shape[0]
        on_cpu = items.device.type == "cpu"
        if rows_per_chunk is None:
            limit = _CPU_BUFFER_BYTES if on_cpu else _DEVICE_BUFFER_BYTES
            product_rows = max(_MIN_PRODUCT_ROWS, limit // (count * items.element_size()))
            rows_per_chunk = max(1, (min(product_rows, _CPU_PRODUCT_ROWS) if on_cpu else product_rows) // states)
        chunks = _cut(rows, rows_per_chunk)
        tiles = _cut_tiles(count) if on_cpu else _slices(count, count)
        size = chunks[0].stop * states * (count if kept else tiles[0].stop)
        return cls(chunks, tiles, queries.new_empty(buffers, size), kept)

    def matrix(self, buffer: int, tile: slice, rows: int) -> Tensor:
        """One tile of a buffer, (rows, n)."""
        start = tile.start * rows if self.kept else 0
        return self.memory[buffer, start : start + rows * (tile.stop - tile.start)].view(rows, -1)


def _cut(count: int, max_size: int) -> tuple[slice, ...]:
    """As few slices as `max_size` allows, of nearly equal size."""
    return _slices(count, -(-count // -(-count // max_size)))


def _cut_tiles(count: int) -> tuple[slice, ...]:
    """Likewise, but each line of a tile begins a cache line, and an odd number of cache lines after the one before.

    An even number, and 1,024 items above all, would put the lines of a tile into the same few places of a cache.
    """
    size = _cut(count, _CPU_TILE_ITEMS)[0].stop
    return _slices(count, size + (_LINE_ITEMS - size) % (2 * _LINE_ITEMS))


def _slices(count: int, size: int) -> tuple[slice, ...]:
    return tuple(slice(start, min(count, start + size)) for start in range(0, count, size))


@dataclass(frozen=True)
class _Softmax:
    """The softmax of a chunk's logits, of each tile and row: (J, b * T, 1).

    Attributes:
        label: place of the row's target in the tile; 0 if it is in another.
        inside: whether the target is in the tile.
        top: the tile's largest logit; where all are hidden, the lowest finite number.
        mass: sum of the powers of 2 of the tile's logits less `top`.
        target: logit at `label` less `top`.
    """

    label: Tensor
    inside: Tensor
    top: Tensor
    mass: Tensor
    target: Tensor

    @classmethod
    def over(cls, tiles: tuple[slice, ...], labels: Tensor, queries: Tensor) -> _Softmax:
        """Memory for all tiles; `take` fills it."""
        size = tiles[0].stop
        home = (labels // size).clamp(0, len(tiles) - 1)  # (b * T,); a label that is no item's fails in `take`
        inside = home == torch.arange(len(tiles), device=labels.device)[:, None]  # (J, b * T)
        label = torch.where(inside, labels - home * size, 0)
        numbers = queries.new_empty(3, *label.shape, 1)
        return cls(label[..., None], inside[..., None], *numbers)

    def take(self, index: int, logits: Tensor, odds: Tensor) -> None:
        """A tile's logits, (b * T, n), become those less `top`, `odds` their powers of 2; both may be one tensor."""
        torch.amax(logits, 1, keepdim=True, out=self.top[index])
        logits -= self.top[index].clamp_(min=torch.finfo(logits.dtype).min)
        torch.gather(logits, 1, self.label[index], out=self.target[index])
        torch.exp2(logits, out=odds)
        torch.sum(odds, 1, keepdim=True, out=self.mass[index])

    def joined(self) -> tuple[Tensor, Tensor, Tensor]:
        """The softmax of all tiles, with logits less the largest of their row.

        Returns:
            `top` less that largest, (J, b * T, 1); the sum of their powers of 2 and the target's logit, (b * T, 1).
        """
        shift = self.top - self.top.amax(0)
        mass = (self.mass * shift.exp2()).sum(0)  # at least 1
        return shift, mass, torch.where(self.inside, self.target + shift, 0.0).sum(0)


def _cross_entropy(
    queries: Tensor,
    items: Tensor,
    labels: Tensor,
    weights: Tensor,
    work: _Work,
    grads: _Gradients,
    hidden: Tensor | None = None,
) -> Tensor:
    """Weighted sum of the cross-entropies of queries (b * T, d); logits that `hidden` marks leave the softmax."""
    rows = len(queries)
    weight = weights[:, None]  # (b * T, 1)
    softmax = _Softmax.over(work.tiles, labels, queries)
    for index, tile in enumerate(work.tiles):
        logits = torch.mm(queries, items[tile].t(), out=work.matrix(0, tile, rows))  # (b * T, n)
        if hidden is not None:
            logits.masked_fill_(hidden[:, tile], float("-inf"))
        softmax.take(index, logits, odds=logits)
    shift, mass, target = softmax.joined()
    if grads.wanted:
        scale = shift.exp2() * (weight / mass)  # (J, b * T, 1)
        at_target = torch.where(softmax.inside, -weight, 0.0)  # (J, b * T, 1)
        for index, tile in enumerate(work.tiles):
            by_logits = work.matrix(0, tile, rows).mul_(scale[index])  # (b * T, n)
            by_logits.scatter_add_(1, softmax.label[index], at_target[index])
            grads.add(tile, by_logits, queries, items[tile])
    return ((mass.log2() - target) * weight).sum()


@contextmanager
def _unrounded() -> Iterator[None]:
    """Where torch rounds no factor of a float32 product to bfloat16 on a CPU, as it may around here.

    Of products of a few states: rounded they take four times as long, and a divergence is a small difference of them.
    """
    switch: Any = getattr(torch.backends.mkldnn, "matmul", None)  # newer than the oldest torch
    before = getattr(switch, "fp32_precision", None)
    if before != "bf16":
        yield
        return
    switch.fp32_precision = "ieee"
    try:
        yield
    finally:
        switch.fp32_precision = before


def _cross_entropy_and_divergence(
    queries: Tensor,
    items: Tensor,
    labels: Tensor,
    weights: Tensor,
    divergence: Divergence,
    work: _Work,
    grads: _Gradients,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted sum of the cross-entropies, weighted and unweighted sum of the KL terms, of queries (b * T, d).

    Let z be logits less the largest of their row, Z_i = sum_n 2^z_i and X_ij = sum_n p_i z_j. Then KL_ij, to the base
    2, is X_ii - X_ij - log Z_i + log Z_j, and its gradient is ln 2 p_i ((z_i - X_ii) - (z_j - X_ij)) with respect to
    z_i and p_j - p_i with respect to z_j: no logarithm of a probability, so none of an underflown one. Over all pairs
    that is p_i (sum_j M_ij (z_j - X_ij)) + sum_j w_ji (p_i - p_j), with M = ln 2 (diag(sum_j w_ij) - w): two products
    of (T, T) by (T, n) matrices per row and tile. What a tile holds is z - shift, so that p = 2^(held + shift) / Z.
    """
    kl_weights = divergence.weights
    each = (-1, len(kl_weights))  # b * T becomes b, T
    softmax = _Softmax.over(work.tiles, labels, queries)
    products = []  # of (b, T, T)
    for index, tile in enumerate(work.tiles):
        logits, odds = (work.matrix(buffer, tile, len(queries)) for buffer in (0, 1))  # (b * T, n)
        torch.mm(queries, items[tile].t(), out=logits)
        softmax.take(index, logits, odds)
        with _unrounded():
            products.append(torch.unflatten(odds, 0, each) @ torch.unflatten(logits, 0, each).transpose(1, 2))
    shift, mass, target = (torch.unflatten(part, -2, each) for part in softmax.joined())
    scale = shift.exp2() / mass  # (J, b, T, 1)
    cross = torch.stack(products) + torch.unflatten(softmax.mass, 1, each) * shift.transpose(2, 3)  # (J, b, T, T)
    cross = (cross * scale).sum(0)  # (b, T, T), X_ij
    log_mass = mass.log2()  # (b, T, 1)
    kl = cross.diagonal(dim1=1, dim2=2)[:, :, None] - cross - log_mass + log_mass.transpose(1, 2)  # (b, T, T)

    if grads.wanted:
        mixing = _LN_2 * (kl_weights.sum(1).diag() - kl_weights)  # (T, T), M
        offset = mixing @ shift - (mixing * cross).sum(2, keepdim=True)  # (J, b, T, 1)
        offset += weights.view(-1, each[1], 1)
        if divergence.both:
            offset += kl_weights.sum(0)[:, None]
        offset *= scale
        at_target = torch.where(softmax.inside, -weights[:, None], 0.0)  # (J, b * T, 1)
        spare = torch.empty_like(work.matrix(0, work.tiles[0], len(queries))).flatten()
        for index, tile in enumerate(work.tiles):
            logits, odds = (work.matrix(buffer, tile, len(queries)) for buffer in (0, 1))
            by_logits = torch.unflatten(spare[: logits.numel()].view_as(logits), 0, each)  # (b, T, n)
            with _unrounded():
                torch.baddbmm(offset[index], mixing * scale[index], torch.unflatten(logits, 0, each), out=by_logits)
                by_logits *= torch.unflatten(odds, 0, each)
                if divergence.both:
                    by_logits.baddbmm_(-kl_weights.t() * scale[index].transpose(1, 2), torch.unflatten(odds, 0, each))
            by_logits = by_logits.flatten(0, 1)  # (b * T, n)
            by_logits.scatter_add_(1, softmax.label[index], at_target[index])
            grads.add(tile, by_logits, queries, items[tile])
    weighted = (kl * kl_weights).sum()
    return ((log_mass - target).flatten() * weights).sum(), weighted, (kl * (kl_weights != 0)).sum()
