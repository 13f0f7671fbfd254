"""Options are read as a suite file is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rearec_bench.harness.profile.options import suite_of_options, suite_to_profile
from rearec_bench.harness.utils.errors import InputError, SuiteError

TEXTS = {"dataset": "tiny", "backbone": "sasrec", "strategy": "prl", "steps": "0..5"}


@pytest.mark.parametrize(
    ("text", "steps"),
    [("2", (2,)), ("0..3", (0, 1, 2, 3)), ("1,4", (1, 4)), (" 0..1, 5 ,8..9", (0, 1, 5, 8, 9)), ("3..3", (3,))],
)
def test_steps_are_numbers_lists_and_ranges(text: str, steps: tuple[int, ...]) -> None:
    assert suite_of_options({**TEXTS, "steps": text}).steps == steps


def test_names_are_lists_and_may_have_settings() -> None:
    texts = {**TEXTS, "dataset": "tiny,yelp", "backbone": "sasrec: {width: 32}, bert4rec", "strategy": "erl, prl"}
    suite = suite_of_options(texts, overrides=["training.max_len=7", "backbones.bert4rec.width=16"])
    assert suite.datasets == ("tiny", "yelp")
    assert [dict(one.parameters.fixed) for one in suite.backbones] == [{"width": 32}, {"width": 16}]
    assert [one.kind for one in suite.strategies] == ["erl", "prl"]
    assert suite.training.fixed["max_len"] == 7
    assert suite.name == "profile"


def test_every_mistake_is_told_at_once_with_the_option_it_stands_in() -> None:
    with pytest.raises(SuiteError) as error:
        suite_of_options(
            {"dataset": "ti/ny", "backbone": "sasrek", "strategy": "prl: {x: 1}", "steps": "5..0"},
            overrides=["training.lr=fast"],
        )
    places = [(problem.file, problem.where) for problem in error.value.problems]
    assert places == [
        ("--dataset ti/ny", "datasets"),
        ("--backbone sasrek", "backbones"),
        ("--strategy prl: {x: 1}", "strategies.prl.x"),
        ("--steps 5..0", "steps"),
        ("--set training.lr=fast", "training.lr"),
    ]
    assert "5..0 is not a whole number" in str(error.value)
    assert "Did you mean 'sasrec'?" in str(error.value)


@pytest.mark.parametrize("text", ["[1", "{", "1]"])
def test_what_is_no_yaml_is_told(text: str) -> None:
    with pytest.raises(SuiteError, match="--steps"):
        suite_of_options({**TEXTS, "steps": text})


def test_what_is_not_typed_is_as_in_the_papers_table() -> None:
    suite = suite_to_profile(None, {"dataset": "tiny", "backbone": None, "strategy": None, "steps": None})
    assert [one.kind for one in (*suite.backbones, *suite.strategies)] == ["sasrec", "prl"]
    assert suite.steps == (0, 1, 2, 3, 4, 5)


def test_threads_take_the_place_of_the_suites() -> None:
    nothing = dict.fromkeys(TEXTS)
    suite = suite_to_profile("smoke", nothing, overrides=["training.threads=2"], threads=3)
    assert (suite.name, suite.training.fixed["threads"]) == ("smoke", 3)


def test_a_suite_and_options_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--backbone, --steps .* Leave out smoke"):
        suite_to_profile("smoke", {"dataset": None, "backbone": "sasrec", "strategy": None, "steps": "2"})
    with pytest.raises(InputError, match="rearec-bench profile --dataset NAME"):
        suite_to_profile(None, {"dataset": None, "backbone": "sasrec", "strategy": None, "steps": None})
