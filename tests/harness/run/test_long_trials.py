"""Trials that are killed go on from where they were; those that run out of memory or time end as they should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.trial.start import run_trial

from .test_kill import alive, command_of, descendants, kill, told

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes to kill in /proc"),
]

HERE = Path(__file__).resolve().parents[1]
LONG = """
name: long
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 16}]
strategies: [prl]
steps: [2]
seeds: [1]
search: {trials: 1}
training: {max_epochs: 12, patience: 12, batch_size: 128, max_len: 10, lr: 0.01}
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
HEAD = """
import ray
head = ray.init(address="local", num_cpus=3, num_gpus=1, include_dashboard=False)
print(head.address_info["gcs_address"], flush=True)
input()
"""
IMPATIENT = """
import sys
import driver
from rearec_bench.harness.run import tracker
tracker._GRACE_S = 60.0
driver.main(*sys.argv[1:])
"""


def until(true: Callable[[], bool], *, of: subprocess.Popen[bytes], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert of.poll() is None, "the run ended before"
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def epoch_in(held: Checkpoints, key: str) -> int:
    """Epochs that are done in a trial's checkpoint; -1 where there is none, or it is just being replaced."""
    try:
        return int(json.loads((held.folder(key) / "checkpoint.json").read_bytes())["epoch"])
    except OSError:
        return -1


def logged(store: Store, name: str) -> list[dict[str, Any]]:
    file = store.suite_folder(name) / "run.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


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
        workers = [pid for pid, name in descendants(driver.pid).items() if name.startswith("ray::ResourceTrainable")]
        for pid in workers:
            kill(pid)
        until(lambda: any(event["event"] == "lost" for event in logged(store, "long")), of=driver)
        reached = epoch_in(held, key)
        until(lambda: epoch_in(held, key) > reached, of=driver)
    finally:
        family = descendants(driver.pid)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    # Ray's two agents go on for a minute to report the death to a server that is dead too; they start nothing.
    left = [pid for pid, name in family.items() if "agent" not in name.lower()]
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in left):
        assert time.monotonic() < deadline, "outlived their driver"
        time.sleep(0.1)
    assert store.keys() == set()
    reached = epoch_in(held, key)
    done = subprocess.run(command_of(file, store.root), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    found = store.read(key)
    assert found.environment["restarts"] == 2
    alone = run_trial(found.spec, load_dataset("tiny", data_dir=store.root / "data"))
    assert told(found) == told(alone)
    assert not any(event["event"] == "note" for event in logged(store, "long"))
    assert {path.name for path in held.folder(key).iterdir()} == {
        "checkpoint.json",
        "manifest.json",
        "model.safetensors",
    }
    assert reached > 0


def test_trials_short_of_memory_or_time_on_a_gpu_that_is_shared(tmp_path: Path) -> None:
    """The GPU is one in Ray's books alone."""
    file = tmp_path / "short.yaml"
    file.write_text(SHORT)
    environment = {**os.environ, "PYTHONPATH": str(HERE), "RAY_AUTH_MODE": "token", "RAY_worker_niceness": "0"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    head = subprocess.Popen([sys.executable, "-c", HEAD], text=True, env=environment, **pipes)
    try:
        address = head.stdout.readline().strip()
        command = [sys.executable, "-c", IMPATIENT, str(file), str(tmp_path / "results"), "short_trial:ShortTrial"]
        done = subprocess.run([*command, address], text=True, env=environment, capture_output=True, timeout=900)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    finally:
        head.communicate("\n", timeout=60)
    store = Store(tmp_path / "results")
    search = [one for one in map(store.summary, sorted(store.keys())) if one.spec.purpose == "search"]
    by_lr = {one.spec.training.lr: one for one in search}
    assert {lr: one.status for lr, one in by_lr.items()} == {
        0.4: "done",
        0.55: "done",
        0.6: "failed",
        0.7: "failed",
        0.8: "failed",
    }
    assert by_lr[0.6].reason == "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB."
    assert by_lr[0.7].reason == "timed out after 40 s (resources.timeout)"
    assert by_lr[0.8].reason == "timed out after 40 s (resources.timeout): it hung"
    short = [event for event in logged(store, "short") if event["event"] == "short_of_memory"]
    by_key = {one.key: lr for lr, one in by_lr.items()}
    assert sorted(by_key[event["key"]] for event in short) == [0.55, 0.6]
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["left"] == 0
