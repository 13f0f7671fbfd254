"""A suite to cells and trials: which rows there are, what they are called, and what makes a trial another trial."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.records.pruner import Pruner
from rearec_bench.harness.records.spec import Component, EvaluationSettings, TrainingSettings, TrialSpec
from rearec_bench.harness.report.plan import plan_report
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import Space
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES
from rearec_bench.models.settings import Settings

from ..suites import suite_in

ROWS = {"strategies": "[base, naive, erl, prl]", "steps": "[1, 2]", "seeds": "[1, 2]"}


def cells_of(folder: Path, *overrides: str) -> tuple[Cell, ...]:
    return expand(suite_in(folder, *overrides, **ROWS))


def trial(cell: Cell, **values: Any) -> TrialSpec:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return cell.spec(named, seed=1, purpose="final", fingerprint="f", device="cpu")


def key_of(folder: Path, *overrides: str, row: str = "prl") -> str:
    """The key of the first trial of a row in a suite of one cell a row."""
    cell = next(cell for cell in cells_of(folder, "steps=[2]", *overrides) if cell.strategy == row)
    return trial(cell).key


# cells


def test_every_row_has_a_cell_for_each_k_and_base_has_one(folder: Path) -> None:
    cells = cells_of(folder, "datasets=[b, a]", "strategies=[prl, base]", "steps=[0, 2]")
    assert [(cell.dataset, cell.row, cell.steps) for cell in cells] == [
        (dataset, *row) for dataset in "ba" for row in (("prl", 0), ("prl", 2), ("base", 0))
    ]
    assert [(cell.row, cell.steps) for cell in cells_of(folder)] == [
        ("base", 0),
        ("naive", 1),
        ("naive", 2),
        ("erl", 1),
        ("erl", 2),
        ("prl", 1),
        ("prl", 2),
    ]


def test_searched_steps_are_one_cell_whose_space_holds_them(folder: Path) -> None:
    base, prl = cells_of(folder, "strategies=[base, prl]", "steps={search: [1, 3]}")
    assert (base.steps, dict(base.space)) == (0, {})
    assert (prl.steps, dict(prl.space)) == (None, {"steps": Space(choices=(1, 3))})
    assert trial(prl, steps=3).steps == 3


def test_what_is_searched_has_dotted_names(folder: Path) -> None:
    (cell,) = cells_of(
        folder,
        "strategies=[erl: {kl_weight: {search: [0.1, 1]}}]",
        "backbones=[sasrec: {dropout: {search: {low: 0.1, high: 0.5}}}]",
        "training.lr={search: [0.1]}",
        "steps=[1]",
    )
    assert dict(cell.space) == {
        "backbone.dropout": Space(low=0.1, high=0.5),
        "strategy.kl_weight": Space(choices=(0.1, 1.0)),
        "training.lr": Space(choices=(0.1,)),
    }
    spec = trial(cell, backbone__dropout=0.2, strategy__kl_weight=1, training__lr=0.1)
    assert (spec.backbone.settings["dropout"], spec.strategy.settings["kl_weight"], spec.training.lr) == (0.2, 1.0, 0.1)


@pytest.mark.parametrize(
    ("overrides", "rows"),
    [
        (["strategies=[prl: {name: mine, decay: {sweep: [1, 1.5]}}]"], ["mine[decay=1]", "mine[decay=1.5]"]),
        (
            ["strategies=[prl: {decay: {sweep: [1, 2]}, contrastive: {sweep: [true, false]}}]"],
            [f"prl[decay={decay},contrastive={flag}]" for decay in (1, 2) for flag in ("true", "false")],
        ),
        (
            ["strategies=[base, erl]", "training.lr={sweep: [0.1, 0.01]}"],
            ["base[lr=0.1]", "base[lr=0.01]", "erl[lr=0.1] over base[lr=0.1]", "erl[lr=0.01] over base[lr=0.01]"],
        ),
        (
            [
                "strategies=[prl: {decay: {sweep: [1, 2]}}, erl: {against: 'prl[decay=2]'}]",
                "training.patience={sweep: [1, 2]}",
            ],
            [
                *(f"prl[decay={decay},patience={patience}]" for decay in (1, 2) for patience in (1, 2)),
                "erl[patience=1] over prl[decay=2,patience=1]",
                "erl[patience=2] over prl[decay=2,patience=2]",
            ],
        ),
    ],
    ids=["one setting", "several combine", "training", "against one value"],
)
def test_a_sweep_is_a_row_for_each_value_compared_with_the_same_training(
    folder: Path, overrides: list[str], rows: list[str]
) -> None:
    cells = cells_of(folder, *overrides, "steps=[2]")
    assert [f"{cell.row} over {cell.against}" if cell.against else cell.row for cell in cells] == rows


def test_a_swept_value_is_in_the_trial_and_a_swept_backbone_is_one_for_each_value(folder: Path) -> None:
    cells = cells_of(folder, "strategies=[prl: {decay: {sweep: [1, 1.5]}}]", "steps=[2]")
    assert [trial(cell).strategy.settings["decay"] for cell in cells] == [1.0, 1.5]
    cells = cells_of(folder, "backbones=[sasrec: {name: small, width: {sweep: [8, 16]}}]", "strategies=[base]")
    assert [(cell.backbone, cell.row) for cell in cells] == [("small[width=8]", "base"), ("small[width=16]", "base")]


def test_a_backbone_that_cannot_be_packed_is_a_row_with_a_reason(folder: Path) -> None:
    (folder / "both.py").write_text(
        "from rearec_bench.models.settings import BackboneSettings\n\n\nclass Both:\n"
        "    class Settings(BackboneSettings):\n        causal = False\n\n\nBACKBONES = {'both_ways': Both}\n"
    )
    setup = ("plugins=[both.py]", "backbones=[both_ways]", "strategies=[base]")
    reason = "packing 'users' needs a causal backbone; set training.packing: auto or none"
    assert cells_of(folder, *setup)[0].unsupported is None
    assert cells_of(folder, *setup, "training.packing=users")[0].unsupported == reason
    assert cells_of(folder, *setup, "training.packing={search: [none, users]}")[0].unsupported == reason
    suite = suite_in(folder, *setup, "training.packing=users", **ROWS)
    said = plan_report(suite, store=Store(folder / "results"), data_dir=folder)
    assert f"\n  tiny both_ways base cannot run: {reason}.\n" in said


# the identity of cells and trials


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "strategies.prl.name=mine",
        "strategies.prl.against=erl",
        "backbones.sasrec.name=mine",
        "seeds=[7]",
        "search={trials: 3, sampler: random, window: 4, seed: 9}",
        "resources={gpu: 0.5, cpu: 3}",
    ],
)
def test_names_budgets_and_resources_leave_ids_and_keys_alone(folder: Path, override: str) -> None:
    cell, plain = (cells_of(folder, *more)[-1] for more in ([override], []))
    assert cell.id == plain.id
    assert trial(cell).key == trial(plain).key


@pytest.mark.parametrize(
    "override",
    [
        "datasets=[other]",
        "backbones.sasrec.width=32",
        "strategies.prl.decay=3",
        "strategies.prl.decay={search: [1, 3]}",
        "steps=[1, 3]",
        "steps={search: [1, 2]}",
        "training.lr=0.1",
        "training.lr={search: [0.001]}",
        "search.metric=mrr",
        "evaluation.mask_history=true",
    ],
)
def test_content_gives_a_cell_another_id(folder: Path, override: str) -> None:
    assert cells_of(folder, override)[-1].id != cells_of(folder)[-1].id


# trials


def test_a_trial_has_every_setting_filled_in(folder: Path) -> None:
    spec = trial(cells_of(folder, "strategies=[erl: {recipe: released}]", "steps=[1]")[0])
    assert spec.strategy == Component("erl", {"recipe": "released", "kl_weight": 0.05, "score_temperature": 0.07}, 1)
    assert set(spec.backbone.settings) == set(BACKBONES.settings("sasrec").model_fields) - {"step_dropout"}
    assert (spec.dataset, spec.dataset_fingerprint, spec.metric) == ("tiny", "f", "ndcg@20")
    assert TrialSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize("place", [0, -1])
def test_a_masked_history_is_the_whole_one_in_new_trials_and_the_window_in_those_of_before(
    folder: Path, place: int
) -> None:
    masked = ("evaluation.mask_history=true", "references=[popularity]")
    of = [trial(cells_of(folder, *masked, f"training.max_len={length}")[place]) for length in (5, 50)]
    assert [spec.hidden for spec in of] == ["history", "history"]
    baseline = of[0].is_baseline
    assert (of[0].key == of[1].key) == baseline, "of a count, max_len changes nothing"
    before = [dataclasses.replace(spec, engine=2) for spec in of]
    assert [spec.hidden for spec in before] == ["window", "window"]
    assert len({spec.key for spec in before + of}) == (3 if baseline else 4)
    assert trial(cells_of(folder)[place]).engine == 2, "without a mask nothing changes"


def test_other_ways_to_write_the_same_value_are_the_same_trial(folder: Path) -> None:
    assert key_of(folder, "strategies.prl.temperature=1", "backbones.sasrec.width=64") == key_of(folder)
    assert key_of(folder, "strategies.prl.decay=2") == key_of(folder, "strategies.prl.decay=2.0")
    (cell,) = cells_of(folder, "strategies=[prl: {decay: {search: [1, 2]}}]", "steps=[2]")
    assert trial(cell, strategy__decay=2).key == key_of(folder, "strategies.prl.decay=2")


@pytest.mark.parametrize(("packing", "meaning"), [("users", "mask"), ("none", "keep")])
def test_the_negatives_of_prl_are_said_outright_in_the_trial(folder: Path, packing: str, meaning: str) -> None:
    cell = cells_of(folder, f"training.packing={packing}")[-1]
    assert trial(cell).strategy.settings["same_user_negatives"] == meaning
    named = cells_of(folder, f"training.packing={packing}", "strategies.prl.same_user_negatives=keep")[-1]
    assert trial(named).strategy.settings["same_user_negatives"] == "keep"


@pytest.mark.parametrize(("backbone", "meaning"), [("sasrec", "users"), ("bert4rec", "none")])
def test_automatic_packing_is_said_outright_in_the_trial(folder: Path, backbone: str, meaning: str) -> None:
    automatic = cells_of(folder, f"backbones=[{backbone}]", "training.packing=auto")[0]
    outright = cells_of(folder, f"backbones=[{backbone}]", f"training.packing={meaning}")[0]
    assert automatic.unsupported is None
    assert trial(automatic).training.packing == meaning
    assert trial(automatic).key == trial(outright).key


def test_a_setting_added_later_leaves_the_keys_of_older_trials_as_they_were(folder: Path) -> None:
    assert "diversity" not in trial(cells_of(folder)[3]).strategy.settings
    assert "annealing" not in trial(cells_of(folder)[-1]).strategy.settings
    assert key_of(folder, "strategies.prl.annealing=true") == key_of(folder)
    assert key_of(folder, "strategies.prl.annealing=false") != key_of(folder)


def temperature_of(spec: TrialSpec) -> float:
    """The score temperature in force."""
    strategy = STRATEGIES.settings(spec.strategy.kind).model_validate(dict(spec.strategy.settings))
    found: float = strategy.score_temperature_of(spec.backbone.settings["score_temperature"])
    return found


RECIPES = ("paper", "released", "recbole")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("score_temperature: {search: [0.07, 0.3, 1]}", "strategy__score_temperature"),
        ("backbone: {score_temperature: {search: [0.07, 0.3, 1]}}", "backbone__score_temperature"),
        ("", "backbone__score_temperature"),
    ],
    ids=["of the row", "of the row's backbone", "of the backbone"],
)
@pytest.mark.parametrize(
    "row", ["base", "naive", "rpe", *(f"{kind}: recipe: {recipe}" for kind in ("erl", "prl") for recipe in RECIPES)]
)
def test_every_row_searches_the_score_temperature_whatever_its_recipe_says(
    folder: Path, row: str, written: str, name: str
) -> None:
    kind, _, recipe = row.partition(": ")
    settings = ", ".join(filter(None, (recipe, written)))
    backbone = "sasrec: {score_temperature: {search: [0.07, 0.3, 1]}}" if not written else "sasrec"
    rows = f"strategies=[{kind}: {{{settings}}}]" if settings else f"strategies=[{kind}]"
    (cell,) = cells_of(folder, rows, f"backbones=[{backbone}]", "steps=[2]")
    trials = [trial(cell, **{name: value}) for value in (0.07, 0.3, 1)]
    assert [temperature_of(spec) for spec in trials] == [0.07, 0.3, 1]
    assert len({spec.key for spec in trials}) == 3


def test_a_rows_own_score_temperature_stands_above_one_searched_below_it(folder: Path) -> None:
    backbone = "backbones=[sasrec: {score_temperature: {search: [0.3, 1]}}]"
    (cell,) = cells_of(folder, backbone, "strategies=[erl: {recipe: released, score_temperature: 0.5}]", "steps=[2]")
    assert temperature_of(trial(cell, backbone__score_temperature=1)) == 0.5


def test_dropout_of_the_steps_is_searched_and_gives_another_trial_where_there_are_steps(folder: Path) -> None:
    base, prl = cells_of(folder, "backbones.sasrec.step_dropout.search=[null, 0, 0.5]", "strategies=[base, prl]")[:2]
    assert prl.space["backbone.step_dropout"].choices == (None, 0.0, 0.5)
    of_base, of_prl = ([trial(row, backbone__step_dropout=rate).key for rate in (None, 0, 0.5)] for row in (base, prl))
    plain = cells_of(folder, "strategies=[base, prl]")
    assert set(of_base) == {trial(plain[0]).key}
    assert of_prl[0] == trial(plain[1]).key
    assert len(set(of_prl)) == 3


def test_values_that_are_not_those_of_the_space_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"values for \['training.lr'\], where \[\] are searched"):
        trial(cells_of(folder)[0], training__lr=1)


# keys flip


def another(name: str, annotation: Any, value: Any) -> str:
    """Another value of a setting, as a suite writes it."""
    by_hand = {
        "max_epochs": "2",
        "same_user_negatives": "mask",
        "score_temperature": "0.07",
        "step_dropout": "0",
        "trace_users": "[1]",
        "threads": "2",
    }
    if name in by_hand:
        return by_hand[name]
    if get_origin(annotation) is Literal:
        return next(str(choice) for choice in get_args(annotation) if choice != value)
    if annotation is bool:
        return str(not value).lower()
    return str(value * 2 or 1) if annotation is int else str(value / 2 or 0.5)


def flips() -> list[tuple[str, str]]:
    """One override for each setting of each built-in component, of training and of evaluation; and its row."""
    sections: list[tuple[str, str, type[Settings]]] = [
        ("training", "prl", TrainingSettings),
        ("evaluation", "prl", EvaluationSettings),
        ("backbones.sasrec", "prl", BACKBONES.settings("sasrec")),
        *((f"strategies.{kind}", kind, STRATEGIES.settings(kind)) for kind in ("base", "naive", "rpe", "erl", "prl")),
    ]
    return [
        (row, f"{where}.{name}={another(name, field.annotation, getattr(settings(), name))}")
        for where, row, settings in sections
        for name, field in settings.model_fields.items()
    ]


@pytest.mark.parametrize(("row", "override"), flips(), ids=lambda value: str(value))
def test_each_setting_gives_a_trial_another_key(folder: Path, row: str, override: str) -> None:
    rows = "strategies=[base, naive, rpe, erl, prl]"
    assert key_of(folder, rows, override, row=row) != key_of(folder, rows, row=row)


def test_each_field_of_a_trial_but_the_data_sets_name_is_in_its_key(folder: Path) -> None:
    spec = trial(cells_of(folder)[-1])
    other: dict[str, Any] = {
        "dataset": "other",
        "dataset_fingerprint": "other",
        "backbone": dataclasses.replace(spec.backbone, version=2),
        "strategy": dataclasses.replace(spec.strategy, kind="other"),
        "steps": 9,
        "training": TrainingSettings(lr=0.5),
        "evaluation": EvaluationSettings(mask_history=True),
        "metric": "mrr",
        "seed": 9,
        "purpose": "search",
        "vectors": "other",
        "device": "cuda",
        "engine": 1,
        "pruner": Pruner("asha", "other", grace=5, reduction=3),
    }
    assert set(other) == {field.name for field in dataclasses.fields(TrialSpec)}
    same = {name for name, value in other.items() if dataclasses.replace(spec, **{name: value}).key == spec.key}
    assert same == {"dataset"}
