"""The kit for a paper: whole, compiled by LaTeX with its references, and true to what is stored."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import ResultSet, collect, load_results
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.records.profile import Profile
from rearec_bench.harness.report.methods import methods
from rearec_bench.harness.report.paper_kit import write_kit
from rearec_bench.harness.report.protocol import protocol_lines
from rearec_bench.harness.report.report import every_table
from rearec_bench.harness.report.tables.registry import DATA_TABLES, DATASET_TABLES, PROFILE_TABLES, TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.model import Space

TABLE_NAMES = ("overall", "significance", "ceiling")


@pytest.fixture
def varied(tmp_path: Path, synthetic: ModuleType) -> ResultSet:
    return synthetic.varied_results(Store(tmp_path / "store"))


@pytest.fixture
def kit(varied: ResultSet, tmp_path: Path) -> Path:
    folder = tmp_path / "kit"
    write_kit(folder, [(varied, [TABLES[name](varied) for name in TABLE_NAMES])], [])
    return folder


def test_the_kit_compiles_with_its_references(kit: Path, pdflatex: str) -> None:
    for command in (["pdflatex"], ["bibtex"], ["pdflatex"], ["pdflatex"]):
        options = ["-interaction=nonstopmode", "-halt-on-error", "main.tex"] if command == ["pdflatex"] else ["main"]
        ran = subprocess.run([*command, *options], cwd=kit, capture_output=True, text=True, errors="replace")
        assert ran.returncode == 0, ran.stdout[-2000:]
    log = (kit / "main.log").read_text(encoding="utf-8", errors="replace")
    assert "undefined" not in log.lower()
    assert (kit / "main.pdf").read_bytes().startswith(b"%PDF")


def test_every_table_of_a_suite_has_those_of_its_data_sets_and_profiles(stored: Path, made_profile: Profile) -> None:
    store = Store(stored)

    def names(profiles: list[Profile]) -> set[str]:
        return set(every_table("smoke", load_dataset, profiles, store=store, data_dir=stored / "none"))

    assert names([]) == {*TABLES, *DATA_TABLES, *DATASET_TABLES}
    assert names([made_profile]) - names([]) == set(PROFILE_TABLES)
    made = every_table("smoke", load_dataset, [made_profile], store=store, data_dir=stored / "none")
    results = load_results("smoke", store=store)
    for name in ("latency", "datasets"):
        assert any(group.lines for group in made[name](results).groups), name


def test_every_citation_is_in_the_references(kit: Path) -> None:
    cited = set(re.findall(r"\\cite\{([^}]+)\}", (kit / "methods.tex").read_text(encoding="utf-8")))
    held = set(re.findall(r"@\w+\{([^,]+),", (kit / "references.bib").read_text(encoding="utf-8")))
    assert {"tang2025rearec", "kang2018sasrec", "holm1979simple"} <= cited <= held


def test_the_methods_say_what_was_run(varied: ResultSet) -> None:
    text = methods(varied)
    assert "Data: tiny; 1,005 items, 5,326 test rows; split: by time" in text
    assert "at most 3 epochs (patience 10) with batches of 32 rows" in text
    assert "chosen on validation N@20 among 2 trials per row" in text
    assert r"$K \in \{0, 1, 2\}$" in text
    assert "3 rows have fewer, which the tables show" in text
    assert "split: by time at 80/90\\%" in text


def test_the_methods_have_searched_values_as_suites_write_them(varied: ResultSet) -> None:
    space = {"backbone.step_dropout": Space(choices=(0.0, None))}
    cells = tuple(replace(cell, space=space) for cell in varied.cells)
    assert r"dropout in \{0, null\}" in methods(replace(varied, cells=cells))


def test_hours_of_a_row_on_its_own_backbone_count_once(tmp_path: Path, synthetic: ModuleType) -> None:
    results = synthetic.results_of(Store(tmp_path), ("base", 0), ("erl", 2))
    base, erl = (
        replace(cell, runs=tuple(replace(run, timings={"total_s": 3600.0}) for run in cell.runs))
        for cell in results.cells
    )
    own = [replace(erl, own_backbone="esasrec", backbone=name) for name in ("sasrec", "gru")]
    assert "Final runs took 6.0 hours in all" in methods(replace(results, cells=(base, *own)))


def test_rows_that_the_rule_unseen_left_out_are_told_under_tables_and_in_the_methods(varied: ResultSet) -> None:
    def told(facts: dict[str, object]) -> list[str]:
        results = replace(varied, facts={name: {**own, **facts} for name, own in varied.facts.items()})
        return [methods(results), "\n".join(protocol_lines(results))]

    assert told({}) == told({"unseen_left_out": 0}) == [methods(varied), "\n".join(protocol_lines(varied))]
    for words in told({"unseen_left_out": 1234}):
        assert words.count("1,234") == 1


def test_without_a_run_the_methods_say_so(tmp_path: Path, synthetic: ModuleType) -> None:
    empty = collect("a_b", (synthetic.cell("prl", 2),), {"cells": {}}, store=Store(tmp_path))
    assert methods(empty) == "No final run of a\\_b is stored yet.\n"


def test_the_kit_again_replaces_its_own_files_alone(kit: Path, varied: ResultSet) -> None:
    (kit / "notes.txt").write_text("mine", encoding="utf-8")
    (kit / "main.tex").write_text("old", encoding="utf-8")
    told: list[str] = []
    write_kit(kit, [(varied, [TABLES["overall"](varied)])], [], tell=told.append)
    assert (kit / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert r"\documentclass" in (kit / "main.tex").read_text(encoding="utf-8")
    assert [Path(line).name for line in told] == ["varied_overall.tex", "methods.tex", "references.bib", "main.tex"]
