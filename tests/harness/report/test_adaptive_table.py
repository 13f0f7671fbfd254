"""The table of adaptive depth: what a reader sees, and what is said where there is nothing to see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rearec_bench.harness.analysis.adaptive import METHODS, adaptive
from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.tables.registry import TABLES
from rearec_bench.harness.store.store import Store

from .markdown import lines_of


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    return synthetic.results_of(Store(tmp_path_factory.mktemp("adaptive")), ("base", 0), ("prl", 1), ("prl", 2))


def test_a_table_of_one_data_set_and_backbone_fits_100_columns(results: ResultSet) -> None:
    text = render([TABLES["adaptive"](results)], format="markdown")
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 100
    assert lines_of(text)[0] == ["tiny SASRec", "N@20", "over readout", "over Base", "of ceiling", "steps"]
    labels = [line[0] for line in lines_of(text)[2:] if line[0] != "95%"]
    one_row = ["best fixed step", "by entropy", "by margin", "by convergence", "by divergence", "by router"]
    one_row.append("ceiling (oracle)")
    assert labels == ["+PRL (K=1)", *one_row, "+PRL (K=2)", *one_row]


def test_what_is_shown_are_the_numbers_of_the_analysis(results: ResultSet) -> None:
    deepest = adaptive(results)[1]
    lines = lines_of(render([TABLES["adaptive"](results)], format="markdown"))[2:]
    for method, (shown, below) in zip(deepest.methods, zip(lines[16::2], lines[17::2], strict=True), strict=True):
        held = method.metrics["ndcg@20"]
        assert shown[1] == f"{held.value:.4f}"
        assert below[1] == f"{held.users.low:.4f}..{held.users.high:.4f}"
        assert shown[5] == f"{method.steps.value:.2f}"
        gain = method.over_against["ndcg@20"]
        assert shown[3] == f"{'↑' if gain.value > 0 else '↓'}{abs(gain.value):.2f}%"
        assert below[3] == f"{gain.users.low:.2f}..{gain.users.high:.2f}"
        if method.share:
            assert shown[4] == f"{method.share['ndcg@20'].value:.1f}%"


def test_records_hold_every_metric_and_both_intervals(results: ResultSet) -> None:
    rows = TABLES["adaptive"](results).records
    assert {row["method"] for row in rows} == set(METHODS)
    of_margin = [row for row in rows if (row["method"], row["steps"]) == ("margin", 2)]
    assert len(of_margin) == 4 * 4 + 1
    deepest = adaptive(results)[1].methods[METHODS.index("margin")]
    (share,) = [row for row in of_margin if (row["quantity"], row["metric"]) == ("ceiling_share_percent", "recall@10")]
    expected = deepest.share["recall@10"]
    assert (share["value"], share["std"], share["seeds"]) == (expected.value, expected.std, 3)
    assert share["seeds_low"] == expected.seeds.low
    (steps,) = [row for row in of_margin if row["quantity"] == "mean_steps"]
    assert steps["users_high"] == deepest.steps.users.high and steps["metric"] is None


def test_a_share_that_is_undefined_is_a_dash(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    results = synthetic.results_of(store, ("base", 0), ("prl", 2))
    for run in results.cells[1].runs:
        held = store.read(run.key)
        rows = held.test.rows
        alike = replace(rows, step_ranks=np.repeat(rows.readout_ranks[:, None], 3, axis=1))
        store.write(replace(held, test=replace(held.test, rows=alike)), replace=True)
    text = render([TABLES["adaptive"](results)], format="markdown")
    shares = [line[4] for line in lines_of(text)[2:] if line[0] != "95%"]
    assert shares == ["", *["-"] * 6, ""]
    assert "nan" not in text and "inf" not in text.replace("infer", "")
    assert "NaN" not in render([TABLES["adaptive"](results)], format="json")


def test_a_run_without_validation_rows_is_named(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    key = synthetic.results_of(store, ("prl", 2)).cells[0].runs[1].key
    store.write(replace(store.read(key), validation=None), replace=True)
    table = TABLES["adaptive"](synthetic.results_of(store, ("base", 0), ("prl", 2)))
    assert any("+PRL (K=2): seed 2 left out" in line for line in table.protocol)
    assert lines_of(render([table], format="markdown"))[2][1].endswith(" (2/3)")


def test_columns_and_protocol_name_what_a_row_is_compared_with(tmp_path: Path, synthetic: ModuleType) -> None:
    store, variant = Store(tmp_path), synthetic.cell("prl", 2, row="prl_x[decay=1]", against="prl")
    table = TABLES["adaptive"](synthetic.results_of(store, ("base", 0), ("prl", 2), variant))
    assert "over reference" in table.columns[0].columns
    assert "References: +PRL over Base, +prl_x[decay=1] over PRL." in table.protocol
    table = TABLES["adaptive"](synthetic.results_of(store, ("prl", 2)))
    assert table.columns[0].columns == ("N@20", "over readout", "of ceiling", "steps")
    assert {len(line.cells) for group in table.groups for line in group.lines} == {4}
    table = TABLES["adaptive"](synthetic.results_of(store, ("base", 0)))
    assert table.groups == () and table.records == ()
    for format in ("markdown", "latex", "json"):
        text = render([table], format=format)
        assert "No row of this suite has reasoning steps (K" in text and "Ceiling" not in text
    assert render([table], format="csv").count("\n") == 1


def test_rows_with_streams_are_named_and_have_no_lines(tmp_path: Path, synthetic: ModuleType) -> None:
    results = synthetic.results_of(Store(tmp_path), ("erl", 2), ("prl", 2))
    first, second = results.cells
    streams = []
    for run in second.runs:
        component = replace(run.spec.strategy, settings={**run.spec.strategy.settings, "streams": 2})
        streams.append(replace(run, spec=replace(run.spec, strategy=component)))
    table = TABLES["adaptive"](replace(results, cells=(first, replace(second, runs=tuple(streams)))))
    assert "tiny SASRec PRL K=2 is not here: its streams have no order in which to stop." in table.protocol
    assert {record["strategy"] for record in table.records} == {"erl"}
