"""A full disk, a folder that cannot be written or is taken away, a clock that jumps: said once, nothing lost."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.monitor.log import RunLog
from rearec_bench.harness.report.report import render_report
from rearec_bench.harness.run.supervisor import TrialLimits, TrialSupervisor
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.suites import log_lines
from rearec_bench.harness.store.verify import verify
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils import files as atomic
from rearec_bench.harness.utils.errors import StoreError

from ..run.helpers import told, until
from ..specs import spec_of
from ..typed import typed

HERE = Path(__file__).resolve().parents[1]
Remount = Callable[[str], None]
SUITE = """
name: full
datasets: [tiny]
backbones: [sasrec]
strategies:
  - base
  - erl: {kl_weight: {search: [0.001, 0.01]}}
steps: [1]
seeds: [1, 2]
search: {trials: 2}
training: {max_epochs: 1}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Remount]]:
    """A small disk of its own, and a way to change its options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> subprocess.CompletedProcess[str]:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    if shutil.which("mount") is None or mount("size=256k").returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder, lambda options: _checked(mount(f"remount,{options}"))
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def test_a_full_disk_is_said_and_leaves_whole_trials(disk: tuple[Path, Remount], synthetic: ModuleType) -> None:
    folder, remount = disk
    store = Store(folder / "results")
    kept: set[str] = set()
    with pytest.raises(StoreError, match=r"cannot be written: No space left on device\.$"):
        for seed in range(1, 500):
            made = synthetic.trial(synthetic.spec(seed=seed))
            store.write(made)
            kept.add(made.key)
    assert len(kept) > 2 and store.keys() == kept and verify(store).findings == ()
    assert [name for name in os.listdir(store.trials) if name.startswith(".")] == []
    with pytest.raises(StoreError, match="No space left on device"):
        for number in range(100):
            store.write_suite("s", {"name": "s"}, {"cells": {}, "fill": "x" * 4096 * number})
    if store.suites():  # the last one that fitted is whole
        suite, index = store.read_suite("s")
        assert suite == {"name": "s"} and set(index["fill"]) <= {"x"}
    remount("size=4m")
    store.write(made)
    store.write_suite("s", {"name": "s"}, {"cells": {}})
    assert store.has(made.key) and store.read_suite("s") == ({"name": "s"}, {"cells": {}})


def test_a_log_on_a_full_disk_is_an_error_that_names_it_and_goes_on_after_a_torn_line(
    disk: tuple[Path, Remount],
) -> None:
    folder, _ = disk
    (folder / "ballast").write_bytes(b"x" * 200_000)
    log = RunLog(folder / "suites" / "s" / "run.jsonl")
    with pytest.raises(StoreError, match=r"run\.jsonl cannot be written: No space left on device\."):
        for number in range(5000):
            log.write("start", number=number, words="x" * 100)
    log.close()
    (folder / "ballast").unlink()
    again = RunLog(folder / "suites" / "s" / "run.jsonl")
    again.write("start", number=-1)
    again.close()
    lines, unreadable = log_lines((folder / "suites" / "s" / "run.jsonl").read_bytes())
    assert '"number": -1' in lines[-1] and unreadable <= 1


@pytest.mark.parametrize("where", ["_write_synced", "_sync", "rename"])
def test_a_write_that_fails_anywhere_leaves_what_was_there(
    tmp_path: Path, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The same without a disk of one's own: every call of a kind fails once, in turn."""
    store = Store(tmp_path / "results")
    before, after = (synthetic.trial(synthetic.spec(), draw=draw) for draw in (1, 2))
    store.write(before)
    failed = 0
    for turn in range(1, 30):
        calls = 0
        owner: Any = Path if where == "rename" else atomic
        real = getattr(owner, where)

        def fails(*args: Any, real: Any = real, turn: int = turn) -> Any:
            nonlocal calls
            calls += 1
            if calls == turn:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

        with monkeypatch.context() as patched:
            patched.setattr(owner, where, fails)
            with contextlib.suppress(StoreError):
                store.write(after, replace=True)
        if calls < turn:
            break
        failed += 1
        with store.locked("cleaning"):
            pass
        assert store.keys() == {before.key} and verify(store).findings == ()
        assert store.read(before.key).test.readout in (before.test.readout, after.test.readout)
    assert failed >= 1 and store.read(before.key).test.readout == after.test.readout


