"""Tables of a text as rows of words: Markdown, LaTeX and CSV, one reader each."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..utils.errors import InputError
from .cells import Text

_BARE_RULE = re.compile(r"^\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+$", re.MULTILINE)


@dataclass(frozen=True)
class Grid:
    """One table.

    Attributes:
        rows: cells from left to right; a title over several columns stands in each of them.
        blocks: of each row, a number that is another behind each rule between rows.
    """

    rows: tuple[tuple[Text, ...], ...]
    blocks: tuple[int, ...]


def is_markdown(text: str) -> bool:
    """Whether a text has a pipe table, with or without pipes at the ends of its lines."""
    return bool(re.search(r"^\s*\|", text, re.MULTILINE) or _BARE_RULE.search(text))


def markdown_tables(text: str) -> Iterator[Grid]:
    """The pipe tables of a Markdown text."""
    bare = bool(_BARE_RULE.search(text))
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if "|" in line if bare else line.strip().startswith("|"):
            lines.append(line.strip())
            continue
        if len(lines) > 2:
            yield _markdown_table(lines)
        lines = []


def _markdown_table(lines: list[str]) -> Grid:
    rows = [re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|")) for line in lines]
    rows = [row for row in rows if not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in row)]
    return _grid([[_markdown_text(cell) for cell in row] for row in rows], [0] * len(rows))


_BOLD = r"(\*\*|__)(?=\S)(.*?\S)\1"  # two stars alone are a mark of significance


def _markdown_text(cell: str) -> Text:
    bold = bool(re.search(rf"{_BOLD}|<b>|<strong>", cell))
    underlined = bool(re.search(r"<u>|<ins>", cell))
    words = re.sub(r"</?(?:b|strong|u|ins|i|em)>", "", re.sub(_BOLD, r"\2", cell))
    words = re.sub(r"</?su[bp]>", "", re.sub(r"(?<=\d)<su[bp]>", " ", words))
    words = re.sub(r"^\s*[*_](.*)[*_]\s*$", r"\1", words)
    return Text(re.sub(r"\\(?=[^\w\s])", "", words).strip(), bold, underlined)


def latex_tables(text: str) -> Iterator[Grid]:
    r"""The contents of every tabular environment, \multicolumn spread over its columns."""
    text = re.sub(r"(?<!\\)((?:\\\\)*)%.*", r"\1", text)
    for of_width, body in re.findall(
        r"\\begin\{(?:tabular|longtable|tabu)([*xy]?)\}(.*?)\\end\{(?:tabular|longtable|tabu)", text, re.S
    ):
        for _ in range(2 if of_width else 1):  # of columns, behind that of a width
            body = _argument(body[body.index("{") :])[1] if "{" in body else body
        rows, blocks, block = [], [], 0
        for line in re.split(r"\\\\(?:\s*\[[^\]]*\])?|\\tabularnewline\b", body):
            rules = re.findall(r"\\(?:midrule|hline|cmidrule|cline)\b", line)
            block += bool(rules)
            line = re.sub(r"\\(?:(?:top|mid|bottom)rule|hline|addlinespace)(?:\[[^\]]*\])?", "", line)
            line = re.sub(
                r"\\(?:cmidrule|cline)(?:\([^)]*\))?(?:\[[^\]]*\])?\s*\{[^}]*\}|\\rowcolor\s*(?:\[[^\]]*\])?\{[^}]*\}",
                "",
                line,
            )
            if line.strip():
                rows.append([cell for part in re.split(r"(?<!\\)&", line) for cell in _latex_cells(part)])
                blocks.append(block)
        yield _grid(rows, blocks)


def _latex_cells(part: str) -> list[Text]:
    found = re.match(r"\s*\\multicolumn\s*\{(\d+)\}\s*\{", part)
    if not found:
        return [_latex_text(part)]
    rest = _argument(part[found.end() - 1 :])[1].strip()
    return [_latex_text(_argument(rest)[0] if rest.startswith("{") else rest)] * int(found[1])


def _latex_text(cell: str) -> Text:
    cell = re.sub(
        r"\\multirow\s*(?:\[[^\]]*\])?\s*\{[^}]*\}\s*(?:\[[^\]]*\])?\s*(?:\{[^}]*\}|\*)\s*(?:\[[^\]]*\])?", "", cell
    )
    bold = bool(re.search(r"\\(?:textbf|mathbf|bf|bfseries|boldsymbol|bm)\b", cell))
    underlined = bool(re.search(r"\\(?:underline|uline|ul)\b", cell))
    cell = re.sub(r"\\(?:textcolor|color|cellcolor|hspace\*?)\s*(?:\[[^\]]*\])?\s*\{[^}]*\}", "", cell)
    for command, sign in _SIGNS.items():
        cell = re.sub(rf"\\{command}(?![a-zA-Z])", sign, cell)
    cell = re.sub(r"(\d[}$\s]*)(?:[_^]|\\[a-zA-Z]+)", r"\1 ", cell)
    cell = re.sub(r"(?<!\\)_", "", cell)
    cell = re.sub(r"\\(?=[&%#_$])", "", cell).replace("~", " ").replace("\\,", " ")
    words = re.sub(r"[\\][a-zA-Z]+\s*|[{}$^\\]", "", cell)
    return Text(" ".join(words.split()), bold, underlined)


_SIGNS = {
    "uparrow": "↑",
    "downarrow": "↓",
    "pm": "±",
    "dagger": "†",
    "ddagger": "‡",
    "Delta": "Δ",
    "ast": "*",
    "star": "*",
    "textasciitilde": " ",
}


def _argument(text: str) -> tuple[str, str]:
    """The content of the braces that a text starts with, and what follows them."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "{") - (letter == "}")
        if not depth:
            return text[1:place], text[place + 1 :]
    return text[1:], ""


def csv_table(text: str, name: str) -> Grid:
    """A delimited text with a line of names; the delimiter is a comma, a semicolon or a tab.

    Beside another delimiter a comma may be the decimal point, where no number has one.

    Raises:
        InputError: it is no such text.
    """
    import polars as pl

    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        frame = pl.read_csv(io.BytesIO(text.encode()), separator=separator, has_header=False, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{name} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    commas = separator != "," and not re.search(r"\d\.\d", text)
    rows = [[Text(_with_point(cell or "", commas).strip()) for cell in row] for row in frame.iter_rows()]
    return _grid(rows, [0] * len(rows))


def _with_point(cell: str, commas: bool) -> str:
    return re.sub(r"(?<=\d),(?=\d)", ".", cell) if commas else cell


def _grid(rows: list[list[Text]], blocks: list[int]) -> Grid:
    width = max(map(len, rows), default=0)
    return Grid(tuple((*row, *[Text("")] * (width - len(row))) for row in rows), tuple(blocks))
