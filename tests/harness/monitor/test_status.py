"""`status`: which runs are alive, and how far suites are, with a progress file and without."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.monitor import status_view
from rearec_bench.harness.monitor.status import STALE_S, status_of, stored_cells
from rearec_bench.harness.monitor.status_view import suite_lines
from rearec_bench.harness.plan.queue import Signal
from rearec_bench.harness.store.progress_file import NAME, CellCounts, write
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify

from ..tracked_run import TrackedRun
from .progress import run_progress

V1 = Path(__file__).parents[1] / "stores" / "v1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(V1, tmp_path / "results")
    return Store(tmp_path / "results")


@pytest.fixture
def live(store: Store) -> Iterator[Store]:
    """A store that this process holds the lock of, as a run does."""
    with store.locked("suite 'first'"):
        yield store


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Lets something happen whenever a follower sleeps."""
    return lambda happens: monkeypatch.setattr(status_view.time, "sleep", lambda seconds: happens())


def put(store: Store, *, age_s: float = 0.0, **changed: Any) -> Path:
    """Store a progress file of the suite `first`, written a while ago."""
    folder = store.suite_folder("first")
    write(folder, run_progress(at=time.time() - age_s, **changed))
    os.utime(folder / NAME, (time.time() - age_s,) * 2)
    return folder


def state(store: Store) -> str:
    return status_of(store, "first").state


def command(store: Store, *arguments: str) -> Result:
    done = CliRunner().invoke(main, ["status", "--results", str(store.root), *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


# ---- which runs are alive


@pytest.mark.parametrize(
    ("changed", "age_s", "expected"),
    [
        *(({}, 0.0, "running"), ({}, STALE_S + 60, "silent"), ({"phase": "starting"}, STALE_S + 60, "starting")),
        *(({"pid": 4711}, 0.0, "gone"), ({"pid": 4711}, -1e6, "gone"), ({"pid": 4711, "phase": "ended"}, 1e6, "ended")),
        *(({"host": "node3"}, 0.0, "gone"), ({"phase": "ended"}, 0.0, "starting")),
    ],
)
def test_a_run_is_alive_while_it_has_the_lock_whatever_the_clocks_say(
    live: Store, changed: dict[str, Any], age_s: float, expected: str
) -> None:
    put(live, age_s=age_s, **changed)
    assert state(live) == expected


@pytest.mark.parametrize(
    ("changed", "age_s", "expected"),
    [
        ({}, 0.0, "gone"),
        *(({"host": "node3"}, age, state) for age, state in ((1, "running"), (35, "gone"), (-99, "gone"))),
    ],
)
def test_without_a_lock_only_a_run_on_another_machine_is_alive_and_while_its_file_is_fresh(
    store: Store, changed: dict[str, Any], age_s: float, expected: str
) -> None:
    put(store, age_s=age_s, **changed)
    assert state(store) == expected


# ---- what is printed


def test_a_run_is_shown_by_its_progress_file_alone(live: Store) -> None:
    shutil.rmtree(live.root / "trials")
    put(live, budget_ends_at=time.time() + 3600)
    lines = command(live, "first").stdout.splitlines()
    assert lines[0].startswith("first  running since ")
    assert lines[0].endswith(", 2 at a time on 2 cores, starts trials for another 60 min")
    assert any(line.split() == ["tiny", "sasrec", "base", "1", "2", "-", "-", "1", "3"] for line in lines)
    (trial,) = (line for line in lines if line.strip().startswith("7f7f7f7f"))
    assert "tiny sasrec base" in trial and "final 1/2, seed 1" in trial and "N@20 .2500" in trial
    assert lines[-1].startswith("  done 3/7") and lines[-1].endswith("24 trials/hour   2 min left")


def test_a_run_that_is_gone_is_named_with_the_command_that_resumes_it(live: Store) -> None:
    put(live, pid=4711, host="node3", command="rearec-bench run 'my suite.yaml'", folder="/home/me", age_s=900)
    index = json.loads((live.suite_folder("first") / "index.json").read_text())
    cell = next(iter(index["cells"].values()))
    shutil.rmtree(live.folder(next(iter(cell["final"].values()))))
    printed = command(live, "first").stdout
    assert "process 4711 on node3 was last seen at" in printed and "(15 min ago) and is gone" in printed
    assert "1 trial is left. Go on:  cd /home/me; rearec-bench run 'my suite.yaml'" in printed


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        *(("complete", "all is done"), ("interrupted", "Ctrl-C"), ("terminated", "SIGTERM")),
        *(("time budget", "its time budget was over"), ("disk\x1b[2J full", "disk\\x1b[2J full")),
    ],
)
def test_the_end_of_a_run_is_printed(store: Store, ending: str, words: str) -> None:
    put(store, phase="ended", ending=ending, running=(), over=7)
    assert f": {words}." in command(store, "first").stdout


