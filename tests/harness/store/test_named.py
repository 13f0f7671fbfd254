"""Commands take a suite by file or by name, shipped or stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from rearec_bench.harness.store.store import Store

from ..typed import typed

WAYS = ("report {}", "status {}", "plan {}", "report {} --format csv")


def printed(line: str, results: Path) -> str:
    done = typed(*line.split(), "--results", results)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("way", WAYS)
def test_a_suite_goes_by_its_name_and_by_its_file(stored: Path, tmp_path: Path, way: str) -> None:
    suite = tmp_path / "any.yaml"
    suite.write_text("name: smoke\ndatasets: [tiny]\nbackbones: [sasrec]\nstrategies: [base]\nsteps: [1]\nseeds: [1]\n")
    assert "smoke" in Store(stored).suites()
    by_file, by_name = printed(way.format(suite), stored), printed(way.format("smoke"), stored)
    if not way.startswith("plan"):
        assert by_file == by_name


def test_a_stored_suite_is_planned_by_its_name(stored: Path, tmp_path: Path) -> None:
    store = Store(stored)
    other = Store(tmp_path / "results")
    other.write_suite("mine", {**store.read_suite("smoke")[0], "name": "mine"}, store.read_suite("smoke")[1])
    assert printed("plan mine", other.root).startswith("mine  1 data set")


@pytest.mark.parametrize("command", ["report", "status"])
def test_what_is_not_stored_is_told_with_the_command_that_runs_it(stored: Path, command: str) -> None:
    done = typed(command, "full_table2", "--results", stored)
    assert done.exit_code == 2
    assert "rearec-bench run full_table2" in done.output
