"""A trial's identity: everything that can move one of its numbers, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from ...models.settings import Settings, param
from .pruner import Pruner

Purpose = Literal["search", "final"]

ENGINE_VERSION = 2
"""Raised when the numbers of training or evaluation itself change (2: dropout draws no masks for padding, and one for
both views of PRL); stored trials of other versions stay readable, and are not those that a suite asks for."""

_BFLOAT16_ON_CPU_VERSION = 3
"""Of `precision: bf16` on a CPU: its products are rounded by the processor's units, where versions up to 2 used
torch.autocast."""

_WHOLE_HISTORY_VERSION = 4
"""Of `mask_history`: it hides the whole history, where versions up to 3 hid its last `max_len` items. The next version
of all training is 5."""

_COUNTING_VERSION = 1

BASELINE = "reference"
"""The strategy of a baseline in stored trials, whose backbone is the baseline; no other strategy has this name."""


MOST_EPOCHS = 1000
"""Of a trial with `max_epochs: auto`: a limit for trials that patience would never end."""

_GUESSED_EPOCHS = 100


class TrainingSettings(Settings):
    """Training settings, the same for every row of a suite unless the suite searches or sweeps a field."""

    lr: float = param(0.001, "learning rate of Adam", source="section 4.1.4", gt=0)
    batch_size: int = param(2048, "target rows of a batch", source="section 4.1.4", ge=1)
    max_epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = param(
        300, f"most epochs of a trial; auto: until patience ends it, {MOST_EPOCHS} at most", source="released code"
    )
    patience: int = param(10, "epochs without a better validation metric before it stops", source="section 4.1.4", ge=1)
    max_len: int = param(50, "most history items that a model sees", source="section 4.1.4", ge=1)
    packing: Literal["auto", "none", "users"] = param(
        "none",
        "none: shuffled rows; users: whole users share a batch and all their prefixes are computed in one pass; auto: "
        "users for a causal backbone, none for another",
    )
    threads: int = param(1, "torch threads of a trial on the CPU", ge=1)
    precision: Literal["fp32", "tf32", "bf16"] = param(
        "fp32",
        "of matrix products in training; tf32: on a GPU that has it; bf16 on a GPU: automatic mixed precision, logits "
        "of the losses in fp32; bf16 on a CPU with AMX: the factors of products are rounded, their "
        "sums are in fp32. Ranking is always in fp32",
        added=True,
    )
    weight_decay: float = param(
        0.0,
        "decoupled, as in AdamW: each step shrinks matrices, embeddings and UniSRec's shifts included, by lr x "
        "weight_decay of themselves; other biases and norms are left alone. 0: Adam",
        ge=0,
        added=True,
    )
    warmup_steps: int = param(
        0, "training steps (batches) over which the learning rate rises in a line to lr", ge=0, added=True
    )
    schedule: Literal["constant", "cosine"] = param(
        "constant",
        "of the learning rate; cosine: falls to 0 over max_epochs along half a cosine, which multiplies the warm-up",
        added=True,
    )
    grad_clip: float = param(
        0.0,
        "largest norm of all gradients of a step together; longer ones are scaled down to it. 0: any",
        ge=0,
        added=True,
    )

    @model_validator(mode="after")
    def _falls_to_an_end(self) -> TrainingSettings:
        if self.schedule == "cosine" and self.max_epochs == "auto":
            raise ValueError(
                "a cosine falls over max_epochs, and auto is not a number. Give one, or take schedule: constant"
            )
        return self

    @property
    def epoch_limit(self) -> int:
        """`max_epochs` as a number."""
        return epoch_limit(self.max_epochs)


def engine_version(training: TrainingSettings, evaluation: EvaluationSettings, device: str) -> int:
    """The version of training and evaluation that runs such a trial today."""
    if evaluation.mask_history:
        return _WHOLE_HISTORY_VERSION
    return _BFLOAT16_ON_CPU_VERSION if (training.precision, device) == ("bf16", "cpu") else ENGINE_VERSION


def epoch_limit(max_epochs: Any) -> int:
    """The largest number of epochs that a value of `max_epochs` allows."""
    return MOST_EPOCHS if max_epochs == "auto" else int(max_epochs)


def likely_epoch_limit(max_epochs: Any) -> int:
    """The same for estimates, which take a number for auto that trials may come near."""
    return _GUESSED_EPOCHS if max_epochs == "auto" else int(max_epochs)


class EvaluationSettings(Settings):
    """Evaluation settings: full ranking, ties against the target."""

    mask_history: bool = param(
        False, "leave all items of the user's history out of the ranking, whatever max_len; the paper does not"
    )
    trace_users: tuple[int | str, ...] = param(
        (),
        "users whose states are kept beside the 512 rows chosen by rule: in a suite by their ids in the source, in a "
        "trial by their numbers",
    )


@dataclass(frozen=True)
class Component:
    """One backbone or strategy with all its settings filled in.

    Attributes:
        kind: name in the registry.
        settings: every setting, as JSON values.
        version: the component's version number.
    """

    kind: str
    settings: Mapping[str, Any]
    version: int

    def identity(self) -> list[Any]:
        """The hashed part, as JSON values."""
        return [self.kind, self.version, dict(self.settings)]


@dataclass(frozen=True)
class TrialSpec:
    """One training run, completely described.

    Attributes:
        dataset: name of the prepared data set (its fingerprint, not its name, is part of the key).
        dataset_fingerprint: fingerprint of the prepared arrays.
        backbone: the sequence encoder.
        strategy: how reasoning is trained and read.
        steps: K, the number of reasoning steps.
        metric: validation metric of early stopping, such as "ndcg@20".
        seed: of every random stream of the trial.
        purpose: "search" trials see validation only, "final" runs test as well.
        device: "cpu" or "cuda".
        vectors: fingerprint of the item vectors, for a backbone that uses them; "" for the others.
        engine: version of training and evaluation themselves that the trial is run with.
        pruner: may end a search trial early; None for none, as in all final runs.
    """

    dataset: str
    dataset_fingerprint: str
    backbone: Component
    strategy: Component
    steps: int
    training: TrainingSettings
    evaluation: EvaluationSettings
    metric: str
    seed: int
    purpose: Purpose
    device: Literal["cpu", "cuda"] = "cpu"
    vectors: str = ""
    engine: int = ENGINE_VERSION
    pruner: Pruner | None = None

    def identity(self) -> dict[str, Any]:
        """The hashed part, as JSON values.

        A field added after version 1 enters only if it differs from the behaviour before it existed, so that keys
        of older trials stay valid.
        """
        if self.is_baseline:
            return self._baseline_identity()
        identity: dict[str, Any] = {
            "engine": self.engine,
            "dataset": self.dataset_fingerprint,
            **{kind: component.identity() for kind, component in self.components().items()},
            "steps": self.steps,
            "training": self.training.identity(),
            "metric": self.metric,
            "seed": self.seed,
            "purpose": self.purpose,
            "device": self.device,
        }
        evaluation = self.evaluation.model_dump(mode="json")
        evaluation = {name: value for name, value in evaluation.items() if value}
        if evaluation:
            identity["evaluation"] = evaluation
        if self.vectors:
            identity["vectors"] = self.vectors
        if self.pruner is not None:
            identity["pruner"] = asdict(self.pruner)
        return identity

    @property
    def states(self) -> int:
        """T, states of a row: K + 1, or 1 + M K where the strategy has a setting `streams`."""
        return 1 + self.steps * int(self.strategy.settings.get("streams", 1))

    @property
    def is_baseline(self) -> bool:
        """Whether this is a baseline, a count of the training rows, rather than a model."""
        return self.strategy.kind == BASELINE

    @property
    def hidden(self) -> Literal["nothing", "window", "history"]:
        """What is left out of the ranking; "window", the last max_len items of the history, in stored trials alone."""
        if not self.evaluation.mask_history:
            return "nothing"
        return "history" if self.engine >= _WHOLE_HISTORY_VERSION else "window"

    def components(self) -> dict[str, Component]:
        """Its parts by the kind of registry: "backbone" and "strategy" of a model, "reference" of a baseline."""
        if self.is_baseline:
            return {"reference": self.backbone}
        return {"backbone": self.backbone, "strategy": self.strategy}

    def _baseline_identity(self) -> dict[str, Any]:
        """Without seed, device and training; max_len counts only where it limited the masked history."""
        identity: dict[str, Any] = {
            "engine": _COUNTING_VERSION,
            "dataset": self.dataset_fingerprint,
            **{kind: component.identity() for kind, component in self.components().items()},
            "purpose": self.purpose,
        }
        if self.hidden == "history":
            identity["evaluation"] = {"mask_history": True}
        elif self.hidden == "window":
            identity["evaluation"] = {"mask_history": True, "max_len": self.training.max_len}
        return identity

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits, the same for the same trial in any suite."""
        return hashlib.sha256(canonical(self.identity()).encode()).hexdigest()[:32]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, the data set's name included; vectors and pruner only if set."""
        values: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return {name: value for name, value in values.items() if value or name not in ("vectors", "pruner")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialSpec:
        """The inverse of `to_json`; a ValueError if fields are missing or of another type."""
        return _adapter().validate_python(stored_spec(data))


def stored_spec(data: Any) -> Any:
    """A stored spec with the fields that the first version left out."""
    return {"engine": 1, **data} if isinstance(data, dict) else data


@cache
def _adapter() -> TypeAdapter[TrialSpec]:
    return TypeAdapter(TrialSpec)


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
