"""The bounded losses against dense ones written out term by term from the equations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rearec_bench.harness.trial.precision import multiplies_bfloat16
from rearec_bench.models import softmax
from rearec_bench.models.losses import catalogue_loss, info_nce


@dataclass(frozen=True)
class Recipe:
    """The arguments of one strategy's loss."""

    temperatures: tuple[float, ...]
    ce_weights: tuple[float, ...]
    kl_weights: tuple[tuple[float, ...], ...] | None = None
    kl_gradient: str = "both"

    def __call__(self, states: Tensor, items: Tensor, targets: Tensor, *, rows_per_chunk: int | None = None):
        return catalogue_loss(states, items, targets, **vars(self), _rows_per_chunk=rows_per_chunk)


def _upper(weight: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(weight if i < j else 0.0 for j in range(3)) for i in range(3))


def _ordered_then_pooled(weight: float) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(weight if i != j and max(i, j) < 3 else 0.0 for j in range(4)) for i in range(4))


RECIPES = {
    "base": Recipe((1.0,), (1.0,)),
    "erl paper": Recipe((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), _upper(-0.3)),
    "erl released": Recipe((0.7,) * 4, (0.0, 0.0, 0.0, 1.0), _ordered_then_pooled(-0.3 / 6), "first"),
    "prl paper": Recipe((1.5**2 * 0.8, 1.5 * 0.8, 0.8), (1.0, 1.0, 1.0)),
    "prl released": Recipe((0.7 * 25, 0.7 * 5, 0.7), (0.5, 0.5, 1.0)),
    "any weights": Recipe((0.9, 1.3, 0.6), (0.2, 0.0, 1.1), ((0.0, -0.3, 0.2), (0.7, 0.0, 0.0), (-0.1, 0.4, 0.0))),
    "two of four in the divergence": Recipe(
        (1.0, 2.0, 1.0, 0.5),
        (0.0, 1.0, 0.0, 0.3),
        ((0.0,) * 4, (0.0, 0.0, 0.0, -0.2), (0.0,) * 4, (0.0,) * 4),
    ),
    "divergence alone": Recipe((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), _upper(0.5), "first"),
}
needs_units = pytest.mark.skipif(not multiplies_bfloat16(), reason="a processor without units for bf16")
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def _dense(recipe: Recipe, states: Tensor, items: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Total, weighted cross-entropy, unweighted KL, row by row from the equations."""
    total, cross_entropy, kl = (torch.zeros((), dtype=states.dtype) for _ in range(3))
    for row, target in enumerate(targets):
        p = [
            torch.softmax(items @ state / temperature, 0)
            for state, temperature in zip(states[row], recipe.temperatures, strict=True)
        ]
        for k, weight in enumerate(recipe.ce_weights):
            total = total - weight * torch.log(p[k][target])
            cross_entropy = cross_entropy - weight * torch.log(p[k][target])
        for i, weights in enumerate(recipe.kl_weights or ()):
            for j, weight in enumerate(weights):
                if weight:
                    other = torch.log(p[j])
                    other = other.detach() if recipe.kl_gradient == "first" else other
                    divergence = (p[i] * (torch.log(p[i]) - other)).sum()
                    total = total + weight * divergence
                    kl = kl + divergence
    return total / len(targets), cross_entropy / len(targets), kl / len(targets)


def _case(recipe: Recipe, rows: int, *, items: int = 13, scale: float = 1.0, seed: int = 0, width: int = 5):
    generator = torch.Generator().manual_seed(seed)
    count = len(recipe.temperatures)
    states = torch.randn(rows, count, width, generator=generator, dtype=torch.float64) * scale
    vectors = torch.randn(items, width, generator=generator, dtype=torch.float64)
    targets = torch.randint(items, (rows,), generator=generator)
    return states.requires_grad_(), vectors.requires_grad_(), targets


def _close(found: Tensor, expected: Tensor, *, tolerance: float = 1e-11) -> None:
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def _close_gradients(found: Tensor, expected: Tensor, *of: Tensor, tolerance: float = 1e-11) -> None:
    for ours, theirs in zip(torch.autograd.grad(found, of), torch.autograd.grad(expected, of), strict=True):
        _close(ours, theirs, tolerance=tolerance)


@pytest.fixture(params=[None, 32, 16], ids=["one tile", "tiles of 32 items", "tiles of 16 items"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many items a tile has; the cases with the fixture have 40, or as many as they say."""
    if request.param:
        monkeypatch.setattr(softmax, "_CPU_TILE_ITEMS", request.param)


@pytest.mark.usefixtures("tiles")
@every_recipe
@pytest.mark.parametrize("rows_per_chunk", [None, 1, 3, 100])
def test_values_and_gradients_equal_the_dense_ones_whatever_the_chunk(recipe: Recipe, rows_per_chunk: int | None):
    states, items, targets = _case(recipe, rows=7, items=40)
    expected = _dense(recipe, states, items, targets)
    found = recipe(states, items, targets, rows_per_chunk=rows_per_chunk)
    for ours, theirs in zip((found.total, found.cross_entropy, found.kl), expected, strict=True):
        _close(ours, theirs)
    _close_gradients(found.total, expected[0], states, items)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9),
    items=st.integers(1, 9),
    chunk=st.integers(1, 10),
    scale=st.floats(0, 8),
    seed=st.integers(0, 1000),
    weights=st.lists(st.floats(-2, 2, allow_subnormal=False), min_size=9, max_size=9),
    first=st.booleans(),
)
def test_any_weights_and_sizes_equal_the_dense_loss(
    rows: int, items: int, chunk: int, scale: float, seed: int, weights: list[float], first: bool
):
    pairs = tuple(tuple(0.0 if i == j else weights[3 * i + j] for j in range(3)) for i in range(3))
    recipe = Recipe((1.2, 0.8, 1.0), (1.0, weights[0], weights[4]), pairs, "first" if first else "both")
    states, vectors, targets = _case(recipe, rows=rows, items=items, scale=scale, seed=seed)
    expected = _dense(recipe, states, vectors, targets)[0]
    found = recipe(states, vectors, targets, rows_per_chunk=chunk).total
    _close(found, expected, tolerance=1e-9)
    _close_gradients(found, expected, states, vectors, tolerance=1e-9)


