"""Each strategy's loss, term by term, from the paper's equations and from the description of the released code."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.contract import Catalogue, Reasoned
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


@pytest.fixture
def batch() -> Reasoned:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(R, K + 1, D, dtype=torch.float64, generator=generator)
    noised = states[:, 1:] + 0.1 * torch.randn(R, K, D, dtype=torch.float64, generator=generator)
    targets = torch.randint(N, (R,), generator=generator)
    return Reasoned(states, states, noised, targets, torch.tensor([0, 0, 1, 2, 2, 3]))


@pytest.fixture
def catalogue() -> Catalogue:
    vectors = torch.randn(N, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Catalogue(vectors, 0.7)


def unit(states: Tensor) -> Tensor:
    """Queries of length one."""
    return states / states.norm(dim=-1, keepdim=True)


def with_unit_queries(batch: Reasoned) -> Reasoned:
    return Reasoned(unit(batch.raw), batch.raw, batch.noised, batch.targets, batch.users, unit)


def softmax(scores: list[float]) -> list[float]:
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def probabilities(state: Tensor, catalogue: Catalogue, temperature: float = 0.7) -> list[float]:
    return softmax([float(state @ item) / temperature for item in catalogue.vectors])


def cross_entropy(state: Tensor, target: Tensor, catalogue: Catalogue, temperature: float = 0.7) -> float:
    return -math.log(probabilities(state, catalogue, temperature)[int(target)])


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def contrast(noised: Tensor, states: Tensor, row: int, temperature: float, others: Iterable[int] = range(R)) -> float:
    """Minus the log-probability of a row's own state among those of the rows."""
    others = list(others)
    return -math.log(softmax([float(noised @ states[o]) / temperature for o in others])[others.index(row)])


def check(found: Any, **expected: list[float]) -> None:
    """The loss and its terms are the means over rows."""
    loss, terms = found
    values = {**terms, "loss": float(loss)}
    assert {name: values[name] for name in expected} == pytest.approx(
        {name: sum(each) / R for name, each in expected.items()}, rel=1e-10
    )


@pytest.mark.parametrize(
    "strategy", [Base(BaseSettings(), steps=0), Naive(NaiveSettings(), steps=K), RPE(RPESettings(), steps=K)]
)
def test_base_naive_and_rpe_take_the_cross_entropy_of_the_last_state(strategy, batch, catalogue) -> None:
    expected = [cross_entropy(batch.states[r, K], batch.targets[r], catalogue) for r in range(R)]
    check(strategy.loss(batch, catalogue), loss=expected, cross_entropy=expected)
    assert torch.equal(strategy.readout(batch.states), batch.states[:, K])


def test_erl_of_the_paper_is_equation_8_with_the_divergence_maximised(batch, catalogue) -> None:
    supervised, apart = [], []
    for states, target in zip(batch.states, batch.targets, strict=True):
        p = [probabilities(state, catalogue) for state in states]
        supervised.append(sum(cross_entropy(state, target, catalogue) for state in states))
        apart.append(sum(divergence(p[i], p[j]) for i in range(K) for j in range(i + 1, K + 1)))
    loss = [one - 0.3 * other for one, other in zip(supervised, apart, strict=True)]
    found = ERL(ERLSettings(kl_weight=0.3), steps=K).loss(batch, catalogue)
    check(found, loss=loss, cross_entropy=supervised, kl=apart)


def test_erl_reads_the_mean_of_the_states(batch) -> None:
    readout = ERL(ERLSettings(), steps=K).readout(batch.states)
    torch.testing.assert_close(readout, (batch.states[:, 0] + batch.states[:, 1] + batch.states[:, 2]) / 3)


