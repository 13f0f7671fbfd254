"""docs/cluster.md: its script parses, and the options that it names are there, of this program and of Ray's."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess

import click
import pytest

from rearec_bench.cli import main

from .pages import ROOT, blocks, page

PAGE = page("cluster")
(SCRIPT,) = blocks(PAGE, "bash")
TYPED = re.findall(r"^\$ (.*?)(?: +#.*)?$", PAGE, flags=re.MULTILINE)


def unknown_options(lines: list[str], command: click.Command) -> list[str]:
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    words = {word.partition("=")[0] for line in lines for word in shlex.split(line.rstrip("& "))}
    return sorted(word for word in words if word.startswith("--") and word not in known)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_for_slurm_parses() -> None:
    assert subprocess.run(["bash", "-n"], input=SCRIPT, text=True, check=False).returncode == 0


def test_every_option_of_a_run_is_there() -> None:
    runs = [line for line in [*TYPED, *SCRIPT.splitlines()] if line.startswith("rearec-bench run")]
    named = set(re.findall(r"`(--(?:max-concurrent|retry-failed|no-plugins|wait|time-budget|address|cpu|gpu))\b", PAGE))
    assert len(runs) >= 3 and len(named) >= 7
    assert unknown_options([*runs, *named], main.commands["run"]) == []


def test_every_option_of_ray_is_there() -> None:
    from ray.scripts.scripts import start

    starts = [line for line in TYPED if line.startswith("ray start")]
    starts += [*re.findall(r"start=\((ray start .*?)\)", PAGE), "ray start --head --port=1"]
    assert len(starts) >= 4
    more = ["--temp-dir --node-manager-port --object-manager-port --min-worker-port"]
    assert unknown_options([*starts, *more], start) == []


def test_the_readme_and_the_errors_name_the_page() -> None:
    for path in ("README.md", *(f"harness/run/{name}.py" for name in ("cluster_access", "nodes", "tune_driver"))):
        assert "docs/cluster.md" in (ROOT / path).read_text(encoding="utf-8"), path
