"""The report's text: golden files, names, missing runs, several suites."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rearec_bench.harness.analysis.resultset import ResultSet, collect, load_results
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.report.formats import latex, markdown, screen
from rearec_bench.harness.report.formats.latex import escape
from rearec_bench.harness.report.formats.markdown import render_markdown
from rearec_bench.harness.report.formats.screen import render_screen
from rearec_bench.harness.report.formats.words import Marks, cell_words
from rearec_bench.harness.report.html import tables as page
from rearec_bench.harness.report.report import render, render_report
from rearec_bench.harness.report.table import ColumnGroup, Kind, Line, RowGroup, Table, TableCell
from rearec_bench.harness.report.tables.overall import validation_overall
from rearec_bench.harness.report.tables.parts import ROW
from rearec_bench.harness.report.tables.registry import DATA_TABLES, MARKED, PAPER_TABLES, TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.bundled import shipped_suites
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils.errors import InputError

from ...models.training import few_rows
from ..suites import run_here

spec = importlib.util.spec_from_file_location("rearec_bench_tests_golden", Path(__file__).with_name("golden.py"))
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    return synthetic.varied_results(Store(tmp_path_factory.mktemp("varied")))


@pytest.mark.parametrize("variant", golden.VARIANTS, ids=lambda variant: "-".join(map(str, variant)))
def test_a_table_looks_as_its_golden_file(
    varied: ResultSet, synthetic: ModuleType, variant: tuple[str, str, str, bool]
) -> None:
    expected = golden.file_of(*variant).read_text(encoding="utf-8")
    assert golden.text_of(varied, synthetic.dataset(varied), *variant) == expected


@pytest.mark.parametrize("marks", [markdown._MARKS, latex._MARKS, screen._MARKS, page._MARKS])
@pytest.mark.parametrize(
    ("kind", "digits", "words"),
    [
        ("value", 4, ("0.0000", "0.0000", "0.0001", "1234.5000")),
        ("average", 2, ("0.00%", "0.00%", "up0.01%", "up1234.50%")),
        ("share", 1, ("0.0%", "0.0%", "0.0%", "1234.5%")),
        ("value", 2, ("0.00", "0.00", "0.01", "1234.50")),
        ("count", 0, ("0", "0", "0", "1,234")),
        ("change", 3, ("0.000", "0.000", "0.000", "+1,234.500")),
        ("change", 1, ("0.0", "0.0", "0.0", "+1,234.5")),
    ],
)
def test_a_column_has_one_format_and_what_rounds_to_zero_no_sign(
    marks: Marks, kind: Kind, digits: int, words: tuple[str, ...]
) -> None:
    values = (0.0, -1e-5, {2: 0.006}.get(digits, 6e-5), 1234.5)
    shown = [cell_words(TableCell(kind, value, digits=digits), marks, spread=False) for value in values]
    assert shown == [word.replace("up", marks.up).replace("%", marks.percent) for word in words]


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", [*TABLES, *PAPER_TABLES])
def test_no_row_is_wider_than_the_terminal(varied: ResultSet, name: str, width: int) -> None:
    table = TABLES[name](varied) if name in TABLES else PAPER_TABLES[name]()
    shown = render_screen(table, width=width).splitlines()
    assert max(len(line) for line in shown if "rearec-bench " not in line) <= width
    rows = render_markdown(table).partition("\n\n")[0].splitlines()[2:]
    numbers = re.findall(r"\d+\.\d+", " ".join(rows))
    assert Counter(numbers) - Counter(re.findall(r"\d+\.\d+", "\n".join(shown))) == Counter()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_base_alone_cannot_fill_is_one_line(name: str, synthetic: ModuleType, tmp_path: Path) -> None:
    table = TABLES[name](synthetic.results_of(Store(tmp_path), ("base", 0)))
    shown = [render([table], format=format, width=80).splitlines() for format in ("markdown", "latex")]
    if name == "overall":
        assert len(table.groups) == 1
    else:
        assert [len(lines) for lines in shown] == [1, 1]
        assert all("What would fill this table:  " in lines[0] for lines in shown)


def test_a_terminal_that_is_wide_enough_shows_markdown(varied: ResultSet) -> None:
    table = TABLES["overall"](varied)
    markdown = render_markdown(table)
    wide = len(markdown.splitlines()[0])
    shown, narrower = (render_screen(table, width=width) for width in (wide, wide - 1))
    rows = markdown.partition("\n\n")[0]
    assert [each.startswith(f"{rows}\n\n") for each in (shown, narrower)] == [True, False]
    assert shown.split() == markdown.split(), "lines below it are broken between words, and nothing is lost"
    assert max(len(line) for line in shown.splitlines() if "rearec-bench " not in line) <= wide


def test_a_column_of_long_words_leaves_its_rows_less_room() -> None:
    lines = (Line("a label of several words", (TableCell("text", text="words " * 10),)),)
    table = Table("t", "", "", (ColumnGroup("", ("Where",)),), (RowGroup((), lines),), (), (), ())
    assert max(map(len, render_screen(table, width=70).splitlines())) <= 70


def test_the_papers_table_on_80_columns() -> None:
    shown = render_screen(PAPER_TABLES["table2"](), width=80).splitlines()
    assert shown[:4] == [
        "SASRec            N@10       N@20       R@10       R@20      Avg.",
        "Yelp",
        "  Base          0.0347     0.0452     0.0626     0.1047         -",
        "  +ERL          0.0383     0.0474     0.0691     0.1056",
    ]
    assert shown[5] == "  +PRL         *0.0388    *0.0493    *0.0730    *0.1149"


def test_every_latex_table_compiles_as_printed(varied: ResultSet, pdflatex: str, tmp_path: Path) -> None:
    tables = [*(TABLES[name](varied) for name in TABLES), *(make() for make in PAPER_TABLES.values())]
    body = render(tables, format="latex", spread=True)
    (tmp_path / "tables.tex").write_text(body, encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        "\\documentclass[twocolumn]{article}\n\\usepackage{booktabs}\n\\usepackage{multirow}\n"
        "\\begin{document}\n\\input{tables}\n\\end{document}\n"
    )
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-2000:]
    assert (tmp_path / "main.pdf").stat().st_size > 10_000
    assert body.count("\\begin{tabular}") == len(tables)


def test_special_characters_are_escaped_for_latex() -> None:
    assert escape("a_b & 100%") == r"a\_b \& 100\%"
    assert escape("--spread") == "-{}-spread"  # two hyphens are a dash
    assert escape("[x] #1 $2 {3} ~4 ^5 \\6 <7> |8| *9") == (
        r"{[}x{]} \#1 \$2 \{3\} \textasciitilde{}4 \textasciicircum{}5 \textbackslash{}6 \textless{}7\textgreater{} "
        r"\textbar{}8\textbar{} {*}9"
    )


def test_a_bar_in_a_name_does_not_make_a_column_in_markdown(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("base", 0, row="a|b"),)
    store = Store(tmp_path)
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    assert "a\\|b" in render([TABLES["overall"](results)], format="markdown")


def test_csv_and_json_hold_the_same_unrounded_numbers(varied: ResultSet) -> None:
    table = TABLES["overall"](varied)
    rows = list(csv.DictReader(io.StringIO(render([table], format="csv"))))
    (held,) = json.loads(render([table], format="json"))["tables"]
    assert [
        {name: "" if value is None else str(value) for name, value in one.items()} for one in held["records"]
    ] == rows
    assert held["protocol"] == list(table.protocol)
    mean = next(row["mean"] for row in rows if row["metric"] == "ndcg@20")
    readouts = [run.test["ndcg@20"] for run in varied.cells[0].runs]
    assert float(mean) == pytest.approx(sum(readouts) / 3, rel=1e-14)


def test_several_tables_have_headings_and_the_csv_says_which_suite(varied: ResultSet) -> None:
    tables = [TABLES["overall"](varied), TABLES["overall"](dataclasses.replace(varied, name="again"))]
    text = render(tables, format="markdown")
    assert text.startswith("## varied\n\n|") and "\n## again\n\n|" in text
    rows = list(csv.DictReader(io.StringIO(render(tables, format="csv"))))
    assert next(iter(rows[0])) == "suite" and {row["suite"] for row in rows} == {"varied", "again"}
    assert [held["title"] for held in json.loads(render(tables, format="json"))["tables"]] == ["varied", "again"]


def test_a_recipe_that_is_not_the_papers_is_named(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("prl", 2, row="prl_rel"),)
    store = Store(tmp_path)
    spec = synthetic.spec(settings={"recipe": "released"})
    store.write(synthetic.trial(spec))
    index = {"cells": {cells[0].id: {"search": [], "best": None, "final": {"1": spec.key}}}}
    lines = TABLES["overall"](collect("s", cells, index, store=store)).protocol
    assert "Recipe: prl_rel released." in lines
    assert "tiny SASRec prl_rel K=2: 1/3 final runs (seeds 2, 3 not run yet)." in lines


def test_a_k_that_validation_chose_is_named_and_has_a_column_of_its_own(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", None))
    store = Store(tmp_path)
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    table = TABLES["steps"](results)
    assert table.columns[0].columns == ("0", "searched")
    assert "K as chosen on validation: tiny SASRec prl: K=2." in table.protocol
    assert {record["steps"] for record in table.records} == {0, None}


def test_a_model_that_serves_every_depth_is_shown_at_each_beside_those_of_a_depth(
    tmp_path: Path, synthetic: ModuleType
) -> None:
    cells = (synthetic.cell("erl", 2), synthetic.cell("lares", 2), synthetic.cell("lares", 4))
    store = Store(tmp_path)
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    table = TABLES["steps"](results)
    assert table.columns[0].columns == ("0", "1", "2", "3", "4")
    labels = [line.label for line in table.groups[0].lines]
    assert [label.lstrip("+") for label in labels] == ["ERL", "LARES", "LARES[one model, K=4]"]
    own, one = ([cell.value for cell in line.cells] for line in table.groups[0].lines[1:])
    assert [cell is not None for cell in own] == [False, False, True, False, True]
    runs = results.cells[-1].runs
    means = [sum(run.test_steps[k]["ndcg@10"] for run in runs) / len(runs) for k in range(5)]
    assert one == pytest.approx(means)


@pytest.mark.slow
def test_the_suite_of_depths_shows_a_model_for_each_depth_and_one_at_all(tmp_path: Path, one_thread: None) -> None:
    short = {"datasets": "[tiny]", "seeds": "[1]", "search.grace": "1", "backbone_defaults.width": "8"}
    limits = {"training.max_epochs": "2", "training.max_len": "8"}
    overrides = tuple(f"{key}={value}" for key, value in {**short, **limits}.items())
    suite = load_suite(shipped_suites()["lares_depth"], overrides=overrides)
    store = Store(tmp_path / "results")
    run_here(suite, store, few_rows(load_dataset("tiny", data_dir=tmp_path), 64))
    table = TABLES["steps"](load_results(suite.name, store=store))
    assert table.columns[0].columns == tuple(map(str, range(9)))
    filled = {
        line.label.lstrip("+"): [k for k, cell in enumerate(line.cells) if cell.value is not None]
        for line in table.groups[0].lines
    }
    apart, every = [2, 8], list(range(9))
    assert filled == {
        "lares_3": apart,
        "LARES": apart,
        "lares_3[one model, K=8]": every,
        "LARES[one model, K=8]": every,
    }


def test_a_suite_that_has_just_begun_has_a_table_of_nothing(tmp_path: Path, synthetic: ModuleType) -> None:
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2))
    empty = collect("s", cells, {"cells": {}}, store=Store(tmp_path))
    with_data = [DATA_TABLES[name](empty, lambda name: pytest.fail("nothing to load")) for name in ("groups", "beyond")]
    assert all(record["mean"] is None for table in with_data for record in table.records)
    for table in [*(make(empty) for make in TABLES.values()), *with_data]:
        text = render([table], format="markdown")
        if table.name in ("ablation", "sensitivity", "ranks"):
            assert text.startswith("No ") and "What would fill this table:  " in text and text.count("\n") == 1
            continue
        assert "0/3" in text and "No final run of a model is stored yet." in text
        assert r"\begin{tabular}" in render([table], format="latex")
        assert all(set(record) == set(table.fields) for record in table.records)


SUITE = """
name: from_a_file
datasets: [tiny]
backbones: [sasrec]
strategies:
  - base
  - erl: {kl_weight: {search: [0.01, 0.1]}}
  - prl: {decay: {sweep: [1, 1.5]}}
