"""Prefix masking (paper, section 3.1.2): what is perturbed, and exactly which states may change with it.

"Change" is to the bit: a state that may not change is equal in every digit, one that must change differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from rearec_bench.harness.utils.registry import BACKBONES
from rearec_bench.models.backbones.contract import Backbone, Histories
from rearec_bench.models.backbones.lares import LARESCache

from .naive import BUILT_IN, build

CAUSAL = [name for name in BUILT_IN if BACKBONES.settings(name).causal]
ASKED = pytest.mark.parametrize(
    ("name", "every_prefix"), [*((name, False) for name in BUILT_IN), *((name, True) for name in CAUSAL)]
)
N = 23
ITEMS = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, N, N], [11, 12, 13, N, N, N]])
LENGTHS = torch.tensor([6, 4, 3])
G, L = ITEMS.shape
STEPS = 3
LAYERS = 3


@pytest.fixture
def backbone(name: str) -> Iterator[Backbone]:
    """A backbone as the engine uses it: what depends on no history is made once."""
    found = build(N, backbone=name, layers=LAYERS, seed=4).eval().backbone
    with torch.inference_mode(), found.prepared():
        yield found


def histories(items: Tensor = ITEMS, *, every_prefix: bool = False) -> Histories:
    return Histories(items, LENGTHS, every_prefix)


def replaced(group: int, place: int) -> Tensor:
    """The histories with another item at one place."""
    items = ITEMS.clone()
    items[group, place] = 20
    return items


def changed(before: Tensor, after: Tensor) -> Tensor:
    """(..., d) twice to (...): where a vector differs in any digit."""
    return (before != after).any(-1)


def item_states(backbone: Backbone, asked: Histories) -> Tensor:
    """(LAYERS, G, L, 2 d): keys and values of the items; those of layer l are functions of the states below it.

    Of LARES the inputs, and what the pre-block and the core make of them.
    """
    _, cache = backbone.encode(asked)
    if isinstance(cache, LARESCache):
        inputs = cache.grid.collect(backbone.embed(asked.items) + backbone.positions[:L])
        return torch.stack([cache.grid.spread(tokens) for tokens in (inputs, cache.history, cache.items)])
    layers = [torch.cat([layer.keys, layer.values], -1).transpose(1, 2).flatten(2) for layer in cache.layers]
    return torch.stack(layers)


def real() -> Tensor:
    """(G, L): where there is an item."""
    return torch.arange(L) < LENGTHS[:, None]


def replacements(name: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For each item: the histories with another one in its place; (G, L) where it stands, and who sees it."""
    for group in range(G):
        for place in range(int(LENGTHS[group])):
            own, seen = torch.zeros(G, L, dtype=torch.bool), torch.zeros(G, L, dtype=torch.bool)
            own[group, place] = True
            seen[group, place if name in CAUSAL else 0 :] = True
            yield replaced(group, place), own[real()], seen


def as_asked(name: str, where: Tensor) -> Tensor:
    """(..., G, L) to the states that are asked for: of all prefixes, or of whole histories where those see all."""
    return where[..., real()] if name in CAUSAL else where[..., 0]


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_item_changes_the_states_that_see_it_and_no_others(name: str, backbone: Backbone) -> None:
    every_prefix = name in CAUSAL
    before, inside = backbone.encode(histories(every_prefix=every_prefix))[0], item_states(backbone, histories())
    for items, own, seen in replacements(name):
        after, _ = backbone.encode(histories(items, every_prefix=every_prefix))
        assert torch.equal(as_asked(name, changed(before, after)), as_asked(name, seen))
        below, *above = changed(inside, item_states(backbone, histories(items)))
        assert torch.equal(below[real()], own), "an input: the item itself"
        assert all(torch.equal(layer[real()], seen[real()]) for layer in above)


