"""What answers at once imports nothing heavy: all commands run in one process, the lightest first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {"torch", "ray"}
STATISTICS = {"scipy", "sklearn"}
LIBRARIES = {*HEAVY, *STATISTICS, "numpy", "pandas", "pyarrow", "pydantic", "optuna", "rich", "yaml"}
IMPORT = "import rearec_bench.harness.suite.load, rearec_bench.harness.report.report"
TABLES = ("ceiling", "steps", "budget")
FORBIDDEN = {
    **dict.fromkeys(("--help", "run --help", "report --help", "embed --help", "--version"), LIBRARIES),
    IMPORT: {*HEAVY, *STATISTICS, "pandas"},
    "plan smoke": {*HEAVY, *STATISTICS, "optuna", "pandas"},
    "report --results {results} --table overall": {*HEAVY, *STATISTICS, "pandas", "pyarrow", "safetensors"},
    **{f"report --results {{results}} --table {table}": {*HEAVY, *STATISTICS, "pandas"} for table in TABLES},
    "datasets list": {*HEAVY, *STATISTICS},
    "list": HEAVY,
    "datasets show tiny": HEAVY,
    "plan ml100k": HEAVY,
    "report --results {results} --table adaptive": HEAVY,
    "report --source paper --table table2": HEAVY,
    "report --table datasets": HEAVY,
    "show {key} --results {results}": HEAVY,
    "status --results {results}": HEAVY,
    "plan smoke_text": HEAVY,
}
"""Modules that no command up to this one may load; what a command may load, those after it may, too."""
LIGHT = {"", "._version", ".cli", ".harness", ".harness.utils", ".harness.utils.errors", ".harness.utils.text"}
PROGRAM = """
import json, logging, os, random, sys
state = lambda: (dict(os.environ), random.getstate(), list(logging.root.handlers), os.listdir())
before = state()
from rearec_bench.cli import main
loaded = {}
for command in json.load(sys.stdin):
    if command.startswith("import "):
        exec(command)
        untouched = before == state()
    else:
        try:
            main(command.split(), standalone_mode=False)
        except SystemExit as end:
            assert not end.code, command
    loaded[command] = sorted(sys.modules)
print("\\n" + json.dumps([loaded, untouched]))
"""


@pytest.fixture(scope="module")
def child(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, set[str]], bool]:
    """The modules that are loaded after each command, and whether imports left the process as it was."""
    key = next((stored / "trials").iterdir()).name
    commands = {command: command.format(results=stored, key=key) for command in FORBIDDEN}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(list(commands.values())),
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded, untouched = json.loads(done.stdout.splitlines()[-1])
    return {command: set(loaded[typed]) for command, typed in commands.items()}, untouched


@pytest.mark.parametrize("command", FORBIDDEN)
def test_a_command_that_only_looks_loads_nothing_heavy(child: Any, command: str) -> None:
    assert not child[0][command] & FORBIDDEN[command]


def test_help_loads_nothing_but_the_command_line(child: Any) -> None:
    own = {name.removeprefix("rearec_bench") for name in child[0]["--version"] if name.startswith("rearec_bench")}
    assert {name for name in own if not name.startswith(".harness.cli")} <= LIGHT


def test_what_makes_vectors_is_loaded_where_vectors_are_made(child: Any) -> None:
    assert "sklearn" in child[0]["plan smoke_text"]


def test_importing_the_package_has_no_side_effects(child: Any) -> None:
    assert child[1]


def test_nothing_beside_the_fakes_hides_a_module_of_python() -> None:
    """Workers find fake trials by having tests/harness on their path, before Python's own modules."""
    beside = {path.stem for path in (Path(__file__).parent / "harness").iterdir()}
    assert beside & sys.stdlib_module_names == set()
