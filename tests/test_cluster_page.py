"""docs/cluster.md: its script parses, and the options that it names are there, of this program and of Ray's."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rearec_bench.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
SCRIPT = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
TYPED = re.findall(r"^\$ (.*?)(?: +#.*)?$", PAGE, flags=re.MULTILINE)


def options(command: str) -> set[str]:
    return {word.partition("=")[0] for word in shlex.split(command) if word.startswith("--")}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_for_slurm_parses() -> None:
    (script,) = SCRIPT
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_every_option_of_a_run_is_there() -> None:
    known = {name for param in main.commands["run"].params for name in param.opts}
    runs = [line for line in [*TYPED, *SCRIPT[0].splitlines()] if line.startswith("rearec-bench run")]
    assert len(runs) >= 3
    for line in runs:
        assert options(line.rstrip("& ")) <= known, line
    named = set(re.findall(r"`(--(?:max-concurrent|retry-failed|no-plugins|wait|time-budget|address|cpu|gpu))\b", PAGE))
    assert named <= known and len(named) >= 7


def test_every_option_of_ray_is_there() -> None:
    from ray.scripts.scripts import start

    known = {name for param in start.params for name in (*param.opts, *param.secondary_opts)}
    starts = [line for line in TYPED if line.startswith("ray start")]
    starts += [*re.findall(r"start=\((ray start .*?)\)", PAGE), "ray start --head --port=1"]
    assert len(starts) >= 4
    for line in starts:
        assert options(line) <= known, line
    assert {"--temp-dir", "--node-manager-port", "--object-manager-port", "--min-worker-port"} <= known


def test_the_readme_and_the_errors_name_the_page() -> None:
    assert "docs/cluster.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("cluster_access", "nodes", "tune_driver"):
        assert "docs/cluster.md" in (ROOT / "harness" / "run" / f"{name}.py").read_text(encoding="utf-8")
