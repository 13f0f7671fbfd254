"""What the store remembers of test numbers that were shown before the final runs were complete."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from rearec_bench.harness.store import shown
from rearec_bench.harness.store.merge import merge
from rearec_bench.harness.store.shown import SHOWN, note_shown, shown_early
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.suites import without_trials
from rearec_bench.harness.store.verify import verify

from ..typed import typed

V1 = Path(__file__).parents[1] / "stores" / "v1"
LINE = re.compile(
    r"Test numbers were shown (\d+) times? before the final runs were complete, first on \d{4}-\d\d-\d\d\."
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two suites whose runs are complete."""
    shutil.copytree(V1, tmp_path / "results")
    return Store(tmp_path / "results")


@pytest.fixture
def partial(store: Store) -> Store:
    """The same; of the suite "first" one final run of each cell is missing."""
    suite, index = store.read_suite("first")
    gone = {next(iter(cell["final"].values())) for cell in index["cells"].values() if len(cell["final"]) > 1}
    assert gone
    store.write_suite("first", suite, without_trials(index, gone))
    return store


def times(store: Store) -> list[str]:
    """How often, as the table of the suite "first" says; showing it counts as well."""
    return LINE.findall(typed("report", "first", "--results", store.root).output)


def test_each_table_figure_and_page_of_test_numbers_counts_until_the_final_runs_are_complete(
    partial: Store, tmp_path: Path
) -> None:
    assert [times(partial), times(partial)] == [["1"], ["2"]]
    for words in (("--split", "validation"), ("--table", "budget"), ("--table", "significance")):
        typed("report", "first", "--results", partial.root, *words)
    typed("report", "first", "--results", partial.root, "--figures", tmp_path / "figures", "--figure", "gains")
    typed("results", "export", tmp_path / "runs", "--to", "trec", "--results", partial.root)
    early = shown_early(partial.suite_folder("first"))
    *reports, export = [event["shown"] for event in early]
    assert reports == ["table overall"] * 2 + ["table significance", "figures"]
    assert export == "results export --to trec"
    assert all(0 < event["done"] < event["planned"] for event in early)


def test_a_complete_suite_has_no_ledger_and_no_line(store: Store) -> None:
    assert times(store) == [] and not (store.suite_folder("first") / SHOWN).exists()


def test_where_it_cannot_be_written_the_report_is_what_it_was(partial: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(shown.os, "open", refuse)
    done = typed("report", "first", "--results", partial.root)
    assert (done.exit_code, LINE.findall(done.output)) == (0, [])
    assert not (partial.suite_folder("first") / SHOWN).exists()


@pytest.mark.parametrize("torn", ['{"schema": 2, "ti', "\n\n", "null\n", '{"schema": 2}\n'])
def test_a_line_that_a_killed_process_left_half_written_spoils_no_other(torn: str, store: Store) -> None:
    folder = store.suite_folder("first")
    note_shown(folder, what="page", done=1, planned=2)
    with (folder / SHOWN).open("a") as file:
        file.write(torn)
    note_shown(folder, what="figures", done=1, planned=2)
    assert [event["shown"] for event in shown_early(folder)] == ["page", "figures"]
    assert verify(store).findings == ()


def test_merged_folders_have_the_lines_of_both_once(store: Store, tmp_path: Path) -> None:
    note_shown(store.suite_folder("first"), what="page", done=1, planned=2)
    shutil.copytree(store.root, tmp_path / "other")
    other = Store(tmp_path / "other")
    note_shown(other.suite_folder("first"), what="figures", done=1, planned=2)
    assert [merge(store, other).suites, merge(store, other).suites] == [("first",), ()]
    assert [event["shown"] for event in shown_early(store.suite_folder("first"))] == ["page", "figures"]
