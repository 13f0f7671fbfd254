"""Each strategy's loss, term by term, from the paper's equations and from the description of the released code."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.contract import Catalogue, Reasoned, Reasoning
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.lares import LARES, draw_depth
from rearec_bench.models.strategies.mancar import ManCAR
from rearec_bench.models.strategies.naive import Naive
from rearec_bench.models.strategies.plr import PLR
from rearec_bench.models.strategies.prl import PRL
from rearec_bench.models.strategies.rpe import RPE
from rearec_bench.models.strategies.settings import (
    BaseSettings,
    ERLSettings,
    LARESSettings,
    ManCARSettings,
    NaiveSettings,
    PLRSettings,
    PRLSettings,
    RPESettings,
)

R, K, D, N = 6, 2, 5, 9
TEMPERATURE = 0.7

Queries = Callable[[Tensor], Tensor]


@pytest.fixture
def batch() -> Reasoned:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(R, K + 1, D, dtype=torch.float64, generator=generator)
    noised = states[:, 1:] + 0.1 * torch.randn(R, K, D, dtype=torch.float64, generator=generator)
    targets = torch.randint(N, (R,), generator=generator)
    users = torch.tensor([0, 0, 1, 2, 2, 3])
    return Reasoned(states, states.requires_grad_(), noised.requires_grad_(), targets, users)


@pytest.fixture
def catalogue() -> Catalogue:
    vectors = torch.randn(N, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Catalogue(vectors.requires_grad_(), TEMPERATURE)


def as_it_is(states: Tensor) -> Tensor:
    return states


def unit(states: Tensor) -> Tensor:
    """Queries of length one."""
    return states / states.norm(dim=-1, keepdim=True)


both_queries = pytest.mark.parametrize("queries", [as_it_is, unit])


def scored(batch: Reasoned, queries: Queries) -> Reasoned:
    """The batch of a backbone with such queries."""
    return dataclasses.replace(batch, states=queries(batch.raw), queries=queries)


def log_p(states: Tensor, catalogue: Catalogue, temperature: float = TEMPERATURE) -> Tensor:
    return (states @ catalogue.vectors.T / temperature).log_softmax(-1)


def cross_entropy(states: Tensor, batch: Reasoned, catalogue: Catalogue, factor: float = 1.0) -> Tensor:
    """(R,): of (R, D) states at the temperature times a factor."""
    return F.nll_loss(log_p(states, catalogue, TEMPERATURE * factor), batch.targets, reduction="none")


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """(R,): KL of logarithms."""
    return (p.exp() * (p - q)).sum(-1)


def contrast(queries: Tensor, keys: Tensor, temperature: float, negatives: str, users: Tensor) -> Tensor:
    """(R,): minus the log-probability of a row's own key among all, or among its own and those of other users."""
    scores = queries @ keys.T / temperature
    if negatives == "mask":
        scores = scores.masked_fill((users[:, None] == users) & ~torch.eye(R, dtype=torch.bool), float("-inf"))
    return -scores.log_softmax(-1).diagonal()


def check(found: Any, *leaves: Tensor, loss: Tensor, **terms: Tensor) -> None:
    """The loss and its terms are the means over rows, and the loss has the gradients of that mean."""
    total, named = found
    means = {name: float(each.detach().mean()) for name, each in {**terms, "loss": loss}.items()}
    values = {**named, "loss": float(total.detach())}
    assert {name: values[name] for name in means} == pytest.approx(means, rel=1e-10)
    gradients = (torch.autograd.grad(each, leaves, retain_graph=True) for each in (total, loss.mean()))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def check_parts(strategy: Any, batch: Reasoned, catalogue: Catalogue, loss: Tensor, names: set[str]) -> None:
    """The terms with their weights add up to the loss."""
    parts = strategy.terms(batch, catalogue)
    assert set(parts) == names
    assert float(sum(parts.values())) == pytest.approx(float(loss.mean()))


