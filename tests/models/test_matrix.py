"""Every backbone with every strategy at every K, small: what must hold of each pair whatever it learns.

Training for thirty steps is fast for each strategy and for each backbone once, at K = 2; the other pairs are slow.
"""

from __future__ import annotations

import dataclasses
import itertools
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.vectors.vectors import ItemVectors
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES
from rearec_bench.models.strategies.contract import Reasoning

from ..harness.specs import spec_of
from .naive import BUILT_IN, HISTORIES, build, item_text, naive_states, naive_streams, padded
from .training import MAX_LEN, ROWS, Setup, few_rows, gradients, loss_of, ranks_of, reached, set_up

STRATEGY_NAMES = [name for name in STRATEGIES.names() if STRATEGIES.entry(name).origin == "built in"]
SMALL = {"width": 8, "layers": 2, "heads": 2, "feed_forward": 12}
# Cosines over 0.07 are steep: at 0.01, PRL's states of all rows first collapse into one, and its loss falls later.
LEARNING_RATES = {"unisrec": 0.001}
# eSASRec's scores start near zero, and LARES's contrasts turn its states first: at 0.01 they grow after fifty steps.
RATES_OF_PAIRS = {("esasrec", "lares"): 0.03}


@cache
def tiny() -> Dataset:
    """Part of the embedded data set, with random item vectors."""
    data = few_rows(load_dataset("tiny", data_dir=Path("unused")), 160)
    vectors = ItemVectors(item_text(data.num_items).numpy(), "f" * 64, {})
    return dataclasses.replace(data, vectors=vectors)


def settings_of(backbone: str, *, dropout: float) -> dict[str, Any]:
    """Small, with one rate for all dropouts."""
    rates = [name for name in BACKBONES.settings(backbone).model_fields if name.endswith("dropout")]
    return {**SMALL, **dict.fromkeys(rates, dropout)}


def training(backbone: str, strategy: str, steps: int, **given: Any) -> Setup:
    settings = {**settings_of(backbone, dropout=given.pop("dropout", 0.1)), **given.pop("settings", {})}
    classes = BACKBONES.component(backbone), STRATEGIES.component(strategy)
    return set_up(given.pop("data", tiny()), *classes, steps, settings=settings, **given)


def trainings() -> list[Any]:
    """Every backbone, strategy and K; slow but for one of each backbone and of each strategy."""
    every = itertools.product(BUILT_IN, STRATEGY_NAMES, (0, 1, 2, 5))
    fast = {("sasrec", strategy, 2) for strategy in STRATEGY_NAMES} | {(backbone, "prl", 2) for backbone in BUILT_IN}
    return [case if case in fast else pytest.param(*case, marks=pytest.mark.slow) for case in every]


def pairs(function: Any) -> Any:
    """Every strategy with every backbone."""
    function = pytest.mark.parametrize("backbone", BUILT_IN)(function)
    return pytest.mark.parametrize("strategy", STRATEGY_NAMES)(function)


@pytest.mark.parametrize(("backbone", "strategy", "steps"), trainings())
def test_the_loss_falls_within_thirty_steps_and_the_same_seed_gives_the_same_ranks(
    backbone: str, strategy: str, steps: int
) -> None:
    rate = RATES_OF_PAIRS.get((backbone, strategy), LEARNING_RATES.get(backbone, 0.01))
    given = {"lr": rate, "settings": {"layers": 1}}
    one = training(backbone, strategy, steps, data=few_rows(tiny(), 64), **given)
    frozen = {name: buffer.clone() for name, buffer in one.model.named_buffers()}
    assert ("backbone.text" in frozen) == BACKBONES.settings(backbone).text_based
    before = loss_of(one)
    first = losses_and_ranks(one, range(1, 6))
    losses_and_ranks(one, range(6, 31))
    after = loss_of(one)
    assert after["total"] < 0.98 * before["total"]
    assert after["cross_entropy"] < 0.98 * before["cross_entropy"]
    assert all(torch.equal(buffer, frozen[name]) for name, buffer in one.model.named_buffers())
    again = training(backbone, strategy, steps, data=few_rows(tiny(), 64), **given)
    loss_of(again)
    assert losses_and_ranks(again, range(1, 6)) == first


