"""The training loop of one model: batches, loss, step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.layers import initialise, seed_dropout, seed_noise
from ..models.reasoning import ReasoningModel
from ..models.strategies.contract import Catalogue, Reasoned, Strategy
from .batches import SplitReader
from .errors import TrialDiverged
from .seeds import stream_seed
from .spec import TrainingSettings

Phase = Literal["data", "forward", "loss", "backward", "optimiser"]
"""What a training step is made of, in this order; data and forward alternate where a batch has several chunks."""


def _unwatched(phase: Phase) -> None:
    """Nobody listens."""


class Trainer:
    """Trains a model epoch by epoch; every random stream comes from the seed.

    Attributes:
        watch: told of each phase of a training step when it begins, for profiles.
    """

    watch: Callable[[Phase], None] = staticmethod(_unwatched)

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
        """Initialise the model and its optimiser.

        Args:
            model: on its device, uninitialised.
            strategy: its loss.
            reader: training rows.
            settings: learning rate, batch size, ...
            temperature: score temperature in force.
            seed: of initialisation, order, dropout, noise and gates.
        """
        initialise(model, stream_seed(seed, "initialisation"))
        device = next(model.parameters()).device
        seed_dropout(model, stream_seed(seed, "dropout"), device)
        seed_noise(model, stream_seed(seed, "gate"), device)
        self._noise = torch.Generator().manual_seed(stream_seed(seed, "noise"))
        self._model = model
        self._strategy = strategy
        self._reader = reader
        self._settings = settings
        self._temperature = temperature
        self._seed = seed
        self._optimiser = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)

    def epoch(self, number: int, *, most_batches: int | None = None) -> tuple[Mapping[str, float], float]:
        """Train one epoch.

        Args:
            number: counted from 1.
            most_batches: stop after so many (a dry run).

        Returns:
            Means over rows of the loss terms and of "total", and the seconds it took.

        Raises:
            TrialDiverged: the loss is not finite.
        """
        self._model.train()
        started = time.perf_counter()
        sums: dict[str, float] = {}
        seen = 0
        batches = self._reader.batches(self._settings.batch_size, seed=self._seed, epoch=number)
        for count, rows in enumerate(batches):
            if count == most_batches:
                break
            terms = self._batch(rows, number)
            seen += len(rows)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value * len(rows)
        return {name: value / max(seen, 1) for name, value in sums.items()}, time.perf_counter() - started

    def _batch(self, rows: NDArray[np.int64], epoch: int) -> Mapping[str, float]:
        reasoned, catalogue = self.reason(rows, epoch)
        self.watch("loss")
        loss, terms = self._strategy.loss(reasoned, catalogue)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrialDiverged(f"loss not finite at epoch {epoch}")
        self.watch("backward")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.watch("optimiser")
        self._optimiser.step()
        self.watch("data")
        return {**terms, "total": value}

    def reason(self, rows: NDArray[np.int64], epoch: int) -> tuple[Reasoned, Catalogue]:
        """Run the loop over the chunks of a batch and put its rows together."""
        self.watch("forward")
        with self._model.backbone.prepared():
            return self._reason(rows, epoch)

    def _reason(self, rows: NDArray[np.int64], epoch: int) -> tuple[Reasoned, Catalogue]:
        reasoning = self._strategy.reasoning(epoch)
        backbone = self._model.backbone
        clean, noised, order = [], [], []
        self.watch("data")
        for chunk in self._reader.chunks(rows):
            self.watch("forward")
            states, second = self._model.reason_twice(chunk.histories, reasoning, self._noise)
            clean.append(chunk.pick(states))
            if second is not None:
                noised.append(chunk.pick(second))
            order.append(torch.from_numpy(chunk.rows))
            self.watch("data")
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
        )
        return reasoned, Catalogue(backbone.item_vectors(padding=reasoning.padding_class), self._temperature)