@pytest.mark.parametrize(
    "strategy", [Base(BaseSettings(), steps=0), Naive(NaiveSettings(), steps=K), RPE(RPESettings(), steps=K)]
)
def test_base_naive_and_rpe_take_the_cross_entropy_of_the_last_state(strategy, batch, catalogue) -> None:
    expected = cross_entropy(batch.states[:, K], batch, catalogue)
    found = strategy.loss(batch, catalogue)
    check(found, batch.raw, catalogue.vectors, loss=expected, cross_entropy=expected)
    assert torch.equal(strategy.readout(batch.states), batch.states[:, K])


def test_erl_of_the_paper_is_equation_8_with_the_divergence_maximised(batch, catalogue) -> None:
    p = log_p(batch.states, catalogue)
    supervised = sum(cross_entropy(batch.states[:, k], batch, catalogue) for k in range(K + 1))
    apart = sum(divergence(p[:, i], p[:, j]) for i in range(K) for j in range(i + 1, K + 1))
    found = ERL(ERLSettings(kl_weight=0.3), steps=K).loss(batch, catalogue)
    loss = supervised - 0.3 * apart
    check(found, batch.raw, catalogue.vectors, loss=loss, cross_entropy=supervised, kl=apart)


def test_erl_reads_the_mean_of_the_states(batch) -> None:
    readout = ERL(ERLSettings(), steps=K).readout(batch.states)
    torch.testing.assert_close(readout, (batch.states[:, 0] + batch.states[:, 1] + batch.states[:, 2]) / 3)


@both_queries
@pytest.mark.parametrize(
    ("given", "weight"),
    [({"recipe": "released"}, 0.05), ({"recipe": "released", "kl_weight": 2.0}, 2.0), ({"recipe": "recbole"}, 0.05)],
)
def test_erl_of_its_codes_supervises_the_pooled_state_alone_and_lets_the_gradient_through_the_first_distribution(
    given, weight, queries, batch, catalogue
) -> None:
    batch = scored(batch, queries)
    p = log_p(batch.states, catalogue)
    pairs = [divergence(p[:, i], p[:, j].detach()) for i in range(K + 1) for j in range(K + 1) if i != j]
    pooled = batch.raw if given["recipe"] == "released" else batch.states
    supervised = cross_entropy(queries(pooled.mean(1)), batch, catalogue)
    erl = ERL(ERLSettings(**given), steps=K)
    loss = supervised - weight * sum(pairs) / len(pairs)
    check(erl.loss(batch, catalogue), batch.raw, catalogue.vectors, loss=loss, cross_entropy=supervised)
    assert erl.settings.score_temperature_of(1.0) == 0.07


@both_queries
@pytest.mark.parametrize(
    ("given", "temperature", "decay", "share"),
    [
        ({"temperature": 0.5, "decay": 1.5}, 0.5, 1.5, 1),
        ({"same_user_negatives": "mask"}, 1, 1.5, 1),
        ({"recipe": "recbole"}, 1, 5, 1 / K),
        *(
            ({"recipe": recipe, "supervision_weight": supervision, "contrastive_weight": contrastive}, 1, decay, share)
            for recipe, decay, share in (("paper", 1.5, 1), ("released", 5, 1 / K))
            for supervision, contrastive in ((1.0, 1.0), (1.0, 0.3), (0.3, 1.0), (0.0, 2.0), (2.0, 0.0))
        ),
    ],
)
def test_prl_is_annealed_cross_entropy_plus_contrast(
    given, temperature, decay, share, queries, batch, catalogue
) -> None:
    batch, prl = scored(batch, queries), PRL(PRLSettings(**given), steps=K)
    negatives = given.get("same_user_negatives", "keep")
    supervision, weight = (given.get(f"{name}_weight", 1) for name in ("supervision", "contrastive"))
    annealed = [
        cross_entropy(batch.states[:, k], batch, catalogue, temperature * decay ** (K - k)) for k in range(K + 1)
    ]
    supervised = annealed[K] + supervision * share * sum(annealed[:K])
    noised, scale = queries(batch.noised), TEMPERATURE * temperature
    apart = share * sum(
        contrast(noised[:, k - 1], batch.states[:, k], scale, negatives, batch.users) for k in range(1, K + 1)
    )
    leaves, loss = (batch.raw, batch.noised, catalogue.vectors), supervised + weight * apart
    check(prl.loss(batch, catalogue), *leaves, loss=loss, cross_entropy=supervised, contrastive=apart)
    assert prl.settings.score_temperature_of(1.0) == (1.0 if given.get("recipe", "paper") == "paper" else 0.07)


