"""Each strategy's loss, term by term, from the paper's equations and from the description of the released code."""

import math

import pytest
import torch
from torch import Tensor

from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.contract import Catalogue, Reasoned
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.naive import Naive
from rearec_bench.models.strategies.prl import PRL
from rearec_bench.models.strategies.rpe import RPE
from rearec_bench.models.strategies.settings import BaseSettings, ERLSettings, NaiveSettings, PRLSettings, RPESettings

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


def probabilities(state: Tensor, catalogue: Catalogue, temperature: float) -> list[float]:
    scores = [float(state @ item) / temperature for item in catalogue.vectors]
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def cross_entropy(state: Tensor, target: int, catalogue: Catalogue, temperature: float) -> float:
    return -math.log(probabilities(state, catalogue, temperature)[target])


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def rows_mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    "strategy", [Base(BaseSettings(), steps=0), Naive(NaiveSettings(), steps=K), RPE(RPESettings(), steps=K)]
)
def test_base_naive_and_rpe_take_the_cross_entropy_of_the_last_state(strategy, batch, catalogue) -> None:
    loss, terms = strategy.loss(batch, catalogue)
    expected = rows_mean([cross_entropy(batch.states[r, K], int(batch.targets[r]), catalogue, 0.7) for r in range(R)])
    assert float(loss) == pytest.approx(expected, rel=1e-12)
    assert terms["cross_entropy"] == pytest.approx(expected, rel=1e-12)
    assert torch.equal(strategy.readout(batch.states), batch.states[:, K])


def test_erl_of_the_paper_is_equation_8_with_the_divergence_maximised(batch, catalogue) -> None:
    loss, terms = ERL(ERLSettings(kl_weight=0.3), steps=K).loss(batch, catalogue)
    supervised, apart = [], []
    for r in range(R):
        p = [probabilities(batch.states[r, k], catalogue, 0.7) for k in range(K + 1)]
        supervised.append(sum(-math.log(p[k][int(batch.targets[r])]) for k in range(K + 1)))
        apart.append(sum(divergence(p[i], p[j]) for i in range(K) for j in range(i + 1, K + 1)))
    assert terms["cross_entropy"] == pytest.approx(rows_mean(supervised), rel=1e-10)
    assert terms["kl"] == pytest.approx(rows_mean(apart), rel=1e-10)
    assert float(loss) == pytest.approx(rows_mean(supervised) - 0.3 * rows_mean(apart), rel=1e-10)


def test_erl_reads_the_mean_of_the_states(batch) -> None:
    readout = ERL(ERLSettings(), steps=K).readout(batch.states)
    torch.testing.assert_close(readout, (batch.states[:, 0] + batch.states[:, 1] + batch.states[:, 2]) / 3)


def test_erl_released_supervises_the_pooled_state_alone(batch, catalogue) -> None:
    loss, _ = ERL(ERLSettings(recipe="released"), steps=K).loss(batch, catalogue)
    expected = []
    for r in range(R):
        pooled = batch.states[r].mean(0)
        p = [probabilities(batch.states[r, k], catalogue, 0.7) for k in range(K + 1)]
        pairs = [divergence(p[j], p[i]) for i in range(K + 1) for j in range(K + 1) if i != j]
        supervised = cross_entropy(pooled, int(batch.targets[r]), catalogue, 0.7)
        expected.append(supervised - 0.05 * sum(pairs) / len(pairs))
    assert float(loss) == pytest.approx(rows_mean(expected), rel=1e-10)


def test_erl_released_supervises_the_query_of_the_readout_where_queries_have_length_one(batch, catalogue) -> None:
    def queries(states: Tensor) -> Tensor:
        return states / states.norm(dim=-1, keepdim=True)

    strategy = ERL(ERLSettings(recipe="released"), steps=K)
    reasoned = Reasoned(queries(batch.raw), batch.raw, None, batch.targets, batch.users, queries)
    loss, terms = strategy.loss(reasoned, catalogue)
    expected, supervised = [], []
    for r in range(R):
        readout = queries(strategy.readout(batch.raw[r]))
        p = [probabilities(state / state.norm(), catalogue, 0.7) for state in batch.raw[r]]
        pairs = [divergence(p[j], p[i]) for i in range(K + 1) for j in range(K + 1) if i != j]
        supervised.append(cross_entropy(readout, int(batch.targets[r]), catalogue, 0.7))
        expected.append(supervised[-1] - 0.05 * sum(pairs) / len(pairs))
    assert terms["cross_entropy"] == pytest.approx(rows_mean(supervised), rel=1e-10)
    assert float(loss) == pytest.approx(rows_mean(expected), rel=1e-10)


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


