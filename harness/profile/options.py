"""A suite made of the command line's options, read as a suite file is: the same words where something is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..store.named import named_suite
from ..store.store import Store
from ..suite.extends import with_overrides
from ..suite.load import Suite
from ..utils.errors import InputError
from ..utils.yaml_tree import Entry, Mark, Problems, Source, Table, parse

NAME = "profile"
"""Of a suite that is made of options."""

_KEYS = {
    "dataset": "datasets",
    "backbone": "backbones",
    "strategy": "strategies",
    "steps": "steps",
    "seed": "seeds",
}
_DEFAULTS = {"backbone": "sasrec", "strategy": "prl", "steps": "0..5"}  # as in the paper's Table 4
_RANGE = re.compile(r"(\d{1,4})\.\.(\d{1,4})")


def suite_to_profile(
    suite: str | None,
    given: Mapping[str, str | None],
    *,
    overrides: Sequence[str] = (),
    threads: int | None = None,
    store: Store | None = None,
) -> Suite:
    """The suite that a command line describes.

    Args:
        suite: a file, or the name of one that ships or is in `store`; None where options describe it.
        given: "dataset", "backbone", "strategy", "steps" -> the text of the option, None where it is not given.
        overrides: texts "key.path=value".
        threads: in place of the suite's own.

    Raises:
        InputError: neither a suite nor a data set, or both.
        SuiteError: with every problem of the suite or of the options.
    """
    if threads is not None:
        overrides = (*overrides, f"training.threads={threads}")
    typed = [f"--{name}" for name, text in given.items() if text is not None]
    if suite is None:
        if given["dataset"] is None:
            raise InputError(
                "give a suite or a data set to profile.  rearec-bench profile SUITE  or  "
                "rearec-bench profile --dataset NAME"
            )
        texts = {name: _DEFAULTS.get(name, "") if text is None else text for name, text in given.items()}
        return suite_of_options(texts, overrides=overrides)
    if typed:
        raise InputError(
            f"{', '.join(typed)} cannot be combined with a suite. Leave out {suite}, or change it with --set, such as "
            '--set "steps=[1, 2]".'
        )
    return named_suite(suite, overrides=overrides, store=store)


def suite_of_options(texts: Mapping[str, str], *, overrides: Sequence[str] = ()) -> Suite:
    """The suite that options describe.

    Args:
        texts: name of an option -> YAML values with commas between them, whole numbers also as a range such as 0..5.
        overrides: texts "key.path=value", as for a suite file.

    Raises:
        SuiteError: with every problem; each names the option.
    """
    problems = Problems()
    entries: dict[str, Entry] = {}
    for rank, (name, text) in enumerate({**texts, "seed": "1"}.items()):
        key = _KEYS[name]
        source = Source(f"--{name} {text}", Path.cwd(), rank=rank, numbered=False)
        values = parse(f"[{_listed(text)}]", source, problems, where=key)
        if values is not None:
            entries[key] = Entry(key, values.mark, values)
    if len(problems):
        raise problems.error()
    mark = Mark(Source(NAME, Path.cwd(), numbered=False), 1, 1)
    tree = with_overrides(Table(entries, mark), tuple(overrides), problems=problems)
    from ..suite.reader import read_suite  # reports need the name alone

    return read_suite(tree, default_name=NAME, problems=problems)


def _listed(text: str) -> str:
    """Ranges written out: 0..2 to 0,1,2; anything else, also a descending range, stays as it is."""
    return ",".join(_written_out(part) for part in text.split(","))


def _written_out(part: str) -> str:
    limits = _RANGE.fullmatch(part.strip())
    if limits is None or int(limits[1]) > int(limits[2]):
        return part
    return ",".join(map(str, range(int(limits[1]), int(limits[2]) + 1)))
