"""A whole suite through Ray, with trials that train nothing; each test starts a Ray of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.monitor.log import RunLog
from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.run import runner as execute
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.run.runner import RunOptions, dry_run, run_suite
from rearec_bench.harness.run.stopping import StopPolicy
from rearec_bench.harness.store.progress_file import read
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils.errors import DatasetError

HERE = Path(__file__).resolve().parents[1]
SUITE = """
name: fake
datasets: [tiny]
backbones: [sasrec]
strategies:
  - base
  - erl: {kl_weight: {search: [0.001, 0.01]}}
  - prl: {temperature: {search: {low: 0.1, high: 5.0}}}
steps: [1]
seeds: [1, 2]
search: {trials: 4}
training: {max_epochs: 2}
"""
TROUBLE = """
name: fake
datasets: [tiny]
backbones: [sasrec]
strategies: [base, naive]
steps: [1]
seeds: [1]
search: {trials: 4}
training: {max_epochs: 2, lr: {search: [0.001, 0.5, 0.75, 0.875]}}
"""
HEAD = """
import ray
print(ray.init(address="local", num_cpus=3, include_dashboard=False).address_info["gcs_address"], flush=True)
input()
ray.get(ray.remote(lambda: 1).remote(), timeout=30)
"""
TRIALS = 3 * 2 + 2 + 4


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[RunOutcome, Store, str]]:
    """Run a suite of fake trials; its outcome, its store and what it said."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))

    def go(text: str = SUITE, results: str = "results", **options: Any) -> Any:
        file = tmp_path / "suite.yaml"
        file.write_text(text)
        store, out = Store(tmp_path / results), StringIO()
        outcome = run_suite(
            load_suite(file),
            store=store,
            data_dir=tmp_path / "data",
            options=RunOptions(trial="fake_trial:FakeTrial", **{"cpus": 2, **options}),
            reporter=LineReporter(out),
        )
        return outcome, store, out.getvalue()

    return go


def events(store: Store, name: str = "fake") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store.suite_folder(name) / "run.jsonl").read_text().splitlines()]


def test_one_and_two_at_a_time_run_the_same_trials_and_a_second_run_runs_none(run: Callable[..., Any]) -> None:
    alone, store_alone, said = run(results="alone", max_concurrent=1)
    _, store_beside, _ = run(results="beside")
    assert (alone.done, alone.started, alone.left, alone.failed) == (TRIALS, TRIALS, 0, ())
    assert store_alone.keys() == store_beside.keys()
    assert store_alone.read_suite("fake")[1] == store_beside.read_suite("fake")[1]
    for key in sorted(store_alone.keys()):
        assert store_alone.read(key).validation.readout == store_beside.read(key).validation.readout
    assert said.count(" done ") == TRIALS
    assert f"fake  3 cells, {TRIALS} trials (0 stored), 1 at a time on 2 cores" in said

    again, _, said = run(results="beside")
    assert (again.started, again.done, again.ray_s) == (0, TRIALS, 0.0)
    assert f"{TRIALS} trials ({TRIALS} stored), none left to run" in said
    starts = [event["key"] for event in events(store_beside) if event["event"] == "start"]
    assert len(starts) == len(set(starts)) == TRIALS


def test_the_log_tells_a_run_from_its_beginning_to_its_end(run: Callable[..., Any]) -> None:
    outcome, store, _ = run(TROUBLE)
    lines = events(store)
    assert all({"schema", "time", "level", "event"} <= set(line) for line in lines)
    assert {line["level"] for line in lines} == {"info", "warning", "error"}
    first, last = lines[0], lines[-1]
    assert first["event"] == "begin" and first["options"]["cpus"] == 2 and first["environment"]["ray"]
    assert (last["event"], last["how"], last["over"], last["done"]) == ("end", "complete", 10, outcome.done)
    started = {line["key"] for line in lines if line["event"] == "start"}
    ended = [line for line in lines if line["event"] in ("done", "diverged", "failed")]
    assert started == store.keys() and sorted(line["key"] for line in ended) == sorted(started)
    assert all(line["status"] == line["event"] and line["seconds"] >= 0 for line in ended)


