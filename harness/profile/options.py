"""A suite made of the command line's options, read as a suite file is: the same words where something is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..suite import Suite
from ..suite_files import with_overrides
from ..suite_reader import read_suite
from ..suite_yaml import Entry, Mark, Problems, Source, Table, parse

NAME = "profile"
"""Of a suite that is made of options."""

_RANGE = re.compile(r"(\d{1,4})\.\.(\d{1,4})")


def suite_of_options(options: Mapping[str, tuple[str, str]], *, overrides: Sequence[str] = ()) -> Suite:
    """The suite that options describe.

    Args:
        options: key of a suite ("datasets", "backbones", "strategies", "steps") -> the option's name and its text:
            YAML values with commas between them, whole numbers also as a range such as 0..5.
        overrides: texts "key.path=value", as for a suite file.

    Raises:
        SuiteError: with every problem; each names the option.
    """
    problems = Problems()
    entries: dict[str, Entry] = {}
    for rank, (key, (option, text)) in enumerate({**options, "seeds": ("", "1")}.items()):
        source = Source(f"{option} {text}", Path.cwd(), rank=rank, numbered=False)
        values = parse(f"[{_listed(text)}]", source, problems)
        if values is not None:
            entries[key] = Entry(key, values.mark, values)
    if len(problems):
        raise problems.error()
    mark = Mark(Source(NAME, Path.cwd(), numbered=False), 1, 1)
    tree = with_overrides(Table(entries, mark), tuple(overrides), problems=problems)
    return read_suite(tree, default_name=NAME, problems=problems)


def _listed(text: str) -> str:
    """Ranges written out: 0..2 to 0,1,2; what is no range, or one that runs backwards, stays for the reader."""
    return ",".join(_written_out(part) for part in text.split(","))


def _written_out(part: str) -> str:
    found = _RANGE.fullmatch(part.strip())
    if found is None or int(found[1]) > int(found[2]):
        return part
    return ",".join(map(str, range(int(found[1]), int(found[2]) + 1)))
