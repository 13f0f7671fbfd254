"""A trial's result: the input of every table, figure, ceiling and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from .spec import TrialSpec, stored_spec

Status = Literal["done", "pruned", "diverged", "failed"]
Metrics = Mapping[str, float]
"""Metric name ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr") to value, unrounded."""


@dataclass(frozen=True)
class Ranks:
    """The rank of each row's target; R rows, K steps. Row r is row r of the prepared split.

    Attributes:
        users: (R,) int32.
        items: (R,) int32, the targets.
        readout_ranks: (R,) int32, 1-based rank of the target by the readout.
        step_ranks: (R, K + 1) int32, the same by the state of each step.
        control_ranks: (R, K + 1) int32, by K + 1 noised copies of the readout at the steps' mean cosine to it.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    readout_ranks: NDArray[np.int32]
    step_ranks: NDArray[np.int32]
    control_ranks: NDArray[np.int32]


@dataclass(frozen=True)
class Rows(Ranks):
    """Everything stored per row of a split.

    Attributes:
        top_items: (R, 10) int32, ids of the readout's ten best, best first (-1 where the catalogue is smaller).
        entropy: (R, K + 1) float16, of each step's distribution over the catalogue, in nats, at the step's own
            temperature (`TrialFacts.step_temperatures`).
        margin: (R, K + 1) float16, score of the best minus score of the second best item, over the same.
        cosine: (R, K) float16, between the states of step k - 1 and step k.
        divergence: (R, K) float16, KL divergence of step k's distribution from that of step k - 1, at the temperatures
            of the entropy; None in trials stored before there was one.
    """

    top_items: NDArray[np.int32]
    entropy: NDArray[np.float16]
    margin: NDArray[np.float16]
    cosine: NDArray[np.float16]
    divergence: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Traces:
    """States of selected rows (512 by a fixed rule, and the users a suite names); T rows, width d.

    Attributes:
        rows: (T,) int32, row numbers in the split.
        states: (T, K + 1, d) float32.
        top_items: (T, K + 1, 10) int32.
    """

    rows: NDArray[np.int32]
    states: NDArray[np.float32]
    top_items: NDArray[np.int32]


@dataclass(frozen=True)
class Evidence:
    """One split's results.

    Attributes:
        readout: metrics of the readout.
        steps: metrics of each step's state, K + 1 of them.
        similarity: (K + 1, K + 1) mean cosine between the steps' states.
        traces: states of a few rows; None for search trials.
    """

    readout: Metrics
    steps: tuple[Metrics, ...]
    similarity: tuple[tuple[float, ...], ...]
    rows: Rows
    traces: Traces | None = None


@dataclass(frozen=True)
class ValidationEvidence(Evidence):
    """Results on validation: the only ones that search and early stopping can see."""


@dataclass(frozen=True)
class TestEvidence(Evidence):
    """Results on test: final runs only; no search accepts them."""

    __test__ = False  # not a test class


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training history.

    Attributes:
        epoch: counted from 1.
        losses: mean of each named term, and "total".
        validation: metrics of the readout.
        rows_per_s: training rows per second.
        gradients: norm of the gradient of each of the loss's terms by the states of the batch, as the loss weighs
            them; the mean over one batch in 100, empty where an epoch has none of these.
    """

    epoch: int
    losses: Mapping[str, float]
    validation: Metrics
    train_s: float
    evaluate_s: float
    rows_per_s: float
    gradients: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochProgress:
    """Progress of a running trial, after an epoch.

    Attributes:
        epoch: counted from 1; 0 if nothing is trained.
        losses: mean of each term.
        validation: metrics of the readout.
        best: best value of the spec's metric so far.
        best_epoch: its epoch.
        rows_per_s: training rows per second; validation rows if nothing is trained.
        done: no further epoch will run.
    """

    epoch: int
    losses: Mapping[str, float]
    validation: Metrics
    best: float
    best_epoch: int
    rows_per_s: float
    done: bool


@dataclass(frozen=True, kw_only=True)
class TrialFacts:
    """A trial's result without its evidence.

    Attributes:
        status: "done", "pruned" (a search trial that its pruner ended), "diverged" (a result), or "failed".
        reason: why it was pruned, diverged or failed, one line; "" when done.
        history: one entry per epoch.
        best_epoch: counted from 1; 0 for none.
        timings: seconds by name: "total_s", "build_s", "train_s", "evaluate_s", and "started_at" (Unix time).
        peak_memory_bytes: peak resident memory of the process (CPU) or peak allocated memory (CUDA).
        parameters: number of trainable parameters.
        environment: package and library versions, device, threads, git revision, host facts.
        source_digest: digest of the components' source files, to notice edits; not part of the key.
        step_temperatures: what entropy and margin of each step are taken at; () in trials stored before there were
            several: the score temperature for all steps.
    """

    spec: Annotated[TrialSpec, BeforeValidator(stored_spec)]
    status: Status
    reason: str = ""
    best_epoch: int = 0
    history: tuple[Epoch, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    parameters: int = 0
    environment: Mapping[str, Any] = field(default_factory=dict)
    source_digest: str = ""
    step_temperatures: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.spec.key

    def facts(self) -> dict[str, Any]:
        """The attributes above by name."""
        values = vars(self)
        return {name: values[name] for name in TrialFacts.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True)
class TrialResult(TrialFacts):
    """A trial's whole result.

    Attributes:
        traceback: of a failure; "" otherwise.
        validation: of the best epoch; None unless done.
        test: of the best epoch, for final runs; None otherwise.
    """

    traceback: str = ""
    validation: ValidationEvidence | None = None
    test: TestEvidence | None = None


@dataclass(frozen=True, kw_only=True)
class TrialSummary(TrialFacts):
    """A stored trial without its arrays: all that tables of means, `plan` and the search need.

    Attributes:
        validation: metrics of the readout; None unless done.
        validation_steps: metrics of each step's state.
        test: as `validation`, for final runs.
        test_steps: as `validation_steps`.
    """

    validation: Metrics | None = None
    validation_steps: tuple[Metrics, ...] = ()
    test: Metrics | None = None
    test_steps: tuple[Metrics, ...] = ()

    @property
    def epochs(self) -> int:
        """Number of trained epochs."""
        return self.history[-1].epoch if self.history else 0


def converged(trial: TrialSummary) -> bool:
    """Whether patience ended a trial; False where `max_epochs` did, and one more epoch might have been better.

    A baseline trains nothing, and so it has converged. What was pruned, diverged or failed has not.
    """
    if trial.spec.is_baseline:
        return trial.status == "done"
    return trial.status == "done" and trial.epochs - trial.best_epoch >= trial.spec.training.patience