def test_after_its_time_budget_a_run_starts_no_trials_and_goes_on_later(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Store(tmp_path / "results")
    monkeypatch.setattr(
        execute, "StopPolicy", lambda budget_s: StopPolicy(budget_s, clock=lambda: float(len(stored.keys())))
    )
    first, store, said = run(time_budget_s=3.0, max_concurrent=1)  # its clock counts trials
    assert (first.ended_by, first.interrupted) == ("time budget", False)
    assert first.done in (3, 4) and first.left == TRIALS - first.done, "one may have been under way"
    assert "the time budget of 3 s is over: no more trials start" in said
    assert [line["why"] for line in events(store) if line["event"] == "stopping"] == ["time budget"]
    progress = read(store.suite_folder("fake"))
    assert progress is not None and progress.ending == "time budget"
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    second, _, _ = run()
    assert (second.done, second.left, second.ended_by) == (TRIALS, 0, "complete")


def test_diverging_failing_and_dying_trials_are_results_and_the_run_goes_on(run: Callable[..., Any]) -> None:
    outcome, store, said = run(TROUBLE)
    base = next(iter(store.read_suite("fake")[1]["cells"].values()))
    by_lr = {store.summary(key).spec.training.lr: store.summary(key) for key in sorted(store.keys())}
    assert by_lr[0.5].status == "diverged" and by_lr[0.5].reason == "loss not finite at epoch 1"
    assert by_lr[0.75].status == "failed" and by_lr[0.75].reason == "RuntimeError: no such layer"
    assert by_lr[0.875].status == "failed" and by_lr[0.875].reason.startswith("its worker died 3 times: Worker ")
    failed = next(key for key in sorted(store.keys()) if store.summary(key).reason == by_lr[0.75].reason)
    assert "raise RuntimeError" in store.read(failed).traceback
    assert [key is None for key in base["search"]] == [False, False, True, True]
    assert (outcome.left, outcome.done, outcome.diverged, len(outcome.failed)) == (0, 4, 2, 4)
    lost = [event for event in events(store) if event["event"] == "lost"]
    assert {event["attempt"] for event in lost} == {1, 2, 3}
    assert "again" in said and "(rearec-bench show" in said


def test_a_limited_run_goes_on_and_leaves_nothing_of_ray_behind(run: Callable[..., Any]) -> None:
    first, store, _ = run(max_trials=3)
    assert (first.started, first.done, first.left) == (3, 3, TRIALS - 3)
    second, _, _ = run()
    assert (second.started, second.done, second.left) == (TRIALS - 3, TRIALS, 0)
    assert {path.name for path in store.root.iterdir()} == {"suites", "trials"}
    files = {"suite.json", "index.json", "run.jsonl", "progress.json"}
    assert {path.name for path in store.suite_folder("fake").iterdir()} == files
    assert not list(Path(tempfile.gettempdir()).glob(f"rearec-{os.getpid()}-*"))


@pytest.mark.parametrize(
    ("number", "status", "how"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_stops_between_two_steps_and_it_is_said_how_to_go_on(
    tmp_path: Path, number: int, status: int, how: str
) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE)
    driver = subprocess.Popen(
        [sys.executable, str(HERE / "driver.py"), str(file), str(tmp_path / "results"), "fake_trial:FakeTrial"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FAKE_EPOCH_S": "1.0"},
    )
    store = Store(tmp_path / "results")
    deadline = time.monotonic() + 120
    while not store.keys() and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.send_signal(number)
    said, _ = driver.communicate(timeout=60)
    stored = len(store.keys())
    assert driver.returncode == status
    assert 0 < stored < TRIALS
    words = r"stopping \(once more: at once\)\. Go on with the same command; (\d+) trials are stored\."
    found = re.search(words, said)
    assert found is not None and 0 < int(found[1]) <= stored, "one more may have ended since"
    outcome = json.loads(said.splitlines()[-1])
    assert (outcome["interrupted"], outcome["done"], outcome["left"]) == (True, stored, TRIALS - stored)
    assert outcome["ended_by"] == how == events(store)[-1]["how"]
    progress = read(store.suite_folder("fake"))
    assert progress is not None and (progress.phase, progress.ending, progress.over) == ("ended", how, stored)
    for key in sorted(store.keys()):
        store.read(key)


@pytest.mark.slow
def test_a_run_joins_a_ray_that_is_there_and_leaves_it_running(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE)
    environment = {**os.environ, "PYTHONPATH": str(HERE), "RAY_AUTH_MODE": "token"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    head = subprocess.Popen([sys.executable, "-c", HEAD], text=True, env=environment, **pipes)
    try:
        address = head.stdout.readline().strip()
        results = str(tmp_path / "results")
        command = [sys.executable, str(HERE / "driver.py"), str(file), results, "fake_trial:FakeTrial", address]
        said = subprocess.run(command, text=True, env=environment, capture_output=True, timeout=120).stdout
        outcome = json.loads(said.splitlines()[-1])
        assert (outcome["done"], outcome["left"]) == (TRIALS, 0)
        assert "2 at a time on 3 cores" in said
        assert head.poll() is None
    finally:
        head.communicate("\n", timeout=60)
    assert head.returncode == 0


def test_a_data_set_that_is_not_prepared_is_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text("datasets: [tiny, ml-100k]\nbackbones: [sasrec]\nstrategies: [base]\nsteps: [1]\nseeds: [1]\n")
    with pytest.raises(DatasetError, match=r"ml-100k is not prepared\. Type:  rearec-bench prepare ml-100k"):
        run_suite(
            load_suite(file),
            store=Store(tmp_path / "results"),
            data_dir=tmp_path,
            options=RunOptions(),
            reporter=LineReporter(StringIO()),
        )
    assert not (tmp_path / "results").exists()


def test_a_line_that_a_killed_run_left_half_written_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"event": "start"}\n{"event": "do')
    log = RunLog(path)
    log.write("start", key="k")
    log.close()
    assert json.loads(path.read_text().splitlines()[-1])["key"] == "k"
    assert len(path.read_text().splitlines()) == 3


def test_a_dry_run_builds_every_cell(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(
        "datasets: [tiny]\nbackbones: [sasrec: {width: 8, layers: 1}]\nsteps: [1]\nseeds: [1]\n"
        "strategies: [base, erl: {kl_weight: {search: [0.1, 0.2]}}]\n"
    )
    said: list[str] = []
    dry_run(load_suite(file), data_dir=tmp_path, say=said.append)
    assert [line.rpartition("  ")[0] for line in said] == ["ok  tiny sasrec base K=0", "ok  tiny sasrec erl K=1"]
