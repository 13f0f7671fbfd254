"""The paper's own numbers through our code: every printed improvement, except its four slips."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench import results
from rearec_bench.harness.analysis.compare import METRICS, compare
from rearec_bench.harness.analysis.paper import paper_latency, paper_rows
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.tables.against_paper import against_paper
from rearec_bench.harness.report.tables.registry import PAPER_TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

_BABY = ("table2", "Baby & Products", "BERT4Rec")
SLIPS = {
    (*_BABY, "ERL", "recall@10"): (9.57, 14.01),
    (*_BABY, "ERL", "recall@20"): (14.01, 9.57),
    (*_BABY, "PRL", "recall@10"): (6.15, 13.23),
    (*_BABY, "PRL", "recall@20"): (13.23, 6.15),
}
"""Where the paper prints another number than its values give: printed, recomputed."""


def recomputed(table: str) -> dict[tuple[str, str, str, str], float]:
    found = {}
    for one in compare(paper_rows(table)):
        gains = dict(one.improvements) | ({} if one.average is None else {"avg": one.average})
        for metric, gain in gains.items():
            found[one.row.dataset, one.row.backbone, one.row.strategy, metric] = gain
    return found


@pytest.mark.parametrize("table", ["table2", "table3"])
def test_every_recomputed_improvement_is_the_printed_one_except_four_slips(table: str) -> None:
    (file,) = Path(results.__path__[0]).glob(f"paper/{table}_*.csv")
    printed = {
        (line["dataset"], line["backbone"], line["strategy"], line["metric"].lower()): float(
            line["improvement_percent"]
        )
        for line in csv.DictReader(file.open(encoding="utf-8"))
        if line["improvement_percent"]
    }
    found = recomputed(table)
    assert found.keys() == printed.keys() and len(printed) == 100
    different = {
        (table, *cell): (printed[cell], float(f"{gain:.2f}"))
        for cell, gain in found.items()
        if f"{gain:.2f}" != f"{printed[cell]:.2f}"
    }
    assert different == {cell: pair for cell, pair in SLIPS.items() if cell[0] == table}


@pytest.mark.parametrize("table", ["table2", "table3"])
def test_every_improvement_stands_in_the_rendered_tables_with_its_arrow(table: str) -> None:
    made = PAPER_TABLES[table]()
    for format, up, down, percent in (("markdown", "↑", "↓", "%"), ("latex", r"$\uparrow$", r"$\downarrow$", r"\%")):
        text = render([made], format=format)
        for cell, gain in recomputed(table).items():
            arrow = up if gain > 0 else down
            assert f"{arrow}{abs(gain):.2f}{percent}" in text, cell


def test_values_are_shown_with_four_decimals_in_the_papers_order() -> None:
    lines = render([PAPER_TABLES["table2"]()], format="markdown").splitlines()
    cells = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["", "SASRec", *(head := ["N@10", "N@20", "R@10", "R@20", "Avg."]), "BERT4Rec", *head]
    assert cells[2] == [
        *("Yelp", "Base", "0.0347", "0.0452", "0.0626", "0.1047", "-"),
        *("Base", "0.0364", "0.0460", "0.0653", "0.1038", "-"),
    ]
    assert cells[5][:7] == ["", "+PRL", "**0.0388**", "**0.0493**", "**0.0730**", "**0.1149**", ""]
    assert cells[6][:7] == ["", "(Improv.)", "(↑11.82%)", "(↑9.07%)", "(↑16.61%)", "(↑9.74%)", "**↑11.81%**"]


def test_means_over_data_sets_are_those_that_the_text_of_the_paper_states() -> None:
    stated = {("SASRec", "ERL"): 6.76, ("SASRec", "PRL"): 8.21, ("UniSRec", "ERL"): 12.29, ("UniSRec", "PRL"): 10.43}
    rows = [*compare(paper_rows("table2")), *compare(paper_rows("table3"))]
    for (backbone, strategy), value in stated.items():
        averages = [one.average for one in rows if (one.row.backbone, one.row.strategy) == (backbone, strategy)]
        assert len(averages) == 5
        assert f"{sum(averages) / 5:.2f}" == f"{value:.2f}"


def test_every_recomputed_cost_of_latency_is_the_printed_one() -> None:
    cells = [cell for cell in paper_latency() if cell.printed is not None]
    assert len(cells) == 20
    assert all(f"{cell.cost_percent:.2f}" == f"{cell.printed:.2f}" for cell in cells)
    text = render([PAPER_TABLES["table4"]()], format="markdown")
    assert all(f"{cell.time_s:.4f}" in text and f"{cell.printed:.2f}" in text for cell in cells)


def test_the_papers_tables_have_tidy_records_too() -> None:
    rows = list(csv.DictReader(io.StringIO(render([PAPER_TABLES["table3"]()], format="csv"))))
    assert len(rows) == 5 * 2 * (3 * 4 + 2)
    assert rows[0] == {
        "dataset": "Yelp",
        "backbone": "UniSRec",
        "strategy": "Base",
        "steps": "",
        "metric": "ndcg@10",
        "mean": str(paper_rows("table3")[0].stats["ndcg@10"].mean),
        "std": "",
        "seeds": "1",
        "improvement_percent": "",
    }
    (held,) = json.loads(render([PAPER_TABLES["table4"]()], format="json"))["tables"]
    assert len(held["records"]) == 24 and held["protocol"]


def test_our_numbers_stand_beside_the_papers(tmp_path: Path, synthetic: ModuleType) -> None:
    rows = (("base", 0), ("prl", 2), ("naive", 2))
    cells = (synthetic.cell(*row, dataset="video_games") for row in rows)
    results = synthetic.results_of(Store(tmp_path), *cells)
    table = against_paper(results)
    printed = {
        (row.strategy, metric): row.stats[metric].mean
        for row in paper_rows("table2")
        if (row.dataset, row.backbone) == ("Video & Games", "SASRec")
        for metric in METRICS
    }
    assert {record["strategy"] for record in table.records} == {"base", "prl"}
    for record in table.records:
        strategy = {"base": "Base", "prl": "PRL"}[record["strategy"]]
        assert record["paper"] == printed[strategy, record["metric"]]
        cell = results.cells[0 if record["strategy"] == "base" else 1]
        ours = sum(run.test[record["metric"]] for run in cell.runs) / 3
        assert record["difference"] == pytest.approx(ours - record["paper"])
    prl = next(one for one in table.records if (one["strategy"], one["metric"]) == ("prl", "ndcg@20"))
    gain = (printed["PRL", "ndcg@20"] / printed["Base", "ndcg@20"] - 1) * 100
    assert prl["paper_improvement_percent"] == pytest.approx(gain)
    assert "| PRL (K=2) |" in render([table], format="markdown")
    assert prl["our_improvement_percent"] is not None
    over_naive = (*results.cells[:1], replace(results.cells[1], against="naive"), *results.cells[2:])
    table = against_paper(replace(results, cells=over_naive))
    assert {record["our_improvement_percent"] for record in table.records} == {None}, "the paper's is over Base"


def test_a_later_method_stands_beside_what_its_own_paper_prints(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell(*row, dataset="cds_vinyl") for row in (("base", 0), ("plr", 2), ("mancar", 2)))
    table = against_paper(synthetic.results_of(Store(tmp_path), *cells))
    printed = {(record["strategy"], record["metric"]): record["paper"] for record in table.records}
    assert (printed["plr", "recall@20"], printed["mancar", "ndcg@10"], printed["plr", "ndcg@20"]) == (
        0.0873,
        0.0234,
        None,
    )
    shown = render([table], format="markdown")
    assert "PLR: arXiv 2601.03153" in shown and "ManCAR: arXiv 2602.20093, without context" in shown


def test_a_suite_without_a_row_of_the_paper_is_told_which_there_are(tmp_path: Path, synthetic: ModuleType) -> None:
    with pytest.raises(InputError, match=r"no row of 's' .*video_games"):
        against_paper(synthetic.results_of(Store(tmp_path), ("base", 0)))
