"""How a delimited file is written, where its recipe does not say it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from ..recipe.recipe import FileSettings
from .bad_lines import BadLineLog
from .layout import Layout, fields_of, is_place
from .raw import BLANKS, guessed_encoding, is_text, lines_of, writing_of

_SEPARATORS = (",", ";", "\t", "|", "::", " ")
_LINES = 20


def layout_for(
    path: Path, said: FileSettings, columns: Sequence[str], log: BadLineLog, *, guess_encoding: bool = True
) -> Layout:
    """The layout of a delimited file: what the recipe says of it is believed, and the rest is guessed and logged.

    The separator is the one that a line `sep=;` names, or a comma (a tab in `.tsv`), unless another one gives all of
    the wanted `columns`. The first line is
    a header unless the wanted columns are numbers. Text that is not UTF-8 is taken for an 8-bit encoding.
    """
    with closing(lines_of(path, encoding=said.encoding)) as numbered:
        head = [line.rstrip("\r\n") for _, line in islice(numbered, _LINES)]
    encoding = said.encoding
    if guess_encoding and not encoding and not all(map(is_text, head)):
        encoding = guessed_encoding(path)
        if encoding:
            log.guess(path, "encoding", encoding)

    def layout(separator: str, *, header: bool) -> Layout:
        quotes = separator != "\t"
        return Layout(separator, quotes=quotes, header=header, encoding=encoding, guess_encoding=guess_encoding)

    usual = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    first = writing_of(path).separator or usual
    header = said.header
    separators = [said.separator] if said.separator else [first, *(one for one in _SEPARATORS if one != first)]
    for separator in separators:
        guess = layout(separator, header=True)
        if said.header is not False and _has_header(head, guess, columns):
            header = True
        elif said.header is not True and _has_places(head, guess, columns):
            header = False
        else:
            continue
        if not said.separator and separator != usual:
            log.guess(path, "separator", separator)
        if said.header is None and not header:
            log.guess(path, "header", "false")
        return layout(separator, header=header)
    named = [_named(head, layout(separator, header=True), columns) for separator in separators]
    separator = separators[named.index(max(named))]  # the error then has the columns that are there
    header = not all(map(is_place, columns)) if said.header is None else said.header
    return layout(separator, header=header)


def _has_header(head: Sequence[str], layout: Layout, columns: Sequence[str]) -> bool:
    """Whether the first line names the columns."""
    return _named(head, layout, columns) == len(columns)


def _named(head: Sequence[str], layout: Layout, columns: Sequence[str]) -> int:
    """How many of the columns the first line names."""
    names = [name.strip(BLANKS) for name in fields_of(head[0], layout)]
    return sum(column in names for column in columns)


def _has_places(head: Sequence[str], layout: Layout, columns: Sequence[str]) -> bool:
    """Whether the columns are numbers, and the lines have so many fields, most of them equally many."""
    if not all(map(is_place, columns)):
        return False
    counts = [len(fields_of(line, layout)) for line in head if line.strip(BLANKS)]
    most = max(set(counts), key=counts.count, default=0)
    return most > 1 and most >= max(map(int, columns), default=1)