@pytest.mark.parametrize("padded", [False, True])
@ASKED
def test_what_stands_in_the_padding_changes_no_state(
    backbone: Backbone, every_prefix: bool, padded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rearec_bench.models.grid._WORTH_IT", 0.0 if padded else 1.0)
    junk = torch.where(ITEMS == N, torch.arange(L) + 14, ITEMS)
    inputs = drawn(backbone, G, L if every_prefix else 1)
    answers = []
    for items in (ITEMS, junk):
        asked = histories(items, every_prefix=every_prefix)
        states, cache = backbone.encode(asked)
        step, _ = backbone.advance(inputs, cache)
        answers.append((states, step, item_states(backbone, asked)))
    where = real() if every_prefix else torch.ones(G, 1, dtype=torch.bool)
    for before, after in zip(*(answer[:2] for answer in answers), strict=True):
        assert torch.equal(before[where], after[where])
    assert torch.equal(answers[0][2][:, real()], answers[1][2][:, real()])
    assert not torch.equal(backbone.embed(ITEMS), backbone.embed(junk)), "the padding does differ"
    assert torch.equal(answers[0][2], answers[1][2]) is not padded, "it has keys where it is kept, and no others"


@pytest.mark.parametrize("name", BUILT_IN)
def test_more_padding_changes_no_state_beyond_rounding(backbone: Backbone) -> None:
    wider = torch.cat([ITEMS, torch.full((G, 4), N)], 1)
    inputs = drawn(backbone, G, 1)
    answers = []
    for items in (ITEMS, wider):
        states, cache = backbone.encode(histories(items))
        answers.append((states, backbone.advance(inputs, cache)[0]))
    for before, after in zip(*answers, strict=True):
        torch.testing.assert_close(before, after, rtol=1e-12, atol=1e-12)


def drawn(backbone: Backbone, *shape: int) -> Tensor:
    """Random vectors of the backbone's width."""
    return torch.randn(*shape, backbone.width, generator=torch.Generator().manual_seed(0)).double()


def steps_of(backbone: Backbone, asked: Histories, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Given inputs, not states fed back: (STEPS, G, Q, d) states, and what is kept of the items after each step."""
    _, cache = backbone.encode(asked)
    states, items = [], []
    for given in inputs:
        state, cache = backbone.advance(given, cache)
        states.append(state)
        items.append(kept(cache))
    return torch.stack(states), items


def kept(cache: Any) -> Tensor:
    """Keys and values of the items, or the states that LARES refines."""
    if isinstance(cache, LARESCache):
        return cache.items
    return torch.stack([torch.stack([layer.keys, layer.values]) for layer in cache.layers])


@ASKED
def test_a_step_changes_itself_and_later_steps_of_its_own_prefix_alone(
    name: str, backbone: Backbone, every_prefix: bool
) -> None:
    asked = histories(every_prefix=every_prefix)
    positions = L if every_prefix else 1
    inputs = drawn(backbone, STEPS, G, positions)
    before, items = steps_of(backbone, asked, inputs)
    recurrent = BACKBONES.settings(name).recurrent  # its items change with each step, and a step sees no earlier one
    for later in items[1:]:
        assert torch.equal(items[0], later) is not recurrent, "items never attend to reasoning states"
    for step in range(STEPS):
        for group in range(1, G):
            for place in range(0, positions, 2):
                other = inputs.clone()
                other[step, group, place] += 0.5 * torch.arange(backbone.width)
                after, items_after = steps_of(backbone, asked, other)
                expected = torch.zeros(STEPS, G, positions, dtype=torch.bool)
                expected[step : step + 1 if recurrent else STEPS, group, place] = True
                assert torch.equal(changed(before, after), expected)
                assert torch.equal(items[-1], items_after[-1])


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_item_changes_the_steps_of_the_prefixes_that_hold_it(name: str, backbone: Backbone) -> None:
    every_prefix = name in CAUSAL
    inputs = drawn(backbone, STEPS, G, L if every_prefix else 1)
    before, _ = steps_of(backbone, histories(every_prefix=every_prefix), inputs)
    for items, _, seen in replacements(name):
        after, _ = steps_of(backbone, histories(items, every_prefix=every_prefix), inputs)
        assert torch.equal(as_asked(name, changed(before, after)), as_asked(name, seen.expand(STEPS, G, L)))