def test_prl_released_starts_the_contrast_in_the_third_epoch() -> None:
    strategy = PRL(PRLSettings(recipe="released"), steps=K)
    assert [strategy.reasoning(epoch).noise_std for epoch in (1, 2, 3)] == [None, None, 0.01]
    assert PRL(PRLSettings(), steps=K).reasoning(1).noise_std == 0.1


def test_the_recipe_of_recbole_contrasts_from_the_first_epoch_without_a_padding_class_and_ranks_by_the_last_state(
    batch,
):
    prl, erl = (method(method.Settings(recipe="recbole"), steps=K) for method in (PRL, ERL))
    reasoning = prl.reasoning(1)
    assert (reasoning.noise_std, reasoning.noise_from_clean, reasoning.second_encoding) == (0.01, True, True)
    assert not reasoning.padding_class and not erl.reasoning(1).padding_class
    assert torch.equal(erl.readout(batch.raw), batch.raw[:, K])
    assert torch.equal(prl.readout(batch.raw), batch.raw[:, K])


def test_without_steps_the_recipe_of_recbole_is_base(batch, catalogue) -> None:
    one = Reasoned(batch.states[:, :1], batch.raw[:, :1], None, batch.targets, batch.users)
    expected, _ = Base(BaseSettings(), steps=0).loss(one, catalogue)
    for method in (ERL, PRL):
        found, _ = method(method.Settings(recipe="recbole"), steps=0).loss(one, catalogue)
        torch.testing.assert_close(found, expected)


def streams_of(batch: Reasoned, generator: torch.Generator) -> Tensor:
    """(R, 1 + 2 K, D): r_0, and two streams of K states."""
    return torch.cat([batch.raw[:, :1], torch.randn(R, 2 * K, D, dtype=torch.float64, generator=generator)], 1)


def mixed(states: Tensor, gate: torch.nn.Linear | None) -> Tensor:
    """(R, D): the mean over steps of each stream, weighed by a softmax of the gate at r_0."""
    means = [sum(states[:, 1 + m * K + k] for k in range(K)) / K for m in range(2)]
    shares = torch.full((R, 2), 0.5) if gate is None else (states[:, 0] @ gate.weight.T + gate.bias).softmax(-1)
    return shares[:, :1] * means[0] + shares[:, 1:] * means[1]


