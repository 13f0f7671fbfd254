"""`--no-plugins`: no command runs code that is not the package's own, and a suite that needs it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.run import runner as execute
from rearec_bench.harness.run.outcome import RunOutcome

from .harness.suites import plugin_text, suite_text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a suite whose plug-in leaves a mark when it runs."""
    (tmp_path / "marking.yaml").write_text(suite_text(strategies="[base, marked]", plugins="[marking.py]"))
    (tmp_path / "marking.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\n" + plugin_text("marked"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["plan"], ["profile"]], ids=" ".join)
def test_a_suite_with_a_plug_in_is_refused_before_any_of_it_runs(command: list[str], place: Path) -> None:
    done = CliRunner().invoke(main, [*command, "marking.yaml", "--no-plugins"])
    assert done.exit_code == 2
    assert "marking.yaml:6:11  plugins: marking.py is a plug-in, and --no-plugins is given." in done.output
    assert not (place / "mark").exists() and not (place / "results").exists()


def test_one_command_without_plug_ins_leaves_the_next_one_as_it_was(place: Path) -> None:
    assert CliRunner().invoke(main, ["plan", "marking.yaml", "--no-plugins"]).exit_code == 2
    assert CliRunner().invoke(main, ["plan", "marking.yaml"]).exit_code == 0
    assert (place / "mark").exists()


def test_the_first_line_of_a_run_says_whose_code_it_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_suite(suite: object, **given: object) -> RunOutcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "run_suite", run_suite)
    done = CliRunner().invoke(main, ["run", "marking.yaml"])
    assert done.output.splitlines()[0] == (
        "This suite runs code of plug-ins with your rights, here and on all nodes: marking.py. "
        "Refuse it with --no-plugins."
    )
    (place / "plain.yaml").write_text(suite_text())
    assert "plug-in" not in CliRunner().invoke(main, ["run", "plain.yaml"]).output
