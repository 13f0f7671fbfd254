"""Sound suite files: values by declared type, extends, overrides, plug-ins; `load` takes each through JSON and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rearec_bench.harness.suite.load import Space, Suite
from rearec_bench.harness.trial.metrics import METRICS
from rearec_bench.harness.utils.errors import SuiteError
from rearec_bench.harness.utils.registry import STRATEGIES

from .tables import load

SUITES = Path(__file__).resolve().parents[3] / "suites"
FILE = """\
datasets: [tiny]
backbones: [sasrec]
strategies:
  - base
  - erl: {kl_weight: 1e-3}
  - prl: {temperature: {search: [0.5, 1]}, decay: {search: {low: 1, high: 10, log: true}}}
  - prl: {name: prl_decay, decay: {sweep: [1, 1.5]}, against: prl}
steps: [1, 2]
seeds: [1, 2]
training: {lr: {search: [0.01, 0.001]}, packing: users}
evaluation: {trace_users: [3, 4]}
"""
TRAINING = {
    "batch_size": 2048,
    "max_epochs": 300,
    "patience": 10,
    "max_len": 50,
    "packing": "none",
    "threads": 1,
    "precision": "fp32",
    "weight_decay": 0.0,
    "warmup_steps": 0,
    "schedule": "constant",
    "grad_clip": 0.0,
}
PLUGIN = """\
from rearec_bench.models.settings import StrategySettings, param


class Echo:
    class Settings(StrategySettings):
        weights: dict[str, float] = param({}, "by name")
        depth: int = param(1, "how deep", ge=1)


