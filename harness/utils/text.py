r"""Text from data, files and errors, made safe to print.

A terminal obeys control characters, and reorders text between direction marks; a title can contain both. They are
shown as escapes, `\x1b` or `\u202e`, so that nothing is hidden and nothing is obeyed.
"""

from __future__ import annotations

import difflib
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

_KEPT = {"\u200c", "\u200d"}  # joiners: some scripts and signs cannot be written without them
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def one_line(text: str) -> str:
    """A text without anything that a terminal obeys, line ends included."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in _UNSAFE
        else character.encode("unicode_escape").decode()
        for character in text
    )


def lines(text: str) -> str:
    """The same for a text of several lines: line ends and tabs stay."""
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in text.split("\n"))


def counted(number: int | str, noun: str) -> str:
    """A number, or words for several, with its noun: 1 trial, 2,000 trials, 1 or 2 trials."""
    words = number if isinstance(number, str) else f"{number:,}"
    return f"{words} {noun}{'' if words == '1' else 's'}"


def fixed(value: float, digits: int, *, plus: str = "", minus: str = "-", group: str = "") -> str:
    """A number with so many decimals; what rounds to zero has no sign. `group` stands between thousands."""
    size = f"{abs(value):{group}.{digits}f}"
    nothing = not size.strip("0.")
    return size if nothing else f"{minus if value < 0 else plus}{size}"


_GAP = "   "


def columns(rows: Sequence[Sequence[str]], *, left: int = 1, width: int | None = None) -> list[str]:
    """Cells side by side, one line a row: the first `left` columns to the left, numbers to the right.

    Where lines would be longer than `width`, numbers that do not fit stand in further blocks, each with the columns at
    the left.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = None if width is None else width - len(_GAP.join(" " * wide for wide in widths[:left]))
    lines: list[str] = []
    for chunk in that_fit(widths[left:], room, len(_GAP)) or [[]]:
        places = [*range(left), *(left + place for place in chunk)]
        lines += [""] if lines else []
        lines += [
            _GAP.join(row[at].ljust(widths[at]) if at < left else row[at].rjust(widths[at]) for at in places).rstrip()
            for row in rows
        ]
    return lines


def that_fit(widths: Sequence[int], width: int | None, gap: int) -> list[list[int]]:
    """Places of columns, as many together as fit in `width` (None: all) with a gap before each; one at least."""
    chunks: list[list[int]] = []
    used = 0
    for place, needed in enumerate(widths):
        used += gap + needed
        if not chunks or (width is not None and used > width):
            chunks.append([])
            used = gap + needed
        chunks[-1].append(place)
    return chunks


def wrapped(text: str, width: int | None) -> str:
    """Lines of prose broken between words where they are longer than `width`; tables and commands to type stay."""
    if width is None:
        return text
    lines = []
    for line in text.split("\n"):
        words = line.lstrip()
        kept = len(line) <= width or words.startswith("|") or _GAP in words or "rearec-bench " in line
        indent = line[: len(line) - len(words)]
        parts = textwrap.wrap(words, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        lines += [line] if kept else parts
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text that UTF-8 can hold: bytes of a path that are no UTF-8 become question marks in a box."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def hint(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the nearest known name, "" where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
