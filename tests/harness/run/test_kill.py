"""Killed ten times over, a run ends with the trials and the index of one that was never interrupted."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.records.results import Evidence, TrialResult
from rearec_bench.harness.store.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes to kill in /proc"),
]

HERE = Path(__file__).resolve().parents[1]
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
    log = killed.suite_folder("killed") / "run.jsonl"
    draw = random.Random(20250322)  # noqa: S311 - no secret
    snapshots: list[tuple[int, set[str]]] = []
    for number in range(KILLS):
        run_and_kill(file, killed, draw, workers=number in WORKER_ROUNDS)
        snapshots.append((len(log.read_text().splitlines()) if log.exists() else 0, killed.keys()))
        for key in sorted(killed.keys()):
            killed.read(key)
    for store in (killed, whole):
        done = subprocess.run(command_of(file, store.root), capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    assert any(0 < len(stored) < len(whole.keys()) for _, stored in snapshots), "no kill struck in the middle"
    assert killed.keys() == whole.keys()
    assert killed.read_suite("killed")[1] == whole.read_suite("killed")[1]
    for key in sorted(whole.keys()):
        assert told(killed.read(key)) == told(whole.read(key))
    lines = log.read_text().splitlines()
    for length, stored in snapshots:
        started = {event["key"] for line in lines[length:] if (event := parsed(line)).get("event") == "start"}
        assert not started & stored


def run_and_kill(file: Path, store: Store, draw: random.Random, *, workers: bool) -> None:
    """Start the run, let it go on for a random while, and kill it; its workers before where asked for."""
    before = len(store.keys())
    driver = start(file, store.root)
    wait_for = draw.choice((0, 1, 1, 2))
    deadline = time.monotonic() + (draw.uniform(0.5, 9.0) if wait_for == 0 else 90.0)
    while driver.poll() is None and time.monotonic() < deadline:
        if wait_for and len(store.keys()) >= before + wait_for:
            break
        time.sleep(0.02)
    time.sleep(draw.uniform(0.0, 0.6))
    family = descendants(driver.pid)
    if workers:
        busy = [pid for pid, name in family.items() if name.startswith("ray::") and "agent" not in name.lower()]
        for pid in draw.sample(busy, min(2, len(busy))):
            kill(pid)
        time.sleep(draw.uniform(0.0, 4.0))
        family |= descendants(driver.pid)
    driver.kill()
    driver.wait()
    # Ray's two agents go on for a minute to report the death to a server that is dead too; they start nothing.
    family = {pid: name for pid, name in family.items() if "agent" not in name.lower()}
    deadline = time.monotonic() + 60
    while (left := [name for pid, name in family.items() if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, f"outlived their driver: {left}"


def start(file: Path, results: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command_of(file, results), stdout=subprocess.DEVNULL)


def command_of(file: Path, results: Path) -> list[str]:
    return [sys.executable, str(HERE / "driver.py"), str(file), str(results)]


def told(result: TrialResult) -> Any:
    """Everything of a trial that must not depend on when, where and how often it ran, comparable with ==."""
    return (
        result.spec.to_json(),
        (result.status, result.reason, result.best_epoch, result.parameters),
        [(epoch.epoch, dict(epoch.losses), dict(epoch.validation)) for epoch in result.history],
        evidence(result.validation),
        evidence(result.test),
    )


def evidence(found: Evidence | None) -> Any:
    if found is None:
        return None
    arrays = list(vars(found.rows).values()) + (list(vars(found.traces).values()) if found.traces else [])
    numbers = [(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes()) for array in arrays]
    scalars = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)[:3]}
    return (repr(scalars), numbers)


def parsed(line: str) -> dict[str, Any]:
    """An event; nothing of a line that a kill tore."""
    try:
        return json.loads(line)
    except ValueError:
        return {}


def descendants(pid: int) -> dict[int, str]:
    """All processes below one, with their command lines."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found: set[int] = set()
    grew = {pid}
    while grew:
        grew = {child for child, parent in parents.items() if parent in grew} - found
        found |= grew
    return {child: command(child) for child in found}


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
