"""Whatever the program tells people to type is a command that it has, with options that the command takes."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from rearec_bench.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
HINT = re.compile(r"rearec-bench ((?:\{[^}]*\}|[^\n\"'`#\\])+)")
NO_COMMANDS = {"dataset", "recipe", "item", "reads"}  # what is hashed begins so, and "this rearec-bench reads"


def hints() -> set[tuple[str, str]]:
    """File and words of every command in the sources; parts of a text that stand on several lines are put together."""
    found = set()
    for path in (ROOT / "harness").rglob("*.py"):
        text = re.sub(r"\"\s*\n\s*f?\"", "", path.read_text(encoding="utf-8"))
        for words in HINT.findall(text):
            if re.match(r"[a-z]", words) and words.split()[0] not in NO_COMMANDS:
                found.add((str(path.relative_to(ROOT)), words.strip()))
    return found


@pytest.mark.parametrize(("file", "words"), sorted(hints()), ids=lambda text: text[:60])
def test_a_hint_is_a_command_of_the_program(file: str, words: str) -> None:
    first, *rest = re.sub(r"\{[^}]*\}", "X", words).split()
    assert first in COMMANDS, f"{file}: {words}"
    context = click.Context(main)
    command = main.get_command(context, first)
    while isinstance(command, click.Group) and rest and command.get_command(context, rest[0]):
        command, rest = command.get_command(context, rest[0]), rest[1:]
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    given = {word.partition("=")[0].rstrip(".,;:)") for word in rest if re.match(r"--?[a-z]", word)}
    assert given <= known, f"{file}: {words}"


def test_the_sources_are_full_of_hints() -> None:
    assert len(hints()) > 50