@pytest.mark.usefixtures("tiles")
@every_recipe
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logits_of_ten_thousand_leave_loss_and_gradients_finite(recipe: Recipe, dtype: torch.dtype):
    states, items, targets = (t.detach() for t in _case(recipe, rows=6, items=40))
    states = (states * 1e4).to(dtype).requires_grad_()
    items = items.to(dtype).requires_grad_()
    assert (torch.einsum("rtd,nd->rtn", states, items).softmax(-1) == 0).any()  # what made the released code's NaN
    terms = recipe(states, items, targets)
    terms.total.backward()
    for tensor in (terms.total, terms.kl, terms.cross_entropy, states.grad, items.grad):
        assert tensor.isfinite().all()


def test_the_divergence_from_a_probability_that_underflows_is_its_exact_value():
    """p = (1/2, 1/2) against q = softmax(0, -2000): KL = 1000 - log 2, though q's second entry is 0 in float64."""
    items = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    states = torch.tensor([[[0.0], [-2000.0]]], dtype=torch.float64, requires_grad=True)
    recipe = Recipe((1.0, 1.0), (0.0, 0.0), ((0.0, 1.0), (0.0, 0.0)))
    terms = recipe(states, items, torch.tensor([0]))
    _close(terms.total.detach(), torch.tensor(1000 - 0.6931471805599453, dtype=torch.float64))
    terms.total.backward()
    # p_i ((log p_i - log p_j) - KL): 1/2 * 1000 for the second item; p_j - p_i: -1/2
    _close(states.grad, torch.tensor([[[500.0], [-0.5]]], dtype=torch.float64))


