"""A model under training without a trial around it, for what tests ask of any backbone with any strategy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.records.spec import TrainingSettings
from rearec_bench.harness.trial.batches import SplitReader
from rearec_bench.harness.trial.evaluate import Scorer, readout_ranks
from rearec_bench.harness.trial.train import Trainer
from rearec_bench.models.reasoning import ReasoningModel
from rearec_bench.models.strategies.contract import Strategy

from .naive import bare, strengthen

MAX_LEN = 20
ROWS = np.arange(48)


@dataclass(frozen=True)
class Setup:
    """Everything of one training run; the temperature is that of the scores."""

    data: Dataset
    model: ReasoningModel
    strategy: Strategy
    reader: SplitReader
    trainer: Trainer
    temperature: float


def few_rows(data: Dataset, rows: int) -> Dataset:
    """The first rows of each split."""

    def first(split: Split) -> Split:
        return Split(split.users[:rows], split.starts[:rows], split.ends[:rows], split.targets[:rows])

    splits = {name: first(data.split(name)) for name in ("train", "valid", "test")}
    return dataclasses.replace(data, **splits)


def set_up(
    data: Dataset,
    backbone_class: Any,
    strategy_class: Any,
    steps: int,
    *,
    settings: Mapping[str, Any],
    hyper: Mapping[str, Any] | None = None,
    packed: bool = False,
    seed: int = 1,
    lr: float = 0.01,
) -> Setup:
    """As a trial does it, with random item vectors for text-based backbones."""
    torch_cpu = torch.device("cpu")
    backbone = bare(backbone_class, settings, num_items=data.num_items, max_len=MAX_LEN)
    strategy_settings = strategy_class.Settings.model_validate(dict(hyper or {}))
    backbone_settings = backbone_class.Settings.model_validate(dict(settings))
    strategy = strategy_class(strategy_settings, steps=steps)
    model = ReasoningModel.of(backbone, strategy)
    reader = SplitReader(data, data.train, max_len=MAX_LEN, device=torch_cpu, packed=packed)
    temperature = strategy_settings.score_temperature_of(getattr(backbone_settings, "score_temperature", 1.0))
    wanted = TrainingSettings(lr=lr, batch_size=64, max_len=MAX_LEN)
    trainer = Trainer(model, strategy, reader, settings=wanted, temperature=temperature, seed=seed)
    return Setup(data, model, strategy, reader, trainer, temperature)


def loss_of(setup: Setup, rows: NDArray[np.int64] = ROWS) -> Mapping[str, float]:
    """The loss of some rows without dropout: its terms, and "total"."""
    setup.model.eval()
    with torch.no_grad():
        total, terms = setup.strategy.loss(*setup.trainer.reason(rows, 1))
    return {**terms, "total": float(total)}


def ranks_of(setup: Setup) -> list[int]:
    """Of the targets of validation."""
    reader = SplitReader(setup.data, setup.data.valid, max_len=MAX_LEN, device=torch.device("cpu"))
    scorer = Scorer(setup.model.backbone, setup.temperature, mask_history=False)
    return readout_ranks(setup.model, setup.strategy, reader, scorer).tolist()


def gradients(setup: Setup, rows: NDArray[np.int64] = ROWS) -> dict[str, Tensor]:
    """Of the loss of some rows, by parameter, in double precision and with large weights; zeros where there is none."""
    strengthen(setup.model, 5)
    setup.model.train()
    loss, _ = setup.strategy.loss(*setup.trainer.reason(rows, 1))
    loss.backward()
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in setup.model.named_parameters()
    }


def reached(gradient: Tensor) -> Tensor:
    """Which elements have a gradient beyond the rounding of sums that cancel."""
    return gradient.abs() > 1e-12 * max(float(gradient.abs().max()), 1e-3)
