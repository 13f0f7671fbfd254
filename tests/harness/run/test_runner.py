"""A whole suite, with trials that train nothing: in this process, and once through Ray."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.monitor.log import RunLog
from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.run import runner
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.run.runner import RunOptions, run_suite
from rearec_bench.harness.run.stopping import StopPolicy
from rearec_bench.harness.store.progress_file import read
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

from .. import fake_ray
from ..suites import suite_text
from .helpers import HERE, command_of, finish, logged, until

SUITE = suite_text(
    name="fake",
    strategies="[base, erl: {kl_weight: {search: [0.001, 0.01]}}, prl: {temperature: {search: {low: 0.1, high: 5.0}}}]",
    seeds="[1, 2]",
    search="{trials: 4}",
    training="{max_epochs: 2}",
)
TROUBLE = suite_text(
    name="fake",
    strategies="[base, naive]",
    search="{trials: 4}",
    training="{max_epochs: 2, lr: {search: [0.001, 0.5, 0.75, 0.875]}}",
)
TRIALS = 3 * 2 + 2 + 4
Run = Callable[..., tuple[RunOutcome, Store, str]]


@pytest.fixture
def through_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a suite of fake trials; its outcome, its store and what it printed."""
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


@pytest.fixture
def run(through_ray: Run, fake_ray: None) -> Run:
    """The same without Ray."""
    return through_ray


def test_a_suite_through_ray_leaves_the_same_as_without_and_nothing_of_ray(through_ray: Run) -> None:
    before = scratch_folders()
    outcome, store, said = through_ray()
    assert scratch_folders() == before
    assert (outcome.done, outcome.started, outcome.left, outcome.failed) == (TRIALS, TRIALS, 0, ())
    assert said.count(" done ") == TRIALS
    with pytest.MonkeyPatch.context() as patch:
        fake_ray.use(patch)
        _, fake, _ = through_ray(results="fake")
    assert store.keys() == fake.keys()
    assert store.read_suite("fake")[1] == fake.read_suite("fake")[1]
    assert store.read(min(store.keys())).environment["cpus"] == 1.0
    assert {path.name for path in store.root.iterdir()} == {"suites", "trials"}


def scratch_folders() -> set[Path]:
    """Of this process; a plug-in that another test has loaded may be in one."""
    return set(Path(tempfile.gettempdir()).glob(f"rearec-{os.getpid()}-*"))


def test_one_and_two_at_a_time_run_the_same_trials_and_a_second_run_runs_none(run: Run) -> None:
    alone, store_alone, said = run(results="alone", max_concurrent=1)
    _, store_beside, _ = run(results="beside")
    assert (alone.done, alone.started, alone.left, alone.failed) == (TRIALS, TRIALS, 0, ())
    assert store_alone.keys() == store_beside.keys()
    assert store_alone.read_suite("fake")[1] == store_beside.read_suite("fake")[1]
    for key in sorted(store_alone.keys()):
        assert store_alone.read(key).validation.readout == store_beside.read(key).validation.readout
    assert f"fake  3 cells, {TRIALS} trials (0 stored), 1 at a time on 2 cores" in said

    again, _, said = run(results="beside")
    assert (again.started, again.done, again.ray_s) == (0, TRIALS, 0.0)
    assert f"{TRIALS} trials ({TRIALS} stored), none left to run" in said
    starts = [event["key"] for event in logged(store_beside, "fake") if event["event"] == "start"]
    assert len(starts) == len(set(starts)) == TRIALS


def test_the_log_tells_a_run_from_its_beginning_to_its_end(run: Run) -> None:
    outcome, store, _ = run(TROUBLE)
    lines = logged(store, "fake")
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
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Store(tmp_path / "results")
    with monkeypatch.context() as patch:
        counts_trials = lambda: float(len(stored.keys()))  # noqa: E731
        patch.setattr(runner, "StopPolicy", lambda budget_s: StopPolicy(budget_s, clock=counts_trials))
        first, store, said = run(time_budget_s=3.0, max_concurrent=1)
    assert (first.ended_by, first.interrupted) == ("time budget", False)
    assert first.done in (3, 4) and first.left == TRIALS - first.done, "one may have been under way"
    assert "the time budget of 3 s is over: no more trials start" in said
    assert [line["why"] for line in logged(store, "fake") if line["event"] == "stopping"] == ["time budget"]
    progress = read(store.suite_folder("fake"))
    assert progress is not None and progress.ending == "time budget"
    second, _, _ = run()
    assert (second.done, second.left, second.ended_by) == (TRIALS, 0, "complete")


