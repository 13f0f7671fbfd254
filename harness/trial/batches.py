"""Rows to batches on the device: gathers from one flat array, padded as little as the histories allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...models.backbones.contract import Histories
from ...models.strategies.contract import Interactions
from ..datasets.data.dataset import Dataset, Split
from ..utils.seeds import stream_seed

# Tokens of one forward pass; a CPU's caches need fewer than a GPU's cores. Without gradients less is kept, and the
# steps need many rows.
_CPU_TOKENS = 4096
_CPU_TOKENS_WITHOUT_GRADIENTS = 16384
_CUDA_TOKENS = 262144
# Users differ more in length than rows do: the share of their chunk's tokens that must be real once it is not small.
_MIN_REAL = 0.85
_FEW_TOKENS = 1024


@dataclass(frozen=True)
class Chunk:
    """Histories that go through the encoder together, and the rows that they belong to.

    Attributes:
        histories: G groups.
        rows: (r,) row numbers in the split, in the order of `select`.
        select: (r,) indices into the G * Q query positions; None where they are all of them, in order.
    """

    histories: Histories
    rows: NDArray[np.int64]
    select: Tensor | None

    def pick(self, states: Tensor) -> Tensor:
        """(G, Q, ...) to (r, ...): the states of the rows."""
        flat = states.flatten(0, 1)
        return flat if self.select is None else flat[self.select]


class SplitReader:
    """Batches of one split; keeps the flat array on the device.

    With packing, rows whose histories are prefixes of one another (the same start after the cut to max_len) are one
    group that is encoded once; a history longer than max_len starts elsewhere and is its own group.
    """

    def __init__(
        self, dataset: Dataset, split: Split, *, max_len: int, device: torch.device, packed: bool = False
    ) -> None:
        self._flat = torch.from_numpy(dataset.flat.astype(np.int64)).to(device)
        self._padding = dataset.num_items
        self._device = device
        self._packed = packed
        self.split = split
        self.starts = np.maximum(split.starts, split.ends - max_len)
        self.lengths = split.ends - self.starts
        self.targets = torch.from_numpy(split.targets.astype(np.int64)).to(device)
        self.users = torch.from_numpy(split.users.astype(np.int64)).to(device)
        self.last = self._flat[torch.from_numpy(split.ends - 1).to(device)]

    def __len__(self) -> int:
        return len(self.split)

    def whole_histories(self, rows: NDArray[np.int64]) -> Tensor:
        """(r, L) the items of some rows' histories, those before the last max_len too; N is padding."""
        starts = self.split.starts[rows]
        return self._histories(starts, self.split.ends[rows] - starts, every_prefix=False).items

    def interactions(self) -> Interactions:
        """Which users have which items in whole histories and targets of the rows, and nowhere else."""
        split = self.split
        order = np.lexsort((split.ends, split.starts))
        begins, ends = split.starts[order], split.ends[order]
        longest = np.append(begins[1:] != begins[:-1], True)  # a row with the same start and a later end has its items
        begins, lengths = begins[longest], (ends - begins)[longest]
        offsets = np.repeat(begins - (np.cumsum(lengths) - lengths), lengths)
        items = self._flat[torch.from_numpy(np.arange(lengths.sum()) + offsets).to(self._device)].cpu().numpy()
        users = np.repeat(split.users[order][longest], lengths).astype(np.int64)
        size = self._padding
        both = np.concatenate([users * size + items, split.users.astype(np.int64) * size + split.targets])
        pairs = np.unique(both)
        return Interactions(pairs // size, pairs % size, size)

    def same_target(self, rows: NDArray[np.int64], generator: torch.Generator) -> NDArray[np.int64]:
        """(r,) for each row another one of the split with the same target, drawn at random; itself if there is none."""
        order, place, first, counts = self._by_target
        mine, alike = place[rows], counts[self.split.targets[rows]]
        start = first[self.split.targets[rows]]
        drawn = torch.rand(len(rows), generator=generator, dtype=torch.float64).numpy()
        other = start + (drawn * (alike - 1)).astype(np.int64)  # one of those that are left without the row itself
        return order[np.where(alike > 1, other + (other >= mine), mine)]

    @cached_property
    def _by_target(self) -> tuple[NDArray[np.int64], ...]:
        """The rows sorted by target, the place of each row there; by item, where its rows begin, and how many."""
        order = np.argsort(self.split.targets, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        counts = np.bincount(self.split.targets, minlength=self._padding)
        return order, place, counts.cumsum() - counts, counts

    def batches(self, batch_size: int, *, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
        """Row numbers of each batch of an epoch, in the order that (seed, epoch) decides.

        Args:
            batch_size: target rows; packed: whole users until it is reached.
            seed: the trial's.
            epoch: counted from 1.
        """
        generator = np.random.Generator(np.random.PCG64(stream_seed(seed, "order", epoch)))
        if not self._packed:
            order = generator.permutation(len(self))
            for start in range(0, len(order), batch_size):
                yield order[start : start + batch_size]
            return
        by_user = np.argsort(self.split.users, kind="stable")
        _, first, counts = np.unique(self.split.users[by_user], return_index=True, return_counts=True)
        batch: list[NDArray[np.int64]] = []
        size = 0
        for user in generator.permutation(len(first)):
            batch.append(by_user[first[user] : first[user] + counts[user]])
            size += int(counts[user])
            if size >= batch_size:
                yield np.concatenate(batch)
                batch, size = [], 0
        if batch:
            yield np.concatenate(batch)

    def chunks(self, rows: NDArray[np.int64]) -> Iterator[Chunk]:
        """The chunks of some rows: each row in exactly one of them, those of like length together."""
        if not self._packed:
            yield from self._single(rows)
            return
        order = np.lexsort((self.lengths[rows], self.starts[rows]))
        rows = rows[order]
        _, first, counts = np.unique(self.starts[rows], return_index=True, return_counts=True)
        alone = counts == 1
        yield from self._single(rows[first[alone]])
        yield from self._grouped(rows, first[~alone], counts[~alone])

    def _single(self, rows: NDArray[np.int64]) -> Iterator[Chunk]:
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        for part in _by_tokens(self.lengths[rows], self._tokens):
            chosen = rows[part]
            yield Chunk(self._histories(self.starts[chosen], self.lengths[chosen], every_prefix=False), chosen, None)

    def _grouped(self, rows: NDArray[np.int64], first: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[Chunk]:
        """Groups of rows that share a start; `rows` is sorted by start and length."""
        longest = self.lengths[rows[first + counts - 1]]
        order = np.argsort(longest, kind="stable")
        first, counts, longest = first[order], counts[order], longest[order]
        for part in _by_tokens(longest, self._tokens, least_real=_MIN_REAL):
            width = int(longest[part].max())
            chosen = np.concatenate([rows[f : f + c] for f, c in zip(first[part], counts[part], strict=True)])
            group = np.repeat(np.arange(len(first[part])), counts[part])
            select = torch.from_numpy(group * width + self.lengths[chosen] - 1).to(self._device)
            starts = self.starts[rows[first[part]]]
            yield Chunk(self._histories(starts, longest[part], every_prefix=True), chosen, select)

    @property
    def _tokens(self) -> int:
        if self._device.type != "cpu":
            return _CUDA_TOKENS
        return _CPU_TOKENS if torch.is_grad_enabled() else _CPU_TOKENS_WITHOUT_GRADIENTS

    def _histories(self, starts: NDArray[np.int64], lengths: NDArray[np.int64], *, every_prefix: bool) -> Histories:
        offsets = torch.arange(int(lengths.max()), device=self._device)
        start = torch.from_numpy(starts).to(self._device)[:, None]
        length = torch.from_numpy(lengths).to(self._device)
        inside = offsets[None, :] < length[:, None]
        items = self._flat[torch.where(inside, start + offsets, start)]
        return Histories(torch.where(inside, items, self._padding), length, every_prefix)


def _by_tokens(lengths: NDArray[np.int64], tokens: int, *, least_real: float = 0.0) -> Iterator[slice]:
    """Slices of ascending lengths such that (rows x longest) stays within `tokens` and little of it is padding."""
    start = 0
    count = len(lengths)
    while start < count:
        end, real = start + 1, int(lengths[start])
        while end < count:
            longest = int(lengths[end])
            padded = (end + 1 - start) * longest
            wasteful = padded > _FEW_TOKENS and real + longest < least_real * padded
            if padded > tokens or wasteful:
                break
            real += longest
            end += 1
        yield slice(start, end)
        start = end
