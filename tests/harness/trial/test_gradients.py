"""How the terms of a loss compare at the encoder's states: the norms themselves, which batches, and no trace of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.records.results import Epoch, TrialResult
from rearec_bench.harness.trial import gradients
from rearec_bench.harness.trial.gradients import term_gradients
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.precision import multiplies_bfloat16
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.registry import STRATEGIES
from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.contract import Catalogue, Reasoned, Strategy

from ..specs import spec_of

R, K, D, N = 6, 2, 5, 9
TEMPERATURE = 0.7
needs_units = pytest.mark.skipif(not multiplies_bfloat16(), reason="a processor without units for bf16")
KINDS = [
    ("base", {}),
    ("naive", {}),
    ("rpe", {}),
    ("erl", {"kl_weight": 0.3}),
    ("erl", {"recipe": "released"}),
    ("prl", {"contrastive_weight": 0.4, "supervision_weight": 0.6}),
    ("prl", {"recipe": "released"}),
    ("erl", {"recipe": "recbole"}),
    ("prl", {"recipe": "recbole"}),
]


def strategy_of(kind: str, hyper: dict[str, Any]) -> Strategy:
    method = STRATEGIES.component(kind)
    found: Strategy = method(method.Settings(**hyper), steps=K)
    return found


def batch(*, unit: bool = False) -> tuple[Reasoned, Catalogue]:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(R, K + 1, D, dtype=torch.float64, generator=generator)
    noised = raw[:, 1:] + 0.1 * torch.randn(R, K, D, dtype=torch.float64, generator=generator)
    targets, users = torch.randint(N, (R,), generator=generator), torch.arange(R)
    vectors = torch.randn(N, D, dtype=torch.float64, generator=generator)
    queries = (lambda states: states / states.norm(dim=-1, keepdim=True)) if unit else (lambda states: states)
    return Reasoned(queries(raw), raw, noised, targets, users, queries), Catalogue(vectors, TEMPERATURE)


@pytest.mark.parametrize(("kind", "hyper"), KINDS, ids=str)
@pytest.mark.parametrize("unit", [False, True])
def test_the_terms_of_every_strategy_sum_to_its_loss(kind: str, hyper: dict[str, Any], unit: bool) -> None:
    strategy, (reasoned, catalogue) = strategy_of(kind, hyper), batch(unit=unit)
    loss, named = strategy.loss(reasoned, catalogue)
    terms = strategy.terms(reasoned, catalogue)
    assert terms.keys() == named.keys()
    torch.testing.assert_close(sum(terms.values()), loss)


def naive_terms(raw: Tensor, noised: Tensor, reasoned: Reasoned, catalogue: Catalogue) -> dict[str, dict[str, Tensor]]:
    """The terms of the paper's ERL at lambda 0.3 and PRL at contrastive weight 0.4, dense."""

    def supervised(k: int, temperature: float) -> Tensor:
        return torch.nn.functional.cross_entropy(raw[:, k] @ catalogue.vectors.T / temperature, reasoned.targets)

    log_p = (raw @ catalogue.vectors.T / TEMPERATURE).log_softmax(-1)
    pairs = [(i, j) for i in range(K + 1) for j in range(i + 1, K + 1)]
    kl = sum((log_p[:, i].exp() * (log_p[:, i] - log_p[:, j])).sum(-1).mean() for i, j in pairs)
    likeness = [noised[:, k - 1] @ raw[:, k].T / TEMPERATURE for k in range(1, K + 1)]
    contrast = sum(torch.nn.functional.cross_entropy(each, torch.arange(R)) for each in likeness)
    return {
        "erl": {"cross_entropy": sum(supervised(k, TEMPERATURE) for k in range(K + 1)), "kl": -0.3 * kl},
        "prl": {
            "cross_entropy": sum(supervised(k, TEMPERATURE * 1.5 ** (K - k)) for k in range(K + 1)),
            "contrastive": 0.4 * contrast,
        },
        "base": {"cross_entropy": supervised(K, TEMPERATURE)},
    }


