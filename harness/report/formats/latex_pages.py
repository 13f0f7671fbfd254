r"""Tables of a paper: floats over the page's width, each no longer than a page, in one column and in two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..table import Line, RowGroup, Table, compact
from .latex import escape, tabular

_LINES = 34
"""Lines of a float; the notes have the rest of the page."""
_NOTE_LINES, _NOTE_WIDTH = 14, 105
"""Lines of notes below a float, and letters of a line; more notes have a float of their own."""
_WIDE = 14
"""Columns of a table whose column groups go below each other."""
_COMMAND = re.compile(r"rearec-bench [a-z]")


def render_pages(table: Table, *, caption: str, label: str) -> str:
    r"""A table as floats `table*`, for `\input` in articles of one or two columns; needs booktabs, multirow, graphicx.

    A float that is too wide for the page is made smaller. Notes have no options of the command line.
    """
    if sum(len(group.columns) for group in table.columns) > _WIDE:
        table = compact(table)
    notes = [words for note in table.protocol if (words := for_paper(note))]
    heights = [-(-len(note) // _NOTE_WIDTH) for note in notes]
    parts = list(_parts(table))
    floats = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1 and sum(heights) <= _NOTE_LINES
        named = escape(caption) + (r"\label{" + label + "}" if number == 0 else " (continued)")
        floats.append(_float([*_fitted(tabular(part)), *(_notes(notes) if last else [])], named, first=number == 0))
    if sum(heights) > _NOTE_LINES:
        floats += [_float(_notes(page), f"{escape(caption)} (notes)", first=False) for page in _pages(notes, heights)]
    head = r"% needs booktabs, multirow and graphicx" + "\n"
    return head + "\n".join(floats)


def for_paper(note: str) -> str:
    """A note without what it says about the command line; "" where nothing is left."""
    note = re.sub(r" ?\([^()]*--[a-z][^()]*\)", "", note)
    note = re.sub(r"[.;]? ?[Tt]o [^.:;]*: +rearec-bench .*$", ".", note)
    note = re.sub(r"(,? (with|by))?:? +--[a-z][^.]*", "", note)
    kept = [sentence for sentence in re.split(r"(?<=[.;]) +", note) if not _COMMAND.search(sentence)]
    text = " ".join(kept).rstrip(" ;:,")
    return f"{text.rstrip('.')}." if text.strip(".") else ""


def _float(body: Iterable[str], caption: str, *, first: bool) -> str:
    kept = [] if first else [r"\addtocounter{table}{-1}"]
    lines = [r"\begin{table*}[!tp]", *kept, r"\centering\scriptsize\setlength{\tabcolsep}{3pt}"]
    return "\n".join([*lines, rf"\caption{{{caption}}}", *body, r"\end{table*}"]) + "\n"


def _fitted(lines: Sequence[str]) -> list[str]:
    fit = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    return [fit, *lines[:-1], lines[-1] + "}"]


def _notes(notes: Iterable[str]) -> list[str]:
    words = [escape(note).replace(r"\_", r"\_\hspace{0pt}").replace("/", r"/\hspace{0pt}") for note in notes]
    return [
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\raggedright\emergencystretch=3em",
        *(rf"{note}\par" for note in words),
        r"\end{minipage}",
    ]


def _pages(notes: Sequence[str], heights: Sequence[int]) -> Iterator[list[str]]:
    page: list[str] = []
    used = 0
    for note, height in zip(notes, heights, strict=True):
        if page and used + height > _LINES + _NOTE_LINES:
            yield page
            page, used = [], 0
        page.append(note)
        used += height
    yield page


def _parts(table: Table) -> Iterator[Table]:
    """The table in parts of at most `_LINES`, a line of gains with its values, data sets apart where that fits."""
    part: list[RowGroup] = []
    used = 0
    for group in table.groups:
        blocks = list(_blocks(group.lines))
        fresh = bool(part) and part[-1].titles[:1] != group.titles[:1]
        if part and (used + len(group.lines) > _LINES) and (fresh or used > _LINES // 2):
            yield replace(table, groups=tuple(part))
            part, used = [], 0
        lines: list[Line] = []
        for block in blocks:
            if used + len(block) > _LINES and (part or lines):
                yield replace(table, groups=(*part, *([RowGroup(group.titles, tuple(lines))] if lines else [])))
                part, lines, used = [], [], 0
            lines += block
            used += len(block)
        part.append(RowGroup(group.titles, tuple(lines)))
    yield replace(table, groups=tuple(part))


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    block: list[Line] = []
    for line in lines:
        if block and not line.label.startswith("("):
            yield block
            block = []
        block.append(line)
    if block:
        yield block
