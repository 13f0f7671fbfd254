"""Whatever ends a run, and whenever: the same command again ends with the table and the ranks of a run left alone.

Each moment is drawn by a seed: a time since the start of the command, or a while after so many trials were stored.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify

from .helpers import all_told, descendants, finish, kill, logged, needs_proc, wait_until_gone, workers

pytestmark = needs_proc

KINDS = ("driver", "worker", "raylet", "SIGTERM", "Ctrl-C", "Ctrl-C twice")
MOMENTS = 50
NAME = "interrupted"
SUITE = f"""
name: {NAME}
datasets: [tiny]
backbones: [sasrec: {{width: 8, layers: 1, feed_forward: 16}}]
strategies:
  - base
  - erl: {{kl_weight: {{search: {{low: 0.001, high: 0.1, log: true}}}}}}
  - prl: {{temperature: {{search: [0.5, 1.0]}}, decay: {{search: [1.2, 1.5]}}}}
steps: [1]
seeds: [1, 2]
search: {{trials: 3}}
training: {{max_epochs: 2, batch_size: 512, max_len: 10}}
"""
TRIALS = 10  # at least: a search may suggest the same twice
PROGRAM = [sys.executable, "-c", "from rearec_bench.cli import main; main()"]


@dataclass(frozen=True)
class Whole:
    """A run that was left alone: what it ended with, and the seconds that it took."""

    file: Path
    table: dict[str, Any]
    results: dict[str, Any]
    seconds: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    file = folder / "suite.yaml"
    file.write_text(SUITE)
    began = time.monotonic()
    finish(command(file, folder / "results"))
    seconds = time.monotonic() - began
    store = Store(folder / "results")
    results = all_told(store)
    assert len(results) >= TRIALS
    return Whole(file, table(store), results, seconds)


def command(file: Path, results: Path, at_once: int = 2) -> list[str]:
    where = ["--results", str(results), "--data-dir", str(file.parent / "data")]
    return [*PROGRAM, "run", str(file), *where, "--max-concurrent", str(at_once)]


def table(store: Store) -> dict[str, Any]:
    """The table, without the command that goes on: it names folders."""
    [told] = json.loads(render_report([NAME], store=store, format="json"))["tables"]
    return {**told, "protocol": [line.partition("rearec-bench run ")[0] for line in told["protocol"]]}


def check(whole: Whole, folder: Path, number: int) -> str:
    """One fault, and the same command again; what happened, in words."""
    draw = random.Random(number)  # noqa: S311 - no secret
    kind = KINDS[number % len(KINDS)]
    store = Store(folder / "results")
    words = command(whole.file, store.root)
    with (folder / "said.txt").open("wb") as said:
        driver = subprocess.Popen(words, stdout=said, stderr=said, start_new_session=True)
        try:
            moment = wait_for_the_moment(draw, driver, store, whole.seconds)
            family = descendants(driver.pid)
            before = len(store.keys())
            struck = strike(kind, draw, driver)
            family |= descendants(driver.pid)
            driver.wait(timeout=300)
        finally:
            driver.kill()
            driver.wait()
    if kind == "raylet" and driver.returncode != 0:
        printed = (folder / "said.txt").read_text(errors="replace")
        assert "Traceback" not in printed and printed.count("rerun the same command") == 1, printed[-3000:]
    wait_until_gone(family)
    kept = store.keys()
    assert [finding for finding in verify(store).findings if finding.kind != "missing"] == []
    lines = len(logged(store, NAME))

    finish(words)
    again = {event["key"] for event in logged(store, NAME)[lines:] if event["event"] == "start"}
    assert not again & kept, "trials that were stored ran again"
    assert all_told(store) == whole.results
    assert table(store) == whole.table
    finish([*PROGRAM, "results", "verify", "--results", str(store.root)])
    return f"{kind:12} {moment:24} {before:2} stored, then {len(kept):2}; exit {driver.returncode}{struck}"


def wait_for_the_moment(draw: random.Random, driver: subprocess.Popen[bytes], store: Store, seconds: float) -> str:
    stored = draw.choice((None, None, *range(TRIALS - 1)))
    if stored is None:
        after = draw.uniform(0.01, seconds)
        moment, end = f"after {after:.2f} s", time.monotonic() + after
    else:
        moment, end = f"at {stored} stored", time.monotonic() + 300

    def due() -> bool:
        """Late enough, or so many trials are stored and some worker is there."""
        enough = stored is not None and len(store.keys()) >= stored and bool(workers(descendants(driver.pid)))
        return enough or time.monotonic() >= end

    while driver.poll() is None and not due():
        time.sleep(0.05)
    time.sleep(draw.uniform(0.0, 0.5))
    return moment


def strike(kind: str, draw: random.Random, driver: subprocess.Popen[bytes]) -> str:
    """Do it; "" or what came of it."""
    if kind in ("worker", "raylet"):
        while driver.poll() is None:
            family = descendants(driver.pid)
            raylets = [pid for pid, name in sorted(family.items()) if "raylet/raylet " in name]
            if found := workers(family) if kind == "worker" else raylets:
                kill([draw.choice(found)])
                return ""
            time.sleep(0.05)
    if driver.poll() is not None:
        return ", too late"
    send = os.killpg if kind.startswith("Ctrl-C") else os.kill  # a terminal tells all processes of a group
    number = {"driver": signal.SIGKILL, "SIGTERM": signal.SIGTERM}.get(kind, signal.SIGINT)
    for turn in range(2 if kind == "Ctrl-C twice" else 1):
        time.sleep(draw.uniform(0.0, 1.0) if turn else 0.0)
        try:
            send(driver.pid, number)
        except ProcessLookupError:
            return ", over after the first"
    return ""


@pytest.mark.slow
def test_one_at_a_time_gives_the_ranks_of_two_at_a_time(whole: Whole, tmp_path: Path) -> None:
    finish(command(whole.file, tmp_path, at_once=1))
    assert all_told(Store(tmp_path)) == whole.results
    assert table(Store(tmp_path)) == whole.table


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3, 4, 5], ids=KINDS[2:])
def test_a_run_that_is_ended_goes_on_as_if_it_had_not_been(whole: Whole, tmp_path: Path, number: int) -> None:
    """What `test_kill.py` does not do already."""
    check(whole, tmp_path, number)


@pytest.mark.faults
@pytest.mark.parametrize("number", range(6, 6 + MOMENTS))
def test_fifty_moments(whole: Whole, tmp_path: Path, number: int, saying: Callable[[str], None]) -> None:
    saying(check(whole, tmp_path, number))