def test_of_a_run_that_was_complete_before_seeds_were_added_it_is_not_said_that_all_is_done(store: Store) -> None:
    folder = put(store, phase="ended", ending="complete", running=(), age_s=60.0)
    suite, index = store.read_suite("first")
    several = [cell for cell, entry in index["cells"].items() if len(entry["final"]) > 1]
    store.write_suite("first", {**suite, "seeds": [*suite["seeds"], 9]}, index)
    (folder / "index.json").touch()
    (head, *_) = command(store, "first").stdout.splitlines()
    assert "all is done" not in head and f" {len(several)} trials are left. Go on: " in head, head


def test_without_a_suite_each_is_a_line_and_the_one_that_runs_is_shown_in_full(live: Store) -> None:
    put(live)
    lines = command(live).stdout.splitlines()
    assert lines[0] == "trouble  stored    done 4/4   diverged 1   failed 1"
    assert lines[2].startswith("first  running since ")


def test_a_damaged_progress_file_is_reported_and_what_is_stored_is_counted(store: Store) -> None:
    before = verify(store).findings
    folder = put(store)
    assert verify(store).findings == before
    (folder / NAME).write_bytes(b'{"schema": 1, "cells"')
    printed = command(store, "first").stdout
    assert "its progress file cannot be read" in printed and "done 7/7" in printed
    (finding,) = (finding for finding in verify(store).findings if finding not in before)
    assert (finding.kind, finding.path) == ("progress", folder / NAME)
    with store.locked("test"):
        verify(store, fix=True)
    assert not (folder / NAME).exists() and list((store.root / "quarantine").iterdir())


def test_the_heartbeat_of_an_earlier_version_is_ignored(store: Store) -> None:
    before = verify(store).findings
    (store.suite_folder("first") / "heartbeat.json").write_text('{"schema": 1, "content": {}}')
    assert verify(store).findings == before
    assert state(store) == "unknown"


def test_no_suite_and_an_unknown_one_are_errors(store: Store, tmp_path: Path) -> None:
    done = command(store, "third")
    assert done.exit_code == 1 and "there is no suite 'third'" in done.stderr
    empty = command(Store(tmp_path / "nothing"))
    assert empty.exit_code == 2 and "there is no suite in" in empty.stderr


def test_json_has_what_is_printed(live: Store) -> None:
    put(live)
    suites = {suite["suite"]: suite for suite in json.loads(command(live, "--json").stdout)["suites"]}
    first = suites["first"]
    assert (first["state"], first["over"], first["trials"]) == ("running", 3, 7)
    assert first["workers"][0]["value"] == 0.25 and first["last"]["process"] == os.getpid()
    assert suites["trouble"]["state"] == "unknown" and suites["trouble"]["cells"]


def test_a_view_that_is_redrawn_keeps_to_the_screen_and_hides_no_failure(live: Store) -> None:
    done = [CellCounts(f"d{n}", f"tiny sasrec a{n}", {"done": 2}, 0, 0) for n in range(40)]
    idle = [CellCounts(f"i{n}", f"tiny sasrec b{n}", {}, 0, 2) for n in range(40)]
    busy = CellCounts("b", "tiny sasrec busy", {"done": 1}, 1, 0)
    failed = CellCounts("f", "tiny sasrec broken", {"failed": 1}, 0, 0)
    put(live, cells=(*done, busy, failed, *idle))
    first = status_of(live, "first")
    lines = suite_lines(first, width=60, height=20)
    assert len(lines) <= 20 and max(map(len, lines)) <= 60
    text = "\n".join(lines)
    assert "busy" in text and "broken" in text and "40 more over, 80 trials; 40 more waiting, 80 trials" in text
    assert len(suite_lines(first)) > 80


