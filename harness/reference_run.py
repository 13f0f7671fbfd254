"""One trial of a reference row: counts, ranks, and hands over a TrialResult like any other; nothing is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .datasets.dataset import Dataset, Split
from .environment import environment, peak_memory_bytes, reset_peak_memory, source_digest
from .metrics import metrics_of
from .references import Reference
from .registry import REFERENCES
from .results import EpochProgress, Rows, TestEvidence, TrialResult, ValidationEvidence
from .spec import TrialSpec

_TOP = 10
_LAST = -1  # below every score: what is left out of the ranking
_LARGEST = float(np.finfo(np.float16).max)


class ReferenceRun:
    """A reference row under way, with the verbs of a trial; all of it is one step.

    Args:
        spec: what to run.
        dataset: the prepared arrays; its fingerprint must be the spec's.

    Raises:
        ValueError: another data set than the spec's.
        InputError: an unknown reference.
    """

    def __init__(self, spec: TrialSpec, dataset: Dataset) -> None:
        if dataset.fingerprint != spec.dataset_fingerprint:
            raise ValueError(f"data set {dataset.name} is not the one of the trial: its fingerprint differs")
        self._started_at = time.time()
        self._clock = time.perf_counter()
        reset_peak_memory(spec.device)
        self.spec = spec
        self._dataset = dataset
        self._reference: Reference = REFERENCES.component(spec.backbone.kind)(dataset)
        self._build_s = time.perf_counter() - self._clock
        self._validation: ValidationEvidence | None = None

    def epoch(self) -> EpochProgress:
        """Rank validation; there is no other epoch."""
        clock = time.perf_counter()
        self._validation = ValidationEvidence(**self._evidence(self._dataset.valid))
        found = self._validation.readout
        return EpochProgress(
            epoch=0,
            losses={},
            validation=found,
            best=found[self.spec.metric],
            best_epoch=0,
            rows_per_s=len(self._dataset.valid) / max(time.perf_counter() - clock, 1e-9),
            done=True,
        )

    def result(self) -> TrialResult:
        """Validation, and for final runs test."""
        final = self.spec.purpose == "final"
        test = TestEvidence(**self._evidence(self._dataset.test)) if final else None
        return TrialResult(
            spec=self.spec, status="done", validation=self._validation, test=test, **self._circumstances()
        )

    def diverged(self, reason: str) -> TrialResult:
        """What every trial can end as; counts do not."""
        return TrialResult(spec=self.spec, status="diverged", reason=reason, **self._circumstances())

    def failed(self, error: BaseException) -> TrialResult:
        """The result where an error ended it."""
        from .trial import failed_result

        return failed_result(self.spec, error)

    def dry_run(self) -> None:
        """Rank validation, and keep nothing."""
        self._evidence(self._dataset.valid)

    def _evidence(self, split: Split) -> dict[str, Any]:
        longest = self.spec.training.max_len if self.spec.evaluation.mask_history else None
        rows = ranked(self._reference, self._dataset, split, hide=longest)
        readout = metrics_of(rows.readout_ranks)
        return {"readout": readout, "steps": (readout,), "similarity": ((1.0,),), "rows": rows}

    def _circumstances(self) -> dict[str, Any]:
        total = time.perf_counter() - self._clock
        return {
            "timings": {
                "started_at": self._started_at,
                "total_s": total,
                "build_s": self._build_s,
                "train_s": 0.0,
                "evaluate_s": total - self._build_s,
            },
            "peak_memory_bytes": peak_memory_bytes(self.spec.device),
            "environment": environment(self.spec.device, self.spec.training.threads),
            "source_digest": source_digest(self.spec.backbone.kind, self.spec.strategy.kind),
        }


def ranked(reference: Reference, dataset: Dataset, split: Split, *, hide: int | None) -> Rows:
    """What is kept of each row of a split, as of a model without steps; memory grows with rows and with items.

    The margin is that of log-probabilities, as scores are for a model. There are no states, so the control ranks are
    the readout's.

    Args:
        reference: the counts.
        dataset: whose split it is; N items.
        split: R rows.
        hide: leave the last `hide` items of the history out of the ranking, the target excepted; None hides nothing.

    Returns:
        Rows with K = 0; a rank is 1 + the number of other items scored at least as high as the target.
    """
    count = len(split)
    ranks = np.empty(count, np.int32)
    top_items = np.full((count, _TOP), -1, np.int32)
    entropy, margin = np.empty((count, 1), np.float16), np.empty((count, 1), np.float16)
    for rows, scores in _scored(reference, dataset, split, hide=hide):
        ascending = np.sort(scores)
        ranks[rows] = len(scores) - np.searchsorted(ascending, scores[split.targets[rows]], side="left")
        best = _best(scores, least=ascending[-_TOP:][0])
        top_items[rows, : len(best)] = best
        entropy[rows], margin[rows] = _sureness(ascending)
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
    )


def _scored(
    reference: Reference, dataset: Dataset, split: Split, *, hide: int | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Row numbers and the (N,) scores that they share; row by row where each hides a history of its own."""
    contexts = reference.contexts(split)
    order = np.argsort(contexts, kind="stable")
    found, first = np.unique(contexts[order], return_index=True)
    for context, rows in zip(found, np.split(order, first[1:]), strict=False):
        scores = reference.scores(int(context))
        if hide is None:
            yield rows, scores
            continue
        for row in rows:
            start, end = max(split.starts[row], split.ends[row] - hide), split.ends[row]
            left = scores.copy()
            left[dataset.flat[start:end]] = _LAST
            left[split.targets[row]] = scores[split.targets[row]]
            yield row[None], left


def _best(scores: NDArray[np.int64], *, least: int) -> NDArray[np.int64]:
    """Up to ten items with at least a score, best first, the lower id first among equals; none that is left out."""
    items = np.flatnonzero(scores >= max(least, 0))
    return items[np.argsort(-scores[items], kind="stable")][:_TOP]


def _sureness(ascending: NDArray[np.int64]) -> tuple[float, float]:
    """Entropy in nats of the normalised scores, and log-probability of the best item minus that of the second."""
    counts = ascending[np.searchsorted(ascending, 1) :].astype(np.float64)
    if len(counts) < 2:
        return 0.0, _LARGEST if len(counts) else 0.0
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum()), min(float(np.log(counts[-1] / counts[-2])), _LARGEST)
