"""One trial: builds, trains, evaluates, and hands over a TrialResult."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import torch

from ..._version import VERSION
from ...models.reasoning import ReasoningModel
from ...models.strategies.contract import Strategy
from ..datasets.data.dataset import Dataset
from ..records.provenance import peak_memory_bytes, reset_peak_memory
from ..records.results import Epoch, EpochProgress, TestEvidence, TrialResult, ValidationEvidence
from ..records.spec import TrialSpec
from ..utils.errors import CheckpointError, TrialDiverged
from ..utils.registry import BACKBONES, STRATEGIES
from ..utils.seeds import stream_seed
from . import gradients
from .batches import SplitReader
from .checkpoint import Checkpoint, check, versions
from .evaluate import Scorer, evidence, readout_ranks, step_temperatures
from .failure import circumstances, failed_result, is_out_of_memory
from .metrics import metrics_of
from .train import Trainer


class ModelTrial:
    """A trial that is trained epoch by epoch.

    Attributes:
        model: initialised, on its device.
        after_batch: called after each training batch, when a `snapshot` may be taken; None for nothing.
    """

    after_batch: Callable[[], None] | None = None

    def __init__(self, spec: TrialSpec, dataset: Dataset) -> None:
        """Build the model; seeds everything from the spec.

        Raises:
            ValueError: another data set than the spec's, or other item vectors.
        """
        if dataset.fingerprint != spec.dataset_fingerprint:
            raise ValueError(f"data set {dataset.name} is not the one of the trial: its fingerprint differs")
        self._started_at = time.time()
        self._clock = time.perf_counter()
        self.spec = spec
        self._dataset = dataset
        device = torch.device(spec.device)
        torch.set_num_threads(spec.training.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.set_flush_denormal(True)
        torch.manual_seed(stream_seed(spec.seed, "torch"))  # for plug-ins that draw from torch's own generator
        reset_peak_memory(spec.device)
        backbone_class = BACKBONES.component(spec.backbone.kind)
        strategy_class = STRATEGIES.component(spec.strategy.kind)
        backbone_settings = backbone_class.Settings.model_validate(dict(spec.backbone.settings))
        strategy_settings = strategy_class.Settings.model_validate(dict(spec.strategy.settings))
        self.strategy = strategy_class(strategy_settings, steps=spec.steps)
        if self.strategy.states != spec.states:
            raise ValueError(
                f"{strategy_class.__name__} has {self.strategy.states} states, and by its settings {spec.states}. The "
                "number of streams of its Reasoning is a setting called `streams`, which no other setting may be"
            )
        size = {"num_items": dataset.num_items, "max_len": spec.training.max_len}
        backbone = backbone_class(backbone_settings, **size, **_item_text(spec, dataset))
        self.model = ReasoningModel.of(backbone, self.strategy, epoch=spec.training.epoch_limit).to(device)
        temperature = strategy_settings.score_temperature_of(getattr(backbone_settings, "score_temperature", 1.0))
        self.scorer = Scorer(backbone, temperature, spec.evaluation.mask_history)
        self.trainer = Trainer(
            self.model,
            self.strategy,
            self._reader("train", packed=spec.training.packing == "users"),
            settings=spec.training,
            temperature=temperature,
            seed=spec.seed,
        )
        self._valid = self._reader("valid")
        self._history: list[Epoch] = []
        self._best = float("-inf")
        self._best_epoch = 0
        self._best_state: dict[str, torch.Tensor] = {}
        self._restarts = 0
        self._spent_s = 0.0
        self._peak = 0
        self._build_s = time.perf_counter() - self._clock

    def epoch(self) -> EpochProgress:
        """Train one more epoch, and evaluate on validation.

        Raises:
            TrialDiverged: the loss is not finite.
        """
        number = len(self._history) + 1
        losses, train_s = self.trainer.epoch(number, after_batch=self.after_batch, compare_every=gradients.EVERY)
        clock = time.perf_counter()
        validation = metrics_of(readout_ranks(self.model, self.strategy, self._valid, self.scorer))
        evaluate_s = time.perf_counter() - clock
        rows_per_s = len(self._dataset.train) / train_s
        compared = self.trainer.gradients
        self._history.append(Epoch(number, losses, validation, train_s, evaluate_s, rows_per_s, compared))
        value = validation[self.spec.metric]
        if value > self._best:
            self._best, self._best_epoch = value, number
            self._best_state = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        return EpochProgress(number, losses, validation, self._best, self._best_epoch, rows_per_s, self.done)

    @property
    def done(self) -> bool:
        """Whether no further epoch will run."""
        training, number = self.spec.training, len(self._history)
        return number >= training.epoch_limit or number - self._best_epoch >= training.patience

    @property
    def elapsed_s(self) -> float:
        """Seconds spent on it, those before the checkpoint that it went on from included."""
        return self._spent_s + time.perf_counter() - self._clock

    def snapshot(self) -> Checkpoint:
        """The trial's state, between two batches or two epochs; its tensors are the trial's own, not copies."""
        trainer = self.trainer.state()
        at_best = trainer["under_way"] is None and self._best_epoch == len(self._history) > 0
        about = {
            **versions(self.spec),
            "rearec_bench": VERSION,
            "spec": self.spec.to_json(),
            "num_items": self._dataset.num_items,
            "max_len": self.spec.training.max_len,
            "steps": self.spec.steps,
            "positions": self.model.reasoning_positions is not None,
            "score_temperature": self.scorer.temperature,
            "epoch": len(self._history),
            "best_epoch": self._best_epoch,
            "validation": dict(self._history[self._best_epoch - 1].validation) if self._best_epoch else {},
        }
        state = {
            "model": None if at_best else self.model.state_dict(),
            "trainer": trainer,
            "strategy": _state_of(self.strategy),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if self.spec.device == "cuda" else None,
            "history": [dataclasses.asdict(epoch) for epoch in self._history],
            "best": self._best,
            "started_at": self._started_at,
            "spent_s": self.elapsed_s,
            "build_s": self._build_s,
            "restarts": self._restarts,
            "peak_memory_bytes": self._peak_memory_bytes(),
        }
        return Checkpoint(about, self._best_state, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Resume from a snapshot, as if there had been no interruption; only before the first epoch.

        After an exception the trial is unusable.

        Raises:
            CheckpointError: it is of another trial or version, or incomplete.
        """
        check(checkpoint, self.spec)
        state = checkpoint.state
        try:
            self.model.load_state_dict(checkpoint.weights if state["model"] is None else state["model"])
            self.trainer.load(state["trainer"])
            if state["strategy"] is not None:
                self.strategy.load_state_dict(state["strategy"])
            torch.set_rng_state(state["torch"])
            if state["cuda"] is not None:
                torch.cuda.set_rng_state(state["cuda"])
            self._history = [Epoch(**epoch) for epoch in state["history"]]
            self._best, self._best_epoch = state["best"], checkpoint.about["best_epoch"]
            device = torch.device(self.spec.device)
            self._best_state = {
                name: value.to(device) if isinstance(value, torch.Tensor) else value
                for name, value in checkpoint.weights.items()
            }
            self._started_at, self._spent_s = state["started_at"], state["spent_s"]
            self._build_s += state["build_s"]
            self._restarts = state["restarts"] + 1
            self._peak = state["peak_memory_bytes"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"it does not fit the trial ({type(error).__name__}: {error})") from error

    def result(self) -> TrialResult:
        """Evaluate the best epoch's weights: validation, and for final runs test.

        Raises:
            TrialDiverged: a weight is not finite.
        """
        clock = time.perf_counter()
        self.model.load_state_dict(self._best_state)
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            raise TrialDiverged(f"weights not finite after epoch {self._best_epoch}")
        validation = self._evidence("valid")
        test = self._evidence("test") if self.spec.purpose == "final" else None
        if not isinstance(validation, ValidationEvidence) or not (test is None or isinstance(test, TestEvidence)):
            raise TypeError("evidence of the wrong split")
        evaluate_s = time.perf_counter() - clock
        return TrialResult(
            spec=self.spec,
            status="done",
            validation=validation,
            test=test,
            best_epoch=self._best_epoch,
            step_temperatures=step_temperatures(self.strategy, self.scorer.temperature),
            **self._common(evaluate_s),
        )

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs so far."""
        return tuple(self._history)

    def pruned(self, reason: str) -> TrialResult:
        """The result of a search trial that its pruner has ended; nothing is evaluated once more."""
        return TrialResult(
            spec=self.spec, status="pruned", reason=reason, best_epoch=self._best_epoch, **self._common(0.0)
        )

    def failed(self, error: BaseException) -> TrialResult:
        """The result of a trial that an error has ended, a loss that is not finite included: what it had reached."""
        result = failed_result(self.spec, error)
        reason, best_epoch = result.reason, self._best_epoch if result.status == "failed" else 0
        if is_out_of_memory(error):
            reason = f"out of memory, {self._peak_memory_bytes() / 2**30:.2f} GiB at the peak; {reason}"[:300]
        return dataclasses.replace(result, reason=reason, best_epoch=best_epoch, **self._common(0.0))

    def dry_run(self) -> None:
        """One batch forward and backward, and nothing kept."""
        self.trainer.epoch(1, max_batches=1)

    def _reader(self, split: str, *, packed: bool = False) -> SplitReader:
        return SplitReader(
            self._dataset,
            self._dataset.split(split),
            max_len=self.spec.training.max_len,
            device=torch.device(self.spec.device),
            packed=packed,
        )

    def _evidence(self, split: str) -> ValidationEvidence | TestEvidence:
        return evidence(
            self.model,
            self.strategy,
            self._valid if split == "valid" else self._reader(split),
            self.scorer,
            seed=self.spec.seed,
            split=split,
            traced=self.spec.purpose == "final",
            trace_users=tuple(map(int, self.spec.evaluation.trace_users)),
        )

    def _common(self, evaluate_s: float) -> dict[str, Any]:
        noted = circumstances(self.spec)
        if self._restarts:
            noted["environment"] = {**noted["environment"], "restarts": self._restarts}
        return {
            **noted,
            "history": tuple(self._history),
            "timings": {
                "started_at": self._started_at,
                "total_s": self.elapsed_s,
                "build_s": self._build_s,
                "train_s": sum(epoch.train_s for epoch in self._history),
                "evaluate_s": sum(epoch.evaluate_s for epoch in self._history) + evaluate_s,
            },
            "peak_memory_bytes": self._peak_memory_bytes(),
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }

    def _peak_memory_bytes(self) -> int:
        return max(self._peak, peak_memory_bytes(self.spec.device))


def _state_of(strategy: Strategy) -> Any:
    """The state_dict of a plug-in's strategy that has one, to keep its state between batches; else None."""
    return strategy.state_dict() if hasattr(strategy, "state_dict") else None


def _item_text(spec: TrialSpec, dataset: Dataset) -> dict[str, torch.Tensor]:
    """What the constructor of a text-based backbone is given besides: `item_text`, (N, m)."""
    if not spec.vectors:
        return {}
    if dataset.vectors is None or dataset.vectors.fingerprint != spec.vectors:
        raise ValueError(f"the item vectors of {dataset.name} are not those of the trial: their fingerprint differs")
    return {"item_text": torch.tensor(dataset.vectors.values)}
