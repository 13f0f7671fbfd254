"""Settings of backbones outside their own rows: `backbone_defaults`, and `backbone` in a strategy's row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.suite.load import Space, Suite

from .tables import cases, check, load, problems

REST = """\
datasets: [tiny]
steps: [1]
seeds: [1]
"""
PLUGIN = """\
from rearec_bench.models.settings import BackboneSettings, param


class Gru:
    class Settings(BackboneSettings):
        cells: int = param(8, "how many", ge=1)
        dropout: float = param(0.5, "rate", ge=0, lt=1)


BACKBONES = {"gru": Gru}
"""


def fixed(suite: Suite) -> dict[str, dict[str, Any]]:
    return {row.name: dict(row.parameters.fixed) for row in suite.backbones}


def cells(suite: Suite) -> dict[str, Cell]:
    return {cell.row: cell for cell in expand(suite)}


# backbone_defaults


def test_defaults_reach_every_backbone_that_has_the_setting_and_does_not_set_it_itself(folder: Path) -> None:
    (folder / "gru.py").write_text(PLUGIN)
    suite = load(
        REST + "plugins: [gru.py]\nstrategies: [base]\nbackbone_defaults: {width: 16, dropout: 0.1}\n"
        "backbones: [sasrec, gru, {sasrec: {name: wide, width: 32}}, {bert4rec: {layers: 1}}]\n",
    )
    assert fixed(suite) == {
        "sasrec": {"width": 16, "dropout": 0.1},
        "gru": {"dropout": 0.1},
        "wide": {"width": 32, "dropout": 0.1},
        "bert4rec": {"layers": 1, "width": 16, "dropout": 0.1},
    }


def test_a_default_is_the_same_cell_as_the_setting_in_the_row(folder: Path) -> None:
    given = load(REST + "strategies: [base]\nbackbones: [sasrec]\nbackbone_defaults: {width: 16}\n")
    written = load(REST + "strategies: [base]\nbackbones: [{sasrec: {width: 16}}]\n")
    assert expand(given) == expand(written)
    assert given.to_json() == written.to_json()


def test_a_file_that_lists_its_own_backbones_keeps_the_defaults_of_the_one_it_extends(folder: Path) -> None:
    (folder / "parent.yaml").write_text("backbone_defaults: {width: 16, heads: 4}\nbackbones: [sasrec]\n")
    suite = load(
        REST + "extends: parent.yaml\nstrategies: [base]\nbackbones: [bert4rec]\nbackbone_defaults: {heads: 1}\n",
        "backbone_defaults.layers=3",
    )
    assert fixed(suite) == {"bert4rec": {"heads": 1, "width": 16, "layers": 3}}


def test_a_row_s_own_value_wins_over_a_default_of_the_command_line(folder: Path) -> None:
    text = "strategies: [base]\nbackbones: [{sasrec: {width: 16}}, bert4rec]\n"
    suite = load(REST + text, "backbone_defaults.width=8", "backbones.bert4rec.width=4")
    assert fixed(suite) == {"sasrec": {"width": 16}, "bert4rec": {"width": 4}}


def test_defaults_may_be_searched_and_swept(folder: Path) -> None:
    suite = load(
        REST + "strategies: [base]\nbackbones: [sasrec]\n"
        "backbone_defaults: {dropout: {search: [0.1, 0.2]}, layers: {sweep: [1, 2]}}\n",
    )
    assert suite.backbones[0].parameters.searched == {"dropout": Space(choices=(0.1, 0.2))}
    assert [cell.backbone for cell in expand(suite)] == ["sasrec[layers=1]", "sasrec[layers=2]"]


def test_a_default_that_only_backbones_outside_the_suite_have_is_no_mistake(folder: Path) -> None:
    suite = load(REST + "strategies: [base]\nbackbones: [sasrec]\nbackbone_defaults: {experts: 2}\n")
    assert fixed(suite) == {"sasrec": {}}


def test_no_defaults_may_be_written_as_nothing(folder: Path) -> None:
    assert fixed(load(REST + "strategies: [base]\nbackbones: [sasrec]\nbackbone_defaults:\n")) == {"sasrec": {}}


BOTH = "strategies: [base]\nbackbones: [sasrec, bert4rec]\n"
DEFAULTS = r"""
{widht: 16}    => 6:21 backbone_defaults.widht: Did you mean 'width'
{name: x}      => 6:21 backbone_defaults.name: no backbone has this setting
[16]           => 6:20 backbone_defaults: not a mapping
{width: wide}  => 6:28 backbone_defaults.width: Allowed: whole numbers from 2
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *cases(DEFAULTS, lambda given: f"{BOTH}backbone_defaults: {given}\n"),
        (
            "strategies: [base]\nbackbones: [sasrec, {bert4rec: {heads: 3}}]\nbackbone_defaults: {width: 16}\n",
            "5:32 backbones.bert4rec: width 16 is not a multiple of heads 3",
        ),
    ],
)
def test_a_wrong_default_is_reported_once_where_it_stands(folder: Path, text: str, expected: str) -> None:
    check(problems(REST + text), expected)


