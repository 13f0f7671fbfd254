"""The paper kit with few rows and with many, in one column and in two: nothing cut, nothing over the margin."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.report.formats.latex import escape
from rearec_bench.harness.report.formats.latex_pages import for_paper, render_pages
from rearec_bench.harness.report.formats.words import Marks, cell_words
from rearec_bench.harness.report.paper_kit import write_kit
from rearec_bench.harness.report.table import Table
from rearec_bench.harness.report.tables.registry import DATA_TABLES, TABLES
from rearec_bench.harness.store.store import Store

from .sized import sized_results

Tables = list[Table]


@pytest.fixture(scope="module", params=[2, 6, 24])
def sized(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType
) -> tuple[ResultSet, Tables]:
    results = sized_results(request.param, Store(tmp_path_factory.mktemp("store")), synthetic)
    data = synthetic.dataset(results)
    tables = [make(results) for make in TABLES.values()]
    tables += [make(results, lambda name: data) for make in DATA_TABLES.values()]
    return results, [table for table in tables if any(group.lines for group in table.groups)]


def pdf_text(folder: Path, pdflatex: str) -> str:
    for _ in range(2):
        ran = subprocess.run(
            [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "main.tex"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
        )
        assert ran.returncode == 0, ran.stdout[-2000:]
    log = (folder / "main.log").read_text(encoding="utf-8", errors="replace")
    assert re.findall(r"Overfull \\[hv]box.*", log) == []
    assert "too large" not in log
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("needs pdftotext, which is not installed")
    ran = subprocess.run([reader, "-layout", "main.pdf", "-"], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout.replace("’", "'")


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_every_row_is_in_the_pdf_and_nothing_is_over_the_margin(
    sized: tuple[ResultSet, Tables], columns: str, tmp_path: Path, pdflatex: str
) -> None:
    results, tables = sized
    write_kit(tmp_path, [(results, tables)], [])
    main = tmp_path / "main.tex"
    text = main.read_text(encoding="utf-8").replace(
        r"\documentclass{article}", rf"\documentclass[{columns}]{{article}}"
    )
    assert columns in text
    for table in tables:
        name = rf"\input{{tables/s_{table.name}.tex}}"
        assert name in text
        text = text.replace(name, rf"\clearpage STARTOF {table.name} ENDNAME \clearpage {name} \clearpage")
    main.write_text(text, encoding="utf-8")
    shown = pdf_text(tmp_path, pdflatex)
    for table in tables:
        part = shown.partition(f"STARTOF {table.name} ENDNAME")[2].partition("STARTOF")[0]
        assert rows_in(part, table) == rows_of(table), table.name


def signs(words: Sequence[str]) -> str:
    """What the words are made of; pdftotext may exchange neighbours and lose spaces."""
    return "".join(sorted("".join(words))).replace(" ", "")


def rows_of(table: Table) -> Counter[str]:
    """The rows of a table, each as its label and cells in print."""
    marks = Marks(up="↑", down="↓", plus_minus=" ± ", percent="%", bold=str, escape=str, minus="−")
    lines = [line for group in table.groups for line in group.lines]
    return Counter(
        signs([line.label, *(cell_words(cell, marks, spread=False) for cell in line.cells)]) for line in lines
    )


def rows_in(text: str, table: Table) -> Counter[str]:
    """The lines of a text that are rows of the table, titles before them left out."""
    wanted = rows_of(table)
    titles = {word for group in table.groups for title in group.titles for word in title.split()}
    found: Counter[str] = Counter()
    for words in map(str.split, text.splitlines()):
        start = next((at for at, word in enumerate(words) if word not in titles), 0)
        row = next((row for at in range(start + 1) if (row := signs(words[at:])) in wanted), None)
        found.update([] if row is None else [row])
    return found


def test_no_part_loses_a_line_and_each_has_a_caption(sized: tuple[ResultSet, Tables]) -> None:
    _, tables = sized
    for table in tables:
        text = render_pages(table, caption="Words", label="tab:a")
        assert text.count(r"\begin{table*}") == text.count(r"\caption{Words") == text.count(r"\end{table*}") > 0
        assert text.count(r"\label{tab:a}") == 1
        for group in table.groups:
            for line in group.lines:
                assert f"& {escape(line.label)} &" in text or f"\n{escape(line.label)} &" in text
        heads = 2 if any(columns.title for columns in table.columns) else 1
        assert text.count(r"\toprule") * heads <= sum(line.endswith(r"\\") for line in text.splitlines())
        assert "rearec-bench " not in text and not re.search(r"(?<!\S)-\{\}-[a-z]", text)


@pytest.mark.parametrize(
    ("note", "paper"),
    [
        ("Means of 3 seeds (standard deviations with --format csv or --spread). K = 2.", "Means of 3 seeds. K = 2."),
        (
            "The source of a + b has changed since its trials ran; to repeat them:  rearec-bench run SUITE --refresh",
            "The source of a + b has changed since its trials ran.",
        ),
        ("Ended 3 of 4. To train on:  rearec-bench run SUITE --set training.max_epochs=auto", "Ended 3 of 4."),
        (
            "What a choice without the target reaches of it:  --table adaptive",
            "What a choice without the target reaches of it.",
        ),
        ("Nothing to say.", "Nothing to say."),
    ],
)
def test_notes_of_a_paper_have_no_commands(note: str, paper: str) -> None:
    assert for_paper(note) == paper
