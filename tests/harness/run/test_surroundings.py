"""Files beside a suite and variables of the shell neither change a run nor break it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rearec_bench.harness.store.store import Store

pytestmark = pytest.mark.slow

SUITE = """
name: beside
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 8}]
strategies: [base]
steps: [1]
seeds: [1]
training: {lr: 0.01, batch_size: 512, max_len: 10, max_epochs: 1, packing: users}
"""
SPY = "open({mark!r}, 'a').write(__name__)\nraise ImportError('a file of the user')\n"
STRAYS = {
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "1",
    "RAY_ADDRESS": "192.0.2.1:6379",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": "{",
    "RAY_worker_niceness": "x",
    "TUNE_RESULT_DIR": "/dev/null/none",
    "TUNE_MAX_PENDING_TRIALS_PG": "none",
}


def test_workers_import_nothing_from_the_working_directory_and_read_no_stray_variable(tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    for module in ("profile", "torch", "numpy", "sitecustomize", "rearec_bench_extra"):
        (tmp_path / f"{module}.py").write_text(SPY.format(mark=str(mark)))
    (tmp_path / "suite.yaml").write_text(SUITE)
    script = Path(sys.executable).parent / "rearec-bench"
    done = subprocess.run(
        [script, "run", "suite.yaml", "--results", "results", "--no-plugins"],
        cwd=tmp_path,
        env={**os.environ, **STRAYS},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not mark.exists()
    store = Store(tmp_path / "results")
    keys = store.keys()
    assert [store.summary(key).status for key in keys] == ["done"]
    assert not list((tmp_path / "results").rglob("*.tmp"))
