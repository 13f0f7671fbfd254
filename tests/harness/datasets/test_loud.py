"""What a user is told when a data set is prepared: rules that take much, catalogues of one item, odd paths."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.utils.errors import DatasetError

from .builders import error_of, prepare_sequences

USERS = 10


def interactions(folder: Path, *, strange: int) -> Path:
    """Ten users of seven items; the histories of the last two rows of some have an item that training lacks."""
    folder.mkdir(exist_ok=True)
    lines = ["user,item,time"]
    for user in range(USERS):
        items = ["a", "b", "c", "d", "new" if user < strange else "c", "b", "a"]
        lines += [f"u{user},{item},{1000 * place + user}" for place, item in enumerate(items)]
    (folder / "log.csv").write_text("\n".join(lines))
    return folder


def recipe(**given: Any) -> Recipe:
    columns = {"user": "user", "item": "item", "time": "time"}
    split = {"times": [3999, 5999]}
    given = {"columns": columns, "files": {"interactions": "log.csv"}, "split": split, **given}
    return Recipe.model_validate({"name": "mine", "reader": "csv", **given})


@pytest.mark.parametrize(("strange", "loud"), [(0, False), (2, False), (3, True)])
def test_a_rule_that_takes_more_than_a_fifth_of_a_split_is_a_warning_with_the_setting_that_keeps_it(
    tmp_path: Path, strange: int, loud: bool
) -> None:
    source = interactions(tmp_path / "raw", strange=strange)
    data = preparation.prepare(recipe(), source=source, data_dir=tmp_path / "data")
    assert len(data.test) == USERS - strange
    warnings = data.card.get("warnings", [])
    assert len([words for words in warnings if "test" in words]) == loud
    if loud:
        setting = "{target: drop, history: keep}"
        assert any(setting in words for words in warnings)
        kept = recipe(unseen={"target": "drop", "history": "keep"})
        assert len(preparation.prepare(kept, source=source, data_dir=tmp_path / "other").test) == USERS


def test_prepare_prints_what_each_rule_took_of_each_split_and_the_card_has_it_too(tmp_path: Path) -> None:
    interactions(tmp_path, strange=3)
    (tmp_path / "mine.yaml").write_text(
        "reader: csv\nfiles: {interactions: log.csv}\ncolumns: {user: user, item: item, time: time}\n"
        "split: {times: [3999, 5999]}\n"
    )
    given = ["--recipe", str(tmp_path / "mine.yaml"), "--source", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    made = CliRunner().invoke(main, ["prepare", *given])
    shown = CliRunner().invoke(main, ["datasets", "show", "mine", "--data-dir", str(tmp_path / "data")])
    assert (made.exit_code, shown.exit_code) == (0, 0)
    assert re.search(r"history .* 3 \(30\.0%\)", made.output)
    for output in (made.output, shown.output):
        assert re.search(r"^ *warning .*3 of 10 rows of test.*history: keep", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("unseen", "items"), [("drop", 1), ("keep", 2)], ids=["all others are unseen", "an unseen one is kept"]
)
def test_a_catalogue_that_the_rules_leave_one_item_is_none(tmp_path: Path, unseen: str, items: int) -> None:
    (tmp_path / "log.csv").write_text("user,item,time\n" + "".join(f"u,a,{time}\n" for time in range(12)) + "u,b,11\n")
    how = recipe(split={"times": [6, 8]}, unseen=unseen)
    if items == 1:
        with pytest.raises(DatasetError, match="one item"):
            preparation.prepare(how, source=tmp_path, data_dir=tmp_path / "data")
        assert not (tmp_path / "data").exists()
    else:
        assert preparation.prepare(how, source=tmp_path, data_dir=tmp_path / "data").num_items == items


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ratings: {above: 0}\n", r"rating not above 0 +10 \(14\.3%\) *$"),
        ("duplicates: first\n", r"not the first of the same user and item +30 \(42\.9%\) *$"),
        ("", r"lines left out +log\.csv: 1, wrong number of fields \(first: line 72\)"),
        ("", r"times +none: the order of the files"),
    ],
)
def test_prepare_prints_what_was_lost_before_rows_were_made(tmp_path: Path, given: str, said: str) -> None:
    rows = [f"u{user},{item},{place % 7}\n" for user in range(10) for place, item in enumerate("abcdcba", start=2)]
    (tmp_path / "log.csv").write_text("user,item,rating\n" + "".join(rows) + "u,a\n")
    (tmp_path / "mine.yaml").write_text(
        "reader: csv\nfiles: {interactions: log.csv}\ncolumns: {user: user, item: item, rating: rating}\n"
        f"split: leave_one_out\nunseen: keep\n{given}"
    )
    typed = f"prepare --recipe {tmp_path}/mine.yaml --source {tmp_path} --data-dir {tmp_path}/data --on-bad-line skip"
    assert re.search(said, CliRunner().invoke(main, typed.split()).output, re.MULTILINE)


def test_a_source_with_the_files_of_another_recipe_is_told_with_its_command(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::2::3::4\n")
    (tmp_path / "movies.dat").write_text("2::A (1990)::Drama\n")
    (tmp_path / "users.dat").write_text("1::F\n")
    said = error_of(preparation.prepare, "ml-100k", source=tmp_path, data_dir=tmp_path / "data")
    assert said.endswith(
        "(or ml-100k.inter.gz). It holds the files of ml-1m. Type:  rearec-bench prepare ml-1m --source DIR"
    )


def test_a_data_set_of_one_item_that_an_earlier_version_prepared_is_refused_when_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "FEWEST_ITEMS", 0)
        data_dir = prepare_sequences(tmp_path / "raw", "a x x x x\nb x x x\n")
    (tmp_path / "s.yaml").write_text(
        "name: s\ndatasets: [mine]\nbackbones: [sasrec]\nstrategies: [base]\nsteps: [0]\nseeds: [1]\n"
    )
    for command in ("plan", "run"):
        given = [command, str(tmp_path / "s.yaml"), "--data-dir", str(data_dir), "--results", str(tmp_path / "r")]
        told = CliRunner().invoke(main, given)
        assert (told.exit_code, "one item" in told.output) == (2, True), told.output


ODD = os.fsdecode(b"n\xff")


@pytest.mark.parametrize("where", ["folder", "file", "data"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_names_that_are_not_utf8_are_names(tmp_path: Path, where: str, kind: str) -> None:
    import polars as pl

    rows = [{"user": f"u{user}", "item": item, "time": time} for user in range(9) for time, item in enumerate("abcab")]
    folder = tmp_path / (ODD if where == "folder" else "raw")
    folder.mkdir()
    name = f"{ODD if where == 'file' else 'log'}.{kind}"
    frame = pl.DataFrame(rows)
    with (folder / name).open("wb") as stream:
        {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind](stream)
    files = {"interactions": "*" if where == "file" else name}
    how = recipe(reader=kind, split="leave_one_out", files=files)
    data_dir = tmp_path / (ODD if where == "data" else "data")
    made = preparation.prepare(how, source=folder, data_dir=data_dir)
    assert len(made.test) == 9
    assert catalog.load_dataset("mine", data_dir=data_dir).fingerprint == made.fingerprint


def test_what_was_guessed_is_printed_and_in_the_card(tmp_path: Path) -> None:
    rows = "".join(f"ü{user};{item};{4 + time / 2}\n".replace(".", ",") for user in range(9) for time, item in WALK)
    (tmp_path / "log.csv").write_bytes(("user;item;time\n" + rows).encode("latin-1"))
    (tmp_path / "mine.yaml").write_text(
        "reader: csv\nfiles: {interactions: log.csv}\ncolumns: {user: user, item: item, time: time}\n"
        "split: leave_one_out\n"
    )
    given = ["--recipe", str(tmp_path / "mine.yaml"), "--source", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    made = CliRunner().invoke(main, ["prepare", *given])
    guesses = {entry["what"]: entry["value"] for entry in catalog.card("mine", tmp_path / "data")["guessed"]}
    assert guesses == {"separator": ";", "encoding": "latin-1", "decimal": ","}
    for what, value in guesses.items():
        assert re.search(rf"guessed .*log\.csv.*{what}.*{re.escape(value)}", made.output)


WALK = tuple(enumerate("abcab"))


@pytest.mark.parametrize(("unseen", "left_out"), [("drop", 3), ("keep", 0)])
def test_a_run_keeps_how_many_rows_of_test_the_rule_unseen_left_out(tmp_path: Path, unseen: str, left_out: int) -> None:
    from rearec_bench.harness.run.runner import _data_facts

    source = interactions(tmp_path / "raw", strange=3)
    data = preparation.prepare(recipe(unseen=unseen), source=source, data_dir=tmp_path / "data")
    assert _data_facts(data).get("unseen_left_out", 0) == left_out


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_data_set_that_does_not_exist_is_a_mistake_of_the_suite_like_others(tmp_path: Path, command: str) -> None:
    data_dir = prepare_sequences(tmp_path / "raw")
    (tmp_path / "s.yaml").write_text(
        "name: s\ndatasets: [tiny, mien, ml-100k, released-x]\nbackbones: [sasrek]\nstrategies: [base]\nsteps: [0]\n"
        "seeds: [1]\n"
    )
    given = [command, str(tmp_path / "s.yaml"), "--data-dir", str(data_dir), "--results", str(tmp_path / "r")]
    told = CliRunner().invoke(main, given)
    assert told.exit_code == 2
    places = re.findall(r"s\.yaml:(\d+:\d+)", told.output)
    assert places == ["2:18", "3:13"]
    assert "'mine'" in told.output