@pytest.mark.parametrize("queries", [lambda states: states, unit], ids=["states", "of length one"])
def test_erl_released_supervises_the_query_of_the_pooled_state_alone(queries, batch, catalogue) -> None:
    supervised, loss = [], []
    for raw, target in zip(batch.raw, batch.targets, strict=True):
        p = [probabilities(queries(state), catalogue) for state in raw]
        pairs = [divergence(p[j], p[i]) for i in range(K + 1) for j in range(K + 1) if i != j]
        supervised.append(cross_entropy(queries(raw.mean(0)), target, catalogue))
        loss.append(supervised[-1] - 0.05 * sum(pairs) / len(pairs))
    reasoned = with_unit_queries(batch) if queries is unit else batch
    found = ERL(ERLSettings(recipe="released"), steps=K).loss(reasoned, catalogue)
    check(found, loss=loss, cross_entropy=supervised)


def test_erl_released_lets_the_gradient_through_the_first_distribution_alone(batch, catalogue) -> None:
    states = batch.states.clone().requires_grad_()
    settings = ERLSettings(recipe="released", kl_weight=2.0)
    loss, _ = ERL(settings, steps=K).loss(Reasoned(states, states, None, batch.targets, batch.users), catalogue)
    loss.backward()
    naive = batch.states.clone().requires_grad_()
    logits = naive @ catalogue.vectors.T / 0.7
    log_p = logits.log_softmax(-1)
    pairs = [
        (log_p[:, j].exp() * (log_p[:, j] - log_p[:, i].detach())).sum(-1)
        for i in range(K + 1)
        for j in range(K + 1)
        if i != j
    ]
    pooled = (naive.mean(1) @ catalogue.vectors.T / 0.7).log_softmax(-1)
    supervised = -pooled.gather(1, batch.targets[:, None])[:, 0]
    (supervised.mean() - 2.0 * torch.stack(pairs).mean(0).mean()).backward()
    torch.testing.assert_close(states.grad, naive.grad)


def contrasts(batch: Reasoned, temperature: float, view: Callable[[Tensor], Tensor] = lambda states: states) -> Any:
    """Of each row, the sum over steps."""
    return [
        sum(contrast(view(batch.noised[r, k - 1]), view(batch.raw[:, k]), r, temperature) for k in range(1, K + 1))
        for r in range(R)
    ]


def test_prl_of_the_paper_is_annealed_cross_entropy_plus_contrast(batch, catalogue) -> None:
    annealed = [
        sum(cross_entropy(states[k], target, catalogue, 0.7 * 0.5 * 1.5 ** (K - k)) for k in range(K + 1))
        for states, target in zip(batch.states, batch.targets, strict=True)
    ]
    contrastive = contrasts(batch, 0.7 * 0.5)
    found = PRL(PRLSettings(temperature=0.5, decay=1.5), steps=K).loss(batch, catalogue)
    check(found, loss=annealed + contrastive, cross_entropy=annealed, contrastive=contrastive)


@pytest.mark.parametrize(("recipe", "decay", "share"), [("paper", 1.5, 1), ("released", 5, 1 / K)])
@pytest.mark.parametrize(("supervision", "contrastive"), [(1.0, 1.0), (1.0, 0.3), (0.3, 1.0), (0.0, 2.0), (2.0, 0.0)])
def test_prl_weighs_earlier_states_and_the_contrast(
    recipe, decay, share, supervision, contrastive, batch, catalogue
) -> None:
    supervised = [
        cross_entropy(states[K], target, catalogue)
        + supervision
        * share
        * sum(cross_entropy(states[k], target, catalogue, 0.7 * decay ** (K - k)) for k in range(K))
        for states, target in zip(batch.states, batch.targets, strict=True)
    ]
    apart = [share * value for value in contrasts(batch, 0.7)]
    loss = [one + contrastive * other for one, other in zip(supervised, apart, strict=True)]
    given = {"recipe": recipe, "supervision_weight": supervision, "contrastive_weight": contrastive}
    found = PRL(PRLSettings(**given), steps=K).loss(batch, catalogue)
    check(found, loss=loss, cross_entropy=supervised, contrastive=apart)


def test_prl_contrasts_states_of_length_one_where_queries_have_length_one(batch, catalogue) -> None:
    found = PRL(PRLSettings(temperature=0.5), steps=K).loss(with_unit_queries(batch), catalogue)
    check(found, contrastive=contrasts(batch, 0.7 * 0.5, unit))


