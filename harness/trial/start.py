"""A trial from its spec: started for those who go epoch by epoch, or run to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..datasets.data.dataset import Dataset
from ..records.results import EpochProgress, TrialResult
from ..records.spec import TrialSpec
from .baseline_trial import BaselineTrial
from .failure import failed_result
from .model_trial import ModelTrial

Trial = ModelTrial | BaselineTrial


def start(spec: TrialSpec, dataset: Dataset) -> Trial:
    """The trial of a spec, ready for its first epoch; `ValueError` for another data set than the spec's."""
    return BaselineTrial(spec, dataset) if spec.is_baseline else ModelTrial(spec, dataset)


@dataclass(frozen=True)
class Cut:
    """The epoch after which a pruner ended a trial, and its reason."""

    epoch: int
    reason: str


def run_trial(
    spec: TrialSpec,
    dataset: Dataset,
    on_epoch: Callable[[EpochProgress], None] | None = None,
    *,
    cut: Cut | None = None,
) -> TrialResult:
    """Run a trial to its end; divergence and failure are results too.

    Args:
        on_epoch: called after each epoch; never for a baseline, which has none.
        cut: where it ends earlier; None for its own end.
    """
    trial: Trial | None = None
    try:
        trial = start(spec, dataset)
        while True:
            progress = trial.epoch()
            if on_epoch is not None and progress.epoch:
                on_epoch(progress)
            if cut is not None and progress.epoch == cut.epoch and isinstance(trial, ModelTrial):
                return trial.pruned(cut.reason)
            if progress.done:
                return trial.result()
    except Exception as error:
        return trial.failed(error) if trial is not None else failed_result(spec, error)