STRATEGIES = {"echo": Echo}
"""


def test_each_value_is_read_by_its_declared_type(folder: Path) -> None:
    suite = load(FILE)
    base, erl, prl, decay = suite.strategies
    assert (suite.name, suite.datasets, suite.steps, suite.seeds) == ("my", ("tiny",), (1, 2), (1, 2))
    assert base.parameters.fixed == {}
    assert erl.parameters.fixed == {"kl_weight": 0.001}
    assert prl.parameters.searched["temperature"] == Space(choices=(0.5, 1.0))
    assert prl.parameters.searched["decay"] == Space(low=1.0, high=10.0, log=True)
    assert decay.parameters.swept == {"decay": (1.0, 1.5)}
    assert json.dumps(decay.parameters.swept["decay"]) == "[1.0, 1.5]"
    assert suite.training.searched["lr"] == Space(choices=(0.01, 0.001))
    assert suite.evaluation.trace_users == (3, 4)


def test_rows_are_compared_with_base_unless_they_say_otherwise(folder: Path) -> None:
    assert [row.against for row in load(FILE).strategies] == ["", "base", "base", "prl"]


def test_without_a_base_row_nothing_is_compared(folder: Path) -> None:
    text = FILE.replace("  - base\n", "").replace(", against: prl", "")
    assert {row.against for row in load(text).strategies} == {""}


def test_training_is_filled_with_every_default_that_is_not_searched(folder: Path) -> None:
    assert load(FILE).training.fixed == {**TRAINING, "packing": "users"}


def test_words_that_yaml_would_take_for_booleans_stay_names(folder: Path) -> None:
    suite = load("name: no\n" + FILE.replace("[tiny]", "[on, 1e3]"))
    assert (suite.name, suite.datasets) == ("no", ("on", "1e3"))


def test_single_values_may_stand_without_brackets(folder: Path) -> None:
    suite = load("datasets: tiny\nbackbones: sasrec\nstrategies: base\nsteps: 2\nseeds: 1\n")
    assert (suite.datasets, suite.backbones[0].name, suite.strategies[0].kind) == (("tiny",), "sasrec", "base")
    assert (suite.steps, suite.seeds) == ((2,), (1,))


def test_steps_may_be_searched_as_a_list_or_a_range(folder: Path) -> None:
    text = FILE.replace("steps: [1, 2]", "steps: {search: [1, 2, 3]}")
    assert load(text).steps == Space(choices=(1, 2, 3))
    text = FILE.replace("steps: [1, 2]", "steps: {search: {low: 0, high: 3}}")
    assert load(text).steps == Space(low=0, high=3, integer=True)


def test_null_is_a_value_where_it_is_declared(folder: Path) -> None:
    suite = load(FILE.replace("- base", "- base: {score_temperature: {search: [null, 0.07]}}"))
    assert suite.strategies[0].parameters.searched["score_temperature"].choices == (None, 0.07)


def test_anchors_aliases_and_merge_keys_are_plain_yaml(folder: Path) -> None:
    text = FILE.replace("- erl: {kl_weight: 1e-3}", "- erl: &erl {kl_weight: 0.5, recipe: released}\n  - erl:\n")
    text = text.replace("  - erl:\n", "  - erl:\n      <<: *erl\n      name: erl_small\n      kl_weight: 0.1\n")
    _, first, second, *_ = load(text).strategies
    assert first.parameters.fixed == {"kl_weight": 0.5, "recipe": "released"}
    assert (second.name, second.parameters.fixed) == ("erl_small", {"kl_weight": 0.1, "recipe": "released"})


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (Space(choices=(1, 2)), 2),
        (Space(low=1, high=3, integer=True), 3),
        (Space(low=0.1, high=0.2), None),
        (Space(low=1, high=3, integer=True, log=True), None),
    ],
)
def test_a_space_that_can_be_listed_knows_its_size(space: Space, size: int | None) -> None:
    assert space.size == size


def test_the_metrics_of_the_search_are_those_that_trials_report(folder: Path) -> None:
    for metric in METRICS:
        assert load(FILE, f"search.metric={metric}").search.metric == metric


# extends


def test_mappings_merge_deep_and_lists_replace(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "parent.yaml").write_text("name: parent\n" + FILE + "search: {trials: 7, window: 2}\n")
    suite = load("extends: sub/parent.yaml\nsearch: {trials: 3}\nseeds: [5]\nstrategies: [naive]\n")
    assert (suite.search.trials, suite.search.window, suite.seeds) == (3, 2, (5,))
    assert [row.name for row in suite.strategies] == ["naive"]
    assert suite.name == "my"


def test_a_search_replaces_the_parents_instead_of_merging_with_it(folder: Path) -> None:
    (folder / "parent.yaml").write_text(FILE)
    suite = load("extends: parent.yaml\ntraining: {lr: {sweep: [0.1]}, patience: {search: [1, 2]}}\n")
    assert (suite.training.swept, set(suite.training.searched)) == ({"lr": (0.1,)}, {"patience"})


def test_files_extend_files_that_extend_files(folder: Path) -> None:
    (folder / "a.yaml").write_text(FILE + "search: {trials: 1, window: 1, seed: 9}\n")
    (folder / "b.yaml").write_text("extends: a.yaml\nsearch: {trials: 2, window: 2}\n")
    search = load("extends: b.yaml\nsearch: {trials: 3}\n").search
    assert (search.trials, search.window, search.seed) == (3, 2, 9)


def test_a_suite_that_ships_is_extended_by_its_name_and_a_file_goes_before_it(folder: Path) -> None:
    named = load("extends: paper_defaults\ndatasets: [yelp]\n")
    assert named == load(f"extends: {SUITES / 'paper_defaults.yaml'}\ndatasets: [yelp]\n")
    (folder / "paper_defaults").write_text(FILE)
    assert load("extends: paper_defaults\n") == load(FILE)


# overrides


@pytest.mark.parametrize(
    ("override", "read", "expected"),
    [
        ("training.lr=0.01", lambda suite: suite.training.fixed.get("lr"), 0.01),
        ("training.lr=1e-3", lambda suite: suite.training.fixed.get("lr"), 0.001),
        ("training.lr.search=[1]", lambda suite: suite.training.searched["lr"].choices, (1.0,)),
        ("steps=[3]", lambda suite: suite.steps, (3,)),
        ("steps={search: [1, 2]}", lambda suite: suite.steps, Space(choices=(1, 2))),
        ("strategies.prl_decay.decay=2", lambda suite: suite.strategies[3].parameters.fixed, {"decay": 2.0}),
        (
            "strategies.prl.temperature={search: [2, 1]}",
            lambda suite: suite.strategies[2].parameters.searched["temperature"].choices,
            (2.0, 1.0),
        ),
        ("strategies.base.score_temperature=0.07", lambda suite: suite.strategies[0].parameters.fixed, {
            "score_temperature": 0.07
        }),
        ("backbones.sasrec.width=32", lambda suite: suite.backbones[0].parameters.fixed, {"width": 32}),
        ("search.trials=2", lambda suite: suite.search.trials, 2),
        ("search={trials: 2}", lambda suite: suite.search.trials, 2),
        ("datasets=[a, b]", lambda suite: suite.datasets, ("a", "b")),
        ("name=other", lambda suite: suite.name, "other"),
        ("evaluation.mask_history=true", lambda suite: suite.evaluation.mask_history, True),
        ("resources.gpu=0.25", lambda suite: suite.resources.gpu, 0.25),
    ],
)  # fmt: skip
def test_an_override_replaces_one_value(folder: Path, override: str, read: object, expected: object) -> None:
    assert callable(read)
    assert read(load(FILE)) != expected
    assert read(load(FILE, override)) == expected


def test_later_overrides_win_and_others_stay(folder: Path) -> None:
    suite = load(FILE, "training.lr=0.1", "training.patience=4", "training.lr=0.2")
    assert (suite.training.fixed["lr"], suite.training.fixed["patience"]) == (0.2, 4)


def test_an_override_leaves_the_row_of_the_same_kind_alone(folder: Path) -> None:
    assert load(FILE, "strategies.prl_decay.decay=2").strategies[2] == load(FILE).strategies[2]


# plug-ins


def test_a_plug_in_brings_components_from_beside_the_file_that_names_it(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "echo.py").write_text(PLUGIN)
    (folder / "sub" / "parent.yaml").write_text(FILE + "plugins: [echo.py]\n")
    suite = load("extends: sub/parent.yaml\nstrategies: [{echo: {weights: {a: 1}, depth: 2}}]\n")
    assert suite.plugins == (str((folder / "sub" / "echo.py").resolve()),)
    assert suite.strategies[0].parameters.fixed == {"weights": {"a": 1.0}, "depth": 2}
    with pytest.raises(SuiteError, match=r"strategies.echo.depth: 0 is too small. Allowed: whole numbers from 1"):
        load("extends: sub/parent.yaml\nstrategies: [{echo: {depth: 0}}]\n")


def test_another_process_loads_the_plug_ins_of_a_stored_suite(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "echo.py").write_text(PLUGIN)
    stored = load(FILE + "plugins: [echo.py]\n").to_json()
    built_in = {name: entry for name, entry in STRATEGIES._entries.items() if entry.origin == "built in"}
    monkeypatch.setattr(STRATEGIES, "_entries", built_in)
    Suite.from_json(stored).load_plugins()
    assert "echo" in STRATEGIES.names()


# the whole


def test_the_papers_defaults_are_a_start_for_ones_own_suite(folder: Path) -> None:
    suite = load(f"extends: {SUITES / 'paper_defaults.yaml'}\ndatasets: [yelp]\n")
    assert suite.backbones[0].parameters.fixed == {"width": 256}
    assert set(suite.backbones[0].parameters.searched) == {"dropout"}
    assert set(suite.training.searched) == {"lr"}
    assert suite.training.fixed == TRAINING