def test_prl_masks_rows_of_the_same_user_from_the_negatives_where_asked(batch, catalogue) -> None:
    expected = []
    for r in range(R):
        others = [o for o in range(R) if o == r or batch.users[o] != batch.users[r]]
        steps = range(1, K + 1)
        expected.append(sum(contrast(batch.noised[r, k - 1], batch.raw[:, k], r, 0.7, others) for k in steps))
    check(PRL(PRLSettings(same_user_negatives="mask"), steps=K).loss(batch, catalogue), contrastive=expected)


def test_prl_released_starts_the_contrast_in_the_third_epoch() -> None:
    strategy = PRL(PRLSettings(recipe="released"), steps=K)
    assert [strategy.reasoning(epoch).noise_std for epoch in (1, 2, 3)] == [None, None, 0.01]
    assert PRL(PRLSettings(), steps=K).reasoning(1).noise_std == 0.1


def recbole_erl(raw: Tensor, reasoned: Reasoned, vectors: Tensor, *, unit_length: bool) -> Tensor:
    """RecBole 3.0's loss at kl_weight 0.05 and temperature 0.07, dense, from its formulas."""
    states = unit(raw) if unit_length else raw
    mean = states.mean(1)
    logits = (unit(mean) if unit_length else mean) @ vectors.T / 0.07
    supervised = -logits.log_softmax(-1)[torch.arange(R), reasoned.targets].mean()
    scores = states @ vectors.T / 0.07
    log_p = scores.log_softmax(-1)
    apart = [
        (log_p[:, t].exp() * (log_p[:, t].detach() - log_p[:, s].detach())).sum(-1)
        for t in range(K + 1)
        for s in range(K + 1)
        if s != t
    ]
    return supervised - 0.05 * torch.stack(apart).mean()


def recbole_prl(raw: Tensor, noised: Tensor, reasoned: Reasoned, vectors: Tensor, *, unit_length: bool) -> Tensor:
    """The same for PRL at temp_scale 5 and weights 1."""
    states, second = (unit(raw), unit(noised)) if unit_length else (raw, noised)
    rows = torch.arange(R)
    by_step = [
        -(states[:, k] @ vectors.T / (0.07 * 5.0 ** (K - k))).log_softmax(-1)[rows, reasoned.targets].mean()
        for k in range(K + 1)
    ]
    contrast = [-(second[:, k - 1] @ states[:, k].T / 0.07).log_softmax(-1)[rows, rows].mean() for k in range(1, K + 1)]
    return by_step[K] + sum(by_step[:K]) / K + sum(contrast) / K