# ---- without a progress file


def test_what_is_stored_is_counted_as_the_run_counts_it(tmp_path: Path) -> None:
    strategies = "base, prl: {temperature: {search: [0.5, 1, 2]}, decay: {search: [1.2, 1.5]}}, base: {name: again}"
    run = TrackedRun(tmp_path, strategies=strategies, seeds="1, 2", trials=4, lr="{search: [0.001, 0.5, 0.75]}")
    outcomes = {0.5: {"status": "diverged", "reason": "not finite"}, 0.75: {"status": "failed", "reason": "no layer"}}
    with run.tracker as tracker:
        while not isinstance(job := tracker.take("t"), Signal):
            run.end("t", job, **outcomes.get(job.spec.training.lr, {}))
            cells, over, trials = stored_cells(run.store, "fake")
            counts = {cell.id: (dict(cell.over), cell.waiting) for cell in cells}
            assert counts == {
                cell.id: ({status: count for status, count in over.items() if count}, left)
                for cell, over, left in run.queue.standings()
            }
            assert (over, trials) == run.queue.totals()
    assert {status for over, _ in counts.values() for status in over} == {"done", "diverged", "failed"}


@pytest.mark.parametrize(
    "changed", [{"seeds": "3, 4, 5"}, {"seeds": "2"}, {"trials": 6}, {"trials": 2}, {"lr": "0.002"}]
)
def test_of_a_run_that_was_killed_after_its_suite_was_changed_what_the_suite_asks_for_is_counted(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    def begun(**changed: Any) -> TrackedRun:
        run = TrackedRun(tmp_path, **{"seeds": "1, 2", "trials": 4, **changed})
        run.tracker.__enter__()
        return run

    before = begun()
    while not isinstance(job := before.tracker.take("t"), Signal):
        before.end("t", job)
    run = begun(**changed)
    assert stored_cells(run.store, "fake")[1:] == run.queue.totals()
    job = run.tracker.take("t")
    if not isinstance(job, Signal):
        run.end("t", job)
        assert stored_cells(run.store, "fake")[1:] == run.queue.totals()


@pytest.mark.parametrize("best", [True, False])
def test_a_search_trial_that_is_gone_waits_to_be_run_again(best: bool, tmp_path: Path) -> None:
    run = TrackedRun(tmp_path, seeds="1, 2", trials=4)
    with run.tracker as tracker:
        while not isinstance(job := tracker.take("t"), Signal):
            run.end("t", job)
    (entry,) = (cell for cell in run.store.read_suite("fake")[1]["cells"].values() if cell["best"])
    run.store.delete(next(key for key in entry["search"] if (key == entry["best"]) == best))
    _, over, trials = stored_cells(run.store, "fake")
    assert (over, trials - over) == (len(run.store.keys()), 1)


# ---- following


def test_on_a_pipe_each_change_is_a_line_until_the_run_ends(live: Store, meanwhile: Any) -> None:
    ended = {"phase": "ended", "ending": "complete", "pid": 4711, "running": (), "cells": (), "over": 7}
    steps = iter([{"number": 4}, {"number": 5, "over": 4}, {"number": 6, "over": 4, "running": ()}, ended])
    meanwhile(lambda: put(live, **next(steps)))
    put(live)
    out = StringIO()
    status_view.show(live, "first", out=out, follow=True)
    lines = [line.partition(" ")[2] for line in out.getvalue().splitlines()]
    counts = ["done 3/7", "done 4/7", "done 4/7", "done 7/7", "all is done"]
    assert [count in line for count, line in zip(counts, lines, strict=True)] == [True] * 5
    assert lines[3].startswith("first  ended")


def test_following_ends_at_once_without_a_run_and_quietly_at_ctrl_c(live: Store, meanwhile: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    meanwhile(interrupt)
    assert "no run of it is known" in command(live, "first", "--follow").stdout
    put(live)
    assert command(live, "first", "--follow").exit_code == 0


def test_on_a_terminal_it_is_redrawn(live: Store, meanwhile: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    meanwhile(lambda: put(live, phase="ended", ending="complete", pid=4711, running=(), over=7))
    put(live)
    status_view.show(live, "first", out=out, follow=True)
    assert "running since" in out.getvalue() and "all is done" in out.getvalue()
