"""Reference rows in tables: shown once per data set, compared with nothing, absent where they say nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.compare import METRICS, Row, Stat, compare
from rearec_bench.harness.analysis.resultset import ResultSet, SameSource, collect
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.records.source import same_source, source_digest
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.tables.registry import TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

from .markdown import lines_of

SUITE = """
name: counted
datasets: [tiny, other]
references: [popularity, markov]
backbones: [sasrec, sasrec: {name: wide, width: 128}]
strategies: [base, erl]
steps: [1, 2]
seeds: [1, 2]
"""


def results_of(folder: Path, synthetic: ModuleType, *, without: str = "", same: SameSource = same_source) -> ResultSet:
    """Results of the suite; the references rank every target first, those of `without` are not there."""
    (folder / "suite.yaml").write_text(SUITE)
    store, entries = Store(folder / "results"), {}
    for number, cell in enumerate(expand(load_suite(folder / "suite.yaml"))):
        if cell.backbone == without:
            continue
        specs = [
            cell.spec({}, seed=seed, purpose="final", fingerprint=cell.dataset, device="cpu") for seed in cell.seeds
        ]
        for spec in specs:
            made = synthetic.trial(spec, draw=10 * number + spec.seed)
            if cell.is_baseline:
                made = dataclasses.replace(made, history=(), test=perfect(made.test))
            source = source_digest(spec.backbone.kind, spec.strategy.kind)
            store.write(dataclasses.replace(made, source_digest=source))
        entries[cell.id] = {"search": [], "best": None, "final": {str(spec.seed): spec.key for spec in specs}}
    cells = expand(load_suite(folder / "suite.yaml"))
    return collect("counted", cells, {"cells": entries}, store=store, same_source=same)


def perfect(test):
    return dataclasses.replace(
        test, readout=dict.fromkeys(test.readout, 1.0), steps=(dict.fromkeys(test.readout, 1.0),)
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    return results_of(tmp_path_factory.mktemp("counted"), synthetic)


def test_references_stand_above_the_rows_of_their_data_set_the_same_under_each_backbone(results: ResultSet) -> None:
    rows = lines_of(render([TABLES["overall"](results)], format="markdown", spread=True))
    assert (rows[0][1], rows[0][7]) == ("SASRec", "wide")
    values = ["1.0000"] * 4 + ["-"]
    assert rows[2] == ["tiny", "Popularity", *values, "Popularity", *values]
    assert rows[3] == ["", "Markov", *values, "Markov", *values]
    assert rows[4][1] == rows[4][7] == "Base"
    assert [row[1] for row in rows if row[0] == "other"] == ["Popularity"]
    text = render([TABLES["overall"](results)], format="latex")
    assert r"\multirow[t]{7}{*}{tiny} & Popularity & 1.0000 & 1.0000 & 1.0000 & 1.0000 & - & 1.0000" in text
    assert "\n & Markov & 1.0000 &" in text
    compact = lines_of(render([TABLES["overall"](results)], format="markdown", layout="compact"))
    assert [row[:2] for row in compact if row[2] == "Popularity"] == [
        *(["tiny", "SASRec"], ["", "wide"], ["other", "SASRec"], ["", "wide"])
    ]


def test_no_row_is_measured_against_a_reference(results: ResultSet) -> None:
    text = render([TABLES["overall"](results)], format="markdown")
    assert "**1.0000**" not in text
    rows = lines_of(text)
    without = lines_of(render([TABLES["overall"](results.models())], format="markdown"))
    assert [row for row in rows if row[1] not in ("Popularity", "Markov")][3:6] == without[3:6]
    assert sum("**" in cell for row in rows for cell in row) == sum("**" in cell for row in without for cell in row) > 0


def test_the_tidy_records_hold_a_reference_once_per_data_set(results: ResultSet) -> None:
    found = [record for record in TABLES["overall"](results).records if record["strategy"] == "reference"]
    assert [(row["dataset"], row["backbone"], row["metric"]) for row in found] == [
        (dataset, name, metric)
        for dataset in ("tiny", "other")
        for name in ("popularity", "markov")
        for metric in METRICS
    ]
    values = {(row["mean"], row["std"], row["seeds"], row["improvement_percent"]) for row in found}
    assert values == {(1.0, None, 1, None)}


def test_the_protocol_says_what_they_are_and_counts_them_as_no_model(results: ResultSet) -> None:
    lines = TABLES["overall"](results).protocol
    assert (
        "Popularity and Markov are counts of the training rows, without a model: one run, deterministic, the same for "
        "every backbone; bold leaves them out."
    ) in lines
    assert any(line.startswith("Means of 2 seeds ") for line in lines)
    assert not any("reference" in line for line in lines)
    assert "max length 50" in lines[0]


def test_a_reference_that_has_not_run_or_has_changed_is_told_by_name(tmp_path: Path, synthetic: ModuleType) -> None:
    def edited(stored: str, backbone: str, strategy: str) -> bool:
        return backbone != "popularity" and same_source(stored, backbone, strategy)

    held = results_of(tmp_path, synthetic, without="markov", same=edited)
    assert held.changed == ("popularity",)
    table = TABLES["overall"](held)
    assert lines_of(render([table], format="markdown"))[3][1:3] == ["Markov", "0/1"]
    assert "tiny Markov reference: 0/1 final runs (seed 1 not run yet)." in table.protocol


@pytest.mark.parametrize("name", ["steps", "ceiling"])
def test_tables_of_steps_leave_them_out(results: ResultSet, name: str) -> None:
    for form in ("markdown", "csv"):
        text = render([TABLES[name](results)], format=form)
        assert "SASRec" in text or "sasrec" in text
        for word in ("Popularity", "Markov", "popularity", "markov", "reference,"):
            assert word not in text


def test_a_backbone_of_the_same_name_is_compared_without_the_reference() -> None:
    def row(strategy: str, mean: float, **more: object) -> Row:
        stats = dict.fromkeys(METRICS, Stat(mean, None, 1, 1))
        against = "base" if strategy == "erl" else ""
        return Row(
            dataset="tiny", backbone="popularity", strategy=strategy, against=against, steps=0, stats=stats, **more
        )

    reference, base, erl = compare([row("base", 0.9, is_baseline=True), row("base", 0.4), row("erl", 0.5)])
    assert (reference.best, reference.against) == (frozenset(), None)
    assert erl.against is not None and erl.against.stats["ndcg@10"].mean == 0.4
    assert erl.best >= set(METRICS)
    assert base.best == frozenset()