def test_a_loss_in_float32_stays_near_the_one_in_float64():
    recipe = RECIPES["erl paper"]
    states, items, targets = _case(recipe, rows=40, items=200, width=8)
    exact = recipe(states, items, targets).total
    narrow = recipe(states.float(), items.float(), targets).total
    assert narrow.dtype == torch.float32
    assert abs(narrow.item() - exact.item()) < 1e-5 * abs(exact.item())


@every_recipe
def test_the_gradient_is_scaled_by_what_comes_from_above_and_a_kept_graph_gives_it_twice(recipe: Recipe):
    states, items, targets = _case(recipe, rows=5)
    total = recipe(states, items, targets).total
    once = torch.autograd.grad(total, (states, items), retain_graph=True)
    for plain, scaled in zip(once, torch.autograd.grad(total * -2.5, (states, items)), strict=True):
        _close(scaled, plain * -2.5)


@pytest.mark.usefixtures("tiles")
@every_recipe
def test_without_gradients_the_value_is_the_same_and_no_gradient_work_is_done(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    states, items, targets = _case(recipe, rows=5, items=40)
    expected = recipe(states, items, targets).total.detach()

    def fail(*_: object) -> None:
        raise RuntimeError("gradient work")

    monkeypatch.setattr(softmax._Gradients, "add", fail)
    with torch.no_grad():
        found = recipe(states, items, targets).total
    _close(found, expected)
    assert not found.requires_grad
    _close(recipe(states.detach(), items.detach(), targets).total, expected)
    with pytest.raises(RuntimeError, match="gradient work"):
        recipe(states, items, targets)


@pytest.mark.parametrize("frozen", [0, 1])
def test_gradients_are_made_only_for_what_wants_them(frozen: int):
    recipe = RECIPES["erl paper"]
    *tensors, targets = _case(recipe, rows=5)
    expected = recipe(*tensors, targets)
    assert not expected.cross_entropy.requires_grad and not expected.kl.requires_grad
    given = [tensor.detach() if place == frozen else tensor for place, tensor in enumerate(tensors)]
    _close_gradients(recipe(*given, targets).total, expected.total, tensors[1 - frozen])


def test_the_loss_is_full_precision_within_autocast():
    states, items, targets = _case(RECIPES["erl paper"], rows=5)
    states, items = (t.detach().float().requires_grad_() for t in (states, items))
    expected = RECIPES["erl paper"](states, items, targets).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = RECIPES["erl paper"](states, items, targets).total
    assert torch.equal(found, expected)
    assert RECIPES["base"](states[:, :1].bfloat16(), items.bfloat16(), targets).total.dtype == torch.float32


@needs_units
@pytest.mark.parametrize("name", ["erl paper", "erl released", "prl paper"])
def test_rounded_factors_leave_the_loss_close_finite_and_its_divergence_closer(name: str):
    """Equal states have no divergence: what one is then comes from rounding."""
    recipe = RECIPES[name]
    states, items, targets = (t.detach() for t in _case(recipe, rows=64, items=400, width=64, scale=0.3))
    states, items = states.float().requires_grad_(), items.float().requires_grad_()
    exact = recipe(states, items, targets).total
    exact_grads = torch.autograd.grad(exact, (states, items))
    equal = states.detach()[:, :1].expand_as(states).contiguous()
    with _rounded():
        terms = recipe(states, items, targets)
        grads = torch.autograd.grad(terms.total, (states, items))
        none = recipe(equal, items, targets).kl if len(set(recipe.temperatures)) == 1 else torch.zeros(())
        sharp = recipe((states.detach() * 1e4).requires_grad_(), items, targets)
        sharp_grads = torch.autograd.grad(sharp.total, items)
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16", "the loss leaves the switch as it was"
    assert not torch.equal(terms.total, exact)
    _close(terms.total, exact, tolerance=2e-3)
    for rounded, full in zip(grads, exact_grads, strict=True):
        assert (rounded - full).norm() < 0.01 * full.norm()
    assert abs(none.item()) < 1e-4
    assert sharp.total.isfinite() and sharp_grads[0].isfinite().all()
    assert torch.equal(recipe(states, items, targets).total, exact), "and full precision to the last bit"


@contextmanager
def _rounded() -> Iterator[None]:
    switch = torch.backends.mkldnn.matmul
    before, switch.fp32_precision = switch.fp32_precision, "bf16"
    try:
        yield
    finally:
        switch.fp32_precision = before


def _working_bytes(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, *, rows: int, items: int) -> int:
    """The largest buffers of a loss; they alone have a size that grows with the catalogue."""
    sizes: list[int] = []
    plan = softmax._Work.plan

    def spy(*args: object, **kwargs: object) -> softmax._Work:
        work = plan(*args, **kwargs)
        sizes.append(work.memory.untyped_storage().nbytes())
        return work

    with monkeypatch.context() as patched:
        patched.setattr(softmax._Work, "plan", spy)
        recipe(*_case(recipe, rows=rows, items=items, width=2))
    return max(sizes)


def test_working_memory_grows_with_the_catalogue_alone_up_to_a_limit(monkeypatch: pytest.MonkeyPatch):
    def used(rows: int, limit: int) -> int:
        monkeypatch.setattr(softmax, "_CPU_BUFFER_BYTES", limit)
        return _working_bytes(monkeypatch, RECIPES["erl paper"], rows=rows, items=5_000)

    usual = softmax._CPU_BUFFER_BYTES
    assert used(128, usual) == used(256, usual) == 2 * 384 * 5_000 * 8
    assert used(300, 100 * 5_000 * 8) <= 2 * 100 * 5_000 * 8
    assert used(300, 0) == 2 * 48 * 5_000 * 8, "products of a few rows would be slow"
    with torch.no_grad():
        assert used(128, usual) <= 2 * 384 * 1_008 * 8, "a value alone needs a tile"


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("target", [-1, 40])
def test_a_target_that_is_no_item_is_refused(target: int):
    for recipe in (RECIPES["base"], RECIPES["erl paper"]):
        states, items, targets = _case(recipe, rows=4, items=40)
        targets[2] = target
        with pytest.raises(RuntimeError, match="index"):
            recipe(states, items, targets)


@pytest.mark.usefixtures("tiles")
@every_recipe
def test_a_state_or_item_that_is_not_finite_shows_in_the_total(recipe: Recipe):
    for place, row, value in itertools.product((0, 1), (3, 19), (float("nan"), float("inf"))):
        tensors = [tensor.detach() for tensor in _case(recipe, rows=20, items=40)]
        tensors[place][row, ..., 0] = value
        assert not recipe(*tensors).total.isfinite()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperatures": (1.0, 1.0)}, "positive temperatures"),
        ({"temperatures": (1.0, 1.0, 0.0)}, "positive temperatures"),
        ({"ce_weights": (1.0,)}, "positive temperatures"),
        ({"ce_weights": (0.0, 0.0, 0.0)}, "nothing to learn"),
        ({"kl_weights": ((0.0, 1.0), (0.0, 0.0))}, "3 x 3 KL weights"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changed: dict[str, object], message: str):
    arguments = {"temperatures": (1.0,) * 3, "ce_weights": (1.0,) * 3, **changed}
    states, items, targets = _case(RECIPES["erl paper"], rows=4)
    with pytest.raises(ValueError, match=message):
        catalogue_loss(states, items, targets, **arguments)


def test_no_rows_are_refused():
    states, items, targets = _case(RECIPES["base"], rows=4)
    with pytest.raises(ValueError, match="0 rows"):
        RECIPES["base"](states[:0], items, targets[:0])
    with pytest.raises(ValueError, match="targets of shape"):
        RECIPES["base"](states, items, targets[:2])


def _dense_info_nce(queries: Tensor, keys: Tensor, temperature: float, users: list[int] | None) -> Tensor:
    """Equation 11, row by row."""
    rows, steps, _ = queries.shape
    total = torch.zeros((), dtype=queries.dtype)
    for row in range(rows):
        for k in range(steps):
            others = [j for j in range(rows) if j != row and (users is None or users[j] != users[row])]
            positive = torch.exp(queries[row, k] @ keys[row, k] / temperature)
            negative = sum((torch.exp(queries[row, k] @ keys[j, k] / temperature) for j in others), start=0.0)
            total = total - torch.log(positive / (positive + negative))
    return total / rows


def _views(rows: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(rows, 2, 4, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))


@settings(max_examples=30, deadline=None)
@given(
    users=st.lists(st.integers(0, 4), min_size=1, max_size=11),
    known=st.booleans(),
    chunk=st.one_of(st.none(), st.integers(1, 12)),
    seed=st.integers(0, 1000),
)
def test_info_nce_equals_equation_11_with_and_without_users(
    users: list[int], known: bool, chunk: int | None, seed: int
):
    queries, keys = _views(len(users), seed=seed)
    expected = _dense_info_nce(queries, keys, 0.7, users if known else None)
    found = info_nce(
        queries, keys, temperature=0.7, users=torch.tensor(users) if known else None, _rows_per_chunk=chunk
    )
    _close(found, expected)
    if expected.requires_grad:
        _close_gradients(found * 3, expected * 3, queries, keys)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("chunk", [None, 7])
def test_info_nce_with_tiles_that_are_hidden_as_a_whole(chunk: int | None):
    """Rows 0 to 33 are one user's: for them whole tiles of keys leave the softmax."""
    users = [0] * 34 + [1, 2, 3, 4, 4, 4]
    queries, keys = _views(40)
    expected = _dense_info_nce(queries, keys, 0.7, users)
    found = info_nce(queries, keys, temperature=0.7, users=torch.tensor(users), _rows_per_chunk=chunk)
    _close(found, expected)
    _close_gradients(found, expected, queries, keys)


def test_info_nce_drops_no_row_however_many_there_are():
    """A class index that is ignored (the number of items, -100) would leave one row without a gradient."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2100, 1, 4, generator=generator, dtype=torch.float64).requires_grad_()
    keys = torch.randn(2100, 1, 4, generator=generator, dtype=torch.float64)
    found = info_nce(queries, keys, temperature=0.5)
    _close(found, torch.nn.functional.cross_entropy(queries[:, 0] @ keys[:, 0].T / 0.5, torch.arange(2100)))
    found.backward()
    assert (queries.grad.abs().sum((1, 2)) > 0).all()


@pytest.mark.parametrize("users", [None, torch.tensor([0, 0, 1, 1, 2])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_info_nce_is_finite_at_logits_of_ten_thousand(users: Tensor | None, dtype: torch.dtype):
    queries, keys = ((t.detach() * 100).to(dtype).requires_grad_() for t in _views(5))
    loss = info_nce(queries, keys, temperature=1.0, users=users)
    loss.backward()
    for tensor in (loss, queries.grad, keys.grad):
        assert tensor.isfinite().all()


@pytest.mark.parametrize(
    ("rows", "temperature", "users"), [(0, 1.0, None), (3, 0.0, None), (3, 1.0, torch.tensor([1, 2]))]
)
def test_info_nce_refuses_what_does_not_fit(rows: int, temperature: float, users: Tensor | None):
    queries, keys = _views(rows)
    with pytest.raises(ValueError, match=r"temperature|users"):
        info_nce(queries, keys, temperature=temperature, users=users)
