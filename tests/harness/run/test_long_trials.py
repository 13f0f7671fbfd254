"""Trials that are killed go on from where they were; those that run out of memory or time end as they should."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.trial.start import run_trial

from .helpers import (
    command_of,
    descendants,
    finish,
    impatient,
    kill,
    logged,
    needs_proc,
    told,
    until,
    wait_until_gone,
    workers,
)

pytestmark = [pytest.mark.slow, needs_proc]

LONG = """
name: long
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 16}]
strategies: [prl]
steps: [2]
seeds: [1]
search: {trials: 1}
training: {max_epochs: 40, patience: 40, batch_size: 128, max_len: 10, lr: 0.01}
resources: {checkpoint_every: 1s, keep_checkpoints: best}
"""
SHORT = """
name: short
datasets: [tiny]
backbones: [sasrec]
strategies: [base]
steps: [1]
seeds: [1]
search: {trials: 5, window: 5, sampler: grid}
training: {max_epochs: 2, lr: {search: [0.4, 0.55, 0.6, 0.7, 0.8]}}
resources: {gpu: 0.25, cpu: 0.5, timeout: 40s}
"""


def epoch_in(held: Checkpoints, key: str) -> int:
    """Epochs that are done in a trial's checkpoint; -1 where there is none, or it is just being replaced."""
    try:
        return int(json.loads((held.folder(key) / "checkpoint.json").read_bytes())["epoch"])
    except OSError:
        return -1


def check_alone(store: Store, key: str, *, restarts: int) -> None:
    """A trial has gone on so often, and is what it would be had it been left alone."""
    result = store.read(key)
    assert result.environment["restarts"] == restarts
    assert told(result) == told(run_trial(result.spec, load_dataset("tiny", data_dir=store.root / "data")))


def test_a_trial_whose_worker_and_driver_are_killed_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text(LONG)
    store = Store(tmp_path / "results")
    held = Checkpoints(store.root)
    driver = subprocess.Popen(command_of(file, store.root), stdout=subprocess.DEVNULL)
    try:
        until(lambda: bool(held.keys()), of=driver)
        (key,) = held.keys()
        until(lambda: epoch_in(held, key) >= 1, of=driver)
        found = workers(descendants(driver.pid), kind="ray::ResourceTrainable")
        assert found, "no worker to kill"
        kill(found)
        until(lambda: any(event["event"] == "lost" for event in logged(store, "long")), of=driver)
        reached = epoch_in(held, key)
        until(lambda: epoch_in(held, key) > reached, of=driver)
    finally:
        family = descendants(driver.pid)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    wait_until_gone(family)
    assert store.keys() == set()
    reached = epoch_in(held, key)
    finish(command_of(file, store.root))
    check_alone(store, key, restarts=2)
    assert not any(event["event"] == "note" for event in logged(store, "long"))
    assert {path.name for path in held.folder(key).iterdir()} == {
        "checkpoint.json",
        "manifest.json",
        "model.safetensors",
    }
    assert reached > 0


def test_a_trial_that_is_suspended_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text(LONG)
    store, checkpoints = Store(tmp_path / "results"), Checkpoints(tmp_path / "results")
    driver = subprocess.Popen(command_of(file, store.root), stdout=subprocess.DEVNULL)
    try:
        until(lambda: bool(checkpoints.keys()), of=driver)  # the worker has begun
        driver.send_signal(signal.SIGTERM)
        assert driver.wait(timeout=120) == 143
    finally:
        driver.kill()
        driver.wait()
    events = {event["event"]: event for event in logged(store, "long")}
    assert store.keys() == set()
    assert events["suspended"]["checkpoint"] is True
    assert (events["stopping"]["why"], events["end"]["how"]) == ("terminated", "terminated")
    (key,) = checkpoints.keys()
    finish(command_of(file, store.root))
    check_alone(store, key, restarts=1)


def test_trials_short_of_memory_or_time_on_a_gpu_that_is_shared(head, tmp_path: Path) -> None:
    """The GPU is one in Ray's books alone."""
    file, store = tmp_path / "short.yaml", Store(tmp_path / "results")
    file.write_text(SHORT)
    command = [sys.executable, "-c", impatient(20.0), file, store.root, "short_trial:ShortTrial", head.address]
    said = finish(command, env=head.environment, seconds=900)
    summaries = map(store.summary, sorted(store.keys()))
    by_lr = {one.spec.training.lr: one for one in summaries if one.spec.purpose == "search"}
    assert {lr: (one.status, one.reason) for lr, one in by_lr.items()} == {
        0.4: ("done", ""),
        0.55: ("done", ""),
        0.6: ("failed", "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB."),
        0.7: ("failed", "timed out after 40 s (resources.timeout)"),
        0.8: ("failed", "timed out after 40 s (resources.timeout): it hung"),
    }
    short = {event["key"] for event in logged(store, "short") if event["event"] == "short_of_memory"}
    assert short == {by_lr[0.55].key, by_lr[0.6].key}
    assert json.loads(said.splitlines()[-1])["left"] == 0
