"""One trial: builds, trains, evaluates, and hands over a TrialResult."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..models.reasoning import ReasoningModel
from ..models.strategies.contract import Strategy
from .batches import SplitReader
from .datasets.dataset import Dataset
from .environment import environment, peak_memory_bytes, reset_peak_memory, source_digest
from .errors import TrialDiverged
from .evaluate import Scorer, evidence, readout_ranks
from .metrics import metrics_of
from .reference_run import ReferenceRun
from .registry import BACKBONES, STRATEGIES
from .results import Epoch, EpochProgress, TestEvidence, TrialResult, ValidationEvidence
from .seeds import stream_seed
from .spec import TrialSpec
from .train import Trainer


@dataclass(frozen=True)
class Parts:
    """What a trial is built of.

    Attributes:
        model: initialised, on its device.
        strategy: its loss and readout.
        scorer: how its states are scored.
        trainer: of the training rows.
    """

    model: ReasoningModel
    strategy: Strategy
    scorer: Scorer
    trainer: Trainer


class TrialRun:
    """A trial under way, epoch by epoch."""

    def __init__(self, spec: TrialSpec, dataset: Dataset) -> None:
        """Build the model; seeds everything from the spec.

        Args:
            spec: what to run.
            dataset: the prepared arrays; its fingerprint must be the spec's.

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
        self._strategy = strategy_class(strategy_settings, steps=spec.steps)
        size = {"num_items": dataset.num_items, "max_len": spec.training.max_len}
        backbone = backbone_class(backbone_settings, **size, **_item_text(spec, dataset))
        positions = self._strategy.reasoning(spec.training.max_epochs).positions
        self._model = ReasoningModel(backbone, steps=spec.steps, positions=positions).to(device)
        temperature = strategy_settings.score_temperature_of(getattr(backbone_settings, "score_temperature", 1.0))
        self._scorer = Scorer(backbone, temperature, spec.evaluation.mask_history)
        self._trainer = Trainer(
            self._model,
            self._strategy,
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
        self._build_s = time.perf_counter() - self._clock

    @property
    def parts(self) -> Parts:
        """The model and what works on it, for those who measure them."""
        return Parts(self._model, self._strategy, self._scorer, self._trainer)

    def epoch(self) -> EpochProgress:
        """Train one more epoch and look at validation.

        Raises:
            TrialDiverged: the loss or a state is not finite.
        """
        number = len(self._history) + 1
        losses, train_s = self._trainer.epoch(number)
        clock = time.perf_counter()
        validation = metrics_of(readout_ranks(self._model, self._strategy, self._valid, self._scorer))
        evaluate_s = time.perf_counter() - clock
        rows_per_s = len(self._dataset.train) / train_s
        self._history.append(Epoch(number, losses, validation, train_s, evaluate_s, rows_per_s))
        value = validation[self.spec.metric]
        if value > self._best:
            self._best, self._best_epoch = value, number
            self._best_state = {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}
        training = self.spec.training
        done = number >= training.max_epochs or number - self._best_epoch >= training.patience
        return EpochProgress(number, losses, validation, self._best, self._best_epoch, rows_per_s, done)

    def result(self) -> TrialResult:
        """Evaluate the best epoch's weights: validation, and for final runs test."""
        clock = time.perf_counter()
        self._model.load_state_dict(self._best_state)
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
            **self._common(evaluate_s),
        )

    def diverged(self, reason: str) -> TrialResult:
        """The result of a trial whose loss stopped being finite."""
        return TrialResult(spec=self.spec, status="diverged", reason=reason, **self._common(0.0))

    def dry_run(self) -> None:
        """One batch forward and backward, and nothing kept."""
        self._trainer.epoch(1, most_batches=1)

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
            self._model,
            self._strategy,
            self._valid if split == "valid" else self._reader(split),
            self._scorer,
            seed=self.spec.seed,
            split=split,
            traced=self.spec.purpose == "final",
            trace_users=self.spec.evaluation.trace_users,
        )

    def _common(self, evaluate_s: float) -> dict[str, Any]:
        return {
            "history": tuple(self._history),
            "timings": {
                "started_at": self._started_at,
                "total_s": time.perf_counter() - self._clock,
                "build_s": self._build_s,
                "train_s": sum(epoch.train_s for epoch in self._history),
                "evaluate_s": sum(epoch.evaluate_s for epoch in self._history) + evaluate_s,
            },
            "peak_memory_bytes": peak_memory_bytes(self.spec.device),
            "parameters": sum(p.numel() for p in self._model.parameters()),
            "environment": environment(self.spec.device, self.spec.training.threads),
            "source_digest": source_digest(self.spec.backbone.kind, self.spec.strategy.kind),
        }


def _item_text(spec: TrialSpec, dataset: Dataset) -> dict[str, torch.Tensor]:
    """What the constructor of a text-based backbone is given besides: `item_text`, (N, m)."""
    if not spec.vectors:
        return {}
    if dataset.vectors is None or dataset.vectors.fingerprint != spec.vectors:
        raise ValueError(f"the item vectors of {dataset.name} are not those of the trial: their fingerprint differs")
    return {"item_text": torch.tensor(dataset.vectors.values)}


def start(spec: TrialSpec, dataset: Dataset) -> TrialRun | ReferenceRun:
    """The trial that a spec describes, ready for its first epoch.

    Args:
        spec: what to run.
        dataset: the prepared arrays; its fingerprint must be the spec's.

    Raises:
        ValueError: another data set than the spec's.
    """
    return ReferenceRun(spec, dataset) if spec.is_reference else TrialRun(spec, dataset)


def run_trial(
    spec: TrialSpec, dataset: Dataset, on_epoch: Callable[[EpochProgress], None] | None = None
) -> TrialResult:
    """Run a trial to its end; divergence and failure are results too.

    Args:
        spec: what to run.
        dataset: the prepared arrays.
        on_epoch: called after each epoch; never for a reference, which has none.
    """
    try:
        run = start(spec, dataset)
        try:
            done = False
            while not done:
                progress = run.epoch()
                done = progress.done
                if on_epoch is not None and progress.epoch:
                    on_epoch(progress)
            return run.result()
        except TrialDiverged as error:
            return run.diverged(str(error))
    except Exception as error:
        return failed_result(spec, error)


def failed_result(spec: TrialSpec, error: BaseException) -> TrialResult:
    """A failure as a result: its reason in one line, its traceback in full."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return TrialResult(
        spec=spec,
        status="failed",
        reason=reason,
        traceback="".join(traceback.format_exception(error)),
        timings={"started_at": time.time(), "total_s": 0.0},
        environment=environment(spec.device, spec.training.threads),
        source_digest=source_digest(spec.backbone.kind, spec.strategy.kind),
    )
