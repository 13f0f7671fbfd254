"""Full ranking: the rank of the target by every state and by the readout, and what else is kept of each row.

Memory grows with rows x steps and with the items, never with rows x items (`ranking.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...models.backbones.contract import Backbone
from ...models.reasoning import ReasoningModel
from ...models.strategies.contract import Strategy
from ..records.results import Rows, TestEvidence, Traces, ValidationEvidence
from ..utils.seeds import stream_seed
from .batches import SplitReader
from .metrics import metrics_of
from .ranking import Ranker, Scores

TRACED_ROWS = 512
"""Rows whose states are kept: the evenly spaced ones of the split, and those of the users the suite names."""

_TOP = 10


@dataclass(frozen=True)
class Scorer:
    """How states are scored against all items, in fp32.

    Attributes:
        temperature: scores are divided by it, or by what the strategy makes of it for a step (it changes no rank, but
            entropies and margins).
        mask_history: leave the items of the whole history out, the target excepted.
    """

    backbone: Backbone
    temperature: float
    mask_history: bool

    def queries(self, states: Tensor) -> Tensor:
        """(r, S, d) raw states to queries in fp32."""
        return self.backbone.queries(states).float()

    def ranker(self, *, states: int, rows: int) -> Ranker:
        """All items in fp32; see `Ranker`."""
        return Ranker(self.backbone.item_vectors().float(), states=states, rows=rows)

    def score(self, ranker: Ranker, queries: Tensor, rows: NDArray[np.int64], reader: SplitReader) -> Scores:
        """Scores for some rows of a split, the history's items last where asked for."""
        scores = ranker.score(queries)
        if self.mask_history:
            scores.hide(reader.whole_histories(rows), keep=reader.targets[rows])
        return scores


@dataclass(frozen=True)
class _Part:
    """Rows that are ranked together: (r,) row numbers and (r, S, d) queries."""

    rows: NDArray[np.int64]
    queries: Tensor


def readout_ranks(model: ReasoningModel, strategy: Strategy, reader: SplitReader, scorer: Scorer) -> NDArray[np.int32]:
    """(R,) int32, 1-based: ranks of the targets by the readout alone, for early stopping after each epoch."""

    def parts() -> Iterator[_Part]:
        for chunk in reader.chunks(np.arange(len(reader))):
            states = chunk.pick(model.reason(chunk.histories))  # (r, T, d)
            yield _Part(chunk.rows, scorer.queries(_readout(strategy, states)[:, None]))

    ranks = np.empty(len(reader), np.int32)
    with _evaluating(model):
        ranker = scorer.ranker(states=1, rows=len(reader))
        for part in _together(parts(), ranker.rows):
            scores = scorer.score(ranker, part.queries, part.rows, reader)
            ranks[part.rows] = scores.ranks(reader.targets[part.rows])[:, 0].cpu().numpy()
    return ranks


def evidence(
    model: ReasoningModel,
    strategy: Strategy,
    reader: SplitReader,
    scorer: Scorer,
    *,
    seed: int,
    split: str,
    traced: bool,
    trace_users: tuple[int, ...] = (),
) -> ValidationEvidence | TestEvidence:
    """Everything that is stored of a split, as evidence of its own type.

    Args:
        seed: the trial's, for the noise of the control.
        split: "valid" or "test".
        traced: keep states of `TRACED_ROWS` rows (and of `trace_users`).
        trace_users: users whose rows are traced in any case.
    """
    count = strategy.states
    temperatures = step_temperatures(strategy, scorer.temperature)
    kept = _Kept(len(reader), count)
    tracing = _Tracing(
        _trace_rows(reader, trace_users) if traced else np.empty(0, np.int64), reader, (count, model.backbone.width)
    )
    similarity = torch.zeros(count, count, dtype=torch.float64)
    noise = torch.Generator().manual_seed(stream_seed(seed, "control", split))

    def parts() -> Iterator[_Part]:
        for chunk in reader.chunks(np.arange(len(reader))):
            states = chunk.pick(model.reason(chunk.histories))  # (r, T, d)
            readout = _readout(strategy, states)  # (r, d)
            similarity.add_(kept.likeness(chunk.rows, states))
            tracing.keep_states(chunk.rows, states)
            controls = _noised_copies(readout, states, noise)  # (r, T, d)
            own = () if torch.equal(readout, states[:, -1]) else (readout[:, None],)  # else ranked already
            yield _Part(chunk.rows, scorer.queries(torch.cat([states, *own, controls], 1)))  # (r, 2 T or 2 T + 1, d)

    with _evaluating(model):
        ranker = scorer.ranker(states=2 * count + 1, rows=len(reader))
        for part in _together(parts(), ranker.rows):
            scores = scorer.score(ranker, part.queries, part.rows, reader)
            best = kept.ranking(part.rows, scores, reader.targets[part.rows], temperatures)
            tracing.keep_items(part.rows, best)
    kind = ValidationEvidence if split == "valid" else TestEvidence
    return kind(
        readout=metrics_of(kept.readout_ranks),
        steps=tuple(metrics_of(kept.step_ranks[:, step]) for step in range(count)),
        similarity=tuple(tuple(float(v) for v in row) for row in similarity / max(len(reader), 1)),
        rows=kept.rows(reader),
        traces=tracing.traces() if traced else None,
    )


