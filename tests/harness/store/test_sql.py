"""SQL over a results folder: what it answers, and what it may not reach."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.store.frames import load_results
from rearec_bench.harness.store.sql import query
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

from ..typed import typed
from .test_archive import FINAL, files

TRAINED = Path(__file__).resolve().parents[1] / "trained_store"


def asked(statement: str, *words: str, results: Path = TRAINED) -> Any:
    pytest.importorskip("duckdb")
    return typed("results", "sql", statement, "--results", results, *words)


def records(statement: str) -> list[dict[str, Any]]:
    done = asked(statement, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)["tables"][0]["records"]


def test_views_have_the_numbers_of_the_frames() -> None:
    held = load_results(TRAINED)
    found = records("select key, test_ndcg_20 from trials where purpose = 'final' and suite = 'before' order by key")
    finals = held.trials.query("purpose == 'final'").set_index("key")["test_ndcg@20"]
    assert {line["key"]: line["test_ndcg_20"] for line in found} == finals.to_dict()
    (count,) = records("select count(*) as n, max(epoch) as last from epochs")
    assert count == {"n": len(held.epochs), "last": held.epochs["epoch"].max()}
    ranks = Store(TRAINED).ranks(FINAL, "test")
    of = f"from rows where split = 'test' and key = '{FINAL}'"
    (mean,) = records(f"select avg(rank) r, avg(rank_step_1) s {of}")
    assert mean == {"r": ranks.readout_ranks.mean(), "s": ranks.step_ranks[:, -1].mean()}


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_an_answer_is_a_table_in_every_format(form: str) -> None:
    done = asked("select 1.25 as x, null as y, 'a|b' z, [1, 2] l union all select 2, 3, 'c', []", "--format", form)
    assert done.exit_code == 0 and "1.25" in done.output
    if form == "csv":
        lines = list(csv.reader(io.StringIO(done.output)))
        assert lines == [["x", "y", "z", "l"], ["1.25", "", "a|b", "[1, 2]"], ["2.0", "3", "c", "[]"]]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from 'secret.csv'",
        "select * from read_text('secret.csv')",
        "select * from read_parquet('lab/trials/*/test.parquet')",
        "select * from glob('*')",
        "copy trials to 'out.csv'",
        "copy (select 1) to 'out.parquet'",
        "export database 'out'",
        "attach 'out.db'",
        "install httpfs",
        "load 'out'",
        "set enable_external_access = true",
        "set temp_directory = 'out'",
        "set lock_configuration = false",
        "select * from trials; select 1",
        "drop view trials; drop view rows",
        "selct 1",
        "select * from nowhere",
        "select 1 as a, 2 as a",
        "select * from frames",
        "",
    ],
)
def test_what_reaches_a_file_or_is_a_mistake_is_one_error_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    before = files(TRAINED)
    done = asked(statement)
    assert done.exit_code == 2 and done.stdout == "" and "1,2" not in done.output
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv"} and files(TRAINED) == before


LOOKS = [
    "from trials",
    "select t from trials t",
    "select TEST_NDCG_20 from trials",
    "select columns('te.t_ndcg_20') from trials",
    "select key from trials order by test_ndcg_20",
    "select key from trials where try(test_ndcg_20) > 9",
    "select count(*) from trials where test_ndcg_20 is null",
    "select count(*) from (select distinct * from trials)",
    "select to_json(t)::text like '%0.9%' from trials t",
    "select error(test_ndcg_20::text) from trials",
    "summarize trials",
    "explain analyze from trials",
    "with t as (select key, rank from rows) select count(*) from t where rank < 5",
    "select max(top_1) from rows where split = 'test'",
    "pivot rows on split using avg(entropy_step_0)",
]
LOOKS_NOT = [
    "select 'test', '*'",
    "show tables",
    "describe trials",
    "explain from trials",
    "select * exclude (test) from (select 1 as test)",
    "select count(*) from trials",
    "select key, validation_ndcg_20 from (select * from trials)",
    "select a.key from trials a join (from trials) b using (key) where a.validation_ndcg_20 > 0",
    "from epochs",
    "select avg(rank), max(top_1) from rows where split = 'validation'",
    "select split, count(*), min(item) from rows group by all",
    "select test_ndcg_20 from trials where purpose = 'nothing'",
    "select nothing from trials",
]


@pytest.mark.parametrize(
    ("statement", "looks"), [*((each, True) for each in LOOKS), *((each, False) for each in LOOKS_NOT)]
)
def test_a_statement_shows_test_numbers_if_it_looks_at_one(statement: str, looks: bool) -> None:
    pytest.importorskip("duckdb")
    shown: list[bool] = []
    with suppress(InputError):
        query(Store(TRAINED), statement, shown=lambda: shown.append(True))
    assert shown == [True] * looks


def test_names_are_those_of_the_views_alone() -> None:
    assert [line["name"] for line in records("show tables")] == ["epochs", "rows", "trials"]


def test_rows_that_are_damaged_are_one_error(tmp_path: Path) -> None:
    shutil.copytree(TRAINED, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "trials" / FINAL / "test.parquet"
    file.write_bytes(bytes(file.stat().st_size))
    done = asked("select avg(rank) from rows", results=tmp_path)
    assert done.exit_code == 2 and done.output.startswith("DuckDB: ")


@pytest.mark.parametrize("statement", ["select key from trials", "select key from epochs", "select key from rows"])
def test_where_nothing_is_stored_views_are_empty(statement: str, tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    done = asked(statement, "--format", "csv", results=tmp_path)
    assert (done.exit_code, done.output) == (0, "key\n")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "there is no results folder" in asked("select 1", results=tmp_path / "nowhere").output


def test_without_duckdb_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    done = typed("results", "sql", "select 1", "--results", TRAINED)
    assert done.exit_code == 2 and "Type:  pip install 'rearec-bench[sql]'" in done.output
