"""Files beside a suite and variables of the shell neither change a run nor break it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rearec_bench.harness.run.cluster import _strays as strays
from rearec_bench.harness.store.store import Store

pytestmark = pytest.mark.slow

SUITE = """
name: beside
datasets: [tiny]
backbones: [sasrec: {width: 8, layers: 1, feed_forward: 8}]
strategies: [base]
steps: [1]
seeds: [1]
training: {lr: 0.01, batch_size: 512, max_len: 10, max_epochs: 1, packing: users}
"""
SPY = "open({mark!r}, 'a').write(__name__)\nraise ImportError('a file of the user')\n"
STRAYS = {
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "1",
    "RAY_ADDRESS": "192.0.2.1:6379",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": "{",
    "RAY_worker_niceness": "x",
    "TUNE_RESULT_DIR": "/dev/null/none",
    "TUNE_MAX_PENDING_TRIALS_PG": "none",
}


def spied(folder: Path) -> Path:
    """A file that is there once a module of the folder was imported, in place of the one of that name or beside it."""
    mark = folder / "imported"
    for module in ("profile", "signal", "click", "torch", "numpy", "harness", "sitecustomize", "rearec_bench_extra"):
        (folder / f"{module}.py").write_text(SPY.format(mark=str(mark)))
    (folder / "suite.yaml").write_text(SUITE)
    return mark


def ran(
    program: list[str | Path], *options: str, folder: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """The suite of `spied`, run in its folder with these variables besides."""
    return subprocess.run(
        [*program, "run", "suite.yaml", "--no-plugins", *options],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "variables"),
    [
        ("bin/rearec-bench", {}),
        ("-m rearec_bench", {}),
        ("bin/rearec-bench", {"PYTHONPATH": "bin:"}),
        ("-m rearec_bench", {"PYTHONPATH": ":bin", "PYTHONSTARTUP": "click.py"}),
    ],
)
def test_the_program_imports_nothing_from_the_working_directory(
    program: str, variables: dict[str, str], tmp_path: Path
) -> None:
    mark = spied(tmp_path)
    (tmp_path / "sitecustomize.py").unlink()  # Python itself looks for it in all of PYTHONPATH
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rearec-bench").write_text("from rearec_bench.__main__ import run\nrun()\n")
    done = ran([sys.executable, *program.split()], "--dry-run", folder=tmp_path, variables=variables)
    assert (done.returncode, mark.exists()) == (0, False), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "value", "started", "joined"),
    [
        ("PYTHONSTARTUP", "click.py", None, "click.py"),
        ("PYTHONWARNINGS", "error", None, "error"),
        ("RAY_NAMESPACE", "mine", None, "mine"),
        ("TUNE_ORIG_WORKING_DIR", "1", None, None),
        ("PYTHONPATH", "/a:b", "/a:/here/b", "/a:b"),
        ("PYTHONPATH", ":/a:", "/a", ":/a:"),
        ("OMP_NUM_THREADS", "3", "3", "3"),
    ],
)
def test_what_a_variable_is_for_a_ray_that_a_run_starts_and_for_one_that_it_joins(
    name: str, value: str, started: str | None, joined: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/here")
    monkeypatch.setattr(os, "environ", {name: value})
    assert [strays(owned=owned).get(name, value) for owned in (True, False)] == [started, joined]


def test_workers_import_nothing_from_the_working_directory_and_read_no_stray_variable(tmp_path: Path) -> None:
    mark = spied(tmp_path)
    script = Path(sys.executable).parent / "rearec-bench"
    done = ran([script], "--results", "results", folder=tmp_path, variables=STRAYS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not mark.exists()
    store = Store(tmp_path / "results")
    keys = store.keys()
    assert [store.summary(key).status for key in keys] == ["done"]
    assert not list((tmp_path / "results").rglob("*.tmp"))
