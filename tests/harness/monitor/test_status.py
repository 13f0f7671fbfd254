"""`status`: who lives and who is gone, and how suites stand with and without a heartbeat."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.monitor import status_view
from rearec_bench.harness.monitor.status import STALE_S, WATCH_S, Watcher, status_of, stored_cells
from rearec_bench.harness.monitor.status_view import suite_lines
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.store.heartbeat import NAME, Beat, CellCount, Holder, Worker, written
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify
from rearec_bench.harness.suite.load import load_suite

from ..fake_trial import FakeTrial
from .test_heartbeat import beat_of

V1 = Path(__file__).parents[1] / "stores" / "v1"
ELSEWHERE = Holder("suite 'first'", 4711, "node3", "another boot", 5, time.time() - 7200)
SUITE = """
name: fake
datasets: [tiny]
backbones: [sasrec]
strategies: [base, prl: {temperature: {search: [0.5, 1, 2]}, decay: {search: [1.2, 1.5]}}]
steps: [1]
seeds: [1, 2]
search: {trials: 4}
training: {lr: {search: [0.001, 0.5, 0.75]}}
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(V1, tmp_path / "results")
    return Store(tmp_path / "results")


def put(store: Store, beat: Beat, *, age_s: float = 0.0) -> Path:
    """Store a heartbeat, written a while ago."""
    folder = store.suite_folder(beat.suite)
    beat = dataclasses.replace(beat, at=time.time() - age_s, told_at=time.time() - age_s)
    (folder / NAME).write_bytes(written(beat))
    os.utime(folder / NAME, (time.time() - age_s,) * 2)
    return folder


def first(**changed: Any) -> Beat:
    return beat_of(**{"suite": "first", **changed})


def far(**changed: Any) -> Beat:
    """Of a run on another machine."""
    return first(**{"process": ELSEWHERE, **changed})


