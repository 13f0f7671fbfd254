"""What answers at once imports nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "ray"}
PROGRAM = """
import json, sys
from rearec_bench.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def modules_of(arguments: list[str], folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["datasets", "list"],
        ["plan", "smoke"],
        ["plan", "ml100k"],
        ["plan", "smoke_text"],
        ["report", "--results", "{results}"],
        ["report", "--results", "{results}", "--table", "ceiling"],
        ["report", "--results", "{results}", "--table", "adaptive"],
        ["report", "--source", "paper", "--table", "table2"],
        ["report", "--table", "datasets"],
        ["datasets", "show", "tiny"],
        ["show", "{key}", "--results", "{results}"],
        ["status", "--results", "{results}"],
    ],
    ids=" ".join,
)
def test_looking_loads_neither_torch_nor_ray(arguments: list[str], stored: Path, tmp_path: Path) -> None:
    key = next((stored / "trials").iterdir()).name
    filled = [argument.format(results=stored, key=key) for argument in arguments]
    assert not modules_of(filled, tmp_path) & HEAVY


@pytest.mark.parametrize("table", ["overall", "ceiling", "steps", "budget"])
def test_tables_without_statistics_load_neither_scipy_nor_scikit_learn(
    table: str, stored: Path, tmp_path: Path
) -> None:
    loaded = modules_of(["report", "--results", str(stored), "--table", table], tmp_path)
    assert not loaded & {"scipy", "sklearn", "pandas"}


def test_data_sets_are_listed_without_what_makes_vectors(tmp_path: Path) -> None:
    assert not modules_of(["datasets", "list"], tmp_path) & {"scipy", "sklearn"}
    assert "sklearn" in modules_of(["plan", "smoke_text"], tmp_path)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["report", "--help"], ["embed", "--help"], ["--version"]], ids=" ".join
)
def test_help_loads_nothing_but_the_command_line(arguments: list[str], tmp_path: Path) -> None:
    loaded = modules_of(arguments, tmp_path)
    assert not loaded & {*HEAVY, "numpy", "pandas", "pyarrow", "pydantic", "optuna", "rich", "yaml"}
    own = {name for name in loaded if name.startswith("rearec_bench")}
    light = {
        "",
        "._version",
        ".cli",
        *(f".harness.cli{name}" for name in ("", ".data", ".options", ".profile", ".results", ".report", ".status")),
        ".harness",
        ".harness.utils",
        ".harness.utils.errors",
        ".harness.utils.text",
    }
    assert own <= {f"rearec_bench{name}" for name in light}


def test_importing_the_package_has_no_side_effects(tmp_path: Path) -> None:
    program = (
        "import os, random, logging; before = (dict(os.environ), random.getstate(), list(logging.root.handlers));"
        "import rearec_bench.cli, rearec_bench.harness.suite.load, rearec_bench.harness.report.report;"
        "assert before == (dict(os.environ), random.getstate(), list(logging.root.handlers))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
