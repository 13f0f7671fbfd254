"""The training loop of one model: batches, loss, step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ...models.layers import initialise, seed_dropout, seed_noise
from ...models.reasoning import ReasoningModel
from ...models.strategies.contract import Catalogue, Reasoned, Strategy
from ..records.spec import TrainingSettings
from ..utils.errors import TrialDiverged
from ..utils.seeds import stream_seed
from .batches import SplitReader
from .gradients import term_gradients
from .optimiser import Optimiser
from .precision import mixed, products

Phase = Literal["data", "forward", "loss", "backward", "optimiser"]
"""What a training step is made of, in this order; data and forward alternate where a batch has several chunks."""


def _unwatched(phase: Phase) -> None:
    """The default `watch`: does nothing."""


@dataclass
class _UnderWay:
    """What is done of an epoch that has not ended."""

    epoch: int
    batches: int = 0
    rows: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    compared: int = 0
    gradients: dict[str, float] = field(default_factory=dict)


class Trainer:
    """Trains a model epoch by epoch; every random stream comes from the seed.

    Attributes:
        watch: called at the start of each phase of a training step, for profiles.
        gradients: of the last epoch, the norms of `term_gradients`, means over the batches that were compared.
    """

    watch: Callable[[Phase], None] = staticmethod(_unwatched)
    gradients: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self,
        model: ReasoningModel,
        strategy: Strategy,
        reader: SplitReader,
        *,
        settings: TrainingSettings,
        temperature: float,
        seed: int,
    ) -> None:
        """Initialise the model, which is on its device, and its optimiser; every random stream comes from `seed`."""
        initialise(model, stream_seed(seed, "initialisation"))
        self._device = next(model.parameters()).device
        self._dropout = seed_dropout(model, stream_seed(seed, "dropout"), self._device)
        self._gate = seed_noise(model, stream_seed(seed, "gate"), self._device)
        self._noise = torch.Generator().manual_seed(stream_seed(seed, "noise"))
        self._model = model
        self._strategy = strategy
        self._reader = reader
        self._settings = settings
        self._temperature = temperature
        self._seed = seed
        if type(strategy).prepare is not Strategy.prepare:
            strategy.prepare(reader.interactions())
        self._optimiser = Optimiser(model, settings)
        self._under_way: _UnderWay | None = None

    def state(self) -> dict[str, Any]:
        """Everything but the weights that the next batch depends on: a tree of numbers and tensors."""
        return {
            **self._optimiser.state(),
            "dropout": self._dropout.state(),
            "gate": self._gate.get_state(),
            "noise": self._noise.get_state(),
            "under_way": None if self._under_way is None else asdict(self._under_way),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state` of the same trial; its weights are in the model already."""
        self._optimiser.load(state)
        self._dropout.load(state["dropout"])
        self._gate.set_state(state["gate"])
        self._noise.set_state(state["noise"])
        self._under_way = None if state["under_way"] is None else _UnderWay(**state["under_way"])

    def epoch(
        self,
        number: int,
        *,
        max_batches: int | None = None,
        after_batch: Callable[[], None] | None = None,
        compare_every: int = 0,
    ) -> tuple[Mapping[str, float], float]:
        """Train one epoch, or the rest of one that a loaded state has begun.

        Args:
            number: counted from 1.
            max_batches: limit, for a dry run.
            after_batch: called after each batch, when `state` may be taken; its seconds do not count as training.
            compare_every: batches from one `term_gradients` to the next, counted from the first of the training; 0 for
                none.

        Returns:
            Means over rows of the loss terms and of "total", and the seconds it took.

        Raises:
            TrialDiverged: the loss is not finite.
        """
        self._model.train()
        done = self._under_way = self._under_way or _UnderWay(number)
        started = time.perf_counter() - done.seconds
        batches = self._reader.batches(self._settings.batch_size, seed=self._seed, epoch=number)
        for rows in islice(batches, done.batches, max_batches):
            with products(self._settings.precision, self._device):
                compared = self._is_compared(done, len(rows), compare_every)
                terms = self._batch(rows, number, before=done.rows, compared=compared)
            done.batches += 1
            done.rows += len(rows)
            for name, value in terms.items():
                done.sums[name] = done.sums.get(name, 0.0) + value * len(rows)
            if after_batch is not None:
                done.seconds = time.perf_counter() - started
                after_batch()
                started = time.perf_counter() - done.seconds
        self._under_way = None
        self.gradients = {name: value / done.compared for name, value in done.gradients.items()}
        losses = {name: value / max(done.rows, 1) for name, value in done.sums.items()}
        return losses, time.perf_counter() - started

    def _is_compared(self, done: _UnderWay, rows: int, every: int) -> bool:
        """Whether the next batch is one in `every`; told by rows, as packed batches differ in size."""
        apart = every * self._settings.batch_size
        seen = (done.epoch - 1) * len(self._reader) + done.rows
        return every > 0 and -seen % apart < rows

    def _batch(
        self, rows: NDArray[np.int64], epoch: int, *, before: int, compared: bool = False
    ) -> Mapping[str, float]:
        """One step on a batch, `before` which the epoch has had so many rows."""
        reasoned, catalogue = self.reason(rows, epoch)
        self.watch("loss")
        loss, terms = self._strategy.loss(reasoned, catalogue)
        if loss.numel() != 1:
            kind = type(self._strategy).__name__
            raise ValueError(
                f"the loss of {kind} has the shape {tuple(loss.shape)}; it is one number, the mean over rows"
            )
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrialDiverged(f"loss not finite at epoch {epoch}")
        self.watch("backward")
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if compared and self._under_way is not None:
            self._under_way.compared += 1
            for name, norm in term_gradients(self._strategy, reasoned, catalogue).items():
                self._under_way.gradients[name] = self._under_way.gradients.get(name, 0.0) + norm
        self.watch("optimiser")
        self._optimiser.step(epoch - 1 + before / len(self._reader))
        self.watch("data")
        return {**self._numbers(terms), "total": value}

    def _numbers(self, terms: Mapping[str, Any]) -> dict[str, float]:
        """The named terms of the loss; anything but a number fails here, in its own trial, not in the store."""
        try:
            tensors = {name: term.detach() for name, term in terms.items() if isinstance(term, torch.Tensor)}
            return {name: float(term) for name, term in {**terms, **tensors}.items()}
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            kind = type(self._strategy).__name__
            raise ValueError(f"the terms of the loss of {kind} are not names and numbers: {error}") from error

    def reason(self, rows: NDArray[np.int64], epoch: int) -> tuple[Reasoned, Catalogue]:
        """Run the loop over the chunks of a batch and put its rows together."""
        self.watch("forward")
        with mixed(self._settings.precision, self._device), self._model.backbone.prepared():
            return self._reason(rows, epoch)

    def _reason(self, rows: NDArray[np.int64], epoch: int) -> tuple[Reasoned, Catalogue]:
        reasoning = self._strategy.reasoning(epoch)
        steps, chance = None, 0.0
        if reasoning.depth is not None:
            steps = reasoning.depth(self._noise)
            chance = float(torch.rand((), generator=self._noise))
        backbone = self._model.backbone
        clean, noised, again, order = [], [], [], []
        self.watch("data")
        for chunk in self._reader.chunks(rows):
            self.watch("forward")
            states, second = self._model.reason_twice(chunk.histories, reasoning, self._noise, steps=steps)
            clean.append(chunk.pick(states))
            if second is not None:
                noised.append(chunk.pick(second))
            if reasoning.twice:
                again.append(chunk.pick(self._model.reason(chunk.histories, steps=steps)))
            order.append(torch.from_numpy(chunk.rows))
            self.watch("data")
        partner = self._of_same_target(torch.cat(order).numpy(), steps) if reasoning.same_target else None
        self.watch("forward")
        raw = torch.cat(clean)  # (R, T, d)
        index = torch.cat(order).to(raw.device)
        reasoned = Reasoned(
            states=backbone.queries(raw),
            raw=raw,
            noised=torch.cat(noised) if noised else None,
            targets=self._reader.targets[index],
            users=self._reader.users[index],
            queries=backbone.queries,
            again=torch.cat(again) if again else None,
            last=self._reader.last[index],
            partner=partner,
            chance=chance,
        )
        return reasoned, Catalogue(backbone.item_vectors(padding=reasoning.padding_class), self._temperature)

    def _of_same_target(self, rows: NDArray[np.int64], steps: int | None) -> torch.Tensor:
        """(R, T, d): raw states of another row for each, with the same target."""
        needed, which = np.unique(self._reader.same_target(rows, self._noise), return_inverse=True)
        states, order = [], []
        for chunk in self._reader.chunks(needed):
            self.watch("forward")
            states.append(chunk.pick(self._model.reason(chunk.histories, steps=steps)))
            order.append(chunk.rows)
            self.watch("data")
        place = np.argsort(np.concatenate(order))  # where each of `needed`, which are sorted, has its states
        return torch.cat(states)[torch.from_numpy(place[which])]