def losses_and_ranks(setup: Setup, epochs: range) -> tuple[list[float], list[int]]:
    """The loss of each step, an epoch being a batch here, and the ranks after the last one."""
    return [setup.trainer.epoch(epoch)[0]["total"] for epoch in epochs], ranks_of(setup)


@cache
def cached_and_encoded_again(
    backbone: str, steps: int, positions: bool, streams: int | None, rescale: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, T, d) states twice."""
    model = build(backbone=backbone, steps=steps, positions=positions, streams=streams, rescale=rescale).eval()
    naive = naive_states if streams is None else naive_streams
    with torch.inference_mode(), model.backbone.prepared():
        states = model.reason(padded())[:, 0]
        return states, torch.stack([naive(model, history) for history in HISTORIES])


@pairs
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_cached_inference_equals_encoding_again_at_every_step(backbone: str, strategy: str, steps: int) -> None:
    method = STRATEGIES.component(strategy)
    method = method(method.Settings(), steps=steps)
    wanted = method.reasoning(1)
    states, expected = cached_and_encoded_again(backbone, steps, wanted.positions, wanted.streams, wanted.rescale)
    assert states.shape == (len(HISTORIES), method.states, SMALL["width"])
    torch.testing.assert_close(states, expected, rtol=1e-11, atol=1e-11)
    if strategy == "plr" and steps:  # without its gate, which nothing has trained: r_0 and the mean of all others
        ranking = expected[:, 0] + expected[:, 1:].mean(1)
    else:
        ranking = expected.mean(1) if strategy == "erl" else expected[:, -1]
    torch.testing.assert_close(method.readout(states), ranking, rtol=1e-11, atol=1e-11)


def silent(setup: Setup, name: str, parameter: torch.Tensor, rows: Any) -> torch.Tensor:
    """The elements of a parameter that no gradient may reach.

    - Embeddings of the padding item, unless it is a class of the training softmax: masked as history.
    - Positions past the longest history of the rows that are computed.
    - The bias of the keys: it adds the same number to all scores of a query, which the softmax takes out again.
    """
    none = torch.zeros(parameter.shape, dtype=torch.bool)
    if name == "backbone.items" and not setup.strategy.reasoning(1).padding_class:
        none[-1] = True
    elif name == "backbone.positions":
        none[int(setup.reader.lengths[rows].max()) :] = True
    elif name.endswith("key_value.bias"):
        none[: len(none) // 2] = True
    return none


def check_gradients(setup: Setup) -> None:
    computed, draw = [ROWS], setup.reader.same_target
    setup.reader.same_target = lambda *given: computed.append(draw(*given)) or computed[-1]
    found = gradients(setup)
    steps = setup.model.steps
    assert ("reasoning_positions" in found) == (steps > 0 and setup.strategy.reasoning(1).positions)
    for name, gradient in found.items():
        wrong = reached(gradient) == silent(setup, name, gradient, np.concatenate(computed))
        assert not wrong.any(), f"{name}: {wrong.nonzero()[:5].tolist()}"


@pairs
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_gradients_reach_every_parameter_that_should_have_one_and_no_other(
    backbone: str, strategy: str, steps: int
) -> None:
    check_gradients(training(backbone, strategy, steps, dropout=0.0, settings={"score_temperature": 1.0}))


def test_the_losses_of_an_epoch_are_means_over_its_rows_whatever_the_batches() -> None:
    setup = training("sasrec", "erl", 2, dropout=0.0, lr=1e-12)
    expected = loss_of(setup, np.arange(len(setup.reader)))  # of 160 rows, in batches of 64, 64 and 32
    assert dict(setup.trainer.epoch(1)[0]) == pytest.approx(dict(expected), rel=1e-5)


def test_a_step_is_told_what_share_of_its_epoch_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    setup = training("sasrec", "base", 0)
    monkeypatch.setattr(setup.trainer._optimiser, "step", told.append)
    for epoch in (1, 2):
        setup.trainer.epoch(epoch)
    assert told == pytest.approx([0, 0.4, 0.8, 1, 1.4, 1.8])


def test_what_is_computed_twice_takes_the_steps_that_the_batch_has_drawn() -> None:
    class Twice(STRATEGIES.component("lares")):
        def reasoning(self, epoch: int) -> Reasoning:
            return dataclasses.replace(super().reasoning(epoch), twice=True)

    setup = set_up(few_rows(tiny(), 64), BACKBONES.component("sasrec"), Twice, 6, settings=SMALL)
    found = [setup.trainer.reason(ROWS, 1)[0] for _ in range(4)]
    assert len({reasoned.raw.shape[1] for reasoned in found}) > 1
    assert all(reasoned.again.shape == reasoned.partner.shape == reasoned.raw.shape for reasoned in found)


@pytest.mark.parametrize("strategy", ["erl", "mancar"])
def test_packed_rows_have_the_loss_of_single_ones(strategy: str) -> None:
    packed, single = (loss_of(training("sasrec", strategy, 2, packed=packed)) for packed in (True, False))
    assert packed == pytest.approx(single, rel=1e-5)


RELEASED = {"recipe": "released", "score_temperature": 1.0}


@pytest.mark.parametrize(
    ("backbone", "strategy", "given"),
    [
        *((name, "erl", {"packed": True}) for name in BUILT_IN if BACKBONES.settings(name).causal),
        *((name, "erl", {"hyper": RELEASED}) for name in BUILT_IN),
        *((name, "prl", {"hyper": {**RELEASED, "warmup_epochs": 0}}) for name in BUILT_IN),
        *(("sasrec", kind, {"hyper": {**RELEASED, "recipe": "recbole"}}) for kind in ("erl", "prl")),
        ("unisrec", "erl", {"settings": {"item_ids": True}}),
        ("unisrec", "erl", {"settings": {"item_ids": True}, "hyper": RELEASED}),
    ],
)
def test_gradients_of_packed_rows_of_released_recipes_and_of_item_ids(
    backbone: str, strategy: str, given: dict[str, Any]
) -> None:
    check_gradients(training(backbone, strategy, 2, dropout=0.0, **given))


def spec(backbone: str, strategy: str, steps: int, *, settings: Any = None, **given: Any) -> TrialSpec:
    sizes, training = {"feed_forward": 12, **(settings or {})}, {"batch_size": 64, "max_len": MAX_LEN, "max_epochs": 3}
    return spec_of(tiny(), strategy, kind=backbone, steps=steps, backbone=sizes, **training, **given)


@cache
def without_steps(backbone: str, strategy: str, packing: str) -> TrialResult:
    result = run_trial(spec(backbone, strategy, 0, packing=packing), tiny())
    assert result.status == "done", result.traceback
    return result


@pytest.mark.parametrize("strategy", [name for name in STRATEGY_NAMES if name != "base"])
@pytest.mark.parametrize(("backbone", "packing"), [*((name, "none") for name in BUILT_IN), ("sasrec", "users")])
def test_without_steps_every_strategy_gives_the_numbers_of_base_to_the_bit(
    backbone: str, packing: str, strategy: str
) -> None:
    base, other = without_steps(backbone, "base", packing), without_steps(backbone, strategy, packing)
    assert [epoch.losses["total"] for epoch in base.history] == [epoch.losses["total"] for epoch in other.history]
    assert [epoch.validation for epoch in base.history] == [epoch.validation for epoch in other.history]
    for split in ("validation", "test"):
        ours, theirs = getattr(base, split), getattr(other, split)
        for field in dataclasses.fields(ours.rows):
            assert np.array_equal(getattr(ours.rows, field.name), getattr(theirs.rows, field.name)), field.name
    assert np.array_equal(base.test.traces.states, other.test.traces.states)


TRANSFORMER_CHANGES = {
    "width": 12,
    "layers": 2,
    "heads": 4,
    "feed_forward": 9,
    "dropout": 0.1,
    "input_dropout": 0.4,
    "score_temperature": 0.5,
    "step_dropout": 0.0,
}
BACKBONE_CHANGES: dict[str, dict[str, Any]] = {
    "sasrec": TRANSFORMER_CHANGES,
    "bert4rec": TRANSFORMER_CHANGES,
    "esasrec": TRANSFORMER_CHANGES,
    "lares": {**TRANSFORMER_CHANGES, "scores": "dot", "state_scale": 0.0},
    "unisrec": {**TRANSFORMER_CHANGES, "experts": 3, "adaptor_dropout": 0.6, "item_ids": True},
    "morec": {**TRANSFORMER_CHANGES, "projection_layers": 3, "projection_dropout": 0.6},
}
STRATEGY_CHANGES: dict[str, dict[str, Any]] = {
    "base": {"score_temperature": 0.5},
    "naive": {"score_temperature": 0.5},
    "rpe": {"score_temperature": 0.5},
    "erl": {"diversity": False, "recipe": "released", "kl_weight": 0.5, "score_temperature": 0.5},
    "prl": {
        "annealing": False,
        "recipe": "released",
        "temperature": 0.5,
        "decay": 3.0,
        "noise_std": 0.5,
        "contrastive": False,
        "warmup_epochs": 2,
        "same_user_negatives": "mask",
        "contrastive_weight": 0.5,
        "supervision_weight": 0.5,
        "noise_masks": "shared",
        "score_temperature": 0.5,
    },
    "plr": {
        "streams": 3,
        "kl_weight": 0.5,
        "contrastive_weight": 0.5,
        "gate": False,
        "same_user_negatives": "mask",
        "score_temperature": 0.5,
    },
    "mancar": {
        "kl_weight": 0.5,
        "neighbours": 3,
        "gamma": 2.0,
        "rise": 1.0,
        "rescale": False,
        "score_temperature": 0.5,
    },
    "lares": {
        "train_steps": 5,
        "trajectory_weight": 0.0,
        "step_weight": 0.5,
        "contrastive_temperature": 0.5,
        "same_user_negatives": "mask",
        "score_temperature": 0.5,
    },
}


def first_loss(backbone: str, strategy: str, **given: Any) -> float:
    """The mean loss of the first epoch at K = 2."""
    return ModelTrial(spec(backbone, strategy, 2, **given), tiny()).epoch().losses["total"]


def test_the_changes_name_every_setting_of_every_class() -> None:
    for table, names, changes in (
        (BACKBONES, BUILT_IN, BACKBONE_CHANGES),
        (STRATEGIES, STRATEGY_NAMES, STRATEGY_CHANGES),
    ):
        assert {name: set(changed) for name, changed in changes.items()} == {
            name: set(table.settings(name).model_fields) for name in names
        }


@pytest.mark.parametrize("recipe", ["paper", "released", "recbole"])
def test_prl_at_contrastive_weight_0_is_prl_without_the_contrastive_term(recipe: str) -> None:
    given = {"recipe": recipe, "warmup_epochs": 0}
    without = first_loss("sasrec", "prl", hyper={**given, "contrastive": False})
    assert first_loss("sasrec", "prl", hyper={**given, "contrastive_weight": 0}) == without
    assert first_loss("sasrec", "prl", hyper={**given, "contrastive_weight": 1e-3}) != without


@pytest.mark.parametrize("backbone", BUILT_IN)
def test_every_setting_of_a_backbone_changes_something(backbone: str) -> None:
    unchanged = first_loss(backbone, "erl")
    for name, value in BACKBONE_CHANGES[backbone].items():
        assert first_loss(backbone, "erl", settings={name: value}) != unchanged, name


@pytest.mark.parametrize("strategy", ["erl", "prl"])
def test_each_recipe_trains_otherwise(strategy: str) -> None:
    recipes = ("paper", "released", "recbole")
    same = {"score_temperature": 1.0, **({"warmup_epochs": 0, "decay": 2.0} if strategy == "prl" else {})}
    assert len({first_loss("sasrec", strategy, hyper={"recipe": recipe, **same}) for recipe in recipes}) == 3


@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_every_setting_of_a_strategy_changes_something(strategy: str) -> None:
    unchanged = first_loss("sasrec", strategy)
    for name, value in STRATEGY_CHANGES[strategy].items():
        assert first_loss("sasrec", strategy, hyper={name: value}) != unchanged, name
