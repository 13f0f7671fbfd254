"""The table of budgets: what a reader sees, and what is said of budgets that differ or are too small."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.budget import expected_best, expected_best_with_replacement
from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.report.formats.latex import escape
from rearec_bench.harness.report.methods import methods
from rearec_bench.harness.report.protocol import protocol_lines
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.tables.registry import TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

from .markdown import lines_of

METRIC = "ndcg@20"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    """Three rows: nothing searched, 12 trials of which one was pruned, 12 as well."""
    store = Store(tmp_path_factory.mktemp("budget"))
    cells = (synthetic.cell("base", 0), synthetic.cell("erl", 2), synthetic.cell("prl", 2, against="erl", points=36))
    index = synthetic.fill(store, cells, search=12)
    for cell in cells[1:]:
        for number, key in enumerate(index["cells"][cell.id]["search"]):
            made = store.read(key)
            readout = {**made.validation.readout, METRIC: 0.1 + 0.01 * (number * 5 % 12)}
            changed = dataclasses.replace(made, validation=dataclasses.replace(made.validation, readout=readout))
            store.write(changed, replace=True)
    key = index["cells"][cells[2].id]["search"][4]
    made = store.read(key)
    store.write(dataclasses.replace(made, status="pruned", validation=None, reason="at epoch 3"), replace=True)
    return collect("s", cells, index, store=store)


def test_a_row_shows_its_trials_what_they_cost_and_what_fewer_would_have_found(results: ResultSet) -> None:
    text = render([TABLES["budget"](results)], format="markdown")
    head, _, base, erl, prl = lines_of(text)
    best = ["best of 1", "of 2", "of 5", "of 10", "of all"]
    assert head == ["tiny SASRec", "trials", "not done", "epochs", "core-s", *best, "final core-s"]
    assert base == ["Base", "0", "", "0", "0", "", "", "", "", "", "5"]
    values = [trial.validation[METRIC] for trial in results.cells[1].searched]
    curve = expected_best(values)
    shown = [f"{curve[n - 1]:.4f}" for n in (1, 2, 5, 10, 12)]
    assert erl == ["+ERL", "12", "", "36", "22", *shown, "5"]
    assert prl[:3] == ["+PRL", "12 of 36", "1 pruned"]
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 135


def test_unequal_and_rising_budgets_are_said_below_the_table(results: ResultSet) -> None:
    protocol = TABLES["budget"](results).protocol
    (unequal,) = [line for line in protocol if line.startswith("Unequal budgets")]
    assert unequal == (
        "Unequal budgets between rows that are compared (search trials): tiny SASRec +ERL 12 and tiny SASRec Base 0."
    )
    erl = [trial.validation[METRIC] for trial in results.cells[1].searched]
    curve = expected_best(erl)
    rise = 100 * (1 - curve[5] / curve[11])
    assert rise > 1
    (rising,) = [line for line in protocol if line.startswith("Still rising")]
    assert f"tiny SASRec +ERL (+{rise:.1f}%)" in rising
    assert any(line.startswith("Best of n: the best validation N@20") for line in protocol)


def test_records_have_the_whole_curve(results: ResultSet) -> None:
    records = TABLES["budget"](results).records
    erl = [trial.validation[METRIC] for trial in results.cells[1].searched]
    for quantity, expected in (
        ("expected_best", expected_best(erl)),
        ("expected_best_with_replacement", expected_best_with_replacement(erl)),
    ):
        held = [one for one in records if (one["strategy"], one["quantity"]) == ("erl", quantity)]
        assert [(one["trials"], one["epochs"]) for one in held] == [(n, 3 * n) for n in range(1, 13)]
        assert [one["value"] for one in held] == expected
    points = {one["strategy"]: one["value"] for one in records if one["quantity"] == "search_points"}
    assert points == {"base": 1, "erl": None, "prl": 36}
    pruned = [one["value"] for one in records if (one["strategy"], one["quantity"]) == ("prl", "search_pruned")]
    assert pruned == [1]


def test_the_protocol_of_every_table_says_how_much_of_its_space_each_row_has_tried(results: ResultSet) -> None:
    (line,) = [line for line in protocol_lines(results) if line.startswith("Chosen on validation")]
    assert "(distinct settings tried of those to search; epochs in all): " in line
    assert line.endswith("epochs in all): erl (12, continuous; 45), prl (12 of 36; 45).")


def test_a_suite_without_a_search_says_so(tmp_path: Path, synthetic: ModuleType) -> None:
    results = synthetic.results_of(Store(tmp_path), ("base", 0), synthetic.cell("naive", 0, points=1))
    assert not [line for line in protocol_lines(results) if line.startswith("Chosen on validation")]
    table = TABLES["budget"](results)
    assert table.protocol[0].startswith("No row of this suite has anything to search")
    assert render([table], format="markdown") == f"{table.protocol[0]}\n"
    assert {record["strategy"] for record in table.records} == {"base", "naive"}


def test_the_protocol_of_every_table_says_what_a_pruner_did(results: ResultSet, tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(
        "datasets: [tiny]\nbackbones: [sasrec]\nstrategies: [base]\nsteps: [1]\nseeds: [1]\nsearch: {pruner: asha}\n"
    )
    pruned = dataclasses.replace(results, suite=load_suite(file))
    (line,) = [line for line in protocol_lines(pruned) if line.startswith("Pruner")]
    assert line.startswith(
        "Pruner asha (rungs at 5, 15, ... epochs, one in 3 goes on): 1 of 24 search trials ended early."
    )
    assert "not the same again" in line and escape(line) in methods(pruned)
    assert not [line for line in protocol_lines(results) if line.startswith("Pruner")]
    unsearched = dataclasses.replace(pruned, cells=tuple(dataclasses.replace(c, searched=()) for c in pruned.cells))
    assert not [line for line in protocol_lines(unsearched) if line.startswith("Pruner")]