def command(store: Store, *words: str) -> Result:
    done = CliRunner().invoke(main, ["status", "--results", str(store.root), *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


class Hands:
    """A clock that goes on by sleeping, and what happens meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.now = 0.0
        self.meanwhile = meanwhile

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()

    def watcher(self) -> Watcher:
        return Watcher(clock=self.clock, sleep=self.sleep)


# ---- who lives


def test_a_process_that_is_there_runs_and_one_that_is_not_is_gone_whatever_the_clocks_say(store: Store) -> None:
    gone = dataclasses.replace(first().process, began=1)
    for age_s in (0.0, -1e6, 20.0):
        put(store, first(process=gone), age_s=age_s)
        assert status_of(store, "first", Watcher()).state == "gone"
    put(store, first())
    assert status_of(store, "first", Watcher()).state == "running"
    put(store, first(), age_s=STALE_S + 60)
    assert status_of(store, "first", Watcher()).state == "silent"
    put(store, first(phase="ended", ending="complete"), age_s=1e6)
    assert status_of(store, "first", Watcher()).state == "ended"


@pytest.mark.parametrize(("age_s", "state"), [(1.0, "running"), (STALE_S + 5, "gone")])
def test_a_run_on_another_machine_lives_while_its_heartbeat_is_fresh(store: Store, age_s: float, state: str) -> None:
    put(store, far(), age_s=age_s)
    hands = Hands()
    assert status_of(store, "first", hands.watcher()).state == state
    assert hands.now == 0.0, "nothing to wait for"


@pytest.mark.parametrize("moves", [True, False])
def test_a_heartbeat_from_the_future_counts_only_while_it_moves(store: Store, moves: bool) -> None:
    put(store, far(number=1), age_s=-3 * 3600)
    hands = Hands(lambda: put(store, far(number=2), age_s=-3 * 3600) if moves else None)
    assert status_of(store, "first", hands.watcher()).state == ("running" if moves else "gone")
    assert hands.now <= WATCH_S + 1


def test_a_follower_takes_one_that_stops_moving_for_gone_though_its_clock_is_ahead(store: Store) -> None:
    hands = Hands()
    watcher = hands.watcher()
    put(store, far(number=1), age_s=0.0)
    assert status_of(store, "first", watcher).state == "running"
    put(store, far(number=2), age_s=-3600.0)
    assert status_of(store, "first", watcher).state == "running"
    hands.now += STALE_S - 1
    assert status_of(store, "first", watcher).state == "running"
    hands.now += 2
    assert status_of(store, "first", watcher).state == "gone"


# ---- what is said


def test_a_run_is_shown_by_its_heartbeat_alone(store: Store) -> None:
    shutil.rmtree(store.root / "trials")
    put(store, first())
    said = command(store, "first").stdout
    lines = said.splitlines()
    assert lines[0].startswith("first  running since ") and "2 at a time on 2 cores" in lines[0]
    assert any(line.split() == ["tiny", "sasrec", "base", "1", "2", "-", "-", "1", "3"] for line in lines)
    (worker,) = (line for line in lines if line.strip().startswith("7f7f7f7f"))
    assert "tiny sasrec base" in worker and "final 1/2, seed 1" in worker and "N@20 .2500" in worker
    assert lines[-1].startswith("  done 3/7") and "24 trials/hour" in said and "90 s left" not in said
    assert "2 min left" in said


def test_a_run_that_is_gone_is_named_with_the_command_that_goes_on(store: Store) -> None:
    put(store, far(command="rearec-bench run 'my suite.yaml'", folder="/home/me"), age_s=900)
    index = json.loads((store.suite_folder("first") / "index.json").read_text())
    cell = next(iter(index["cells"].values()))
    shutil.rmtree(store.folder(next(iter(cell["final"].values()))))
    said = command(store, "first").stdout
    assert "process 4711 on node3 has said nothing since" in said and "(15 min ago)" in said
    assert "1 trial is left. Go on:  cd /home/me; rearec-bench run 'my suite.yaml'" in said


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("complete", "all is done"),
        ("interrupted", "Ctrl-C"),
        ("terminated", "SIGTERM"),
        ("time budget", "its time budget was over"),
        ("StoreError: disk\x1b[2J full", "StoreError: disk\\x1b[2J full"),
    ],
)
def test_how_a_run_ended_is_said(store: Store, ending: str, words: str) -> None:
    put(store, first(phase="ended", ending=ending, workers=()))
    assert f": {words}." in command(store, "first").stdout


def test_without_a_suite_each_is_a_line_and_the_one_that_runs_is_shown(store: Store) -> None:
    put(store, first())
    lines = command(store).stdout.splitlines()
    assert lines[0] == "trouble  stored    done 4/4   diverged 1   failed 1"
    assert lines[2].startswith("first  running since ")


def test_a_damaged_heartbeat_is_said_and_the_store_speaks_for_itself(store: Store) -> None:
    folder = put(store, first())
    (folder / NAME).write_bytes(b'{"schema": 1, "content"')
    done = command(store, "first")
    assert done.exit_code == 0
    assert "its heartbeat cannot be read" in done.stdout and "done 7/7" in done.stdout
    (finding,) = (one for one in verify(store).findings if one.kind == "heartbeat")
    assert finding.path == folder / NAME
    with store.locked("test"):
        verify(store, fix=True)
    assert not (folder / NAME).exists() and list((store.root / "quarantine").iterdir())
    assert not [one for one in verify(store).findings if one.kind == "heartbeat"]


def test_a_whole_heartbeat_is_no_finding(store: Store) -> None:
    before = verify(store).findings
    put(store, first())
    assert verify(store).findings == before


def test_no_suite_and_an_unknown_one_are_said(store: Store, tmp_path: Path) -> None:
    done = command(store, "third")
    assert done.exit_code == 1 and "there is no suite 'third'" in done.stderr
    empty = command(Store(tmp_path / "nothing"))
    assert empty.exit_code == 2 and "there is no suite in" in empty.stderr


def test_json_has_what_the_words_have(store: Store) -> None:
    put(store, first())
    held = {one["suite"]: one for one in json.loads(command(store, "--json").stdout)["suites"]}
    assert (held["first"]["state"], held["first"]["over"], held["first"]["trials"]) == ("running", 3, 7)
    assert held["first"]["workers"][0]["value"] == 0.25 and held["first"]["last"]["host"] == first().process.host
    assert held["trouble"]["state"] == "unknown" and held["trouble"]["cells"]


def test_a_view_that_is_redrawn_keeps_to_the_screen_and_hides_no_failure(store: Store) -> None:
    done = [CellCount(f"d{n}", f"tiny sasrec a{n}", {"done": 2}, 0, 0) for n in range(40)]
    idle = [CellCount(f"i{n}", f"tiny sasrec b{n}", {}, 0, 2) for n in range(40)]
    busy = CellCount("b", "tiny sasrec busy", {"done": 1}, 1, 0)
    failed = CellCount("f", "tiny sasrec broken", {"failed": 1}, 0, 0)
    put(store, first(cells=(*done, busy, failed, *idle)))
    status = status_of(store, "first", Watcher())
    lines = suite_lines(status, width=60, height=20)
    assert len(lines) <= 20 and max(map(len, lines)) <= 60
    text = "\n".join(lines)
    assert "busy" in text and "broken" in text and "40 more over, 80 trials; 40 more waiting, 80 trials" in text
    assert len(suite_lines(status)) > 80


# ---- without a heartbeat


def test_what_is_stored_is_counted_as_the_run_counts_it(tmp_path: Path) -> None:
    file = tmp_path / "fake.yaml"
    file.write_text(SUITE)
    suite, store = load_suite(file), Store(tmp_path / "results")
    queue = SuiteQueue(expand(suite), fingerprints={"tiny": "f"}, device="cpu", stored=lambda key: None)
    lines: list[str] = []
    while not isinstance(job := queue.next(), Signal):
        trial, lr = FakeTrial(job.spec, None), job.spec.training.lr
        result = trial.result()
        if lr == 0.5:
            result = trial.diverged("not finite")
        if lr == 0.75:
            result = TrialResult(spec=job.spec, status="failed", reason="no such layer")
        store.write(result)
        queue.tell(store.summary(job.key))
        said = {"cell": job.cell.id, "key": job.key, "purpose": job.purpose}
        lines.append(json.dumps({"schema": 2, "event": result.status, **said}))
        store.write_suite(suite.name, suite.to_json(), {"cells": queue.index()})
        store.write_log(suite.name, lines)
        cells, over, trials = stored_cells(store, "fake")
        expected = {cell.id: ({k: v for k, v in counts.items() if v}, left) for cell, counts, left in queue.standings()}
        assert {cell.id: (dict(cell.over), cell.waiting) for cell in cells} == expected
        assert (over, trials) == queue.totals()


# ---- following


def test_on_a_pipe_each_change_is_a_line_until_the_run_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = {"phase": "ended", "ending": "complete", "workers": (), "cells": ()}
    worker = Worker("ab" * 16, "tiny sasrec base", "final 2/2, seed 2", 1, 5.0, 0, "ndcg@20", None, None)
    steps = iter([{"number": 4}, {"number": 5, "over": 4}, {"number": 6, "over": 4, "workers": (worker,)}, ended])
    monkeypatch.setattr(status_view.time, "sleep", lambda seconds: put(store, first(**next(steps))))
    put(store, first())
    out = StringIO()
    status_view.show(store, "first", out=out, follow=True)
    lines = [line.partition(" ")[2] for line in out.getvalue().splitlines()]
    counts = ["done 3/7", "done 4/7", "done 4/7", "done 3/7"]
    assert [count in line for count, line in zip(counts, lines, strict=False)] == [True] * 4
    assert lines[3].startswith("first  ended") and "all is done" in out.getvalue().splitlines()[-1]
    assert len(lines) == 5


def test_following_what_does_not_run_ends_at_once(store: Store) -> None:
    assert "no run of it is known" in command(store, "first", "--follow").stdout


def test_ctrl_c_ends_following_quietly(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    put(store, first())
    monkeypatch.setattr(status_view.time, "sleep", interrupt)
    assert command(store, "first", "--follow").exit_code == 0


def test_on_a_terminal_it_is_redrawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(
        status_view.time, "sleep", lambda seconds: put(store, first(phase="ended", ending="complete", workers=()))
    )
    put(store, first())
    out = Terminal()
    status_view.show(store, "first", out=out, follow=True)
    assert "running since" in out.getvalue() and "all is done" in out.getvalue()
