"""A run's progress file: what is in it, when it is written, and that damage to it hurts nothing."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.monitor import progress_writer
from rearec_bench.harness.monitor.events import RunStarted, RunStarting, Tick
from rearec_bench.harness.monitor.progress_writer import ProgressWriter
from rearec_bench.harness.plan.queue import SuiteQueue
from rearec_bench.harness.store.progress_file import NAME, REFRESH_S, CellCounts, read, write
from rearec_bench.harness.utils.errors import DamagedError

from ..tracked_run import TrackedRun
from .progress import run_progress

SUITE = """
name: fake
datasets: [tiny]
backbones: [sasrec]
strategies: [base, erl: {kl_weight: {search: [0.01, 0.02, 0.03]}}]
steps: [1]
seeds: [1, 2]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackedRun:
    monkeypatch.setattr(progress_writer, "_MIN_S", 0.0)
    return TrackedRun(tmp_path, SUITE)


def started(run: TrackedRun) -> RunStarted:
    given: dict[str, Any] = {"cells": 2, "max_concurrent": 2, "place": "2 cores", "results": Path(), "log": Path()}
    return RunStarted(suite="fake", totals=run.tracker.totals(), **given)


def test_a_progress_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    progress = run_progress(host="naïve\x1b", left_s=None)
    write(tmp_path / "first", progress)
    assert read(tmp_path / "first") == progress
    assert read(tmp_path) is None


def test_it_has_the_counts_of_each_cell_and_the_trials_under_way(run: TrackedRun) -> None:
    with run.tracker as tracker:
        assert (run.progress().phase, run.progress().command) == ("starting", "rerun it")
        tracker.emit(started(run))
        first, second = run.start("t1"), run.start("t2")
        tracker.epoch("t1", {"epoch": 3, "value": 0.5, "rows_per_s": 100.0})
        run.end("t2", second, status="failed", reason="no such layer")
        tracker.tick()
        tracker.tick()
        progress = run.progress()
        assert (progress.phase, progress.max_concurrent, progress.place) == ("running", 2, "2 cores")
        assert (progress.over, progress.trials) == (1, 7)
        (trial,) = progress.running
        assert (trial.key, trial.epoch, trial.value, trial.metric) == (first.key, 3, 0.5, "ndcg@20")
        cells = {cell.label: cell for cell in progress.cells}
        assert set(cells) == {"tiny sasrec base", "tiny sasrec erl K=1"}
        assert cells[trial.label].running == 1
        assert sum(cell.over.get("failed", 0) for cell in progress.cells) == 1
        assert sum(cell.waiting for cell in progress.cells) == 7 - 1 - 1
        assert progress.rate_per_h is not None and progress.rate_per_h > 0
        tracker.stop(KeyboardInterrupt())
        tracker.tick()
        assert run.progress().phase == "stopping"
        tracker.suspended("t1", saved=True)
        assert run.progress().running == ()
    assert (run.progress().phase, run.progress().ending) == ("ended", "interrupted")


def test_an_error_that_ends_the_run_is_its_ending(run: TrackedRun) -> None:
    with pytest.raises(OSError, match="full"), run.tracker:
        raise OSError("the disk is full\nand more")
    assert run.progress().ending == "OSError: the disk is full"


def test_it_is_written_at_events_but_once_a_second_and_while_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_writer.time, "monotonic", lambda: now[0])
    (tmp_path / "first").mkdir()
    writer = ProgressWriter(
        tmp_path / "first", queue=SuiteQueue([], fingerprints={}, device="cpu", stored=lambda k: None)
    )

    def number(event: Any, passed_s: float) -> int:
        now[0] += passed_s
        writer.handle(event)
        progress = read(tmp_path / "first")
        assert progress is not None
        return progress.number

    starting = RunStarting("first", 0, 0, {})
    assert number(starting, 0.0) == 1
    assert number(Tick(), REFRESH_S - 0.5) == 1
    assert number(Tick(), 0.5) == 2
    assert number(progress_writer.RunStopping("limit", 0, "", by_signal=False), 0.1) == 3, "a new phase"
    assert number(progress_writer.RunStopping("limit", 0, "", by_signal=False), 0.1) == 3
    assert number(progress_writer.RunStopping("limit", 0, "", by_signal=False), 1.0) == 4


def test_a_folder_that_is_gone_stops_nothing(run: TrackedRun) -> None:
    with run.tracker as tracker:
        shutil.rmtree(run.folder)
        tracker.emit(started(run))
        assert not run.folder.exists()


@pytest.mark.parametrize(
    ("old", "new"), [(b'"schema":1', b'"schema":99'), (b'"first"', b'"second"'), (b'"running"', b'"idle"'), (b"}", b"")]
)
def test_damage_is_found(tmp_path: Path, old: bytes, new: bytes) -> None:
    (tmp_path / "first").mkdir()
    write(tmp_path / "first", run_progress())
    content = (tmp_path / "first" / NAME).read_bytes()
    assert old in content
    (tmp_path / "first" / NAME).write_bytes(content.replace(old, new))
    with pytest.raises(DamagedError):
        read(tmp_path / "first")


def test_a_big_suite_takes_milliseconds(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    cells = tuple(CellCounts(f"{n:012x}", f"video_games sasrec prl K={n}", {"done": 20}, 1, 5) for n in range(1000))
    progress = run_progress(cells=cells)
    start = time.process_time()
    for _ in range(5):
        write(tmp_path / "first", progress)
    assert (time.process_time() - start) / 5 < 0.05
