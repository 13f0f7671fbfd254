"""Tables of wrong suites: a line of text a case, and what is reported about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rearec_bench.harness.suite.load import Suite
from rearec_bench.harness.utils.errors import Problem, SuiteError

from ..suites import loaded

Case = tuple[str, str]


def cases(table: str, suite: Callable[[str], str]) -> list[Case]:
    """Whole suites and what is expected of them.

    Args:
        table: a case a line: what stands in the suite, `=>`, and problems `line:column key: hint` between `;`.
        suite: the text of a table's line -> the whole suite.
    """
    lines = [line.partition(" => ") for line in filter(None, table.splitlines())]
    return [(suite(text.strip().replace("\\n", "\n")), expected.strip()) for text, _, expected in lines]


def load(text: str | bytes, *overrides: str) -> Suite:
    """The suite of a text, which becomes my.yaml in the working directory."""
    Path("my.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return loaded(Path("my.yaml"), *overrides)


def problems(text: str | bytes, *overrides: str) -> tuple[Problem, ...]:
    """What is wrong with the suite of a text."""
    with pytest.raises(SuiteError) as caught:
        load(text, *overrides)
    return caught.value.problems


def place(problem: Problem) -> str:
    """Line, column and key, such as "8:7 strategies.prl.decay"."""
    return f"{problem.line}:{problem.column} {problem.where}".strip()


def check(problems: tuple[Problem, ...], expected: str) -> None:
    """Compare position and key of every problem, and look for the hint in its words."""
    wanted = [entry.strip() for entry in expected.split(" ; ")]
    found = [f"{place(problem)}: {problem.what}" for problem in problems]
    assert len(found) == len(wanted), found
    for words, entry in zip(found, wanted, strict=True):
        where, _, hint = entry.partition(": ")
        assert words.startswith(f"{where}: "), words
        assert hint in words, words