def step_temperatures(strategy: Strategy, temperature: float) -> tuple[float, ...]:
    """`Strategy.temperatures`; `ValueError` for another number of them than states, or one that is not above 0."""
    found = tuple(map(float, strategy.temperatures(temperature)))
    if len(found) != strategy.states or not min(found) > 0:
        kind = type(strategy).__name__
        raise ValueError(f"{kind} has the temperatures {found}; allowed: {strategy.states} numbers above 0")
    return found


def _readout(strategy: Strategy, states: Tensor) -> Tensor:
    """(r, T, d) states to the (r, d) that rank; `ValueError` for another shape."""
    readout, expected = strategy.readout(states), (len(states), states.shape[-1])
    if tuple(readout.shape) != expected:
        kind = type(strategy).__name__
        raise ValueError(f"the readout of {kind} has the shape {tuple(readout.shape)}; rows and width are {expected}")
    return readout


class _Kept:
    """The arrays of `Rows`, filled chunk by chunk."""

    def __init__(self, rows: int, count: int) -> None:
        self._count = count
        self.readout_ranks = np.empty(rows, np.int32)
        self.step_ranks = np.empty((rows, count), np.int32)
        self.control_ranks = np.empty((rows, count), np.int32)
        self.top_items = np.full((rows, _TOP), -1, np.int32)
        self.entropy = np.empty((rows, count), np.float16)
        self.margin = np.empty((rows, count), np.float16)
        self.cosine = np.empty((rows, count - 1), np.float16)
        self.divergence = np.empty((rows, count - 1), np.float16)

    def likeness(self, rows: NDArray[np.int64], states: Tensor) -> Tensor:
        """Keep the cosine of each step to the one before; (r, T, d) to (T, T), summed cosines of all pairs."""
        unit = F.normalize(states.double(), dim=-1)
        pairs = unit @ unit.transpose(1, 2)  # (r, T, T)
        self.cosine[rows] = _half(pairs.diagonal(1, 1, 2))
        return pairs.sum(0).cpu()

    def ranking(
        self, rows: NDArray[np.int64], scores: Scores, targets: Tensor, temperatures: tuple[float, ...]
    ) -> NDArray[np.int32]:
        """Store ranks and best items; scores are of T states, the readout unless it is the last state, T controls.

        Returns:
            (r, T, k) ids of each state's best items, best first.
        """
        count = self._count
        ranks = scores.ranks(targets).cpu().numpy()  # (r, 2 T or 2 T + 1)
        readout = ranks.shape[1] - count - 1
        self.step_ranks[rows] = ranks[:, :count]
        self.readout_ranks[rows] = ranks[:, readout]
        self.control_ranks[rows] = ranks[:, readout + 1 :]
        best = scores.best(readout + 1, _TOP)
        items = best.items.to(torch.int32).cpu().numpy()
        self.top_items[rows, : items.shape[-1]] = items[:, readout]
        highest = best.values[:, :count]
        entropy, divergence = scores.entropy(highest[..., 0], temperatures)
        self.entropy[rows], self.divergence[rows] = _half(entropy), _half(divergence)
        by = temperatures[0] if len(set(temperatures)) == 1 else highest.new_tensor(temperatures)
        self.margin[rows] = _half((highest[..., 0] - highest[..., 1]) / by)
        return items[:, :count]

    def rows(self, reader: SplitReader) -> Rows:
        return Rows(
            users=reader.split.users.astype(np.int32),
            items=reader.split.targets.astype(np.int32),
            readout_ranks=self.readout_ranks,
            step_ranks=self.step_ranks,
            top_items=self.top_items,
            entropy=self.entropy,
            margin=self.margin,
            cosine=self.cosine,
            control_ranks=self.control_ranks,
            divergence=self.divergence,
        )