def test_prl_of_the_paper_is_annealed_cross_entropy_plus_contrast(batch, catalogue) -> None:
    settings = PRLSettings(temperature=0.5, decay=1.5)
    loss, terms = PRL(settings, steps=K).loss(batch, catalogue)
    annealed, contrast = [], []
    for r in range(R):
        annealed.append(
            sum(
                cross_entropy(batch.states[r, k], int(batch.targets[r]), catalogue, 0.7 * 0.5 * 1.5 ** (K - k))
                for k in range(K + 1)
            )
        )
        total = 0.0
        for k in range(1, K + 1):
            scores = [float(batch.noised[r, k - 1] @ batch.raw[other, k]) / (0.7 * 0.5) for other in range(R)]
            total -= scores[r] - math.log(sum(math.exp(score) for score in scores))
        contrast.append(total)
    assert terms["cross_entropy"] == pytest.approx(rows_mean(annealed), rel=1e-10)
    assert terms["contrastive"] == pytest.approx(rows_mean(contrast), rel=1e-10)
    assert float(loss) == pytest.approx(rows_mean(annealed) + rows_mean(contrast), rel=1e-10)


def test_prl_contrasts_states_of_length_one_where_queries_have_length_one(batch, catalogue) -> None:
    def queries(states: Tensor) -> Tensor:
        return states / states.norm(dim=-1, keepdim=True)

    reasoned = Reasoned(queries(batch.raw), batch.raw, batch.noised, batch.targets, batch.users, queries)
    _, terms = PRL(PRLSettings(temperature=0.5), steps=K).loss(reasoned, catalogue)
    expected = []
    for r in range(R):
        for k in range(1, K + 1):
            noised = batch.noised[r, k - 1] / batch.noised[r, k - 1].norm()
            cosines = [float(noised @ state / state.norm()) / (0.7 * 0.5) for state in batch.raw[:, k]]
            expected.append(math.log(sum(math.exp(cosine) for cosine in cosines)) - cosines[r])
    assert terms["contrastive"] == pytest.approx(sum(expected) / R, rel=1e-10)


def test_prl_masks_rows_of_the_same_user_from_the_negatives_where_asked(batch, catalogue) -> None:
    settings = PRLSettings(same_user_negatives="mask")
    _, terms = PRL(settings, steps=K).loss(batch, catalogue)
    contrast = 0.0
    for r in range(R):
        others = [o for o in range(R) if o == r or int(batch.users[o]) != int(batch.users[r])]
        for k in range(1, K + 1):
            scores = {o: float(batch.noised[r, k - 1] @ batch.raw[o, k]) / 0.7 for o in others}
            contrast -= scores[r] - math.log(sum(math.exp(score) for score in scores.values()))
    assert terms["contrastive"] == pytest.approx(contrast / R, rel=1e-10)


def test_prl_released_means_over_the_earlier_states_and_over_the_steps(batch, catalogue) -> None:
    loss, terms = PRL(PRLSettings(recipe="released"), steps=K).loss(batch, catalogue)
    expected, contrast = [], []
    for r in range(R):
        target = int(batch.targets[r])
        earlier = [cross_entropy(batch.states[r, k], target, catalogue, 0.7 * 5 ** (K - k)) for k in range(K)]
        expected.append(cross_entropy(batch.states[r, K], target, catalogue, 0.7) + sum(earlier) / K)
        for k in range(1, K + 1):
            scores = [float(batch.noised[r, k - 1] @ batch.raw[other, k]) / 0.7 for other in range(R)]
            contrast.append(math.log(sum(math.exp(score) for score in scores)) - scores[r])
    assert terms["cross_entropy"] == pytest.approx(rows_mean(expected), rel=1e-10)
    assert terms["contrastive"] == pytest.approx(rows_mean(contrast), rel=1e-10)
    assert float(loss) == pytest.approx(rows_mean(expected) + rows_mean(contrast), rel=1e-10)


def test_prl_released_starts_the_contrast_in_the_third_epoch() -> None:
    strategy = PRL(PRLSettings(recipe="released"), steps=K)
    assert [strategy.reasoning(epoch).noise_std for epoch in (1, 2, 3)] == [None, None, 0.01]
    assert PRL(PRLSettings(), steps=K).reasoning(1).noise_std == 0.1
