"""The blocks of a ranker against all scores at once, with numbers whose products are exact: ties are ties in both."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rearec_bench.harness.trial import ranking
from rearec_bench.harness.trial.ranking import Ranker, Scores

from ..dense_ranking import dense_entropy, dense_ranks, hide_histories

SIZES = pytest.mark.parametrize("items", [1, 7, 16, 23, 64, 1000, 2049])
STATES = 3
WIDTH = 9


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.setitem(ranking._COLUMNS, "cpu", 64)


def made(items: int, rows: int, *, whole: bool = True) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Item vectors, states (r, S, d), targets (r,), histories (r, L) with padding and repeated items.

    Small whole numbers make products exact in any order, and tie most items with others.
    """
    generator = torch.Generator().manual_seed(items)

    def draw(*shape: int) -> Tensor:
        if whole:
            return torch.randint(-2, 3, shape, generator=generator).float()
        return torch.randn(shape, generator=generator)

    targets = torch.randint(items, (rows,), generator=generator)
    histories = torch.randint(items + 1, (rows, 12), generator=generator)
    histories[::3, 4] = targets[::3]
    histories[1, 5:] = items
    return draw(items, WIDTH), draw(rows, STATES, WIDTH), targets, histories


def scored(vectors: Tensor, states: Tensor) -> Scores:
    return Ranker(vectors, states=states.shape[1], rows=len(states)).score(states)


def both(vectors: Tensor, states: Tensor, targets: Tensor, histories: Tensor, *, hide: bool) -> tuple[Tensor, Scores]:
    """All scores at once, and those of a ranker; in both the histories are hidden where they shall be."""
    dense, found = states @ vectors.T, scored(vectors, states)
    if hide:
        hide_histories(dense, histories, targets)
        found.hide(histories, keep=targets)
    return dense, found


@SIZES
@pytest.mark.parametrize("hide", [False, True])
def test_ranks_are_those_of_all_scores_at_once(items: int, hide: bool) -> None:
    vectors, states, targets, histories = made(items, rows=50)
    dense, found = both(vectors, states, targets, histories, hide=hide)
    assert torch.equal(found.ranks(targets), dense_ranks(dense, targets))


