"""Tables as LaTeX: booktabs and multirow, ready to be input."""

from __future__ import annotations

from collections.abc import Sequence

from ...utils.text import one_line
from ..table import RowGroup, Table
from .words import Marks, cell_words

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after \\ it would open an option
    "]": "{]}",
    "*": "{*}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
}


def escape(text: str) -> str:
    """Any text as LaTeX prints it, on one line."""
    return "".join(_SPECIAL.get(character, character) for character in one_line(text)).replace("--", "-{}-")


def render_latex(table: Table, *, spread: bool = False) -> str:
    """A table environment with its protocol below; `spread` adds standard deviations."""
    if not table.columns:
        return "".join(f"% {one_line(line)}\n" for line in table.protocol)
    columns = sum(len(group.columns) for group in table.columns)
    environment = "table*" if len(table.columns) > 1 or columns > _ONE_COLUMN else "table"
    lines = [
        r"% needs \usepackage{booktabs} and \usepackage{multirow}",
        rf"\begin{{{environment}}}[t]",
        r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape(table.caption)}}}",
        *tabular(table, spread=spread),
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\raggedright",
        *(rf"{escape(line)}\par" for line in table.protocol),
        r"\end{minipage}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def tabular(table: Table, *, spread: bool = False) -> list[str]:
    """The lines of a table's tabular environment."""
    titles = max((len(group.titles) for group in table.groups), default=0)
    return [
        rf"\begin{{tabular}}{{{'l' * (titles + 1)}{''.join('r' * len(group.columns) for group in table.columns)}}}",
        r"\toprule",
        *_head(table, titles),
        r"\midrule",
        *_body(table, titles, spread=spread),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _head(table: Table, titles: int) -> list[str]:
    before = " & " * (titles + 1)
    groups, rules, start = [], [], titles + 2
    for group in table.columns:
        width = len(group.columns)
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group.title)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    columns = [escape(column) for group in table.columns for column in group.columns]
    lines = [f"{before}{' & '.join(columns)} {_END}"]
    if any(group.title for group in table.columns):
        lines = [f"{before}{' & '.join(groups)} {_END}", " ".join(rules), *lines]
    return lines


def _body(table: Table, titles: int, *, spread: bool) -> list[str]:
    lines: list[str] = []
    for place, group in enumerate(table.groups):
        before = table.groups[place - 1].titles if place else ()
        heads = [_title(table.groups, place, depth) for depth in range(titles)]
        if place:
            same = sum(1 for depth in range(titles) if before[: depth + 1] == group.titles[: depth + 1])
            last = titles + 1 + sum(len(columns.columns) for columns in table.columns)
            lines.append(rf"\cmidrule{{{same + 1}-{last}}}" if same else r"\midrule")
        for number, line in enumerate(group.lines):
            shown = heads if number == 0 else [""] * titles
            cells = [cell_words(cell, _MARKS, spread=spread) for cell in line.cells]
            lines.append(f"{' & '.join([*shown, escape(line.label), *cells])} {_END}")
    return lines


def _title(groups: Sequence[RowGroup], place: int, depth: int) -> str:
    """The title of a row group in one title column: over all lines that share it, and empty below the first."""
    shared = groups[place].titles[: depth + 1]
    if place and groups[place - 1].titles[: depth + 1] == shared:
        return ""
    height = 0
    for group in groups[place:]:
        if group.titles[: depth + 1] != shared:
            break
        height += len(group.lines)
    return rf"\multirow[t]{{{height}}}{{*}}{{{escape(shared[-1])}}}"


_ONE_COLUMN = 10  # max columns of a table in one of two page columns
_END = r"\\"
_MARKS = Marks(
    up=r"$\uparrow$",
    down=r"$\downarrow$",
    plus_minus=r"\,$\pm$\,",
    percent=r"\%",
    bold=lambda words: rf"\textbf{{{words}}}",
    escape=escape,
    minus=r"$-$",
    less=r"$<$",
    raised=escape,
)
