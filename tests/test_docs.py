"""What the documents and the help texts show is true: commands run, files are there, lists are complete."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from rearec_bench import __version__
from rearec_bench.cli import main
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.run import runner as execute
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite

from .harness.datasets.tiny_models import save
from .pages import ROOT, blocks, files, page, typed
from .test_cli import OUTCOME, sequences
from .test_datasets_page import BLOCKS, research, shop

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = "\n".join([README, page("suites"), page("datasets")])
SESSIONS = typed(PAGES)
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command, as typed."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def help_examples() -> list[str]:
    found = []
    for path, _ in commands():
        text = CliRunner().invoke(main, [*path, "--help"], terminal_width=200).output
        found += re.findall(r"(?:^ +|[$]\()(rearec-bench [^\n|)#]*[^\s|)#])", text, flags=re.MULTILINE)
    return sorted(set(found))


def files_of_readme() -> dict[str, str]:
    """The files that the README and its pages show, by the name they are given."""
    named = [block for block in blocks(PAGES, "yaml") if block.startswith("name: ")]
    return {**files(PAGES), **{f"{yaml.safe_load(block)['name']}.yaml": block for block in named}}


@pytest.fixture
def workplace(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's files, results under the names that the examples use, and small raw data."""
    shutil.copytree(stored, tmp_path / "results")
    store = Store(tmp_path / "results")
    store.write_suite("ml100k", *store.read_suite("smoke"))
    (tmp_path / "suites").symlink_to(ROOT / "suites")
    for name, content in files_of_readme().items():
        (tmp_path / name).write_text(content)
    raw = tmp_path / "DIR"
    raw.mkdir()
    sequences(raw)
    rows = "".join(f"{user},{(user + 1) % 5},{user % 5},{user}\n" for user in range(10))
    for name in ("ml-100k", "mydata"):
        for split in ("train", "valid", "test"):
            (raw / f"{name}.{split}.remap.csv").write_text("user_id,item_id,history_id,timestamp\n" + rows)
    for split, item in (("train", "i1"), ("valid", "i2"), ("test", "i3")):
        (raw / f"{split}.csv").write_text(f"user_id,item_id,history\nu1,{item},i0\n")
    titles = ("red shoe", "blue shoe", "red hat", "green hat")
    described = [json.dumps({"item_id": f"i{number}", "title": title}) for number, title in enumerate(titles)]
    (raw / "items.jsonl").write_text("\n".join(described) + "\n")
    shop(raw)
    research(raw)
    table = (
        "| Set | Row | R@10 | R@20 |\n|--|--|--|--|\n| Yelp | A | .0626 | .1047 |\n| Software | A | .0696 | .0895 |\n"
    )
    for name in ("table.md", "main.md"):
        (tmp_path / name).write_text(table)
    (tmp_path / "table2.csv").write_text("dataset,model,R@10\nYelp,A,0.0626\nSoftware,A,0.1468\n")
    (tmp_path / "my_shop.yaml").write_text(BLOCKS["my_shop.yaml"])
    np.save(tmp_path / "vectors.npy", np.eye(len(titles), 3, dtype=np.float32))
    (tmp_path / "vectors.csv").write_text("item_id,x,y\ni0,1,2\ni1,3,4\n")
    for name in ("google-bert/bert-base-uncased", "meta-llama/Llama-3.1-8B", "FOLDER"):  # folders go before the hub
        if find_spec("transformers"):
            save(
                tmp_path / name, "llama" if "llama" in name else "bert", words=[*titles[0].split(), *titles[3].split()]
            )
    monkeypatch.chdir(tmp_path)

    def run_suite(suite: Any, *, store: Store, **given: Any) -> RunOutcome:
        store.write_suite(suite.name, suite.to_json(), {"fingerprints": {}, "dataset_facts": {}, "cells": {}})
        return OUTCOME

    monkeypatch.setattr(execute, "run_suite", run_suite)
    return tmp_path


def perform(command: str, workplace: Path) -> Result:
    """Run a command in this process; `run` loads its suite and starts nothing, a dry run is a real one."""
    key = next(iter(sorted(Store(workplace / "results").keys())))
    words = ["DIR/sequences.txt" if word == "FILE" else word for word in shlex.split(command)[1:]]
    filled = [{"KEY": key, "7f3a91c2": key, "SUITE": "mine.yaml"}.get(word, word) for word in words]
    return CliRunner().invoke(main, filled)


@pytest.mark.slow
def test_every_command_of_the_pages_does_what_it_shows(workplace: Path, shared: Path) -> None:
    for file in (shared / "data" / "ml-100k").iterdir():
        shutil.copy(file, workplace / "DIR")
    sessions = [(command, output) for command, output in SESSIONS if command.startswith("rearec-bench ")]
    assert len(sessions) >= 15
    for command, output in sessions:
        if _lacks_package(command):
            continue
        done = perform(command, workplace)
        refused = output.endswith("nothing was started.")
        assert done.exit_code == (2 if refused else 0), f"{command}\n{done.output}"
        assert output in ("", done.output.strip())


