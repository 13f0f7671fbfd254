"""Full ranking, streamed: the rank of the target at every step; memory grows with rows x steps, never rows x items."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..models.backbones.contract import Backbone
from ..models.reasoning import ReasoningModel
from ..models.strategies.contract import Strategy
from .batches import SplitReader
from .metrics import metrics_of
from .results import Rows, TestEvidence, Traces, ValidationEvidence
from .seeds import stream_seed

TRACED_ROWS = 512
"""Rows whose states are kept: the evenly spaced ones of the split, and those of the users the suite names."""

_TOP = 10
_SCORES = 4_000_000  # scores held at once


@dataclass(frozen=True)
class Scorer:
    """Scores states against all items in fp32.

    Attributes:
        backbone: whose queries and item vectors are used.
        temperature: scores are divided by it (it changes no rank, but entropies and margins).
        mask_history: leave the history's items out, the target excepted.
    """

    backbone: Backbone
    temperature: float
    mask_history: bool

    def scores(self, states: Tensor, items: Tensor) -> Tensor:
        """(r, S, d) raw states against (N, d) items: (r, S, N) scores before the temperature."""
        queries = self.backbone.queries(states).float()
        return (queries.flatten(0, 1) @ items.float().T).view(*states.shape[:2], -1)


def readout_ranks(model: ReasoningModel, strategy: Strategy, reader: SplitReader, scorer: Scorer) -> NDArray[np.int32]:
    """Ranks of the targets by the readout alone: what early stopping needs after each epoch.

    Returns:
        (R,) int32, 1-based.
    """
    ranks = np.empty(len(reader), np.int32)
    with _evaluating(model):
        items = scorer.backbone.item_vectors()
        for chunk in reader.chunks(np.arange(len(reader))):
            states = chunk.pick(model.reason(chunk.histories))  # (r, T, d)
            readout = strategy.readout(states)[:, None]
            for rows, part in _portions(chunk.rows, items.shape[0]):
                scores = scorer.scores(readout[part], items)
                _mask(scores, chunk.histories.items[part], reader.targets[rows], scorer)
                ranks[rows] = _ranks(scores, reader.targets[rows]).cpu().numpy()[:, 0]
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
    """Everything that is kept of a split.

    Args:
        model: the trained model.
        strategy: its readout.
        reader: the split's rows.
        scorer: how states are scored.
        seed: the trial's, for the noise of the control.
        split: "valid" or "test".
        traced: keep states of `TRACED_ROWS` rows (and of `trace_users`).
        trace_users: users whose rows are traced in any case.

    Returns:
        Evidence of the split's own type.
    """
    count, width = model.steps + 1, scorer.backbone.width
    kept = _Kept(len(reader), count)
    trace_rows = _trace_rows(reader, trace_users) if traced else np.empty(0, np.int64)
    trace_at = {int(row): place for place, row in enumerate(trace_rows)}
    trace_states = np.zeros((len(trace_rows), count, width), np.float32)
    trace_top = np.full((len(trace_rows), count, _TOP), -1, np.int32)
    similarity = torch.zeros(count, count, dtype=torch.float64)
    noise = torch.Generator().manual_seed(stream_seed(seed, "control", split))
    with _evaluating(model):
        items = scorer.backbone.item_vectors()
        for chunk in reader.chunks(np.arange(len(reader))):
            states = chunk.pick(model.reason(chunk.histories))  # (r, T, d)
            readout = strategy.readout(states)  # (r, d)
            unit = F.normalize(states.double(), dim=-1)
            pairs = unit @ unit.transpose(1, 2)  # (r, T, T)
            similarity += pairs.sum(0).cpu()
            kept.cosine[chunk.rows] = _half(pairs.diagonal(1, 1, 2))
            controls = _noised_copies(readout, states, noise)  # (r, T, d)
            every = torch.cat([states, readout[:, None], controls], 1)  # (r, 2 T + 1, d)
            for rows, part in _portions(chunk.rows, items.shape[0] * every.shape[1]):
                targets = reader.targets[rows]
                scores = scorer.scores(every[part], items)
                _mask(scores, chunk.histories.items[part], targets, scorer)
                ranks = _ranks(scores, targets).cpu().numpy()
                kept.step_ranks[rows] = ranks[:, :count]
                kept.readout_ranks[rows] = ranks[:, count]
                kept.control_ranks[rows] = ranks[:, count + 1 :]
                best = scores[:, : count + 1].topk(min(_TOP, items.shape[0]), dim=-1)
                kept.top_items[rows, : best.indices.shape[-1]] = best.indices[:, count].cpu().numpy()
                by_step = scores[:, :count] / scorer.temperature
                kept.entropy[rows] = _half(_entropy(by_step))
                kept.margin[rows] = _half((best.values[:, :count, 0] - best.values[:, :count, 1]) / scorer.temperature)
                for number, row in enumerate(rows):
                    place = trace_at.get(int(row))
                    if place is not None:
                        trace_states[place] = states[part][number].float().cpu().numpy()
                        found = best.indices[number, :count].cpu().numpy()
                        trace_top[place, :, : found.shape[-1]] = found
    kind = ValidationEvidence if split == "valid" else TestEvidence
    return kind(
        readout=metrics_of(kept.readout_ranks),
        steps=tuple(metrics_of(kept.step_ranks[:, step]) for step in range(count)),
        similarity=tuple(tuple(float(v) for v in row) for row in similarity / max(len(reader), 1)),
        rows=kept.rows(reader),
        traces=Traces(trace_rows.astype(np.int32), trace_states, trace_top) if traced else None,
    )


class _Kept:
    """The arrays of `Rows`, filled chunk by chunk."""

    def __init__(self, rows: int, count: int) -> None:
        self.readout_ranks = np.empty(rows, np.int32)
        self.step_ranks = np.empty((rows, count), np.int32)
        self.control_ranks = np.empty((rows, count), np.int32)
        self.top_items = np.full((rows, _TOP), -1, np.int32)
        self.entropy = np.empty((rows, count), np.float16)
        self.margin = np.empty((rows, count), np.float16)
        self.cosine = np.empty((rows, count - 1), np.float16)

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
        )


class _evaluating:
    """Evaluation mode without gradients, the items prepared; training mode comes back afterwards."""

    def __init__(self, model: ReasoningModel) -> None:
        self._model = model
        self._within = ExitStack()

    def __enter__(self) -> None:
        self._within.callback(self._model.train, self._model.training)
        self._model.eval()
        self._within.enter_context(torch.inference_mode())
        self._within.enter_context(self._model.backbone.prepared())

    def __exit__(self, *error: object) -> None:
        self._within.close()


def _portions(rows: NDArray[np.int64], scores_per_row: int) -> list[tuple[NDArray[np.int64], slice]]:
    size = max(1, _SCORES // max(scores_per_row, 1))
    return [(rows[start : start + size], slice(start, start + size)) for start in range(0, len(rows), size)]


def _ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """(r, S, N) and (r,) to (r, S): 1 + the number of other items scored at least as high as the target.

    The target's score is taken from the same matrix product as the others', so that ties are exact.
    """
    own = scores.gather(-1, targets[:, None, None].expand(-1, scores.shape[1], 1))
    beaten = (scores >= own).sum(-1)  # the target counts itself: 1 + others; NaN counts nothing
    return torch.where(own[..., 0].isnan(), scores.shape[-1], beaten).to(torch.int32)


def _mask(scores: Tensor, histories: Tensor, targets: Tensor, scorer: Scorer) -> None:
    """Where asked for, put the history's items last in place; the target keeps its score."""
    if not scorer.mask_history:
        return
    count = scores.shape[-1]
    hidden = torch.zeros(len(scores), count + 1, dtype=torch.bool, device=scores.device)
    hidden.scatter_(1, histories, True)
    hidden.scatter_(1, targets[:, None], False)
    scores.masked_fill_(hidden[:, None, :count], float("-inf"))


def _entropy(scores: Tensor) -> Tensor:
    """Entropy in nats of softmax(scores) over the last axis."""
    log_p = scores.log_softmax(-1)
    return -(log_p.exp() * log_p.clamp_min(-1e30)).sum(-1)


def _noised_copies(readout: Tensor, states: Tensor, generator: torch.Generator) -> Tensor:
    """T copies of the readout, each turned in a random direction until its cosine to it is the steps' mean.

    Args:
        readout: (r, d).
        states: (r, T, d).
        generator: on the CPU.

    Returns:
        (r, T, d), of the readout's length.
    """
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
    found: NDArray[np.float16] = values.float().clamp(-65504, 65504).cpu().numpy().astype(np.float16)
    return found
