"""How many trials run at once moves no number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rearec_bench.harness.store.store import Store

from .test_kill import told

pytestmark = pytest.mark.slow

SUITE = """
name: twice
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 16}]
strategies:
  - base
  - erl: {kl_weight: {search: {low: 0.001, high: 0.1, log: true}}}
  - prl: {temperature: {search: [0.5, 1.0]}}
steps: [2]
seeds: [1, 2]
search: {trials: 3}
training: {max_epochs: 2, batch_size: 512, max_len: 10, packing: users}
"""
MAIN = "from rearec_bench.cli import main; main()"


def test_one_and_two_at_a_time_give_identical_trials_and_ranks(tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(SUITE)
    stores = []
    for most in ("1", "2"):
        folder = tmp_path / most
        command = [sys.executable, "-c", MAIN, "run", str(file), "--results", str(folder)]
        command += ["--data-dir", str(tmp_path / "data"), "--max-concurrent", most]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        stores.append(Store(folder))
    alone, together = stores
    assert alone.keys() == together.keys()
    assert len(alone.keys()) == 2 + 3 + 2 + 2 + 2
    assert alone.read_suite("twice")[1] == together.read_suite("twice")[1]
    for key in sorted(alone.keys()):
        assert told(alone.read(key)) == told(together.read(key))
