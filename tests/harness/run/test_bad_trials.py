"""Trials that diverge, run out of memory, raise, hang, exit or print without end harm no other trial of their suite."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.registry import REGISTRIES, load_plugin

from ..specs import spec_of
from .helpers import HERE, impatient, needs_proc, told

PLUGIN = HERE / "bad_strategies.py"
MB = 2**20

IN_PROCESS = {
    "nan": ("diverged", "loss not finite at epoch 1"),
    "explodes": ("diverged", "loss not finite at epoch "),
    "nan_gradient": ("diverged", "loss not finite at epoch 1"),
    "raises": ("failed", "KeyError: 'no such layer'"),
    "raises_much": ("failed", "ValueError: "),
    "vector_loss": ("failed", "ValueError: the loss of Bad has the shape (64,); it is one number"),
    "no_loss": ("failed", "AttributeError: 'NoneType'"),
    "wrong_readout": ("failed", "ValueError: the readout of Bad has the shape ("),
    "few_readouts": ("failed", "ValueError: the readout of Bad has the shape (1, 8); rows and width are ("),
    "wide_readout": ("failed", "ValueError: the readout of Bad has the shape ("),
    "vector_term": ("failed", "ValueError: the terms of the loss of Bad are not names and numbers: "),
    "tensor_term": ("done", ""),
    "well": ("done", ""),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    load_plugin(PLUGIN, REGISTRIES)
    return load_dataset("tiny", data_dir=tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("how", IN_PROCESS)
def test_a_strategy_that_goes_wrong_ends_its_trial_with_a_reason_that_can_be_stored(
    tiny: Dataset, tmp_path: Path, how: str
) -> None:
    status, reason = IN_PROCESS[how]
    spec = spec_of(tiny, "bad", steps=1, hyper={"how": how}, batch_size=64, max_epochs=2, max_len=10)
    result = run_trial(spec, tiny)
    assert (result.status, result.reason.startswith(reason)) == (status, True), (
        result.reason,
        result.traceback[-2000:],
    )
    assert status == "done" or (result.validation is None and result.test is None)
    store = Store(tmp_path / "results")
    store.write(result)
    assert told(store.read(result.key)) == told(result) and verify(store).findings == ()
    assert sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file()) < MB


def test_weights_that_are_not_finite_after_the_last_batch_are_a_divergence(tiny: Dataset) -> None:
    rows = len(tiny.train)
    spec = spec_of(tiny, "bad", steps=1, hyper={"how": "nan_gradient"}, batch_size=-(-rows // 3), max_epochs=1)
    result = run_trial(spec, tiny)
    assert (result.status, result.reason) == ("diverged", "weights not finite after epoch 1")
    assert result.test is None and result.validation is None


# ---- through Ray

SUITE = """
name: bad
plugins: [{plugin}]
datasets: [tiny]
backbones: [sasrec: {{width: 8, layers: 1, heads: 1, feed_forward: 8}}]
strategies:
  - base
  - bad: {{name: exits, how: exits}}
  - bad: {{name: hangs, how: hangs}}
  - bad: {{name: prints, how: prints, megabytes: {megabytes}}}
  - bad: {{name: nan, how: nan}}
  - bad: {{name: explodes, how: explodes}}
  - bad: {{name: no_memory, how: no_memory}}
  - bad: {{name: raises, how: raises}}
  - bad: {{name: raises_much, how: raises_much}}
  - bad: {{name: wrong_readout, how: wrong_readout}}
  - bad: {{name: vector_term, how: vector_term}}
  - bad: {{name: well}}
steps: [1]
seeds: [1]
training: {{max_epochs: 2, batch_size: 128, max_len: 10}}
resources: {{timeout: 40s}}
"""
ENDS = {
    **{how: IN_PROCESS[how] for how in ("well", "nan", "explodes", "raises", "raises_much", "wrong_readout")},
    "vector_term": IN_PROCESS["vector_term"],
    "base": ("done", ""),
    "prints": ("done", ""),
    "no_memory": ("failed", "out of memory, "),
    "exits": ("failed", "its worker died 3 times: "),
    "hangs": ("failed", "timed out after 40 s (resources.timeout): it hung"),
}


def watch(driver: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Wait for a run: the most bytes that its Ray's folder had, and its process in memory."""
    logs = memory = 0
    deadline = time.monotonic() + 900
    while driver.poll() is None and time.monotonic() < deadline:
        bases = {Path(tempfile.gettempdir()), Path("/tmp")}  # noqa: S108 - where long paths would not do
        logs = max(logs, sum(_size(folder) for base in bases for folder in base.glob(f"rearec-{driver.pid}-*")))
        status = Path(f"/proc/{driver.pid}/status").read_text()
        memory = max([memory, *(int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM:" in line)])
        time.sleep(0.2)
    return logs, memory


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):  # unlike rglob, skips what is gone meanwhile
        for file in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, file)).st_size
    return total


def run_badly(folder: Path, megabytes: int) -> tuple[int, int]:
    """Run the suite and look at what becomes of its trials; see `watch`."""
    file, store = folder / "bad.yaml", Store(folder / "results")
    file.write_text(SUITE.format(plugin=PLUGIN, megabytes=megabytes))
    command = [sys.executable, "-c", impatient(5.0), str(file), str(store.root)]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    with (folder / "said.txt").open("wb") as said:
        driver = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
        try:
            logs, memory = watch(driver)
        finally:
            driver.kill()
            driver.wait()
    said_words = (folder / "said.txt").read_text(errors="replace")
    assert driver.returncode == 0 and "Traceback" not in said_words, said_words[-3000:]
    assert len(said_words) < MB and "\x1b[2J" not in said_words
    outcome = json.loads(said_words.splitlines()[-1])
    assert (outcome["left"], outcome["done"], outcome["diverged"], len(outcome["failed"])) == (0, 3, 2, 7), outcome
    rows = _rows(store)
    assert {name: store.summary(key).status for name, key in rows.items()} == {row: end[0] for row, end in ENDS.items()}
    for name, key in rows.items():
        assert store.summary(key).reason.startswith(ENDS[name][1]), (name, store.summary(key).reason)
    assert verify(store).findings == ()
    load_plugin(PLUGIN, REGISTRIES)
    data = load_dataset("tiny", data_dir=folder / "data")
    for name in ("base", "well"):
        found = store.read(rows[name])
        assert told(found) == told(run_trial(found.spec, data)), name
    assert "explodes" in render_report(["bad"], store=store)
    assert _size(store.root) < 5 * MB
    return logs, memory


def _rows(store: Store) -> dict[str, str]:
    """Name of a row to the key of its only trial."""
    by_how = {}
    for key in sorted(store.keys()):
        strategy = store.summary(key).spec.strategy
        by_how["base" if strategy.kind == "base" else strategy.settings["how"]] = key
    return by_how


@needs_proc
@pytest.mark.parametrize(
    "megabytes", [pytest.param(100, marks=pytest.mark.slow), pytest.param(1024, marks=pytest.mark.faults)]
)
def test_trials_that_go_wrong_harm_no_other_and_fill_neither_disk_nor_memory(
    tmp_path: Path, saying: Callable[[str], None], megabytes: int
) -> None:
    logs, memory = run_badly(tmp_path, megabytes)
    saying(f"{megabytes} MB printed: {logs / MB:.0f} MB in Ray's folder, driver {memory / MB:.0f} MB at most")
    assert logs < 90 * MB and memory < 1024 * MB