@pytest.mark.parametrize(
    ("kind", "hyper"), [("base", {}), ("erl", {"kl_weight": 0.3}), ("prl", {"contrastive_weight": 0.4})]
)
def test_norms_are_those_of_the_gradients_by_all_states_of_the_batch(kind: str, hyper: dict[str, Any]) -> None:
    reasoned, catalogue = batch()
    raw, noised = reasoned.raw.clone().requires_grad_(), reasoned.noised.clone().requires_grad_()
    expected = {}
    for name, term in naive_terms(raw, noised, reasoned, catalogue)[kind].items():
        by_states = torch.autograd.grad(term, [raw, noised], allow_unused=True, retain_graph=True)
        expected[name] = float(torch.cat([grad.flatten() for grad in by_states if grad is not None]).norm())
    assert term_gradients(strategy_of(kind, hyper), reasoned, catalogue) == pytest.approx(expected, rel=1e-6)


def trained(data: Dataset, kind: str, **training: Any) -> tuple[TrialResult, list[Tensor], Any]:
    """A result, the weights, and where the random streams end."""
    run = ModelTrial(spec_of(data, kind, steps=2, max_epochs=2, **training), data)
    while not run.done:
        run.epoch()
    result = run.result()
    streams = {name: value for name, value in run.trainer.state().items() if name in ("dropout", "gate", "noise")}
    return result, list(run.model.parameters()), (str(streams), str(torch.get_rng_state().tolist()))


@pytest.mark.parametrize("kind", ["base", "erl", "prl"])
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_units)])
def test_comparing_gradients_changes_no_number(
    tiny: Dataset, kind: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for every in (0, 1):
        monkeypatch.setattr(gradients, "EVERY", every)
        result, weights, streams = trained(tiny, kind, precision=precision)
        assert all(bool(epoch.gradients) == (every == 1) for epoch in result.history)
        found.append(([(epoch.losses, epoch.validation) for epoch in result.history], streams, weights))
    (numbers, streams, weights), (same, same_streams, same_weights) = found
    assert numbers == same and streams == same_streams
    assert all(torch.equal(one, other) for one, other in zip(weights, same_weights, strict=True))


@pytest.mark.parametrize("packing", ["none", "users"])
def test_one_batch_in_so_many_is_compared_counted_through_the_epochs(
    tiny: Dataset, packing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ModelTrial(spec_of(tiny, "prl", steps=1, batch_size=256, max_epochs=6, packing=packing), tiny)
    asked: list[int] = []
    batch_of = run.trainer._batch
    monkeypatch.setattr(
        run.trainer,
        "_batch",
        lambda rows, epoch, *, compared, **rest: (
            asked.append(compared) or batch_of(rows, epoch, compared=compared, **rest)
        ),
    )
    monkeypatch.setattr(gradients, "EVERY", every := 7)
    per_epoch = []
    for _ in range(6):
        before = len(asked)
        run.epoch()
        per_epoch.append(sum(asked[before:]))
    apart = [later - earlier for earlier, later in zip(places(asked), places(asked)[1:], strict=False)]
    assert asked[0] and len(apart) > 3
    assert all(abs(gap - every) <= (0 if packing == "none" and len(tiny.train) % 256 == 0 else 1) for gap in apart)
    assert [bool(epoch.gradients) for epoch in run.history] == [count > 0 for count in per_epoch]


def places(asked: list[int]) -> list[int]:
    return [place for place, compared in enumerate(asked) if compared]


def test_a_strategy_that_names_no_terms_is_trained_without(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Base, "terms", Strategy.terms)
    assert [epoch.gradients for epoch in run_trial(spec_of(tiny), tiny).history] == [{}, {}]


def test_a_term_that_does_not_depend_on_the_states_has_no_gradient() -> None:
    class Constant(Base):
        def terms(self, reasoned: Reasoned, catalogue: Catalogue) -> dict[str, Tensor]:
            return {"constant": catalogue.vectors.sum(), "flat": reasoned.raw.sum() * 0 + 1}

    reasoned, catalogue = batch()
    strategy = Constant(Base.Settings(), steps=K)
    assert term_gradients(strategy, reasoned, catalogue) == {"constant": 0.0, "flat": 0.0}


def test_an_epoch_stored_without_gradients_is_read() -> None:
    stored = dataclasses.asdict(Epoch(1, {"total": 1.0}, {}, 1.0, 1.0, 1.0))
    del stored["gradients"]
    assert Epoch(**stored).gradients == {}
