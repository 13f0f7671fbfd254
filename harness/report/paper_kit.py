r"""What goes into a paper: tables, figures, a methods paragraph, references, and a main.tex that compiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from ..analysis.resultset import ResultSet
from ..utils.files import swap_file
from .figures.registry import Drawn
from .formats.latex import escape, render_latex
from .methods import methods
from .table import Table

_PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm,landscape]{geometry}
\usepackage{booktabs}
\usepackage{multirow}
\usepackage{graphicx}
\title{%s}
\date{}
\begin{document}
\maketitle
"""


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
            _write(folder / name, render_latex(table), tell)
            body += [rf"\input{{{name}}}", r"\clearpage"]
        for figure in drawn:
            if figure.suite == results.name and figure.files:
                body += _figure(figure)
        paragraphs.append(methods(results))
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
    pages = [path for path in figure.files if path.suffix == ".pdf"]
    for number, pdf in enumerate(pages, start=1):
        page = f", page {number} of {len(pages)}" if len(pages) > 1 else ""
        lines += [
            r"\begin{figure}[p]",
            r"\centering",
            rf"\includegraphics[width=\linewidth,height=0.85\textheight,keepaspectratio]{{figures/{pdf.name}}}",
            rf"\caption{{{escape(figure.suite)}: {escape(figure.name)}{page}}}",
            r"\end{figure}",
            r"\clearpage",
        ]
    return lines


def _write(path: Path, text: str, tell: Callable[[str], None]) -> None:
    swap_file(path, text.encode("utf-8"))
    tell(str(path))