@pytest.mark.parametrize("rows", [1, 2, 5, 70])
@pytest.mark.parametrize("items", [23, 1023])
def test_equal_items_tie_wherever_they_stand(rows: int, items: int) -> None:
    """Real vectors, whose products depend on the order of additions; the last columns and a single row are the trap."""
    torch.manual_seed(rows)
    vectors, twins = torch.randn(items, 100), torch.tensor([0, 7, items // 2, items - 3, items - 2, items - 1])
    vectors[twins] = vectors[3].clone()
    states = torch.randn(rows, 1, 100)
    ranks = torch.cat([scored(vectors, states).ranks(twin.expand(rows)) for twin in twins], 1)
    assert torch.equal(ranks, ranks[:, :1].expand(-1, len(twins)))
    assert (ranks >= len(twins) + 1).all()


def test_a_state_is_scored_alike_alone_and_among_many() -> None:
    vectors, states, _, _ = made(1000, rows=150, whole=False)
    item = torch.full((150,), 999)
    among = scored(vectors, states).of(item)
    assert torch.equal(scored(vectors, states[7:8, :1]).of(item[:1]), among[7:8, :1])


@SIZES
@pytest.mark.parametrize("whole", [True, False])
def test_the_best_items_have_the_highest_scores(items: int, whole: bool) -> None:
    vectors, states, _, _ = made(items, rows=50, whole=whole)
    dense = states @ vectors.T
    found = scored(vectors, states).best(2, 10)
    expected = dense[:, :2].topk(min(10, items), dim=-1)
    torch.testing.assert_close(found.values, expected.values)
    torch.testing.assert_close(dense[:, :2].gather(-1, found.items), found.values)
    assert all(len(set(row.tolist())) == min(10, items) for row in found.items.flatten(0, 1)), "none comes twice"
    if not whole:
        assert torch.equal(found.items, expected.indices)


@SIZES
@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("temperatures", [(1.0, 1.0), (0.07, 0.07), (0.3, 1.0)])
def test_entropy_and_divergence_are_those_of_all_scores_at_once(
    items: int, hide: bool, temperatures: tuple[float, ...]
) -> None:
    vectors, states, targets, histories = made(items, rows=50, whole=False)
    dense, found = both(vectors, states, targets, histories, hide=hide)
    highest = found.best(2, 1).values[..., 0]
    expected = dense_entropy(dense[:, :2].double() / torch.tensor(temperatures)[:, None]).float()
    entropy, divergence = found.entropy(highest, temperatures)
    torch.testing.assert_close(entropy, expected, atol=1e-5, rtol=1e-4)
    log_p = (dense[:, :2].double() / torch.tensor(temperatures)[:, None]).log_softmax(-1)
    each = torch.where(log_p[:, 0].exp() > 0, log_p[:, 0].exp() * (log_p[:, 0] - log_p[:, 1]), 0)
    torch.testing.assert_close(divergence, each.sum(-1, keepdim=True).float(), atol=1e-4, rtol=1e-4)


def test_what_is_not_a_number_beats_nothing_and_is_last() -> None:
    vectors, states, targets, _ = made(1000, rows=50)
    vectors[5] = vectors[999] = float("nan")
    targets[3], targets[4] = 5, 999
    ranks = scored(vectors, states).ranks(targets)
    assert torch.equal(ranks, dense_ranks(states @ vectors.T, targets))
    assert (ranks[3:5] == 1000).all() and (ranks[:3] <= 998).all()


def test_hiding_all_but_the_target_makes_it_first() -> None:
    vectors, states, targets, _ = made(70, rows=5)
    found = scored(vectors, states)
    found.hide(torch.arange(70).expand(5, -1), keep=targets)
    assert (found.ranks(targets) == 1).all()
    best = found.best(STATES, 1)
    assert torch.equal(best.items[..., 0], targets[:, None].expand(-1, STATES))
    entropy, divergence = found.entropy(best.values[..., 0], [0.01] * STATES)
    assert not entropy.any() and not divergence.any()


class _Largest(TorchDispatchMode):
    """Elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        sizes = [leaf.untyped_storage().nbytes() // 4 for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
        self.elements = max([self.elements, *sizes])
        return made


def test_nothing_that_is_made_grows_with_rows_times_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ranking._MAX_QUERIES, "cpu", 90)
    monkeypatch.setitem(ranking._COLUMNS, "cpu", 1024)
    largest = []
    for rows in (60, 300):
        vectors, states, targets, histories = made(5000, rows=rows)
        with _Largest() as watched:
            ranker = Ranker(vectors, states=STATES, rows=rows)
            for start in range(0, rows, ranker.rows):
                part = slice(start, start + ranker.rows)
                scores = ranker.score(states[part])
                scores.hide(histories[part], keep=targets[part])
                scores.ranks(targets[part])
                scores.entropy(scores.best(2, 10).values[..., 0], (1.0, 1.0))
        assert ranker.rows == 30
        largest.append(watched.elements)
    assert largest[0] == largest[1] < 90 * (5000 + 1024)


def test_more_rows_than_there_is_room_for_and_items_in_another_precision_are_refused() -> None:
    vectors, states, _, _ = made(1000, rows=50)
    assert Ranker(vectors, states=7, rows=10)._scores.shape[1] == 70, "no room for more rows than there are"
    with pytest.raises(TypeError, match="in float32, not in"):
        Ranker(vectors.bfloat16(), states=1, rows=50)
    with pytest.raises(ValueError, match="50 rows of 3 states: there is room for 10 rows"):
        Ranker(vectors, states=STATES, rows=10).score(states)
