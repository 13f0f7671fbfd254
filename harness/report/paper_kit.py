r"""What goes into a paper: tables, figures, a methods paragraph, references, and a main.tex that compiles."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from ..analysis.resultset import ResultSet
from ..utils.files import swap_file
from .figures.registry import CASE, FIGURES, Drawn
from .formats.latex import escape
from .formats.latex_pages import render_pages
from .methods import methods
from .table import Table

_PREAMBLE = r"""\documentclass{article}
\usepackage{cmap}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{multirow}
\usepackage{graphicx}
\title{%s}
\date{}
\begin{document}
\maketitle
"""

_CAPTIONS: Mapping[str, str] = {
    "overall": "Test metrics of every row, and below each its gain over the row that it is compared with; the best of "
    "each data set and backbone in bold",
    "significance": "Differences between each row and the one that it is compared with, with intervals and tests",
    "ablation": "Whole methods, each followed by those that lack a part of it",
    "steps": "Test metrics by the number of reasoning steps K, one model for each K",
    "sensitivity": "Test metrics by the value of a hyper-parameter",
    "ceiling": "What the best step of each test row would reach, and how much of it is luck",
    "adaptive": "Choosing the step of each row without its target",
    "budget": "What each row's search has cost, and the best validation score expected of less",
    "groups": "Test NDCG@20 by group of users and of items",
    "beyond": "Coverage, diversity and popularity of what is recommended",
    "claims": "The paper's claims, and whether these results agree with them",
    "latency": "Time of inference by the number of reasoning steps",
    "datasets": "The data sets",
    "funnel": "From raw files to rows: what each rule left out",
}


def write_kit(
    folder: Path,
    made: Sequence[tuple[ResultSet, Sequence[Table]]],
    drawn: Sequence[Drawn],
    *,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Write main.tex, methods.tex, references.bib and tables/; other files in the folder stay.

    Args:
        made: each suite with its tables.
        drawn: figures, already in the folder's figures/.
        tell: called with each file that was written.
    """
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    body: list[str] = []
    paragraphs: list[str] = []
    for results, tables in made:
        body.append(rf"\section{{{escape(results.name)}}}")
        for table in tables:
            name = f"tables/{results.name}_{table.name}.tex"
            caption = f"{_CAPTIONS.get(table.name, table.caption)}. Suite: {results.name}."
            _write(
                folder / name, render_pages(table, caption=caption, label=_label("tab", results.name, table.name)), tell
            )
            body += [rf"\input{{{name}}}", r"\clearpage"]
        for figure in drawn:
            if figure.suite == results.name and figure.files:
                body += _figure(figure)
        words = methods(results).replace(r"\_", r"\_\hspace{0pt}")
        paragraphs.append(r"\begin{sloppypar}\emergencystretch=3em%" + "\n" + words + r"\end{sloppypar}" + "\n")
    _write(folder / "methods.tex", "\n".join(paragraphs), tell)
    bibliography = files(__package__.partition(".")[0] + ".results").joinpath("paper", "references.bib")
    _write(folder / "references.bib", bibliography.read_text(encoding="utf-8"), tell)
    title = ", ".join(escape(results.name) for results, _ in made)
    text = [
        _PREAMBLE % title,
        r"\section{Methods}",
        r"\input{methods.tex}",
        *body,
        r"\bibliographystyle{plain}",
        r"\bibliography{references}",
        r"\end{document}",
    ]
    _write(folder / "main.tex", "\n".join(text) + "\n", tell)


def _figure(figure: Drawn) -> list[str]:
    """A figure for each of its pages."""
    lines = []
    title = (
        "One test row, step by step" if figure.name == CASE else escape(FIGURES[figure.name].title.partition(" (")[0])
    )
    label = rf"\label{{{_label('fig', figure.suite, figure.name)}}}"
    pages = [path for path in figure.files if path.suffix == ".pdf"]
    for number, pdf in enumerate(pages, start=1):
        page = f", page {number} of {len(pages)}" if len(pages) > 1 else ""
        lines += [
            r"\begin{figure}[p]",
            r"\centering",
            rf"\includegraphics[width=\linewidth,height=0.85\textheight,keepaspectratio]{{figures/{pdf.name}}}",
            rf"\caption{{{title}{page}. Suite: {escape(figure.suite)}.{label if number == 1 else ''}}}",
            r"\end{figure}",
            r"\clearpage",
        ]
    return lines


def _label(kind: str, suite: str, name: str) -> str:
    """The label of a table or figure: letters, digits and hyphens."""
    return f"{kind}:{re.sub('[^A-Za-z0-9]+', '-', f'{suite}-{name}')}"


def _write(path: Path, text: str, tell: Callable[[str], None]) -> None:
    swap_file(path, text.encode("utf-8"))
    tell(str(path))