steps: [2]
seeds: [1, 2]
search: {trials: 2}
"""


def stored_suite(store: Store, synthetic: ModuleType, folder: Path) -> None:
    """Store a suite as a run would, with made-up trials."""
    (folder / "suite.yaml").write_text(SUITE)
    suite = load_suite(folder / "suite.yaml")
    entries = {}
    for number, cell in enumerate(expand(suite)):
        values = dict.fromkeys(cell.space, 0.01)
        specs = [cell.spec(values, seed=seed, purpose="final", fingerprint="f", device="cpu") for seed in cell.seeds]
        for spec in specs:
            store.write(synthetic.trial(spec, draw=100 * number + spec.seed))
        entries[cell.id] = {"search": [], "best": None, "final": {str(spec.seed): spec.key for spec in specs}}
    store.write_suite(suite.name, suite.to_json(), {"cells": entries, "dataset_facts": {"tiny": synthetic.FACTS}})


def test_a_suite_from_a_file_is_reported_from_the_store_alone(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path / "results")
    stored_suite(store, synthetic, tmp_path)
    (tmp_path / "suite.yaml").unlink()
    text = render_report(None, store=store)
    labels = [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("|")]
    assert labels == [
        *("SASRec", ":----------------", "Base", "+ERL", "(Improv.)"),
        *("+PRL[decay=1]", "(Improv.)", "+PRL[decay=1.5]", "(Improv.)"),
    ]
    assert "Means of 2 seeds" in text and " K = 2." in text
    assert text == render_report(["from_a_file"], store=store)
    twice = render_report(["from_a_file"] * 2, store=store, split="validation")
    assert twice == render_report(None, store=store, split="validation"), "a name given twice counts once"
    rows = list(csv.DictReader(io.StringIO(render_report(None, store=store, format="csv"))))
    assert {row["strategy"] for row in rows} == {"base", "erl", "prl[decay=1]", "prl[decay=1.5]"}
    changed = "sasrec + base, sasrec + erl, sasrec + prl has changed since its trials ran"
    assert text.count(changed) == 1  # the made-up digest is not today's


@pytest.mark.parametrize("table", ["ranks", "claims"])
def test_ranks_and_claims_of_named_suites_are_of_all_their_rows(
    table: str, tmp_path: Path, synthetic: ModuleType
) -> None:
    store = Store(tmp_path / "results")
    stored_suite(store, synthetic, tmp_path)
    content, index = store.read_suite("from_a_file")
    store.write_suite("again", content, index)
    text = render_report(["from_a_file", "again"], store=store, table=table)
    assert text.count("\n|:--") == 1
    assert "\nfrom_a_file: Means of 2 seeds" in text and "\nagain: Means of 2 seeds" in text
    assert render_report(None, store=store, table=table).count("\n|:--") == 2, "all suites: each by itself"


def test_marks_say_which_differences_are_more_than_chance(tmp_path: Path, synthetic: ModuleType) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2))
    index = synthetic.fill(store, cells)
    for seed, key in index["cells"][cells[1].id]["final"].items():
        made = store.read(key)
        rows = dataclasses.replace(made.test.rows, readout_ranks=np.ones(50, np.int32))
        test = dataclasses.replace(made.test, rows=rows, readout=synthetic.metrics_of(rows.readout_ranks))
        store.write(dataclasses.replace(made, test=test), replace=True)
        assert int(seed) == made.spec.seed
    results = collect("s", cells, index, store=store)
    text = render([MARKED["overall"](results)], format="markdown")
    assert text.count("1.0000**‡ |") == 4 and "Holm's correction for 4 comparisons" in text
    assert r"\textbf{1.0000}$^{\ddagger}$" in render([MARKED["overall"](results)], format="latex")
    tested = render([TABLES["significance"](results)], format="markdown")
    assert len(re.findall(r"\+0\.\d{4}‡ \|", tested)) == 4
    plain = render([TABLES["overall"](results)], format="markdown")
    assert "‡" not in plain and "Holm" not in plain


@pytest.mark.parametrize("other", [{"table": "steps"}, {"source": "paper"}, {"against": "paper"}, {"format": "csv"}])
def test_marks_where_there_are_none_are_refused(tmp_path: Path, other: dict[str, str]) -> None:
    with pytest.raises(InputError, match="--marks is for --table overall"):
        render_report(None, store=Store(tmp_path), marks=True, **other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "overal"}, "unknown table 'overal'. Did you mean 'overall'? Known: overall, significance,"),
        ({"source": "paper", "table": "table5"}, "unknown table of the paper 'table5'. Did you mean 'table4'?"),
        ({"suites": ["ml10k"]}, "unknown suite 'ml10k'. Did you mean 'ml100k'"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_one(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    store = Store(tmp_path)
    store.write_suite("ml100k", {}, {"cells": {}})
    with pytest.raises(InputError) as raised:
        render_report(**({"suites": None} | options), store=store)
    assert str(raised.value).startswith(message)


def test_the_overall_table_of_validation_has_its_means(varied: ResultSet) -> None:
    table = validation_overall(varied)
    for cell in (cell for cell in varied.cells if cell.runs):
        means = {
            one["metric"]: one["mean"] for one in table.records if all(one[name] == getattr(cell, name) for name in ROW)
        }
        assert means["ndcg@20"] == pytest.approx(np.mean([run.validation["ndcg@20"] for run in cell.runs]))
    assert table.protocol[1].startswith("Validation")


@pytest.mark.parametrize("other", [{"table": "steps"}, {"against": "paper"}, {"source": "paper"}, {"marks": True}])
def test_another_split_than_test_is_of_the_overall_table(tmp_path: Path, other: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"--split is for --table overall|--marks is for"):
        render_report(None, store=Store(tmp_path), split="validation", **other)


def test_an_empty_store_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no suite is stored in .*\. Type:  rearec-bench run"):
        render_report(None, store=Store(tmp_path))
