"""What is kept of a trial that an error has ended."""

from __future__ import annotations

import time
import traceback
from typing import Any

from ..records.provenance import environment, peak_memory_bytes
from ..records.results import TrialResult
from ..records.source import source_digest
from ..records.spec import TrialSpec
from ..utils.errors import TrialDiverged, TrialTimedOut

_LONGEST_TRACEBACK = 40_000
_NO_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED", "Cannot allocate memory")


def failed_result(spec: TrialSpec, error: BaseException) -> TrialResult:
    """An error as a result: "diverged", or "failed" with its reason in one line and its traceback in full."""
    timings = {"started_at": time.time(), "total_s": 0.0}
    if isinstance(error, TrialDiverged):
        return TrialResult(spec=spec, status="diverged", reason=str(error), timings=timings, **circumstances(spec))
    reason = str(error) if isinstance(error, TrialTimedOut) else f"{type(error).__name__}: {error}"
    return TrialResult(
        spec=spec,
        status="failed",
        reason=reason.splitlines()[0][:300],
        traceback=_cut("".join(traceback.format_exception(error))),
        timings=timings,
        **circumstances(spec),
    )


def circumstances(spec: TrialSpec) -> dict[str, Any]:
    """What every result notes of the process that it comes from: memory so far, versions, source."""
    return {
        "peak_memory_bytes": peak_memory_bytes(spec.device),
        "environment": environment(spec.device, spec.training.threads),
        "source_digest": source_digest(spec.backbone.kind, spec.strategy.kind),
    }


def _cut(text: str) -> str:
    """A traceback without the middle of an endless message."""
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    half = _LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n... {len(text) - 2 * half:,} characters ...\n{text[-half:]}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error or its cause means that memory ran out; below torch only a RuntimeError's message tells."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in _NO_MEMORY):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