@pytest.mark.slow
def test_every_example_of_the_help_works(workplace: Path, shared: Path) -> None:
    for file in (shared / "data" / "ml-100k").iterdir():
        shutil.copy(file, workplace / "DIR")
    (workplace / "my.yaml").write_text(files_of_readme()["mine.yaml"])  # the README's own is broken on purpose
    perform("rearec-bench prepare splits --name mine --source DIR", workplace)
    examples = [example for example in help_examples() if "COMMAND" not in example and "OPTIONS" not in example]
    examples = [example for example in examples if not _lacks_package(example)]
    assert len(examples) >= 25
    shutil.copytree(workplace / "results", workplace / "OTHER")
    prepare_first = sorted(examples, key=lambda example: "prepare" not in example)
    for example in prepare_first:
        done = perform(example, workplace)
        finds = example == "rearec-bench lint --source paper"
        assert done.exit_code == (1 if finds else 0), f"{example}\n{done.output}"


def _lacks_package(command: str) -> bool:
    """Whether a command needs an extra's package that is not installed."""
    needs = {" hf:": "transformers", " results sql ": "duckdb", " --to mlflow": "mlflow"}
    return any(words in command and not find_spec(package) for words, package in needs.items())


def test_every_command_has_a_help_text_with_an_example_that_fits_eighty_columns() -> None:
    for path, command in commands():
        text = CliRunner().invoke(main, [*path, "--help"], terminal_width=80).output
        examples = re.sub(r"\s+", " ", text.partition("Usage:")[2].partition("\n")[2])
        assert " ".join(["rearec-bench", *path]) in examples, path
        assert command.help, path
        assert max(map(len, text.splitlines())) <= 80, path
        assert "..." not in re.sub(r"(\[\w+\]|ARGS\])\.\.\.", "", text), path


def test_every_make_command_of_the_readme_has_its_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    words = [word for command, _ in SESSIONS if command.startswith("make ") for word in shlex.split(command)[1:]]
    assert words
    for word in words:
        name, equals, _ = word.partition("=")
        pattern = rf"^{name}\s*\?=" if equals else rf"^{name}:"
        assert re.search(pattern, makefile, flags=re.MULTILINE), word


def test_the_suite_of_the_readme_has_the_rows_it_announces(workplace: Path) -> None:
    rows = {cell.row for cell in expand(load_suite(workplace / "mine.yaml"))}
    assert rows == {"base", "erl", "prl_no_rcl", "prl_decay[decay=1]", "prl_decay[decay=1.5]", "prl_decay[decay=5]"}


def test_the_plug_in_of_the_readme_trains(workplace: Path) -> None:
    done = perform("rearec-bench run last_two.yaml --dry-run", workplace)
    assert done.exit_code == 0, done.output
    assert "ok  tiny sasrec last_two K=2" in done.output


def test_every_file_that_a_document_names_is_there() -> None:
    names = {path.name for folder in ("harness", "models", "tests", "suites") for path in (ROOT / folder).rglob("*.*")}
    shown = {*files_of_readme(), "my.yaml", "other.yaml"}
    for word in re.findall(r"`([\w./*]+\.(?:py|yaml|md|toml|txt|cff))`", README + ARCHITECTURE):
        found = any(ROOT.glob(word)) or any((ROOT / "harness").rglob(word))
        there = found or word in names or word in shown
        assert there or word.endswith(("/NAME.py", "/NAME.yaml")), word


def test_every_link_within_the_repository_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    links = [
        (path, link)
        for path in pages
        for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", path.read_text(encoding="utf-8"))
        if not link.startswith(("http://", "https://", "mailto:"))
    ]
    assert links
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []


def test_the_sections_for_results_are_closed() -> None:
    marks = re.findall(r"<!-- (results: [\w-]+|/results) -->", README)
    assert [mark.partition(":")[0] for mark in marks] == ["results", "/results"] * (len(marks) // 2)
    assert {mark for mark in marks if mark != "/results"} == {"results: smoke"}


def test_every_dependency_has_its_reason_and_its_tested_version() -> None:
    declared = {re.split(r"[>=]", one)[0].lower() for one in PYPROJECT["project"]["dependencies"]}
    table = ARCHITECTURE.partition("## Dependencies")[2]
    assert set(re.findall(r"^\| ([a-z][\w\[\]-]+) \|", table, flags=re.MULTILINE)) - {"package"} == declared
    pinned = set(re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    extras = PYPROJECT["project"]["optional-dependencies"]
    named = {extra: {re.split(r"[>=]", one)[0] for one in packages} for extra, packages in extras.items()}
    development = named.pop("dev")
    assert {name.partition("[")[0] for name in declared} | development == pinned
    for extra, packages in named.items():
        assert packages < development, "what is optional is tested, too"
        assert all(f"| {name} (extra `{extra}`) |" in table for name in packages)


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["preferred-citation"]["title"] in README.replace("\n> ", " ")
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_package_folder_is_listed() -> None:
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    folders = {
        ".".join(["rearec_bench", *path.parent.relative_to(ROOT).parts])
        for top in ("harness", "models", "suites", "results")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert listed == {"rearec_bench", *folders}
