"""Killed ten times over, a run ends with the trials and the index of one that was never interrupted."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from rearec_bench.harness.store.store import Store

from .helpers import (
    all_told,
    command_of,
    descendants,
    finish,
    kill,
    logged,
    needs_proc,
    wait_until_gone,
    workers,
)

pytestmark = [pytest.mark.slow, needs_proc]

KILLS = 10
WORKER_ROUNDS = (2, 5, 8)
SUITE = """
name: killed
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 16}]
strategies:
  - base
  - naive
  - erl: {kl_weight: {search: {low: 0.001, high: 0.1, log: true}}}
  - prl: {temperature: {search: [0.5, 1.0, 2.0]}, decay: {search: [1.2, 1.5]}}
steps: [1]
seeds: [1, 2]
search: {trials: 5}
training: {max_epochs: 2, batch_size: 512, max_len: 10}
"""


def test_killed_ten_times_a_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    file = tmp_path / "killed.yaml"
    file.write_text(SUITE)
    killed, whole = Store(tmp_path / "killed"), Store(tmp_path / "whole")
    draw = random.Random(20250322)  # noqa: S311 - no secret
    snapshots: list[tuple[int, set[str]]] = []
    for number in range(KILLS):
        run_and_kill(file, killed, draw, with_workers=number in WORKER_ROUNDS)
        snapshots.append((len(logged(killed, "killed")), killed.keys()))
        for key in sorted(killed.keys()):
            killed.read(key)
    for store in (killed, whole):
        finish(command_of(file, store.root))

    assert any(0 < len(stored) < len(whole.keys()) for _, stored in snapshots), "no kill struck in the middle"
    assert killed.read_suite("killed")[1] == whole.read_suite("killed")[1]
    assert all_told(killed) == all_told(whole)
    events = logged(killed, "killed")
    for length, stored in snapshots:
        assert not {event["key"] for event in events[length:] if event["event"] == "start"} & stored


def run_and_kill(file: Path, store: Store, draw: random.Random, *, with_workers: bool) -> None:
    """Start the run, let it go on for a random while, and kill it; its workers before where asked for."""
    before = len(store.keys())
    driver = subprocess.Popen(command_of(file, store.root), stdout=subprocess.DEVNULL)
    wait_for = draw.choice((0, 1, 1, 2))
    deadline = time.monotonic() + (draw.uniform(0.5, 9.0) if wait_for == 0 else 90.0)
    while driver.poll() is None and time.monotonic() < deadline:
        if wait_for and len(store.keys()) >= before + wait_for:
            break
        time.sleep(0.02)
    time.sleep(draw.uniform(0.0, 0.6))
    family = descendants(driver.pid)
    if with_workers:
        busy = workers(family)
        kill(draw.sample(busy, min(2, len(busy))))
        time.sleep(draw.uniform(0.0, 4.0))
        family |= descendants(driver.pid)
    driver.kill()
    driver.wait()
    wait_until_gone(family)