def test_a_wrong_default_of_another_file_is_reported_there(folder: Path) -> None:
    (folder / "parent.yaml").write_text("backbone_defaults:\n  width: 1\n")
    found = problems(REST + "extends: parent.yaml\n" + BOTH, "backbone_defaults.layers=0")
    check(found, "2:10 backbone_defaults.width: too small ; 0:0 backbone_defaults.layers: too small")
    assert [problem.file for problem in found] == ["parent.yaml", "--set backbone_defaults.layers=0"]


# backbone in a strategy's row

DEEP = """\
backbones:
  - sasrec: {width: 16, dropout: {search: [0.1, 0.2]}}
  - bert4rec
strategies:
  - base
  - base: {name: deep, backbone: {layers: 6, dropout: 0.3}}
  - prl: {temperature: {search: [0.5, 1]}, against: deep}
"""


def test_a_row_changes_the_backbone_below_it_and_no_other_row(folder: Path) -> None:
    held = {(cell.backbone, cell.row): cell for cell in expand(load(REST + DEEP))}
    assert held["sasrec", "deep"].chosen_backbone.fixed == {"width": 16, "layers": 6, "dropout": 0.3}
    assert held["sasrec", "deep"].space == {}
    assert held["bert4rec", "deep"].chosen_backbone.fixed == {"layers": 6, "dropout": 0.3}
    assert held["sasrec", "prl"].chosen_backbone.fixed == {"width": 16}
    assert set(held["sasrec", "prl"].space) == {"backbone.dropout", "strategy.temperature"}
    assert {cell.against for cell in held.values()} == {"", "base", "deep"}


def test_a_row_searches_a_setting_of_the_backbone_that_other_rows_fix_or_search_elsewhere(folder: Path) -> None:
    text = """\
backbones:
  - sasrec: {score_temperature: 0.3, dropout: {search: [0.1, 0.2]}}
strategies:
  - base
  - base: {name: cool, backbone: {score_temperature: {search: [0.07, 1]}, dropout: {search: [0.3, 0.4, 0.5]}}}
"""
    suite = load(REST + text)
    base, cool = cells(suite)["base"], cells(suite)["cool"]
    assert base.chosen_backbone.fixed == {"score_temperature": 0.3}
    assert {name: space.choices for name, space in base.space.items()} == {"backbone.dropout": (0.1, 0.2)}
    assert cool.chosen_backbone.fixed == {}
    assert {name: space.choices for name, space in cool.space.items()} == {
        "backbone.score_temperature": (0.07, 1),
        "backbone.dropout": (0.3, 0.4, 0.5),
    }


def test_a_changed_backbone_is_the_trial_of_a_backbone_with_these_settings(folder: Path) -> None:
    deep = cells(load(REST + "backbones: [sasrec]\nstrategies: [{base: {name: deep, backbone: {layers: 6}}}]\n"))
    plain = cells(load(REST + "backbones: [{sasrec: {layers: 6}}]\nstrategies: [base]\n"))
    assert deep["deep"].id == plain["base"].id
    made = [
        cell.spec({}, seed=1, purpose="final", fingerprint="0", device="cpu") for cell in (deep["deep"], plain["base"])
    ]
    assert made[0].key == made[1].key
    assert made[0].backbone.settings["layers"] == 6


ON = """\
backbone_defaults: {dropout: {search: [0.1, 0.3]}, layers: 1}
backbones: [{sasrec: {width: 16}}]
strategies:
  - base
  - base: {name: strong, on: esasrec, backbone: {width: 32, layers: {search: [2, 3]}}}
"""


