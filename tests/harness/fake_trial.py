"""A trial that trains nothing: its metric is a formula of its hyper-parameters and seed, its epochs are naps.

Workers find it through PYTHONPATH (this folder), as "fake_trial:FakeTrial".
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rearec_bench.harness.records.results import (
    Epoch,
    EpochProgress,
    Rows,
    TestEvidence,
    TrialResult,
    ValidationEvidence,
)
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.trial.failure import failed_result
from rearec_bench.harness.utils.errors import TrialDiverged


@dataclass
class FakeTrial:
    """Epochs of FAKE_EPOCH_S seconds, busy ones with FAKE_SPIN.

    `lr` 0.5 diverges, 0.75 raises, and 0.875 kills its process.
    """

    spec: TrialSpec
    dataset: Any
    history: list[Epoch] = field(default_factory=list)
    began: float = field(default_factory=time.time)

    def epoch(self) -> EpochProgress:
        lr = self.spec.training.lr
        if lr == 0.5:
            raise TrialDiverged("loss not finite at epoch 1")
        if lr == 0.75:
            raise RuntimeError("no such layer")
        if lr == 0.875:
            os._exit(1)
        nap = float(os.environ.get("FAKE_EPOCH_S", "0.01"))
        if "FAKE_SPIN" in os.environ:
            spin(nap)
        else:
            time.sleep(nap)
        number = len(self.history) + 1
        metrics = metrics_for(self.spec)
        losses = {"total": 1.0 / number}
        self.history.append(Epoch(number, losses, metrics, nap, 0.0, 1000.0))
        done = number >= self.spec.training.max_epochs
        return EpochProgress(number, losses, metrics, metrics[self.spec.metric], number, 1000.0, done)

    def result(self) -> TrialResult:
        metrics = metrics_for(self.spec)
        steps = self.spec.steps + 1
        evidence = {
            "readout": metrics,
            "steps": (metrics,) * steps,
            "similarity": ((1.0,) * steps,) * steps,
            "rows": rows_for(steps),
        }
        final = self.spec.purpose == "final"
        return TrialResult(
            spec=self.spec,
            status="done",
            validation=ValidationEvidence(**evidence),
            test=TestEvidence(**evidence) if final else None,
            **self.common(),
        )

    def pruned(self, reason: str) -> TrialResult:
        return TrialResult(spec=self.spec, status="pruned", reason=reason, **self.common())

    def diverged(self, reason: str) -> TrialResult:
        return TrialResult(spec=self.spec, status="diverged", reason=reason, **self.common())

    def failed(self, error: BaseException) -> TrialResult:
        return self.diverged(str(error)) if isinstance(error, TrialDiverged) else failed_result(self.spec, error)

    def common(self) -> dict[str, Any]:
        trained = sum(epoch.train_s for epoch in self.history)
        return {
            "history": tuple(self.history),
            "best_epoch": len(self.history),
            "timings": {"started_at": self.began, "total_s": time.time() - self.began, "train_s": trained},
            "parameters": 1,
        }


def spin(seconds: float) -> None:
    """Keep a core busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


def metrics_for(spec: TrialSpec) -> dict[str, float]:
    digest = hashlib.sha256(spec.key.encode()).digest()
    value = int.from_bytes(digest[:4], "big") / 2**32
    return dict.fromkeys(("ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr"), value)


def rows_for(steps: int) -> Rows:
    ints = np.ones(3, np.int32)
    return Rows(
        users=ints,
        items=ints,
        readout_ranks=ints,
        step_ranks=np.ones((3, steps), np.int32),
        top_items=np.ones((3, 10), np.int32),
        entropy=np.ones((3, steps), np.float16),
        margin=np.ones((3, steps), np.float16),
        cosine=np.ones((3, steps - 1), np.float16),
        control_ranks=np.ones((3, steps), np.int32),
    )


def summary_for(spec: TrialSpec, *, status: str = "done", value: float | None = None) -> Any:
    """What a store would say of a fake trial."""
    from rearec_bench.harness.records.results import TrialSummary

    metrics = metrics_for(spec) if value is None else dict.fromkeys(metrics_for(spec), value)
    done = status == "done"
    return TrialSummary(
        spec=spec,
        status=status,  # type: ignore[arg-type]
        reason="" if done else "a reason",
        validation=metrics if done else None,
        validation_steps=(),
        test=None,
        test_steps=(),
        history=(),
        best_epoch=1,
        timings={"total_s": 1.0},
        peak_memory_bytes=0,
        parameters=1,
        environment={},
        source_digest="digest",
    )