def test_a_folder_that_cannot_be_written_is_said_before_anything_starts_and_can_be_read(
    disk: tuple[Path, Remount], stored: Path, tmp_path: Path
) -> None:
    folder, remount = disk
    remount("size=8m")
    shutil.copytree(stored, folder / "results")
    remount("ro")
    where = ("--results", folder / "results")
    (tmp_path / "suite.yaml").write_text(SUITE)
    done = typed("run", tmp_path / "suite.yaml", *where)
    assert done.exit_code == 1 and done.stderr == f"{folder / 'results'} cannot be written: Read-only file system.\n"
    for words in (("report", "smoke"), ("report", "smoke", "--table", "ceiling"), ("results", "verify")):
        assert typed(*words, *where).exit_code == 0
    fixed = typed("results", "verify", "--fix", *where)
    assert fixed.exit_code == 1 and "Read-only file system" in fixed.stderr
    assert typed("results", "merge", folder / "results", stored).exit_code == 1
    assert typed("results", "merge", stored, folder / "results", "-o", tmp_path / "both").exit_code == 0


def test_a_clock_that_jumps_while_a_trial_runs_moves_nothing_but_its_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_dataset("tiny", data_dir=tmp_path)
    spec = spec_of(data, max_epochs=2)
    steady = run_trial(spec, data)
    clock, jumps = time.time, itertools.cycle((0.0, 1e9, -1e9, 86400.0, -3600.0))
    monkeypatch.setattr(time, "time", lambda: clock() + next(jumps))
    limits, nowhere = TrialLimits("s", every_s=3600.0, timeout_s=1800.0), cast(Any, None)
    supervisor = TrialSupervisor(lambda: ModelTrial(spec, data), spec, limits=limits, channel=nowhere, resume=False)
    while not supervisor.run.epoch().done:
        supervisor.check()
    result = supervisor.run.result()
    assert told(result) == told(steady) and supervisor.take_notes() == []
    timings = result.timings
    assert 0 < timings["train_s"] < timings["total_s"] < 1800 and timings["evaluate_s"] > 0 < timings["build_s"]
    store = Store(tmp_path / "results")
    store.write(result)
    assert typed("show", result.key, "--results", store.root).exit_code == 0


# ---- whole runs, through Ray


def start(results: Path, suite: Path, **environment: str) -> subprocess.Popen[str]:
    code = (
        "import os, sys; sys.argv = ['driver', *sys.argv[1:]]\n"
        f"sys.path.insert(0, {str(HERE)!r}); os.environ['PYTHONPATH'] = {str(HERE)!r}\n"
        "from functools import partial\n"
        "from rearec_bench.harness.run import runner as execute\n"
        "options = execute.RunOptions\n"
        "execute.RunOptions = lambda **given: options(**{**given, 'trial': 'fake_trial:FakeTrial', 'cpus': 1})\n"
        "from rearec_bench.cli import main\n"
        "main(['run', sys.argv[1], '--results', sys.argv[2], '--data-dir', sys.argv[3]])\n"
    )
    words = [sys.executable, "-c", code, str(suite), str(results), str(suite.parent / "data")]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def ended(driver: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        out, err = driver.communicate(timeout=300)
    finally:
        driver.kill()
    return driver.returncode, out + err


def table(root: Path) -> str:
    return render_report(["full"], store=Store(root), format="csv")


@pytest.mark.slow
def test_a_run_on_a_disk_that_fills_up_ends_with_one_message_and_goes_on_later(
    disk: tuple[Path, Remount], tmp_path: Path
) -> None:
    folder, remount = disk
    (tmp_path / "suite.yaml").write_text(SUITE)
    (folder / "ballast").write_bytes(b"x" * 180_000)
    status, said = ended(start(folder / "results", tmp_path / "suite.yaml"))
    assert status == 1 and said.count("No space left on device") == 1 and "Traceback" not in said, said[-3000:]
    store = Store(folder / "results")
    before = store.keys()
    assert 0 < len(before) < 6 and all(store.read(key).key == key for key in before)
    assert [finding for finding in verify(store).findings if finding.kind != "missing"] == []
    remount("size=4m")
    assert ended(start(folder / "results", tmp_path / "suite.yaml"))[0] == 0
    assert before < store.keys() and verify(store).findings == ()
    assert ended(start(tmp_path / "whole", tmp_path / "suite.yaml"))[0] == 0
    assert table(folder / "results") == table(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_whose_folder_is_taken_away_says_so_and_what_it_stores_then_is_whole(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    results = tmp_path / "results"
    driver = start(results, tmp_path / "suite.yaml", FAKE_EPOCH_S="1.5")
    until(lambda: bool(Store(results).keys()), of=driver)
    results.rename(tmp_path / "moved")
    status, said = ended(driver)
    assert status == 1 and "was removed or replaced while this run wrote to it" in said and "Traceback" not in said
    for root in (results, tmp_path / "moved"):
        assert not root.exists() or [one for one in verify(Store(root)).findings if one.kind != "missing"] == []
    shutil.rmtree(results, ignore_errors=True)
    (tmp_path / "moved").rename(results)
    assert ended(start(results, tmp_path / "suite.yaml"))[0] == 0
    assert ended(start(tmp_path / "whole", tmp_path / "suite.yaml"))[0] == 0
    assert table(results) == table(tmp_path / "whole") and verify(Store(results)).findings == ()
