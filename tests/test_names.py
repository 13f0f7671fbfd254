"""Names that would leave their folder are refused, whatever command they are given to."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import RearecError

from .harness.suites import loaded, suite_text

COMMON = ("../outside", "/etc/passwd", "a\x1b[2Jb", "x" * 5000)
HOSTILE = (*COMMON, "a/../../outside", "..", ".ssh", "a\0b", "a\nb", "a\u202eb", "")
COMMANDS = (
    ("report", "{}"),
    ("results", "diff", ".", ".", "--suite", "{}"),
    ("show", "{}"),
    ("rerun", "{}"),
    ("run", "{}"),
    ("plan", "{}"),
    ("datasets", "show", "{}"),
    ("datasets", "verify", "{}"),
    ("embed", "{}"),
    ("prepare", "sequences", "--source", "seen.txt", "--name", "{}"),
    ("prepare", "synthetic", "--users", "9", "--items", "9", "--name", "{}"),
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outermost of three folders; the innermost is the working directory."""
    inside = tmp_path / "one" / "two" / "inside"
    inside.mkdir(parents=True)
    (inside / "seen.txt").write_text("".join(f"u{user} i1 i2 i3 i4\n" for user in range(5)))
    monkeypatch.chdir(inside)
    return tmp_path


def refused(done: Result) -> bool:
    """A planned end with an error, and nothing hostile in its message."""
    planned = done.exit_code in (1, 2) and isinstance(done.exception, SystemExit)
    return planned and not {"\x1b", "\u202e", "\0"} & set(done.output)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_refuses_a_name_that_is_none(place: Path, command: tuple[str, ...]) -> None:
    for name in COMMON:
        done = CliRunner().invoke(main, [word.format(name) for word in command])
        assert refused(done), (name[:20], done.exception, done.output)
    assert {path.name for path in place.rglob("*")} <= {"one", "two", "inside", "seen.txt", "data", "results"}


def test_a_suite_with_such_a_name_is_refused(place: Path) -> None:
    for name in HOSTILE:
        written = '"' + "".join(f"\\U{ord(character):08x}" for character in name) + '"'
        for part in ({"name": written}, {"datasets": f"[{written}]"}):
            Path("suite.yaml").write_text(suite_text(**part))
            done = CliRunner().invoke(main, ["run", "suite.yaml"])
            assert refused(done) and done.exit_code == 2, (name[:20], done.exception, done.output)
            assert "1 problem, nothing was started." in done.output or "is not prepared" in done.output
    assert not Path("results").exists()


def test_the_store_refuses_it_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    suites = (store.suite_folder, store.read_suite, lambda name: store.write_suite(name, {}, {"cells": {}}))
    for methods, what in ((suites, "suite name"), ((store.folder, store.has, store.read, store.delete), "trial key")):
        for method, name in product(methods, HOSTILE):
            with pytest.raises(RearecError, match=f"is not a valid {what}"):
                method(name)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_one_is_taken(place: Path) -> None:
    Path("suite.yaml").write_text(suite_text(name="a.B-c_1"))
    assert loaded(Path("suite.yaml")).name == "a.B-c_1"
