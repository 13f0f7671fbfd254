"""Data sets by name: what is known, what is prepared, and what to type where it is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.describe import dataset_lines
from rearec_bench.harness.datasets.recipe.files import shipped_recipes
from rearec_bench.harness.utils.errors import DatasetError

from .builders import LINES, error_of, prepare_sequences


def test_tiny_needs_no_preparation(tmp_path: Path) -> None:
    assert catalog.is_prepared("tiny", tmp_path)
    assert catalog.card("tiny", tmp_path)["fingerprint"] == catalog.load_dataset("tiny", data_dir=tmp_path).fingerprint
    with pytest.raises(DatasetError, match="tiny is embedded"):
        preparation.prepare("tiny", source=tmp_path, data_dir=tmp_path)


def test_prepared_names_are_listed_and_other_folders_are_not(tmp_path: Path) -> None:
    assert catalog.prepared(tmp_path / "data") == []
    prepare_sequences(tmp_path)
    (tmp_path / "data/notes").mkdir()
    assert catalog.prepared(tmp_path / "data") == ["mine"]
    assert catalog.known(tmp_path / "data") == sorted(
        {"mine", "tiny", *(name for name, recipe in shipped_recipes().items() if not recipe.named)}
    )


def test_a_damaged_data_set_does_not_hide_the_others_in_the_list(tmp_path: Path) -> None:
    data_dir = prepare_sequences(tmp_path)
    (data_dir / "odd").mkdir()
    (data_dir / "odd/card.json").write_text("{")
    lines = dataset_lines(data_dir)
    assert [line.split()[0] for line in lines[:3]] == ["data", "mine", "tiny"]
    assert lines[3].startswith(f"{data_dir}/odd/card.json is damaged or missing")


def test_a_card_holds_json_only(tmp_path: Path) -> None:
    card = catalog.card("tiny", tmp_path)
    assert json.loads(json.dumps(card, allow_nan=False)) == card


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ml-100k", "RecBole's ml-100k.inter and ml-100k.item  "),
        ("released-yelp", "prepare released --name yelp --source DIR\n  DIR holds yelp.train.remap.csv, "),
        ("synthetic", "Type:  rearec-bench prepare synthetic --users 1e6 --items 1e5"),
        ("ml100k", "Did you mean 'ml-100k'?"),
        ("ml100k", "rearec-bench prepare sequences --name ml100k --source DIR\n  DIR holds sequences.txt"),
        ("ml100k", "rearec-bench prepare splits --name ml100k"),
        ("../evil", "../evil is not prepared."),
    ],
)
def test_what_is_not_prepared_is_an_error_with_the_command(name: str, words: str, tmp_path: Path) -> None:
    said = error_of(catalog.load_dataset, name, data_dir=tmp_path)
    assert said.startswith(f"{name} is not prepared.") and words in said


def test_an_unknown_recipe_gets_the_nearest_one(tmp_path: Path) -> None:
    said = error_of(preparation.prepare, "ml100k", source=tmp_path, data_dir=tmp_path)
    assert said.startswith("unknown recipe 'ml100k'. Did you mean 'ml-100k'? Known: baby_products, ")


@pytest.mark.parametrize(
    ("name", "file"), [("shop", "shop.yaml"), ("shop.yaml", "shop.yaml"), ("other", "FILE"), ("other.yml", "other.yml")]
)
def test_an_unknown_recipe_gets_the_command_for_a_file_of_ones_own(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.yaml").write_text("reader: csv\n")
    said = error_of(preparation.prepare, name, source=tmp_path, data_dir=tmp_path)
    assert said.endswith(f"For a recipe of your own:  rearec-bench prepare --recipe {file} --source DIR")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["../evil", "a/b", "", ".hidden", "with space", "x" * 65, "-rf", "a\n"], "cannot name a data set"),
        (["tiny", "synthetic", "ml-100k", "released", "released-ml-100k"], "belongs to another data set or recipe"),
    ],
)
def test_a_name_that_is_not_free_is_refused(names: list[str], words: str, tmp_path: Path) -> None:
    for name in names:
        with pytest.raises(DatasetError, match=f"'{re.escape(name)}' {words}"):
            prepare_sequences(tmp_path, name=name)


@pytest.mark.parametrize("name", ["tiny", "synthetic", "ml-100k"])
def test_a_recipe_of_ones_own_does_not_take_the_name_of_another(tmp_path: Path, name: str) -> None:
    own = tmp_path / f"{name}.yaml"
    own.write_text("{reader: sequences, split: leave_one_out}")
    (tmp_path / "sequences.txt").write_text(LINES)
    said = error_of(preparation.prepare, own, source=tmp_path, data_dir=tmp_path / "data")
    assert said == f"the name '{name}' belongs to another data set or recipe. Choose another --name."
    assert preparation.prepare(own, source=tmp_path, data_dir=tmp_path / "data", name="mine").name == "mine"


def test_a_recipe_that_needs_a_name_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"the recipe sequences needs a name\. Type:  rearec-bench prepare sequences"
    ):
        prepare_sequences(tmp_path, name=None)


def test_the_same_content_may_be_prepared_again_and_another_is_refused(tmp_path: Path) -> None:
    prepare_sequences(tmp_path)
    before = catalog.card("mine", prepare_sequences(tmp_path))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine"]
    with pytest.raises(DatasetError, match=r"data/mine holds a data set with another content \(fingerprint .* Remove"):
        prepare_sequences(tmp_path, LINES + "c x y z\n")
    assert catalog.card("mine", tmp_path / "data") == before


def test_a_folder_that_is_no_data_set_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "data/mine").mkdir(parents=True)
    (tmp_path / "data/mine/thesis.tex").write_text("years of work")
    with pytest.raises(DatasetError, match="exists and is not a prepared data set"):
        prepare_sequences(tmp_path)
    assert (tmp_path / "data/mine/thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: None,
            "does not exist. Type:  rearec-bench prepare ml-100k --source DIR\n  DIR holds (or is, as ml-100k.zip) ",
        ),
        (lambda path: path.write_text(""), "ml-100k.item (or ml-100k.item.gz). Type:  rearec-bench"),
        (lambda path: path.mkdir(), "ml-100k.inter (or ml-100k.inter.gz). Type:  rearec-bench"),
    ],
)
def test_a_source_that_is_not_there_says_what_is_wanted(tmp_path: Path, make: object, message: str) -> None:
    make(tmp_path / "source")  # type: ignore[operator]
    assert message in error_of(preparation.prepare, "ml-100k", source=tmp_path / "source", data_dir=tmp_path / "data")
