"""Do a trial's components keep their contracts? Asked of the model on a few rows: shapes, masks, caches, gradients.

The contracts are in `models/backbones/contract.py` and `models/strategies/contract.py`. Each finding names the method,
what it gives, and what is expected; a method that raises an error is a finding too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from traceback import extract_tb
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...models.backbones.contract import Histories
from ...models.strategies.contract import Reasoning
from ..datasets.data.dataset import Dataset
from ..records.spec import TrialSpec
from .model_trial import ModelTrial

_ROWS, _LENGTH = 6, 8
_CLOSE = 1e-3  # of the largest state: kernels for other shapes round otherwise


def broken(spec: TrialSpec, dataset: Dataset) -> tuple[str, ...]:
    """What the backbone and the strategy of a trial break, a line each; none where the trial can be trained."""
    try:
        trial = ModelTrial(spec, dataset)
    except Exception as error:
        prepares = any(frame.name == "prepare" for frame in extract_tb(error.__traceback__))
        return (f"{'prepare' if prepares else '__init__'}: {_words(error)}",)
    found = list(_backbone(trial, dataset))
    return tuple(found or _strategy(trial, dataset))


def _backbone(trial: ModelTrial, dataset: Dataset) -> Iterator[str]:
    model = trial.model.eval()
    backbone, count = model.backbone, dataset.num_items
    max_len = trial.spec.training.max_len
    histories = _histories(dataset, max_len, device=next(model.parameters()).device)
    groups, length = histories.items.shape
    width = getattr(backbone, "width", None)
    given = getattr(backbone, "num_items", None)
    if given != count or not isinstance(width, int):
        yield f"__init__: num_items is {given} and width is {width}, where {count} and d are expected"
        return

    @torch.no_grad()
    def encoded(histories: Histories) -> tuple[Tensor, Any]:
        states, cache = backbone.encode(histories)
        return states, cache

    @torch.no_grad()
    def stepped(histories: Histories) -> Tensor:
        """The states after one step."""
        return backbone.advance(*backbone.encode(histories))[0]

    @torch.no_grad()
    def both_stepped(histories: Histories) -> Tensor | None:
        """The same of two views, one after the other; None where they do not go together."""
        states, cache = backbone.encode(histories)
        together = backbone.side_by_side(cache, 2)
        return None if together is None else backbone.advance(states.repeat(1, 2, 1), together)[0]

    every = replace(histories, every_prefix=True)
    last = histories.lengths - 1
    rows = torch.arange(groups, device=last.device)

    def single_rows() -> Iterator[tuple[int, Histories]]:
        for row, size in enumerate(histories.lengths.tolist()):
            yield row, Histories(histories.items[row : row + 1, :size], histories.lengths[row : row + 1])

    def single() -> Iterator[str]:
        yield from _shape(encoded(histories)[0], (groups, 1, width), "(G, Q, d)")

    def vectors() -> Iterator[str]:
        with torch.no_grad():
            yield from _shape(backbone.item_vectors(), (count, width), "(N, d)")
            yield from _shape(backbone.item_vectors(padding=True), (count + 1, width), "(N + 1, d) with padding=True")

    def queries() -> Iterator[str]:
        states = encoded(histories)[0]
        with torch.no_grad():
            yield from _shape(backbone.queries(states), tuple(states.shape), "that of its states")

    def padded() -> Iterator[str]:
        more = torch.full((groups, min(2, max_len - length)), count, device=histories.items.device)
        wider = replace(histories, items=torch.cat([histories.items, more], 1))
        if not _alike(encoded(wider)[0], encoded(histories)[0]):
            yield "what stands in the padding changes the states"

    def alone() -> Iterator[str]:
        together = encoded(histories)[0]
        for row, one in single_rows():
            if not _alike(encoded(one)[0], together[row : row + 1]):
                yield f"a row's state depends on the other rows of its batch, or on padding (row {row})"
                return

    def causal() -> Iterator[str]:
        if not backbone.Settings.causal:
            return
        states = encoded(every)[0]
        yield from _shape(states, (groups, length, width), "(G, L, d) with every_prefix")
        changed = histories.items.clone()
        changed[rows, last] = (changed[rows, last] + 1) % count
        after = encoded(replace(every, items=changed))[0]
        before = torch.arange(length, device=last.device)[None] < last[:, None]
        if not _alike(after[before], states[before]):
            yield (
                "a later item changes the state of an earlier one, and the settings say that the backbone is causal: "
                "write `causal: ClassVar[bool] = False` there"
            )
        elif not _alike(states[rows, last][:, None], encoded(histories)[0]):
            yield "with every_prefix, the last position has another state than the row alone"

    def advance() -> Iterator[str]:
        with torch.no_grad():
            states, cache = backbone.encode(histories)
            first, _ = backbone.advance(states, cache)
            yield from _shape(first, (groups, 1, width), "(G, Q, d)")
            if not _alike(backbone.advance(states, cache)[0], first):
                yield "a second step from the same cache has other states: the cache has to stay as it was"
        for row, one in single_rows():
            if not _alike(stepped(one), first[row : row + 1]):
                yield f"a row's step depends on the other rows of its batch, or on padding (row {row})"
                return
        if backbone.Settings.causal and not _alike(stepped(every)[rows, last][:, None], first):
            yield "with every_prefix, the last position steps to another state than the row alone"

    def side_by_side() -> Iterator[str]:
        for asked, place in ((histories, last * 0), *([(every, last)] if backbone.Settings.causal else [])):
            together, alone = both_stepped(asked), stepped(asked)
            if together is None:
                return
            second = place + together.shape[1] // 2
            if not all(_alike(together[rows, each], alone[rows, place]) for each in (place, second)):
                yield "two views of the same states step to other states than one alone"
                return

    for verb, probe in (("encode", single), ("item_vectors", vectors), ("queries", queries)):
        found = list(_asked(verb, probe))
        yield from found
        if found and verb == "encode":
            return
    for verb, probe in (("encode", padded), ("encode", alone), ("encode", causal)):
        yield from _asked(verb, probe)
    for probe in (advance, side_by_side):
        yield from _asked(probe.__name__, probe)


def _strategy(trial: ModelTrial, dataset: Dataset) -> Iterator[str]:
    strategy = trial.strategy
    trial.model.train()
    rows = np.arange(min(_ROWS, len(dataset.train)))
    epoch = trial.spec.training.epoch_limit  # where all is on; a dry run trains the first

    def reasoning() -> Iterator[str]:
        if not isinstance(strategy.reasoning(epoch), Reasoning):
            yield f"{type(strategy.reasoning(epoch)).__name__}, where a Reasoning is expected"

    def loss() -> Iterator[str]:
        reasoned, catalogue = trial.trainer.reason(rows, epoch)
        value, terms = strategy.loss(reasoned, catalogue)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            yield f"{shape}, where one number is expected, the mean over rows"
            return
        if not value.requires_grad:
            yield "it has no gradient, so that nothing would be trained: it is made of detached tensors"
            return
        if not isinstance(terms, Mapping):
            yield f"its terms are {type(terms).__name__}, where names and numbers are expected"
        value.backward()  # type: ignore[no-untyped-call]
        if not any(parameter.grad is not None for parameter in trial.model.parameters()):
            yield "its gradient reaches no parameter"

    @torch.no_grad()
    def terms() -> Iterator[str]:
        reasoned, catalogue = trial.trainer.reason(rows, epoch)
        loss = float(strategy.loss(reasoned, catalogue)[0])
        parts = strategy.terms(reasoned, catalogue)
        if not isinstance(parts, Mapping):
            yield f"{type(parts).__name__}, where names and tensors of one number are expected"
            return
        wrong = [name for name, part in parts.items() if not isinstance(part, Tensor) or part.numel() != 1]
        if wrong:
            yield f"{', '.join(map(str, wrong))}: not a tensor of one number"
        elif parts and abs((total := sum(map(float, parts.values()))) - loss) > _CLOSE * max(1.0, abs(loss)):
            yield f"their sum is {total:.6g}, where the loss, {loss:.6g}, is expected: each has its weight in it"

    def readout() -> Iterator[str]:
        reasoned, _ = trial.trainer.reason(rows, epoch)
        count, _, width = reasoned.raw.shape
        yield from _shape(strategy.readout(reasoned.raw), (count, width), "(..., d) from (..., T, d)")

    def temperatures() -> Iterator[str]:
        given = tuple(strategy.temperatures(1.0))
        if len(given) != strategy.states or not all(value > 0 for value in given):
            yield f"{given}, where T = {strategy.states} positive numbers are expected, one for each state"

    for probe in (reasoning, loss, terms, readout, temperatures):
        yield from _asked(probe.__name__, probe)


def _asked(verb: str, probe: Callable[[], Iterator[str]]) -> Iterator[str]:
    try:
        yield from (f"{verb}: {finding}" for finding in list(probe()))
    except NotImplementedError:
        yield f"{verb}: it is not there, and the contract demands it"
    except Exception as error:
        yield f"{verb}: {_words(error)}"


def _histories(dataset: Dataset, max_len: int, *, device: torch.device) -> Histories:
    """A few training histories of different lengths, their last `_LENGTH` items at most, with room for padding."""
    split = dataset.train
    order = np.argsort(split.ends - split.starts, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(_ROWS, len(order))).astype(int)]
    ends, starts = split.ends[chosen], split.starts[chosen]
    starts = np.maximum(starts, ends - max(1, min(_LENGTH, max_len - 1)))
    items = np.full((len(chosen), int((ends - starts).max())), dataset.num_items, np.int64)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        items[row, : end - start] = dataset.flat[start:end]
    return Histories(torch.from_numpy(items).to(device), torch.from_numpy(ends - starts).to(device))


def _shape(found: Any, expected: tuple[int, ...], meaning: str) -> Iterator[str]:
    if not isinstance(found, Tensor):
        yield f"{type(found).__name__}, where a tensor {expected} is expected, {meaning}"
    elif tuple(found.shape) != expected:
        yield f"{tuple(found.shape)}, where {expected} is expected, {meaning}"
    elif not bool(found.isfinite().all()):
        yield "it is not finite"


def _alike(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape or not found.numel():
        return found.shape == expected.shape
    return bool((found - expected).abs().max() <= _CLOSE * expected.abs().max().clamp_min(1e-6))


def _words(error: BaseException) -> str:
    """An error in one short line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
