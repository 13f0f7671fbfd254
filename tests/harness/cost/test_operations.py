"""Operations by formula are those that torch counts while the models run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rearec_bench.harness.cost.operations import (
    Shape,
    encoding,
    inference,
    packed_passes,
    packed_training,
    scoring,
    step,
)
from rearec_bench.harness.cost.time import DataSize, example, operations
from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES
from rearec_bench.models.backbones.contract import Histories
from rearec_bench.models.backbones.esasrec import ESASRec
from rearec_bench.models.backbones.lares import LARES
from rearec_bench.models.backbones.sasrec import SASRec
from rearec_bench.models.backbones.settings import ESASRecSettings, LARESSettings, SASRecSettings, TransformerSettings
from rearec_bench.models.reasoning import ReasoningModel

from ...models.training import set_up
from ..suites import suite_in

ITEMS = 37
SETTINGS = [
    SASRecSettings(width=8, layers=1, heads=1, feed_forward=12),
    SASRecSettings(width=12, layers=3, heads=2, feed_forward=20),
    ESASRecSettings(width=12, layers=3, heads=2, feed_forward=20),
    LARESSettings(width=12, layers=3, heads=2, feed_forward=20),
]


def counted(run: Callable[[], object]) -> int:
    """Operations of the matrix products while something runs, by torch's own counter."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def histories(rows: int, length: int, *, every_prefix: bool) -> Histories:
    items = torch.arange(rows * length).view(rows, length) % ITEMS
    return Histories(items, torch.full((rows,), length), every_prefix)


def own_attention(settings: TransformerSettings, steps: int) -> int:
    """What steps spend on their own states: products of vectors, which torch's counter does not see."""
    if settings.recurrent:
        return 0
    return sum(4 * number * settings.width * settings.layers for number in range(1, steps + 1))


def model(settings: TransformerSettings, steps: int) -> ReasoningModel:
    made = {SASRecSettings: SASRec, ESASRecSettings: ESASRec, LARESSettings: LARES}[type(settings)]
    return ReasoningModel(made(settings, num_items=ITEMS, max_len=9), steps=steps, positions=False).eval()


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_row_costs_what_torch_counts(settings: TransformerSettings, length: int, steps: int) -> None:
    shape, built = Shape.of(settings), model(settings, steps)

    def rank() -> Tensor:
        states = built.reason(histories(2, length, every_prefix=False))[:, 0, -1]
        return states @ built.backbone.item_vectors().T

    formula = inference(shape, length=length, steps=steps, items=ITEMS)
    assert 2 * (formula - own_attention(settings, steps)) == counted(rank)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_packed_row_costs_its_share_of_what_torch_counts(settings: TransformerSettings, steps: int) -> None:
    shape, built, length = Shape.of(settings), model(settings, steps), 7

    def score() -> Tensor:
        return built.reason(histories(2, length, every_prefix=True)) @ built.backbone.item_vectors().T

    formula = packed_training(shape, length=length, steps=steps, items=ITEMS, scored=steps + 1)
    assert 2 * length * (formula - own_attention(settings, steps)) == counted(score)


@pytest.mark.parametrize(
    ("backbone", "strategy", "packings"),
    [
        ("sasrec", "base", "none users"),
        ("esasrec", "rpe", "none users"),
        ("sasrec", "erl", "none users"),
        ("sasrec", "erl: {diversity: false}", "none users"),
        ("sasrec", "erl: {recipe: released}", "none users"),
        ("sasrec", "erl: {recipe: released, kl_weight: 0}", "none users"),
        ("sasrec", "prl", "none users"),
        ("sasrec", "prl: {contrastive: false}", "none users"),
        ("sasrec", "prl: {recipe: released, warmup_epochs: 0}", "none users"),
        ("sasrec", "plr", "none users"),
        ("sasrec", "plr: {streams: 3, contrastive_weight: 0}", "none users"),
        ("sasrec", "plr: {streams: 4, kl_weight: 0}", "none users"),
        ("sasrec", "mancar", "none users"),
        ("esasrec", "mancar: {kl_weight: 0}", "none users"),
        ("lares", "lares: {trajectory_weight: 0, train_steps: 3}", "none users"),
        ("lares", "lares", "none"),  # second rows of a few users, as here, could be packed
    ],
)
def test_an_epoch_costs_what_torch_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str, strategy: str, packings: str
) -> None:
    monkeypatch.setattr("rearec_bench.models.strategies.lares.draw_depth", lambda generator, *, mean: round(mean))
    users, items, longest = 4, 1000, 9
    for packing in packings.split():
        parts = {"backbones": f"[{backbone}: {{width: 64, heads: 1}}]", "strategies": f"[{strategy}]", "steps": "[2]"}
        (cell,) = expand(suite_in(tmp_path, training=f"{{packing: {packing}}}", **parts))
        spec = example(cell, "cpu")
        starts, ends = (part.ravel() for part in np.mgrid[0:users, 1 : longest + 1])
        if packing == "none":
            ends[:] = longest
        split = Split(starts.astype(np.int32), starts * longest, starts * longest + ends, np.arange(len(ends)))
        flat = np.arange(users * longest, dtype=np.int32)
        data = Dataset("made", "", items, users, flat, split, split, split, {})
        classes = BACKBONES.component(backbone), STRATEGIES.component(spec.strategy.kind)
        chosen = {"settings": spec.backbone.settings, "hyper": spec.strategy.settings, "packed": packing == "users"}
        setup = set_up(data, *classes, spec.steps, **chosen)
        setup.model.train()
        found = counted(lambda: setup.strategy.loss(*setup.trainer.reason(np.arange(len(split)), 1)))  # noqa: B023
        size = DataSize(len(split), items, float(ends.mean()))
        assert operations(spec, size) / 3 == pytest.approx(found, rel=0.04), packing


def test_the_parts_add_up() -> None:
    shape = Shape(width=8, layers=2, feed_forward=12)
    steps = sum(step(shape, length=5, number=number) for number in (1, 2))
    whole = inference(shape, length=5, steps=2, items=ITEMS)
    assert whole == encoding(shape, length=5) + steps + scoring(shape, items=ITEMS)
    noised = packed_passes(shape, length=5, steps=2, passes=2) - packed_passes(shape, length=5, steps=2)
    assert noised == steps
    assert inference(shape, length=5, steps=10**17, items=ITEMS) > 10**34, "steps are not gone through one by one"