def test_a_row_on_a_backbone_of_its_own_has_the_defaults_of_all_and_its_own_settings(folder: Path) -> None:
    held = cells(load(REST + ON))
    assert held["base"].chosen_backbone.kind == "sasrec"
    assert (held["strong"].backbone, held["strong"].against) == ("sasrec", "base"), "compared with the rows beside it"
    assert (held["strong"].chosen_backbone.kind, held["strong"].chosen_backbone.fixed) == ("esasrec", {"width": 32})
    assert {name: space.choices for name, space in held["strong"].space.items()} == {
        "backbone.dropout": (0.1, 0.3),
        "backbone.layers": (2, 3),
    }
    alone = cells(
        load(REST + ON.replace("[{sasrec: {width: 16}}]", "[{esasrec: {width: 32, layers: {search: [2, 3]}}}]"))
    )
    assert held["strong"].id == alone["base"].id, "the same trials as a suite of that backbone has"


def test_the_command_line_reaches_the_backbone_of_a_row(folder: Path) -> None:
    suite = load(REST + DEEP, "strategies.deep.backbone.layers=3", "strategies.prl.backbone.width=8")
    assert [dict(row.backbone) for row in suite.strategies] == [{}, {"layers": 3, "dropout": 0.3}, {"width": 8}]


CHANGED = r"""
{layer: 3}      | sasrec                             => 5:33 strategies.base.backbone.layer: Did you mean 'layers'
{experts: 3}    | sasrec, unisrec                    => 5:33 strategies.base.backbone.experts: of sasrec. Known:
{name: x}       | {sasrec: {name: other}}            => 5:33 strategies.base.backbone.name: of other. Known:
{layers: deep}  | sasrec                             => 5:41 strategies.base.backbone.layers: whole numbers from 1
{heads: 3}      | {sasrec: {width: 16}}              => 5:32 strategies.base.backbone: width 16 is not a multiple
{layers: {sweep: [2, 3]}}  | sasrec                  => 5:41 strategies.base.backbone.layers: cannot be swept
{layers: 2}     | {sasrec: {layers: {sweep: [2, 3]}}} => 5:33 strategies.base.backbone.layers: sasrec sweeps it
6               | sasrec                             => 5:32 strategies.base.backbone: 6 is not a mapping
{}              | sasrec                             => 5:32 strategies.base.backbone: the mapping is empty
{layers: 2}     | {sasrec: {width: 0}}               => 4:30 backbones.sasrec.width: 0 is too small
"""


OWN = r"""
esasrc                              => 5:26 strategies.base.on: unknown backbone 'esasrc'. Did you mean 'esasrec'
esasrec, backbone: {layer: 3}       => 5:46 strategies.base.backbone.layer: Did you mean 'layers'
esasrec, backbone: {experts: 3}     => 5:46 strategies.base.backbone.experts: of esasrec. Known:
esasrec, backbone: {layers: {sweep: [2, 3]}} => 5:54 strategies.base.backbone.layers: cannot be swept
esasrec, backbone: {heads: 3, width: 16}     => 5:45 strategies.base.backbone: width 16 is not a multiple
"""


def with_own(line: str) -> str:
    """A suite whose line 5 has a row with a backbone of its own, from column 26."""
    return f"backbones: [sasrec]\nstrategies: [{{base: {{on: {line.strip()}}}}}]\n"


@pytest.mark.parametrize(("text", "expected"), cases(OWN, with_own))
def test_a_wrong_backbone_of_its_own_is_reported_where_it_stands(folder: Path, text: str, expected: str) -> None:
    check(problems(REST + text), expected)


def with_row(line: str) -> str:
    """A suite whose line 5 has a row's backbone, from column 32."""
    settings, backbones = (part.strip() for part in line.split("|"))
    return f"backbones: [{backbones}]\nstrategies: [{{base: {{backbone: {settings}}}}}]\n"


@pytest.mark.parametrize(("text", "expected"), cases(CHANGED, with_row))
def test_a_wrong_backbone_of_a_row_is_reported_where_it_stands(folder: Path, text: str, expected: str) -> None:
    check(problems(REST + text), expected)