def check_trouble(outcome: RunOutcome, store: Store, said: str) -> None:
    base = next(iter(store.read_suite("fake")[1]["cells"].values()))
    by_lr = {store.summary(key).spec.training.lr: store.summary(key) for key in sorted(store.keys())}
    assert by_lr[0.5].status == "diverged" and by_lr[0.5].reason == "loss not finite at epoch 1"
    assert by_lr[0.75].status == "failed" and by_lr[0.75].reason == "RuntimeError: no such layer"
    assert by_lr[0.875].status == "failed" and by_lr[0.875].reason.startswith("its worker died 3 times: ")
    failed = next(key for key in sorted(store.keys()) if store.summary(key).reason == by_lr[0.75].reason)
    assert "raise RuntimeError" in store.read(failed).traceback
    assert [key is None for key in base["search"]] == [False, False, True, True]
    assert (outcome.left, outcome.done, outcome.diverged, len(outcome.failed)) == (0, 4, 2, 4)
    lost = [event for event in logged(store, "fake") if event["event"] == "lost"]
    assert {event["attempt"] for event in lost} == {1, 2, 3}
    assert "again" in said and "(rearec-bench show" in said


def test_diverging_failing_and_dying_trials_are_results_and_the_run_goes_on(run: Run) -> None:
    check_trouble(*run(TROUBLE))


@pytest.mark.slow
def test_workers_that_really_die_are_results_and_the_run_goes_on(through_ray: Run) -> None:
    outcome, store, said = through_ray(TROUBLE)
    check_trouble(outcome, store, said)
    assert "its worker died 3 times: Worker " in {reason[:32] for _, reason in outcome.failed}


def test_a_limited_run_goes_on(run: Run) -> None:
    first, store, _ = run(max_trials=3)
    assert (first.started, first.done, first.left, first.ended_by) == (3, 3, TRIALS - 3, "limit")
    second, _, _ = run()
    assert (second.started, second.done, second.left) == (TRIALS - 3, TRIALS, 0)
    files = {"suite.json", "index.json", "run.jsonl", "progress.json"}
    assert {path.name for path in store.suite_folder("fake").iterdir()} == files


@pytest.mark.parametrize(("number", "how"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_stops_between_two_steps_and_it_is_said_how_to_go_on(
    through_ray: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, how: str
) -> None:
    def interrupt() -> None:
        if len(stored.keys()) == 2:
            signal.raise_signal(number)

    stored = Store(tmp_path / "results")
    fake_ray.use(monkeypatch, after_step=interrupt)
    outcome, store, said = through_ray(max_concurrent=1)
    check_interrupted(store, said, how)
    assert (outcome.interrupted, outcome.ended_by, outcome.done, outcome.left) == (True, how, 2, TRIALS - 2)


@pytest.mark.slow
def test_ctrl_c_ends_a_run_through_ray_as_it_does_without(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    command = command_of(tmp_path / "suite.yaml", tmp_path / "results", "fake_trial:FakeTrial")
    environment = {**os.environ, "FAKE_EPOCH_S": "1.0"}
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    store = Store(tmp_path / "results")
    until(lambda: bool(store.keys()), of=driver)
    driver.send_signal(signal.SIGINT)
    said, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130
    check_interrupted(store, said, "interrupted")
    assert json.loads(said.splitlines()[-1])["left"] == TRIALS - len(store.keys())


def check_interrupted(store: Store, said: str, how: str) -> None:
    stored = len(store.keys())
    assert 0 < stored < TRIALS
    found = re.search(r"stopping \(once more: at once\)\. .* (\d+) of \d+ trials (?:is|are) stored\.", said)
    assert found is not None and 0 < int(found[1]) <= stored, "one more may have ended since"
    assert logged(store, "fake")[-1]["how"] == how
    progress = read(store.suite_folder("fake"))
    assert progress is not None and (progress.phase, progress.ending, progress.over) == ("ended", how, stored)
    for key in sorted(store.keys()):
        store.read(key)


@pytest.mark.slow
def test_a_run_joins_a_ray_that_is_there_and_leaves_it_running(head, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    for results in ("once", "and_again"):
        command = command_of(tmp_path / "suite.yaml", tmp_path / results, "fake_trial:FakeTrial", head.address)
        said = finish(command, env=head.environment)
        outcome = json.loads(said.splitlines()[-1])
        assert (outcome["done"], outcome["left"]) == (TRIALS, 0)
        assert "2 at a time on 3 cores" in said and "requires no token" not in said


def test_a_line_that_a_killed_run_left_half_written_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"event": "start"}\n{"event": "do')
    log = RunLog(path)
    log.write("start", key="k")
    log.close()
    assert json.loads(path.read_text().splitlines()[-1])["key"] == "k"
    assert len(path.read_text().splitlines()) == 3