@pytest.mark.parametrize("unit_length", [False, True])
@pytest.mark.parametrize("kind", ["erl", "prl"])
def test_the_recipe_of_recbole_has_the_loss_and_the_gradients_of_its_formulas(kind, unit_length, batch, catalogue):
    vectors = (unit(catalogue.vectors) if unit_length else 0.1 * catalogue.vectors).requires_grad_()
    raw, noised = batch.raw.clone().requires_grad_(), batch.noised.clone().requires_grad_()
    queries = unit if unit_length else lambda states: states
    reasoned = Reasoned(queries(raw), raw, noised, batch.targets, batch.users, queries)
    if kind == "erl":
        strategy: Any = ERL(ERLSettings(recipe="recbole"), steps=K)
        expected = recbole_erl(raw, batch, vectors, unit_length=unit_length)
    else:
        strategy = PRL(PRLSettings(recipe="recbole"), steps=K)
        expected = recbole_prl(raw, noised, batch, vectors, unit_length=unit_length)
    temperature = strategy.settings.score_temperature_of(1.0)
    found, _ = strategy.loss(reasoned, Catalogue(vectors, temperature))
    torch.testing.assert_close(found, expected)
    wanted = [raw, vectors] if kind == "erl" else [raw, noised, vectors]
    for ours, theirs in zip(torch.autograd.grad(found, wanted), torch.autograd.grad(expected, wanted), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


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
    """(D,): the mean over steps of each stream, weighed by a softmax of the gate at r_0."""
    means = [sum(states[1 + m * K + k] for k in range(K)) / K for m in range(2)]
    shares = [0.5, 0.5] if gate is None else softmax([float(gate.weight[m] @ states[0] + gate.bias[m]) for m in (0, 1)])
    return shares[0] * means[0] + shares[1] * means[1]


@pytest.mark.parametrize("queries", [lambda states: states, unit], ids=["states", "of length one"])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("negatives", ["keep", "mask"])
def test_plr_scores_the_gated_streams_pushes_all_their_states_apart_and_contrasts_two_computations(
    queries, gated, negatives, batch, catalogue
) -> None:
    generator = torch.Generator().manual_seed(3)
    raw, again = streams_of(batch, generator), streams_of(batch, generator)
    settings = PLRSettings(kl_weight=0.2, contrastive_weight=0.3, gate=gated, same_user_negatives=negatives)
    plr = PLR(settings, steps=K)
    assert (plr.states, plr.reasoning(1).streams, plr.reasoning(1).twice) == (1 + 2 * K, 2, True)
    plr.own = plr.module(D)
    gate = plr.own.double().requires_grad_(False) if gated else None
    assert gated or plr.own is None
    z = [[queries(mixed(states, gate)) for states in part] for part in (raw, again)]
    users = batch.users.tolist()
    supervised, apart, contrasted = [], [], []
    for row in range(R):
        p = [probabilities(queries(state), catalogue) for state in raw[row, 1:]]
        supervised.append(cross_entropy(z[0][row], batch.targets[row], catalogue))
        apart.append(sum(divergence(a, b) for a in p for b in p if a is not b))
        others = [other for other in range(R) if negatives == "keep" or other == row or users[other] != users[row]]
        contrasted.append(contrast(z[1][row], torch.stack(z[0]), row, 0.7, others))
    pairs = 2 * K * (2 * K - 1)
    loss = [a - 0.2 * b / pairs + 0.3 * c for a, b, c in zip(supervised, apart, contrasted, strict=True)]
    reasoned = Reasoned(queries(raw), raw, None, batch.targets, batch.users, queries, again)
    check(plr.loss(reasoned, catalogue), loss=loss, cross_entropy=supervised, kl=apart, contrastive=contrasted)
    parts = plr.terms(reasoned, catalogue)
    assert float(sum(parts.values())) == pytest.approx(sum(loss) / R)
    assert set(parts) == {"cross_entropy", "kl", "contrastive"}
    read = torch.stack([states[0] + mixed(states, gate) for states in raw])
    torch.testing.assert_close(plr.readout(raw), read, rtol=1e-10, atol=1e-10)


def taught(target: int, neighbours: list[int], gamma: float) -> list[float]:
    """(N,): softmax of -rank / gamma, the target's rank 0; an item with two ranks has the mass of both."""
    ranked = [(target, 0), *((item, rank) for rank, item in enumerate(neighbours, 1) if item >= 0)]
    masses = softmax([-rank / gamma for _, rank in ranked])
    return [sum(mass for mass, (other, _) in zip(masses, ranked, strict=True) if other == item) for item in range(N)]


def test_mancar_supervises_at_rising_temperatures_and_teaches_each_state_the_last_items_neighbours(
    batch, catalogue
) -> None:
    neighbours = torch.tensor([[3, 4, -1], [1, 2, 5], [0, 1, 8], [-1, -1, -1], *([[7, 6, 2]] * (N - 4))])
    last = torch.tensor([0, 1, 2, 3, 4, 8])
    targets = torch.tensor([1, 2, 2, 5, 2, 7])  # the 1st and 4th lack neighbours; the 2nd, 5th and 6th are neighbours
    mancar = ManCAR(ManCARSettings(kl_weight=0.4, gamma=1.5, rise=1.7), steps=K)
    mancar.neighbours = neighbours
    states, vectors = batch.states.requires_grad_(), catalogue.vectors.requires_grad_()
    reasoned = dataclasses.replace(batch, states=states, raw=states, targets=targets, last=last)
    supervised, apart = [], []
    for row in range(R):
        near, target = neighbours[last[row]].tolist(), int(targets[row])
        scores = [states[row, k] @ vectors.T / 0.7 for k in range(K + 1)]
        supervised.append(sum(-(scores[k] / (k + 1) ** 1.7).log_softmax(0)[target] for k in range(K + 1)) / (K + 1))
        parts = []
        for k in range(K + 1):
            teacher = taught(target, near, 1.5 * (K + 1 - k))
            log_p = scores[k].log_softmax(0)
            parts += [q * (math.log(q) - log_p[item]) for item, q in enumerate(teacher) if q]
        apart.append(sum(parts))
    expected = sum(supervised) / R + 0.4 * sum(apart) / R
    found, terms = mancar.loss(reasoned, catalogue)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-10)
    means = {"cross_entropy": sum(supervised) / R, "kl": sum(apart) / R}
    assert terms == pytest.approx({name: float(mean.detach()) for name, mean in means.items()})
    for ours, theirs in zip(*(torch.autograd.grad(loss, (states, vectors)) for loss in (found, expected)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    parts = mancar.terms(reasoned, catalogue)
    assert float(sum(parts.values())) == pytest.approx(float(expected))
    assert torch.equal(mancar.readout(states), states[:, K])


@pytest.mark.parametrize("queries", [lambda states: states, unit], ids=["states", "of length one"])
@pytest.mark.parametrize("negatives", ["keep", "mask"])
@pytest.mark.parametrize(("chance", "picked"), [(0.0, 0), (0.99, K), (0.5, 1)])
def test_lares_supervises_the_last_state_and_aligns_it_with_its_partner_and_a_drawn_state_of_its_own(
    queries, negatives, chance, picked, batch, catalogue
) -> None:
    raw = batch.raw.requires_grad_()
    partner = torch.randn(R, K + 1, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    settings = LARESSettings(
        trajectory_weight=0.3, step_weight=0.7, contrastive_temperature=0.4, same_user_negatives=negatives
    )
    lares = LARES(settings, steps=K)
    users = batch.users.tolist()
    last, other, drawn = unit(raw[:, K]), unit(partner[:, K]), unit(raw[:, picked])

    def aligned(one: Tensor, two: Tensor) -> Tensor:
        """The mean over rows and directions of minus the log-probability of a row's own counterpart."""
        found = []
        for first, second in ((one, two), (two, one)):
            for row in range(R):
                among = [o for o in range(R) if negatives == "keep" or o == row or users[o] != users[row]]
                scores = torch.stack([first[row] @ second[o] / 0.4 for o in among])
                found.append(scores.logsumexp(0) - scores[among.index(row)])
        return sum(found) / (2 * R)

    scores = queries(raw[:, K]) @ catalogue.vectors.T / 0.7
    supervised = sum(scores[row].logsumexp(0) - scores[row, batch.targets[row]] for row in range(R)) / R
    parts = {"cross_entropy": supervised, "trajectory": aligned(last, other), "step": aligned(last, drawn)}
    expected = parts["cross_entropy"] + 0.3 * parts["trajectory"] + 0.7 * parts["step"]
    reasoned = Reasoned(queries(raw), raw, None, batch.targets, batch.users, queries, partner=partner, chance=chance)
    found, terms = lares.loss(reasoned, catalogue)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-10)
    assert terms == pytest.approx({name: float(part.detach()) for name, part in parts.items()})
    assert float(sum(lares.terms(reasoned, catalogue).values())) == pytest.approx(float(expected))
    both = (raw, partner)
    for ours, theirs in zip(*(torch.autograd.grad(each, both) for each in (found, expected)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    assert torch.equal(lares.readout(raw), raw[:, K])


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