class _Tracing:
    """States of the traced rows, and the best items by each."""

    def __init__(self, rows: NDArray[np.int64], reader: SplitReader, size: tuple[int, int]) -> None:
        """Of states of a size (T, d)."""
        count, width = size
        self._rows = rows
        self._place = np.full(len(reader), -1, np.int64)
        self._place[rows] = np.arange(len(rows))
        self._states = np.zeros((len(rows), count, width), np.float32)
        self._top = np.full((len(rows), count, _TOP), -1, np.int32)

    def keep_states(self, rows: NDArray[np.int64], states: Tensor) -> None:
        among = np.flatnonzero(self._place[rows] >= 0)
        self._states[self._place[rows[among]]] = states[torch.from_numpy(among).to(states.device)].float().cpu().numpy()

    def keep_items(self, rows: NDArray[np.int64], items: NDArray[np.int32]) -> None:
        among = np.flatnonzero(self._place[rows] >= 0)
        self._top[self._place[rows[among]], :, : items.shape[-1]] = items[among]

    def traces(self) -> Traces:
        return Traces(self._rows.astype(np.int32), self._states, self._top)


@contextmanager
def _evaluating(model: ReasoningModel) -> Iterator[None]:
    """Evaluation mode without gradients, in full fp32, the items prepared; what was before comes back afterwards."""
    training, precision = model.training, torch.get_float32_matmul_precision()
    model.eval()
    torch.set_float32_matmul_precision("highest")  # no TF32, and no bfloat16 in its place on a CPU
    try:
        device = next(model.parameters()).device.type
        with torch.autocast(device, enabled=False), torch.inference_mode(), model.backbone.prepared():
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        model.train(training)


def _together(parts: Iterable[_Part], size: int) -> Iterator[_Part]:
    """The same rows, `size` at a time; a new part where the number of states changes."""
    waiting: list[_Part] = []
    for part in parts:
        if waiting and waiting[0].queries.shape[1] != part.queries.shape[1]:
            yield from _cut(waiting, size)
            waiting = []
        waiting.append(part)
        if sum(len(each.rows) for each in waiting) >= size:
            *full, rest = _cut(waiting, size)
            yield from full
            waiting = [rest]
    yield from _cut(waiting, size)


def _cut(parts: list[_Part], size: int) -> Iterator[_Part]:
    if parts:
        rows, queries = np.concatenate([part.rows for part in parts]), torch.cat([part.queries for part in parts])
        for start in range(0, len(rows), size):
            yield _Part(rows[start : start + size], queries[start : start + size])


def _noised_copies(readout: Tensor, states: Tensor, generator: torch.Generator) -> Tensor:
    """(r, T, d): T copies of the readout (r, d), turned at random until their cosine to it is the steps' mean."""
    length = readout.norm(dim=-1, keepdim=True)
    axis = F.normalize(readout, dim=-1)[:, None]  # (r, 1, d)
    cosine = (F.normalize(states, dim=-1) * axis).sum(-1).mean(1).clamp(-1, 1)[:, None, None]
    noise = torch.randn(states.shape, generator=generator, dtype=torch.float32).to(states.device)
    across = F.normalize(noise - (noise * axis).sum(-1, keepdim=True) * axis, dim=-1)
    return (cosine * axis + (1 - cosine**2).sqrt() * across) * length[:, None]


def _trace_rows(reader: SplitReader, users: tuple[int, ...]) -> NDArray[np.int64]:
    """Evenly spaced rows (the first, the last, and between), and all rows of the users that are named."""
    count = min(TRACED_ROWS, len(reader))
    spaced = np.unique(np.linspace(0, len(reader) - 1, count).round().astype(np.int64))
    named = np.flatnonzero(np.isin(reader.split.users, users))
    return np.union1d(spaced, named)


def _half(values: Tensor) -> NDArray[np.float16]:
    """To float16, clipped to its range."""
    half: NDArray[np.float16] = values.float().clamp(-65504, 65504).cpu().numpy().astype(np.float16)
    return half
