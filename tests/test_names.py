"""Names that would leave their folder are refused with words, whatever command they are given to."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils.errors import RearecError

HOSTILE = {
    "parent": "../outside",
    "deep": "a/../../outside",
    "absolute": "/etc/passwd",
    "dots": "..",
    "hidden": ".ssh",
    "nul": "a\0b",
    "line": "a\nb",
    "escape": "a\x1b[2Jb",
    "direction": "a\u202eb",
    "long": "x" * 5000,
    "empty": "",
}
REST = "\nbackbones: [sasrec]\nstrategies: [base]\nsteps: [1]\nseeds: [1]\n"
COMMANDS = {
    "report": ("report", "{}"),
    "diff": ("results", "diff", ".", ".", "--suite", "{}"),
    "show": ("show", "{}"),
    "rerun": ("rerun", "{}"),
    "run": ("run", "{}"),
    "plan": ("plan", "{}"),
    "datasets show": ("datasets", "show", "{}"),
    "datasets verify": ("datasets", "verify", "{}"),
    "embed": ("embed", "{}"),
    "prepare": ("prepare", "sequences", "--source", "seen.txt", "--name", "{}"),
    "synthetic": ("prepare", "synthetic", "--users", "9", "--items", "9", "--name", "{}"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, inside another that nothing may come into."""
    inside = tmp_path / "one" / "two" / "inside"
    inside.mkdir(parents=True)
    (inside / "seen.txt").write_text("".join(f"u{user} i1 i2 i3 i4\n" for user in range(5)))
    monkeypatch.chdir(inside)
    return tmp_path


@pytest.mark.parametrize(("command", "kind"), [*itertools.product(COMMANDS, ("parent", "absolute", "escape", "long"))])
def test_a_command_refuses_a_name_that_is_none(place: Path, command: str, kind: str) -> None:
    name = HOSTILE[kind]
    done = CliRunner().invoke(main, [word.format(name) for word in COMMANDS[command]])
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code in (1, 2), done.output
    assert not {"\x1b", "\u202e", "\0"} & set(done.output)
    assert {path.name for path in place.rglob("*")} <= {"one", "two", "inside", "seen.txt", "data", "results"}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_suite_with_such_a_name_is_refused(place: Path, kind: str) -> None:
    written = '"' + "".join(f"\\U{ord(character):08x}" for character in HOSTILE[kind]) + '"'
    for key in ("name", "datasets"):
        text = {"name": "fine", "datasets": "[tiny]", key: written if key == "name" else f"[{written}]"}
        lines = [f"{name}: {value}" for name, value in text.items()]
        Path("suite.yaml").write_text("\n".join(lines) + REST)
        done = CliRunner().invoke(main, ["run", "suite.yaml"])
        assert done.exit_code == 2 and isinstance(done.exception, SystemExit), repr(done.exception)
        assert "1 problem, nothing was started." in done.output or "is not prepared" in done.output
        assert not {"\x1b", "\u202e", "\0"} & set(done.output)
    assert not Path("results").exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_store_refuses_it_itself(tmp_path: Path, kind: str) -> None:
    store = Store(tmp_path / "results")
    for refused in (store.suite_folder, store.folder, store.has, store.read, store.delete, store.read_suite):
        with pytest.raises(RearecError):
            refused(HOSTILE[kind])
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_one_is_taken(place: Path) -> None:
    Path("suite.yaml").write_text(f"name: a.B-c_1\ndatasets: [tiny]{REST}")
    assert load_suite(Path("suite.yaml")).name == "a.B-c_1"
