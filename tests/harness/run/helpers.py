"""Processes to start, watch and kill, and results to compare, for tests that run whole suites."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.records.results import Evidence, TrialResult
from rearec_bench.harness.store.store import Store

HERE = Path(__file__).resolve().parents[1]
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")


def command_of(file: Path, results: Path, *more: str) -> list[str]:
    return [sys.executable, str(HERE / "driver.py"), str(file), str(results), *more]


def impatient(grace_s: float) -> str:
    """A program like driver.py whose run waits only so long for a trial that is past its time."""
    return (
        "import sys, driver\nfrom rearec_bench.harness.run import tracker\n"
        f"tracker._GRACE_S = {grace_s}\ndriver.main(*sys.argv[1:])"
    )


def finish(command: list[Any], *, code: int = 0, seconds: float = 600.0, **options: Any) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, **options)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def until(true: Callable[[], bool], *, of: subprocess.Popen[Any], seconds: float = 240.0) -> None:
    """Wait for something that a process does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert of.poll() is None, "the run ended before"
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def logged(store: Store, name: str) -> list[dict[str, Any]]:
    """The events of a run's log; without a line that a kill tore."""
    file = store.suite_folder(name) / "run.jsonl"
    events = []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


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
    numbers = [array if array is None else (array.dtype.str, array.shape, array.tobytes()) for array in arrays]
    scalars = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)[:3]}
    return (repr(scalars), numbers)


def all_told(store: Store) -> dict[str, Any]:
    return {key: told(store.read(key)) for key in sorted(store.keys())}


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
    return {child: _command(child) for child in found}


def workers(processes: dict[int, str], kind: str = "ray::") -> list[int]:
    """Ray's workers among them, or those of one kind."""
    return sorted(pid for pid, name in processes.items() if name.startswith(kind) and "agent" not in name.lower())


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_until_gone(family: dict[int, str]) -> None:
    """Nothing outlives its driver; Ray's agents try for a minute to tell a server that is dead, and start nothing."""
    left = {pid: name for pid, name in family.items() if "agent" not in name.lower()}
    deadline = time.monotonic() + 60
    while left := {pid: name for pid, name in left.items() if _alive(pid)}:
        assert time.monotonic() < deadline, f"outlived their driver: {sorted(left.values())}"
        time.sleep(0.1)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
