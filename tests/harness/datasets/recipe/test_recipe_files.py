"""Recipe files: what they mean, and what is reported of a wrong one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rearec_bench.harness.datasets.readers import READERS
from rearec_bench.harness.datasets.recipe import protocol
from rearec_bench.harness.datasets.recipe.files import read_recipe, shipped_recipes
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.utils.errors import DatasetError

MINE = """
reader: csv
files: {interactions: orders.csv}
columns: {user: customer, item: product, time: day}
split: leave_one_out
"""


def recipe(folder: Path, text: str) -> Recipe:
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_recipe(path)


def refused(folder: Path, text: str) -> list[str]:
    with pytest.raises(DatasetError) as caught:
        recipe(folder, text)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_short_forms_mean_the_long_ones(tmp_path: Path) -> None:
    short = recipe(tmp_path, MINE + "core: 5\nmin_history: 3\nunseen: keep\ntext: {fields: {title: name}}\n")
    long = recipe(
        tmp_path,
        MINE
        + "core: {users: 5, items: 5}\nmin_history: {train: 3, valid: 3, test: 3}\n"
        + "unseen: {target: keep, history: keep}\ntext: {fields: {title: [name]}}\n",
    )
    assert short == long
    assert short.fingerprint() == long.fingerprint()
    assert short.name == "mine"


def test_what_to_type_names_the_file_of_a_recipe_of_ones_own(tmp_path: Path) -> None:
    own = recipe(tmp_path, MINE)
    assert own.command() == f"rearec-bench prepare --recipe {tmp_path}/mine.yaml --source DIR"
    spaced = own.model_copy(update={"file": "my shop.yaml"})
    assert spaced.command() == "rearec-bench prepare --recipe 'my shop.yaml' --source DIR"
    assert "file" not in own.settings()
    (tmp_path / "again").mkdir()
    assert recipe(tmp_path / "again", MINE).fingerprint() == own.fingerprint()


def test_shares_are_exact_decimals(tmp_path: Path) -> None:
    held = recipe(tmp_path, MINE.replace("leave_one_out", "{quantiles: [0.8, 0.95]}"))
    assert held.split.at == (Decimal("0.8"), Decimal("0.95"))
    assert protocol.words(held)["split"] == "by time at 80/95%"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raeder: csv", "6:1  raeder: unknown key. Did you mean 'reader'? Known: about, columns, "),
        ("file: orders.csv", "6:1  file: unknown key. Did you mean 'files'?"),
        ("core: {user: 5}", "6:8  core.user: unknown key. Did you mean 'users'? Known: items, users."),
        ("unseen: dorp", "6:9  unseen: dorp is unknown. Did you mean 'drop'? Allowed: drop, keep."),
        ("ratings: {above: 3}", "2:1  the column of the rating is missing. Add  columns: {rating: NAME}"),
        ("ratings: {above: 3, at_least: 4}", "6:10  ratings: give either above or at_least."),
        ("min_history: {train: 0}", "6:22  min_history.train: 0 is too small."),
        ("time: {unit: second}", "6:14  time.unit: second is unknown. Did you mean 'seconds'? Allowed: any, "),
        ("time: {format: '%Q'}", "6:16  time.format: '%Q' (in quotes) is not valid: 'Q' is a bad directive in format "),
        ("time: {format: '%Y %Y'}", "6:16  time.format: '%Y %Y' (in quotes) is not valid: redefinition of group name"),
        ("text: {fields: {title: []}}", "6:24  text.fields.title: the list is empty. Give at least one value."),
        ("max_history: many", "6:14  max_history: many is not a whole number"),
        ("text: {template: 'a {title}'}", "6:7  text: the template asks for title; fields has none."),
        ("ratings: 4", "6:10  ratings: 4 is not a mapping of settings (key: value). Write it, such as ratings: {"),
        ("time: seconds", "6:7  time: seconds is not a mapping of settings (key: value). Write it, such as time: {"),
        ("reader: csv", "6:1  reader: this key stands here twice, first in line 2."),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    told = refused(tmp_path, f"{MINE}{line}\n")
    assert told[0].startswith(f"mine.yaml:{said}")
    assert told[-1].endswith("nothing was started.")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("{quantiles: [0.9, 0.8]}", "the first boundary must lie before the second"),
        ("{quantiles: [0.9, 1.8]}", "the boundaries of quantiles lie between 0 and 1"),
        ("[0.8, 0.9]", "a list is not a mapping of settings (key: value). Write it, such as split: {quantiles: ["),
        ("0.8", "0.8 is unknown. Write it, such as split: {quantiles: [0.8, 0.9]} or split: leave_one_out. Allowed: "),
        ("quantiles", "quantiles needs two boundaries, such as quantiles: [0.8, 0.9]"),
        (
            "{times: [2024-03-01, 2024-04-01]}",
            "'2024-03-01' is a date; as a boundary write the time as a number: 1709251200 ",
        ),
        ("{times: ['1969-12-31 23:59:59Z', 4]}", "write the time as a number: -1 in seconds"),
        ("{times: [soon, later]}", "mine.yaml:5:8  split: 'soon' is not a number."),
        ("{kind: times, at: [2024-03-01, 4]}", "mine.yaml:5:26  split.at: '2024-03-01' is a date; "),
        ("{quantiles: [0.8]}", "mine.yaml:5:8  split: two boundaries are needed, such as [0.8, 0.9]."),
        ("{quantiles: [0.8, 0.1, 0.1]}", "split: two boundaries are needed"),
        ("{quantiles: 0.8}", "split: two boundaries are needed"),
        ("{kind: quantiles, at: [0.8]}", "mine.yaml:5:30  split.at: two boundaries are needed, such as [0.8, 0.9]."),
        (
            "{quantile: [0.8, 0.9]}",
            "mine.yaml:5:8  split: unknown way of splitting 'quantile'. Did you mean 'quantiles'? Known: quantiles, ",
        ),
        ("{leave_one_out: [1, 2]}", "leave_one_out has no boundaries"),
        ("given", "the reader csv has no splits of its own"),
    ],
)
def test_a_split_that_is_none_is_refused(tmp_path: Path, split: str, said: str) -> None:
    assert said in refused(tmp_path, MINE.replace("leave_one_out", split))[0]


def test_a_role_that_the_reader_does_not_know_is_reported_with_the_nearest(tmp_path: Path) -> None:
    typed = MINE.replace("user:", "usr:").replace("interactions:", "interaction:")
    (said, _) = refused(tmp_path, f"{typed}item_columns: {{title: name}}\ntext: {{fields: {{title: name}}}}\n")
    for words in (
        "files: unknown 'interaction'. Did you mean 'interactions'? Known: interactions, items",
        "columns: unknown 'usr'. Did you mean 'user'? Known: user, item, rating, time",
        "item_columns: unknown 'title'. Did you mean 'item'? Known: item",
    ):
        assert words in said


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    told = refused(tmp_path, "reader: csvv\nsplit: given_\nmax_history: many\n")
    assert [line.split("  ")[0] for line in told[:-1]] == ["mine.yaml:1:9", "mine.yaml:2:8", "mine.yaml:3:14"]
    assert told[-1] == "3 problems, nothing was started."


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no recipe file"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(DatasetError, match="no --recipe:  rearec-bench prepare ml-100k --source DIR"):
        read_recipe(Path("ml-100k"))
    assert "not a mapping" in refused(tmp_path, "- csv\n")[0]
    assert "not YAML" in refused(tmp_path, "reader: [csv\n")[0]
    (tmp_path / "mine.yaml").write_bytes(b"reader: \xff\n")
    with pytest.raises(DatasetError, match="is not UTF-8 text"):
        read_recipe(tmp_path / "mine.yaml")


def test_rows_that_bring_their_histories_have_no_rules_for_interactions(tmp_path: Path) -> None:
    told = refused(tmp_path, "reader: splits\nsplit: given\ncore: 5\nequal_times: file\nratings: {above: 3}\n")
    assert "core, equal_times: rows with histories of their own are taken as they are" in told[0]
    assert "ratings: a given history stays unchanged" in told[0]


def test_every_shipped_recipe_has_a_reader_and_says_what_it_makes() -> None:
    for name, held in shipped_recipes().items():
        assert held.name == name
        assert held.reader in READERS
        assert held.about
        assert set(protocol.words(held)) == {"split", "filters", "catalogue", "equal_times", "history"}
        assert held.command("X").startswith(f"rearec-bench prepare {name} ")


@pytest.mark.parametrize(
    ("own", "fact", "words"),
    [
        (MINE, "filters", "none"),
        (f"{MINE}core: 3\n", "filters", "3-core on users and items, to the fixed point"),
        (MINE, "equal_times", protocol.HASHED_TIES),
        (f"{MINE}equal_times: file\n", "equal_times", "equal times in the order of the file"),
        (MINE.replace(", time: day", ""), "equal_times", "no times: the order of the files"),
        ("reader: splits\nsplit: given\n", "filters", "none here: as published"),
    ],
)
def test_what_is_said_of_a_log_of_ones_own(tmp_path: Path, own: str, fact: str, words: str) -> None:
    assert protocol.words(recipe(tmp_path, own))[fact] == words


def test_a_text_has_the_template_that_was_asked_for(tmp_path: Path) -> None:
    fields = "text: {fields: {title: name, maker: [brand, country]}"
    paper = recipe(tmp_path, f"{MINE}{fields}}}\n").text
    own = recipe(tmp_path, f"{MINE}{fields}, template: '{{title}}, by {{maker}}'}}\n").text
    assert paper.of({"title": " Red  lamp", "maker": ""}) == "The item information is as follows:\ntitle: Red lamp"
    assert own.of({"title": " Red  lamp", "maker": "Ann"}) == "Red lamp, by Ann"
    assert own.of({"title": "", "maker": ""}) == paper.of({}) == ""
