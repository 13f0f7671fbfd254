"""A run that SIGTERM ends has its trials save what they have; they go on from there."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.trial.start import run_trial

from .test_kill import command_of, start, told
from .test_long_trials import logged, until

pytestmark = pytest.mark.slow
SUITE = """
name: recalled
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 16}]
strategies: [prl]
steps: [2]
seeds: [1]
search: {trials: 1}
training: {max_epochs: 12, patience: 12, batch_size: 128, max_len: 10, lr: 0.01}
resources: {checkpoint_every: 1s}
"""


def test_a_trial_that_is_called_back_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    file = tmp_path / "recalled.yaml"
    file.write_text(SUITE)
    store, held = Store(tmp_path / "results"), Checkpoints(tmp_path / "results")
    driver = start(file, store.root)
    try:
        until(lambda: bool(held.keys()), of=driver)  # the worker has begun
        driver.send_signal(signal.SIGTERM)
        assert driver.wait(timeout=120) == 143
    finally:
        driver.kill()
        driver.wait()
    events = {event["event"]: event for event in logged(store, "recalled")}
    assert store.keys() == set()
    assert events["suspended"]["checkpoint"] is True
    assert (events["stopping"]["why"], events["end"]["how"]) == ("terminated", "terminated")
    (key,) = held.keys()

    done = subprocess.run(command_of(file, store.root), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = store.read(key)
    assert found.environment["restarts"] == 1
    assert told(found) == told(run_trial(found.spec, load_dataset("tiny", data_dir=store.root / "data")))