@both_queries
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("negatives", ["keep", "mask"])
def test_plr_scores_the_gated_streams_pushes_all_their_states_apart_and_contrasts_two_computations(
    queries, gated, negatives, batch, catalogue
) -> None:
    generator = torch.Generator().manual_seed(3)
    raw, again = (streams_of(batch, generator).detach().requires_grad_() for _ in range(2))
    settings = PLRSettings(kl_weight=0.2, contrastive_weight=0.3, gate=gated, same_user_negatives=negatives)
    plr = PLR(settings, steps=K)
    assert (plr.states, plr.reasoning(1).streams, plr.reasoning(1).twice) == (1 + 2 * K, 2, True)
    plr.own = plr.module(D)
    gate = plr.own.double() if gated else None
    assert gated or plr.own is None
    z, second = (queries(mixed(states, gate)) for states in (raw, again))
    p = log_p(queries(raw[:, 1:]), catalogue)
    pairs = [divergence(p[:, i], p[:, j]) for i in range(2 * K) for j in range(2 * K) if i != j]
    terms = {
        "cross_entropy": cross_entropy(z, batch, catalogue),
        "kl": sum(pairs),
        "contrastive": contrast(second, z, TEMPERATURE, negatives, batch.users),
    }
    loss = terms["cross_entropy"] - 0.2 * terms["kl"] / len(pairs) + 0.3 * terms["contrastive"]
    reasoned = Reasoned(queries(raw), raw, None, batch.targets, batch.users, queries, again)
    leaves = (raw, again, catalogue.vectors, *(gate.parameters() if gate else ()))
    check(plr.loss(reasoned, catalogue), *leaves, loss=loss, **terms)
    check_parts(plr, reasoned, catalogue, loss, set(terms))
    torch.testing.assert_close(plr.readout(raw), raw[:, 0] + mixed(raw, gate), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("streams", [1, 2])
def test_plr_pushes_states_apart_as_soon_as_there_are_two(streams: int, batch, catalogue) -> None:
    plr = PLR(PLRSettings(streams=streams, gate=False), steps=1)
    raw = batch.raw[:, : 1 + streams]
    reasoned = dataclasses.replace(batch, states=raw, raw=raw)
    assert ("kl" in plr.terms(reasoned, catalogue)) is (streams == 2)
    assert (plr.loss(reasoned, catalogue)[1]["kl"] > 0) is (streams == 2)


def taught(target: int, neighbours: list[int], gamma: float) -> Tensor:
    """(N,): softmax of -rank / gamma, the target's rank 0; an item with two ranks has the mass of both."""
    ranked = [(target, 0), *((item, rank) for rank, item in enumerate(neighbours, 1) if item >= 0)]
    masses = torch.tensor([-rank / gamma for _, rank in ranked], dtype=torch.float64).softmax(0)
    return torch.zeros(N, dtype=torch.float64).index_add(0, torch.tensor([item for item, _ in ranked]), masses)


def test_mancar_supervises_at_rising_temperatures_and_teaches_each_state_the_last_items_neighbours(
    batch, catalogue
) -> None:
    neighbours = torch.tensor([[3, 4, -1], [1, 2, 5], [0, 1, 8], [-1, -1, -1], *([[7, 6, 2]] * (N - 4))])
    last = torch.tensor([0, 1, 2, 3, 4, 8])
    targets = torch.tensor([1, 2, 2, 5, 2, 7])  # the 1st and 4th lack neighbours; the 2nd, 5th and 6th are neighbours
    mancar = ManCAR(ManCARSettings(kl_weight=0.4, gamma=1.5, rise=1.7), steps=K)
    mancar.neighbours = neighbours
    batch = dataclasses.replace(batch, targets=targets, last=last)
    rising = [cross_entropy(batch.states[:, k], batch, catalogue, (k + 1) ** 1.7) for k in range(K + 1)]
    p, apart = log_p(batch.states, catalogue), []
    for k in range(K + 1):
        rows = zip(targets.tolist(), neighbours[last].tolist(), strict=True)
        teacher = torch.stack([taught(target, near, 1.5 * (K + 1 - k)) for target, near in rows])
        apart.append((torch.xlogy(teacher, teacher) - teacher * p[:, k]).sum(-1))
    terms = {"cross_entropy": sum(rising) / (K + 1), "kl": sum(apart)}
    loss = terms["cross_entropy"] + 0.4 * terms["kl"]
    check(mancar.loss(batch, catalogue), batch.raw, catalogue.vectors, loss=loss, **terms)
    check_parts(mancar, batch, catalogue, loss, set(terms))
    assert torch.equal(mancar.readout(batch.raw), batch.raw[:, K])


@both_queries
@pytest.mark.parametrize("negatives", ["keep", "mask"])
@pytest.mark.parametrize(("chance", "picked"), [(0.0, 0), (0.99, K), (0.5, 1)])
def test_lares_supervises_the_last_state_and_aligns_it_with_its_partner_and_a_drawn_state_of_its_own(
    queries, negatives, chance, picked, batch, catalogue
) -> None:
    partner = torch.randn(R, K + 1, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    weights = {"trajectory_weight": 0.3, "step_weight": 0.7, "contrastive_temperature": 0.4}
    lares = LARES(LARESSettings(**weights, same_user_negatives=negatives), steps=K)
    batch = dataclasses.replace(scored(batch, queries), partner=partner, chance=chance)

    def aligned(one: Tensor, two: Tensor) -> Tensor:
        """(R,): the mean of both directions."""
        pair = unit(one), unit(two)
        return sum(contrast(*each, 0.4, negatives, batch.users) for each in (pair, pair[::-1])) / 2

    last = batch.raw[:, K]
    terms = {
        "cross_entropy": cross_entropy(batch.states[:, K], batch, catalogue),
        "trajectory": aligned(last, partner[:, K]),
        "step": aligned(last, batch.raw[:, picked]),
    }
    loss = terms["cross_entropy"] + 0.3 * terms["trajectory"] + 0.7 * terms["step"]
    check(lares.loss(batch, catalogue), batch.raw, partner, catalogue.vectors, loss=loss, **terms)
    check_parts(lares, batch, catalogue, loss, set(terms))
    assert torch.equal(lares.readout(batch.raw), last)


def test_lares_of_one_state_and_without_weights_has_the_terms_that_are_left(batch, catalogue) -> None:
    single = dataclasses.replace(batch, states=batch.states[:, :1], raw=batch.raw[:, :1])
    assert LARES(LARESSettings(), steps=K).loss(single, catalogue)[1]["step"] == 0.0
    without = LARES(LARESSettings(trajectory_weight=0, step_weight=0), steps=K)
    assert not without.reasoning(1).same_target
    assert set(without.loss(batch, catalogue)[1]) == {"cross_entropy"}
    base = LARES(LARESSettings(), steps=0).reasoning(1)
    assert (base.depth, base.same_target) == (None, False)


@pytest.mark.parametrize(("mean", "most"), [(1, 2), (3, 8), (4.5, 12)])
def test_depths_have_a_log_normal_rate_of_the_mean_and_stay_below_three_times_it(mean: float, most: int) -> None:
    generator = torch.Generator().manual_seed(0)
    depths = torch.tensor([draw_depth(generator, mean=mean) for _ in range(8000)])
    noise = torch.Generator().manual_seed(1)
    rates = mean * (0.5 * torch.randn(400_000, dtype=torch.float64, generator=noise) - 0.125).exp()
    expected = torch.poisson(rates, generator=noise).clamp(max=most)
    for depth in range(most + 1):
        assert float((depths == depth).double().mean()) == pytest.approx(
            float((expected == depth).double().mean()), abs=0.016
        )
    assert int(depths.max()) == most
    assert float(rates.mean()) == pytest.approx(mean, rel=0.01)
    assert 0.8 * mean < float(depths.double().mean()) < 1.02 * mean


def test_lares_draws_depths_of_its_own_mean_or_of_k() -> None:
    for given, mean in ((None, 6), (3, 3)):
        lares = LARES(LARESSettings(train_steps=given), steps=6)
        assert lares.settings.training_steps(6) == mean
        generators = [torch.Generator().manual_seed(2) for _ in range(2)]
        drawn = [lares.reasoning(1).depth(generators[0]) for _ in range(20)]
        assert drawn == [draw_depth(generators[1], mean=mean) for _ in range(20)]


@pytest.mark.parametrize(
    "given",
    [
        {"streams": 2, "noise_std": 0.1},
        *({"depth": draw_depth, "positions": False, **more} for more in ({"noise_std": 0.1}, {"streams": 2})),
        {"depth": draw_depth},
    ],
)
def test_what_the_loop_does_not_give_together_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(streams go|depth goes) without"):
        Reasoning(**given)
