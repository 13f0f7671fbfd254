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

from .test_kill import alive, descendants, kill, parsed, told

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes to kill in /proc")

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
PROGRAM = "from rearec_bench.cli import main; main()"


@dataclass(frozen=True)
class Whole:
    """A run that was left alone.

    Attributes:
        table: what it ended with.
        results: key to what is stored, as far as it depends on the trial alone.
        seconds: that it took.
    """

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
    ended(command(file, folder / "results"), code=0)
    seconds = time.monotonic() - began
    store = Store(folder / "results")
    results = {key: told(store.read(key)) for key in sorted(store.keys())}
    assert len(results) >= TRIALS
    return Whole(file, table(store), results, seconds)


def command(file: Path, results: Path) -> list[str]:
    where = ["--results", str(results), "--data-dir", str(file.parent / "data")]
    return [sys.executable, "-c", PROGRAM, "run", str(file), *where, "--max-concurrent", "2"]


def ended(words: list[str], *, code: int) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def table(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_report([NAME], store=store, format="json"))
    return found


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
    if kind == "raylet":
        words_of_ours = (folder / "said.txt").read_text(errors="replace")
        assert "Traceback" not in words_of_ours, words_of_ours[-3000:]
        assert driver.returncode == 0 or words_of_ours.count("rerun the same command") == 1, words_of_ours[-3000:]
    wait_until_gone(family)
    kept = store.keys()
    assert [one for one in verify(store).findings if one.kind != "missing"] == []
    log = store.suite_folder(NAME) / "run.jsonl"
    lines = len(log.read_bytes().splitlines()) if log.exists() else 0

    ended(words, code=0)
    again = {
        event["key"] for line in log.read_text().splitlines()[lines:] if (event := parsed(line)).get("event") == "start"
    }
    assert not again & kept, "trials that were stored ran again"
    assert {key: told(store.read(key)) for key in sorted(store.keys())} == whole.results
    assert table(store) == whole.table
    ended([sys.executable, "-c", PROGRAM, "results", "verify", "--results", str(store.root)], code=0)
    return f"{kind:12} {moment:24} {before:2} stored, then {len(kept):2}; exit {driver.returncode}{struck}"


def wait_for_the_moment(draw: random.Random, driver: subprocess.Popen[bytes], store: Store, seconds: float) -> str:
    stored = draw.choice((None, None, *range(TRIALS - 1)))
    if stored is None:
        after = draw.uniform(0.01, seconds)
        moment, due = f"after {after:.2f} s", _after(after)
    else:
        moment, due = f"at {stored} stored", _stored(store, stored, driver)
    deadline = time.monotonic() + 300
    while driver.poll() is None and not due() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(draw.uniform(0.0, 0.5))
    return moment


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _stored(store: Store, count: int, driver: subprocess.Popen[bytes]) -> Callable[[], bool]:
    """So many trials are stored, and some worker is there."""
    return lambda: len(store.keys()) >= count and bool(of_ray(driver.pid, "worker"))


def of_ray(driver: int, role: str) -> list[int]:
    """The raylet of a run, or its workers."""
    named = {"worker": lambda name: name.startswith("ray::") and "agent" not in name.lower()}
    is_it = named.get(role, lambda name: "raylet/raylet " in name)
    return sorted(pid for pid, name in descendants(driver).items() if is_it(name))


def strike(kind: str, draw: random.Random, driver: subprocess.Popen[bytes]) -> str:
    """Do it; "" or what came of it."""
    if driver.poll() is not None:
        return ", too late"
    if kind in ("worker", "raylet"):
        while not (found := of_ray(driver.pid, kind)):
            if driver.poll() is not None:
                return ", too late"
            time.sleep(0.05)
        kill(draw.choice(found))
        return ""
    group = kind.startswith("Ctrl-C")  # a terminal tells all processes of a group
    number = {"driver": signal.SIGKILL, "SIGTERM": signal.SIGTERM}.get(kind, signal.SIGINT)
    for turn in range(2 if kind == "Ctrl-C twice" else 1):
        time.sleep(draw.uniform(0.0, 1.0) if turn else 0.0)
        try:
            (os.killpg if group else os.kill)(driver.pid, number)
        except ProcessLookupError:
            return ", over after the first"
    return ""


def wait_until_gone(family: dict[int, str]) -> None:
    """Nothing outlives its driver; Ray's agents try for a minute to tell a server that is dead, and start nothing."""
    left = {pid: name for pid, name in family.items() if "agent" not in name.lower()}
    deadline = time.monotonic() + 60
    while left := {pid: name for pid, name in left.items() if alive(pid)}:
        assert time.monotonic() < deadline, f"outlived their driver: {sorted(left.values())}"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3, 4, 5], ids=KINDS[2:])
def test_a_run_that_is_ended_goes_on_as_if_it_had_not_been(whole: Whole, tmp_path: Path, number: int) -> None:
    """What `test_kill.py` does not do already."""
    check(whole, tmp_path, number)


@pytest.mark.faults
@pytest.mark.parametrize("number", range(6, 6 + MOMENTS))
def test_fifty_moments(whole: Whole, tmp_path: Path, number: int, saying: Callable[[str], None]) -> None:
    saying(check(whole, tmp_path, number))
