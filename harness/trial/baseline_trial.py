"""One trial of a baseline: counts, ranks, and hands over a TrialResult like any other; nothing is trained."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.data.dataset import Dataset, Split
from ..records.provenance import reset_peak_memory
from ..records.results import EpochProgress, Rows, TestEvidence, TrialResult, ValidationEvidence
from ..records.spec import TrialSpec
from ..utils.registry import BASELINES
from .baselines import Baseline
from .failure import circumstances, failed_result
from .metrics import metrics_of

_TOP = 10
_NOTHING = np.empty(0, np.int32)
_LARGEST = float(np.finfo(np.float16).max)


class BaselineTrial:
    """A baseline with the methods of a `ModelTrial`; all of it is one step.

    Raises:
        ValueError: the data set's fingerprint is not the spec's.
        InputError: an unknown baseline.
    """

    def __init__(self, spec: TrialSpec, dataset: Dataset) -> None:
        if dataset.fingerprint != spec.dataset_fingerprint:
            raise ValueError(f"data set {dataset.name} is not the one of the trial: its fingerprint differs")
        self._started_at = time.time()
        self._clock = time.perf_counter()
        reset_peak_memory(spec.device)
        self.spec = spec
        self._dataset = dataset
        self._baseline: Baseline = BASELINES.component(spec.backbone.kind)(dataset)
        self._build_s = time.perf_counter() - self._clock
        self._validation: ValidationEvidence | None = None

    def epoch(self) -> EpochProgress:
        """Rank validation; the only epoch."""
        clock = time.perf_counter()
        self._validation = ValidationEvidence(**self._evidence(self._dataset.valid))
        metrics = self._validation.readout
        return EpochProgress(
            epoch=0,
            losses={},
            validation=metrics,
            best=metrics[self.spec.metric],
            best_epoch=0,
            rows_per_s=len(self._dataset.valid) / max(time.perf_counter() - clock, 1e-9),
            done=True,
        )

    def result(self) -> TrialResult:
        """Validation, and for final runs test."""
        final = self.spec.purpose == "final"
        test = TestEvidence(**self._evidence(self._dataset.test)) if final else None
        total_s = time.perf_counter() - self._clock
        return TrialResult(
            spec=self.spec,
            status="done",
            validation=self._validation,
            test=test,
            timings={
                "started_at": self._started_at,
                "total_s": total_s,
                "build_s": self._build_s,
                "train_s": 0.0,
                "evaluate_s": total_s - self._build_s,
            },
            **circumstances(self.spec),
        )

    def failed(self, error: BaseException) -> TrialResult:
        """The result of a trial that an error has ended."""
        return failed_result(self.spec, error)

    def dry_run(self) -> None:
        """Rank validation, and keep nothing."""
        self._evidence(self._dataset.valid)

    def _evidence(self, split: Split) -> dict[str, Any]:
        rows = ranked(self._baseline, self._dataset, split, mask_history=self.spec.evaluation.mask_history)
        readout = metrics_of(rows.readout_ranks)
        return {"readout": readout, "steps": (readout,), "similarity": ((1.0,),), "rows": rows}


def ranked(baseline: Baseline, dataset: Dataset, split: Split, *, mask_history: bool) -> Rows:
    """The stored rows of a split, as of a model without steps; memory grows with rows and with items.

    The margin is that of log-probabilities, as for a model's scores. Without states, the control ranks are the
    readout's.

    Args:
        split: R rows.
        mask_history: leave the items of the history out of the ranking, except the target.

    Returns:
        Rows with K = 0; a rank is 1 + the number of other items scored at least as high as the target.
    """
    count = len(split)
    ranks = np.empty(count, np.int32)
    top_items = np.full((count, _TOP), -1, np.int32)
    entropy, margin = np.empty((count, 1), np.float16), np.empty((count, 1), np.float16)
    longest = int((split.ends - split.starts).max()) if mask_history else 0
    for rows, counted in _by_context(baseline, split, spare=longest):
        if not mask_history:
            ranks[rows] = counted.ranks(split.targets[rows])
            best = counted.best(_NOTHING)
            top_items[rows, : len(best)] = best
            entropy[rows], margin[rows] = counted.sureness(_NOTHING, best)
            continue
        for row in rows:
            target = split.targets[row]
            hidden = np.unique(dataset.flat[split.starts[row] : split.ends[row]])
            hidden = hidden[hidden != target]
            ranks[row] = counted.ranks(target) - counted.at_least(target, hidden)
            best = counted.best(hidden)
            top_items[row, : len(best)] = best
            entropy[row], margin[row] = counted.sureness(hidden, best)
    return Rows(
        users=split.users.astype(np.int32),
        items=split.targets.astype(np.int32),
        readout_ranks=ranks,
        step_ranks=ranks[:, None],
        top_items=top_items,
        entropy=entropy,
        margin=margin,
        cosine=np.empty((count, 0), np.float16),
        control_ranks=ranks[:, None],
        divergence=np.empty((count, 0), np.float16),
    )


class _Counted:
    """All items by the scores of one context, (N,) from 0; a row may hide at most `spare` of them."""

    def __init__(self, scores: NDArray[np.int64], *, spare: int) -> None:
        self._scores = scores
        self._ascending = np.sort(scores)
        first = np.flatnonzero(np.diff(self._ascending, prepend=-1))  # of each value
        self._values, self._times = self._ascending[first], np.diff(first, append=len(scores))
        self._weighted = self._values * np.log(np.maximum(self._values, 1))
        items = np.flatnonzero(scores >= self._ascending[-_TOP - spare :][0])
        self._best = items[np.argsort(-scores[items], kind="stable")][: _TOP + spare]

    def ranks(self, targets: NDArray[np.int32] | np.int32) -> NDArray[np.int64]:
        """1 + the number of other items scored at least as high as each target."""
        return len(self._scores) - np.searchsorted(self._ascending, self._scores[targets], side="left")

    def at_least(self, target: np.int32, items: NDArray[np.int32]) -> int:
        """How many of some items are scored at least as high as the target."""
        return int(np.count_nonzero(self._scores[items] >= self._scores[target]))

    def best(self, hidden: NDArray[np.int32]) -> NDArray[np.int64]:
        """Up to ten items that are not hidden, best first, the lower id first among equals."""
        return self._best[~(self._best[:, None] == hidden).any(1)][:_TOP]

    def sureness(self, hidden: NDArray[np.int32], best: NDArray[np.int64]) -> tuple[float, float]:
        """Entropy in nats of the normalised scores, and log-probability of the best item minus that of the second."""
        highest, second = [*self._scores[best[:2]].tolist(), 0, 0][:2]
        if second == 0:
            return 0.0, _LARGEST if highest else 0.0
        places = np.searchsorted(self._values, self._scores[hidden])
        left = self._times - np.bincount(places, minlength=len(self._times))
        total = int(left @ self._values)
        return math.log(total) - float(left @ self._weighted) / total, min(math.log(highest / second), _LARGEST)


def _by_context(baseline: Baseline, split: Split, *, spare: int) -> Iterator[tuple[NDArray[np.int64], _Counted]]:
    """Row numbers, and the scores that they share."""
    contexts = baseline.contexts(split)
    order = np.argsort(contexts, kind="stable")
    distinct, first = np.unique(contexts[order], return_index=True)
    for context, rows in zip(distinct, np.split(order, first[1:]), strict=False):
        yield rows, _Counted(baseline.scores(int(context)), spare=spare)
