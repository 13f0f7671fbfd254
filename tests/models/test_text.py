"""What the backbones on item texts share: frozen vectors, the table of items and how long it lives."""

from typing import Any

import pytest
import torch
from torch import Tensor

from rearec_bench.models.backbones.morec import MoRec
from rearec_bench.models.backbones.text import TextBackbone
from rearec_bench.models.backbones.unisrec import UniSRec
from rearec_bench.models.layers import seed_dropout, seed_noise
from rearec_bench.models.reasoning import ReasoningModel

from .naive import HISTORIES, build, naive_items, naive_states, padded

CPU = torch.device("cpu")
NAMES = pytest.mark.parametrize("name", ["unisrec", "morec"])
MADE = pytest.mark.parametrize(("name", "settings"), [("unisrec", {}), ("unisrec", {"item_ids": True}), ("morec", {})])


def seeded(model: ReasoningModel, seed: int = 3) -> ReasoningModel:
    seed_dropout(model, seed, CPU)
    seed_noise(model, seed, CPU)
    return model


def backbone_of(model: ReasoningModel) -> TextBackbone:
    assert isinstance(model.backbone, TextBackbone)
    return model.backbone


@MADE
def test_every_prefix_of_a_group_has_the_states_of_its_own_row(name: str, settings: dict[str, Any]) -> None:
    model = build(backbone=name, steps=2, **settings).eval()
    history = HISTORIES[-1]
    with model.backbone.prepared():
        together = model.reason(padded([history], every_prefix=True))[0]
    for end in range(1, len(history) + 1):
        alone = model.reason(padded([history[:end]]))[0, 0]
        torch.testing.assert_close(together[end - 1], alone, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(together[-1], naive_states(model, history), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(("morec", {"projection_layers": layers}) for layers in (1, 2, 3)),
        *(("unisrec", {"item_ids": item_ids}) for item_ids in (False, True)),
    ],
)
def test_scores_are_products_of_states_and_items_and_cosines_for_unisrec(name: str, settings: dict[str, Any]) -> None:
    model = build(backbone=name, steps=2, **settings).eval()
    found = model.backbone.queries(model.reason(padded())[:, 0]) @ model.backbone.item_vectors().T
    states, items = torch.stack([naive_states(model, history) for history in HISTORIES]), naive_items(model.backbone)
    if name == "unisrec":
        states, items = (vectors / vectors.pow(2).sum(-1, keepdim=True).sqrt() for vectors in (states, items))
    torch.testing.assert_close(found, states @ items.T, rtol=1e-9, atol=1e-11)


@MADE
def test_the_prepared_table_gives_what_each_call_makes_for_itself(name: str, settings: dict[str, Any]) -> None:
    model = build(backbone=name, steps=2, **settings).eval()
    histories = padded()
    states, items = model.reason(histories), model.backbone.item_vectors(padding=True)
    with model.backbone.prepared():
        torch.testing.assert_close(model.reason(histories), states, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model.backbone.item_vectors(padding=True), items, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model.backbone.item_vectors(), items[:-1], rtol=1e-12, atol=1e-12)


@NAMES
def test_the_prepared_table_gives_the_gradients_that_each_call_gives_for_itself(name: str) -> None:
    model = build(backbone=name, steps=1).eval()
    weights = torch.randn(len(HISTORIES), 2, 23, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        scores = model.backbone.queries(model.reason(padded())[:, 0]) @ model.backbone.item_vectors().T
        (scores * weights).sum().backward()
        return {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}

    apart = gradients()
    with model.backbone.prepared():
        together = gradients()
    assert apart.keys() == together.keys()
    for key, gradient in apart.items():
        torch.testing.assert_close(together[key], gradient, rtol=1e-9, atol=1e-11, msg=key)


@NAMES
def test_inside_prepared_histories_and_candidates_share_one_draw_and_outside_they_do_not(name: str) -> None:
    model = seeded(build(backbone=name, steps=0).train())
    backbone = backbone_of(model)
    every = torch.arange(23)
    with backbone.prepared():
        assert torch.equal(backbone.embed(every[None])[0], backbone.embed(every[None])[0])
        candidates = TextBackbone.item_vectors(backbone)
        assert torch.equal(backbone.embed(every[None])[0], candidates)
    assert not torch.allclose(backbone.embed(every[None]), backbone.embed(every[None]))
    with backbone.prepared():
        assert not torch.allclose(TextBackbone.item_vectors(backbone), candidates)


@NAMES
def test_outside_prepared_only_the_items_of_the_histories_are_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(backbone=name, steps=0).eval()
    asked: list[Any] = []
    original = type(model.backbone).represent

    def represent(self: TextBackbone, items: Tensor | slice) -> Tensor:
        asked.append(items if isinstance(items, slice) else items.tolist())
        return original(self, items)

    monkeypatch.setattr(type(model.backbone), "represent", represent)
    model.reason(padded([[3], [9, 9, 0]]))
    with model.backbone.prepared():
        model.reason(padded([[3], [9, 9, 0]]))
        model.backbone.item_vectors()
    assert asked == [[0, 3, 9, 23], slice(None)]


@NAMES
def test_no_table_outlives_its_block_a_failure_in_it_or_the_step_behind_it(name: str) -> None:
    model = build(backbone=name, steps=0).eval()
    other = build(backbone=name, steps=0, seed=1).eval()
    backbone = backbone_of(model)
    with backbone.prepared():
        before = backbone.item_vectors()
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    (before * torch.randn(before.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    optimiser.step()
    with backbone.prepared():
        stepped = backbone.item_vectors()
    assert not torch.allclose(stepped, before)
    torch.testing.assert_close(backbone.item_vectors(), stepped)
    with pytest.raises(ZeroDivisionError), backbone.prepared():
        raise ZeroDivisionError
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(backbone.item_vectors(), other.backbone.item_vectors())
    with backbone.prepared():
        torch.testing.assert_close(backbone.item_vectors(), other.backbone.item_vectors())


@NAMES
def test_blocks_within_blocks_leave_the_outer_table_as_it_was(name: str) -> None:
    backbone = backbone_of(seeded(build(backbone=name, steps=0).train()))
    with backbone.prepared():
        outer = backbone.item_vectors()
        with backbone.prepared():
            assert not torch.allclose(backbone.item_vectors(), outer)
        assert torch.equal(backbone.item_vectors(), outer)


@MADE
def test_text_vectors_are_frozen_and_stand_in_no_checkpoint(name: str, settings: dict[str, Any]) -> None:
    model = build(backbone=name, **settings)
    backbone = backbone_of(model)
    assert set(model.state_dict()) == {key for key, _ in model.named_parameters()}
    assert not backbone.text.requires_grad and not backbone.text[23].any()
    assert backbone.text.shape == (24, 7)
    assert backbone.to("meta").text.device.type == "meta"


@pytest.mark.parametrize("cls", [UniSRec, MoRec])
def test_text_vectors_of_another_number_of_items_are_refused(cls: Any) -> None:
    for shape in ((22, 7), (24, 7), (23,)):
        with pytest.raises(ValueError, match="23 items and text vectors of shape"):
            cls(cls.Settings(width=8), num_items=23, max_len=5, item_text=torch.zeros(shape))
