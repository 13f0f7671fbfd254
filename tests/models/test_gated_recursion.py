"""A recursion through a GRU's gates, written from docs/plugins.md alone: the contracts hold for kinds nobody listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.records.spec import BASELINE
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

from ..harness.suites import run_here

PLUGIN = Path(__file__).with_name("gated_recursion.py")
SUITE = """\
plugins: [gated_recursion.py]
datasets: [tiny]
references: [popularity]
backbones: [gated: {width: 32}]
strategies: [base, erl, mixture]
steps: [2]
seeds: [1]
training: {lr: 0.01, batch_size: 256, max_len: 20, max_epochs: 10, patience: 10, packing: auto}
"""


def test_it_has_under_eighty_lines_and_keeps_the_contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(PLUGIN.read_text(encoding="utf-8").splitlines()) < 80
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(main, ["check", str(PLUGIN)])
    lines = found.output.splitlines()
    assert found.exit_code == 0 and all(line.startswith("ok ") for line in lines), found.output
    assert sum(" gated " in line for line in lines) >= 4 and sum(" mixture " in line for line in lines) >= 3


def test_it_learns(tmp_path: Path, one_thread: None) -> None:
    shutil.copy(PLUGIN, tmp_path)
    (tmp_path / "gated.yaml").write_text(SUITE, encoding="utf-8")
    suite, store = load_suite(tmp_path / "gated.yaml"), Store(tmp_path / "results")
    run_here(suite, store, load_dataset("tiny", data_dir=tmp_path))
    trials = list(map(store.lookup, store.keys()))
    reached = {trial.spec.strategy.kind: trial.test["ndcg@20"] for trial in trials}
    popularity = reached.pop(BASELINE)
    assert len(reached) == 3 and all(value > 2 * popularity for value in reached.values()), (popularity, reached)
