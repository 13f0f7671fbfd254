"""A trial that runs out of memory is recognised, and what it had reached is recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.trial.failure import is_out_of_memory
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.registry import STRATEGIES

from .. import specs
from ..specs import spec_of

GIB = 2**30


def caused(by: BaseException) -> RuntimeError:
    error = RuntimeError("the plug-in gave up")
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        MemoryError(),
        np.exceptions.__dict__.get("_ArrayMemoryError", MemoryError)("17 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: Error code 12"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory"),
        OSError(12, "Cannot allocate memory"),
        caused(MemoryError()),
    ],
)
def test_running_out_of_memory_is_recognised(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("no such layer"), ValueError("out of memory"), caused(KeyError("x"))])
def test_other_errors_are_no_lack_of_memory(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_a_trial_that_runs_out_of_memory_fails_with_what_it_had_reached(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = STRATEGIES.component("base")
    plain, calls = base.loss, []

    def loss(self: Any, reasoned: Any, catalogue: Any) -> Any:
        calls.append(1)
        if len(calls) > 25:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return plain(self, reasoned, catalogue)

    monkeypatch.setattr(base, "loss", loss)
    result = run_trial(spec_of(tiny, max_epochs=50, patience=50), tiny)
    assert result.status == "failed"
    assert result.peak_memory_bytes > 50 * 2**20
    gib = f"{result.peak_memory_bytes / GIB:.2f}"
    assert result.reason.startswith(f"out of memory, {gib} GiB at the peak; OutOfMemoryError: CUDA out of memory.")
    assert "Traceback" in result.traceback
    assert len(result.history) > 0
    assert result.timings["total_s"] >= result.timings["train_s"] > 0


LIMITED = """
import resource, sys, torch
from pathlib import Path
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.utils.registry import STRATEGIES
from rearec_bench.harness.trial.start import run_trial
sys.path.insert(0, {folder!r})
from rearec_bench_tests_spec import spec_of
data = load_dataset("tiny", data_dir=Path({data!r}))
base = STRATEGIES.component("base")
plain = base.loss
def loss(self, reasoned, catalogue):
    torch.ones({size}, dtype=torch.uint8)
    return plain(self, reasoned, catalogue)
base.loss = loss
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
result = run_trial(spec_of(data), data)
print(result.status, "|", result.reason, "|", result.peak_memory_bytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures its memory in /proc")
def test_a_limit_of_the_host_is_a_failure_with_its_peak(tmp_path: Path) -> None:
    (tmp_path / "rearec_bench_tests_spec.py").write_text(Path(specs.__file__).read_text())
    script = LIMITED.format(folder=str(tmp_path), data=str(tmp_path), size=8 * GIB)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    status, reason, peak = done.stdout.strip().split(" | ")
    assert status == "failed"
    assert reason.startswith("out of memory, ")
    assert "can't allocate memory" in reason or "MemoryError" in reason
    assert 50 * 2**20 < int(peak) < 8 * GIB
