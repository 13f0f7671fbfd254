import pytest
import torch
from torch.nn import functional as F

from rearec_bench.models import layers
from rearec_bench.models.grid import Grid
from rearec_bench.models.layers import Block, initialise

LENGTHS = torch.tensor([3, 1, 5, 2])
PLACES = [(group, position) for group, length in enumerate(LENGTHS.tolist()) for position in range(length)]
WIDTH = 4


def test_tokens_are_the_real_places_in_order() -> None:
    values = torch.randn(4, 5, WIDTH)
    found = Grid.of(LENGTHS, 5).collect(values)
    assert torch.equal(found, torch.stack([values[place] for place in PLACES]))


def test_spreading_puts_tokens_back() -> None:
    tokens = torch.randn(len(PLACES), WIDTH)
    grid = Grid.of(LENGTHS, 5).spread(tokens)
    for token, place in zip(tokens, PLACES, strict=True):
        assert torch.equal(grid[place], token)
    assert torch.isfinite(grid).all()


def test_ends_are_the_last_tokens() -> None:
    tokens = torch.arange(len(PLACES))[:, None]
    assert tokens[Grid.of(LENGTHS, 5).ends, 0].tolist() == [2, 3, 8, 10]
    full = Grid.of(torch.tensor([3, 3]), 3)
    assert full.places is None
    assert full.ends.tolist() == [2, 5]


def test_gradients_are_those_of_plain_indexing() -> None:
    values = torch.randn(4, 5, WIDTH, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(len(PLACES), WIDTH, dtype=torch.float64)
    (Grid.of(LENGTHS, 5).collect(values) * weights).sum().backward()
    expected = torch.zeros(4, 5, WIDTH, dtype=torch.float64)
    for weight, place in zip(weights, PLACES, strict=True):
        expected[place] = weight
    assert torch.equal(values.grad, expected)

    tokens = torch.randn(len(PLACES), WIDTH, dtype=torch.float64, requires_grad=True)
    visible = torch.zeros(4, 5, 1, dtype=torch.float64)
    for place in PLACES:
        visible[place] = 1
    by_grid = torch.randn(4, 5, WIDTH, dtype=torch.float64) * visible
    (Grid.of(LENGTHS, 5).spread(tokens) * by_grid).sum().backward()
    assert torch.equal(tokens.grad, torch.stack([by_grid[place] for place in PLACES]))


@pytest.mark.parametrize("count", [1, 7, 8, 30])
def test_the_feed_forward_layer_without_gradients_equals_that_with_them(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_BLOCK", 8)
    block = Block(WIDTH, 2, 6, 0.0).double()
    initialise(block, 3)
    x = torch.randn(count, 2, WIDTH, dtype=torch.float64)
    expected = block.contract(F.gelu(block.expand(x)))
    with torch.no_grad():
        torch.testing.assert_close(block._feed_forward(x), expected.detach(), rtol=1e-13, atol=1e-15)
    assert torch.equal(block._feed_forward(x), expected), "with gradients it is the plain one"
