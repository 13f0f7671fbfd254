"""A run's progress file: what is in it, when it is written, and that damage to it hurts nothing."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.monitor import events, progress_writer
from rearec_bench.harness.monitor.progress_writer import ProgressWriter
from rearec_bench.harness.store.progress_file import NAME, REFRESH_S, CellCounts, read, write
from rearec_bench.harness.utils.errors import DamagedError, RearecError

from ..tracked_run import TrackedRun
from .progress import run_progress


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackedRun:
    monkeypatch.setattr(progress_writer, "_MIN_S", 0.0)
    return TrackedRun(
        tmp_path, strategies="base, erl: {kl_weight: {search: [0.01, 0.02, 0.03]}}", seeds="1, 2", trials=3
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "first").mkdir()
    return tmp_path / "first"


def test_a_progress_file_is_read_as_it_was_written(folder: Path) -> None:
    progress = run_progress(host="naïve\x1b", ends_at=None)
    write(folder, progress)
    assert read(folder) == progress
    assert read(folder.parent) is None


def test_it_has_the_counts_of_each_cell_and_the_trials_under_way(run: TrackedRun) -> None:
    (run.store.root / "trials" / ("f" * 32)).mkdir(parents=True)  # of another suite
    with run.tracker as tracker:
        assert (run.progress().phase, run.progress().command) == ("starting", "rerun it")
        run.begin()
        first, second = run.start("t1"), run.start("t2")
        tracker.epoch("t1", {"epoch": 3, "value": 0.5, "rows_per_s": 100.0})
        run.end("t2", second, status="failed", reason="no such layer")
        progress = run.progress()
        assert (progress.phase, progress.max_concurrent, progress.place) == ("running", 2, "2 cores")
        assert (progress.over, progress.trials) == (1, 7)
        (trial,) = progress.running
        assert (trial.key, trial.epoch, trial.value, trial.metric) == (first.key, 3, 0.5, "ndcg@20")
        cells = {cell.label: cell for cell in progress.cells}
        assert set(cells) == {"tiny sasrec base", "tiny sasrec erl K=1"} and cells[trial.label].running == 1
        assert sum(cell.over.get("failed", 0) for cell in progress.cells) == 1
        assert sum(cell.waiting for cell in progress.cells) == 7 - 1 - 1
        assert progress.rate_per_h is not None and progress.rate_per_h > 0
        tracker.stop(KeyboardInterrupt())
        tracker.tick()
        tracker.suspended("t1", saved=True)
        assert (run.progress().phase, run.progress().running) == ("stopping", ())
        assert "resume; 1 of 7 trials is stored." in run.out.getvalue()
    assert (run.progress().phase, run.progress().ending) == ("ended", "interrupted")


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (OSError("the disk is full\nand more"), "OSError: the disk is full"),
        (RearecError("Ray does not start. Rerun the command later."), "Ray does not start. Rerun the command later."),
        (RearecError("a long word " * 100), f"{'a long word ' * 33}..."),
    ],
)
def test_an_error_that_ends_the_run_is_its_ending(run: TrackedRun, error: Exception, ending: str) -> None:
    with pytest.raises(type(error)), run.tracker:
        raise error
    assert run.progress().ending == ending


def test_it_is_written_at_events_once_a_second_at_most_and_while_nothing_happens(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress_writer.time, "monotonic", lambda: now[0])
    writer = ProgressWriter(folder, queue=TrackedRun(tmp_path).queue)
    stopping = events.RunStopping("limit", 0, "", by_signal=False)
    steps: list[tuple[events.Event, float, int]] = [
        (events.RunStarting("first", 0, 0, {}), 0.0, 1),
        (events.Tick(), REFRESH_S - 0.5, 1),
        (events.Tick(), 0.5, 2),
        (stopping, 0.1, 3),  # a new phase
        (stopping, 0.1, 3),
        (stopping, 1.0, 4),
    ]
    for event, passed_s, number in steps:
        now[0] += passed_s
        writer.handle(event)
        progress = read(folder)
        assert progress is not None and progress.number == number


def test_a_folder_that_is_gone_stops_nothing(run: TrackedRun) -> None:
    with run.tracker:
        shutil.rmtree(run.folder)
        run.begin()
        assert not run.folder.exists()


@pytest.mark.parametrize(
    ("old", "new"), [(b'"schema":1', b'"schema":99'), (b'"first"', b'"second"'), (b'"running"', b'"idle"'), (b"}", b"")]
)
def test_damage_is_found(folder: Path, old: bytes, new: bytes) -> None:
    write(folder, run_progress())
    content = (folder / NAME).read_bytes()
    assert old in content
    (folder / NAME).write_bytes(content.replace(old, new))
    with pytest.raises(DamagedError):
        read(folder)


def test_a_big_suite_takes_milliseconds(folder: Path) -> None:
    cells: Any = [CellCounts(f"{n:012x}", f"video_games sasrec prl K={n}", {"done": 20}, 1, 5) for n in range(1000)]
    start = time.process_time()
    write(folder, run_progress(cells=tuple(cells)))
    assert time.process_time() - start < 0.05
