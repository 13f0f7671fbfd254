"""What `check` and dry runs say of components; how they say it: tests/harness/run/test_check.py."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from torch import Tensor

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.trial.contract import broken
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.registry import STRATEGIES
from rearec_bench.models.backbones.sasrec import SASRec
from rearec_bench.models.strategies.contract import Reasoning
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.prl import PRL

from ..specs import spec_of
from .test_batches import make_dataset

ADVANCE = SASRec.advance


@pytest.mark.parametrize("backbone", ["sasrec", "bert4rec", "lares"])
@pytest.mark.parametrize("max_len", [1, 2, 5])
def test_built_in_components_keep_their_contracts_at_any_max_len(tiny: Dataset, backbone: str, max_len: int) -> None:
    assert broken(spec_of(tiny, "prl", kind=backbone, steps=2, max_len=max_len), tiny) == ()


def test_built_in_components_keep_their_contracts_on_histories_of_one_item() -> None:
    data = make_dataset([[user % 5, (user + 1) % 5] for user in range(8)], num_items=5)
    assert broken(spec_of(data, "prl", steps=2), data) == ()


@pytest.mark.parametrize("streams", [None, 3])
def test_streams_that_are_no_setting_are_refused_before_training(
    tiny: Dataset, streams: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored result is checked by the settings alone."""
    monkeypatch.setattr(STRATEGIES.component("plr"), "reasoning", lambda self, epoch: Reasoning(streams=streams))
    said = f"PLR has {1 + 2 * (streams or 1)} states, and by its settings 5."
    (problem,) = broken(spec_of(tiny, "plr", steps=2), tiny)
    assert problem.startswith(f"__init__: ValueError: {said}")
    result = run_trial(spec_of(tiny, "plr", steps=2), tiny)
    assert result.status == "failed" and said in result.reason


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda parts: None, "NoneType, where names and tensors"),
        (lambda parts: {"kl": 0.5}, "kl: not a tensor of one number"),
        (lambda parts: {"kl": parts["kl"].expand(2)}, "kl: not a tensor of one number"),
        (lambda parts: {name: 2 * part for name, part in parts.items()}, "their sum is "),
    ],
)
def test_terms_that_training_could_not_compare_are_told(
    tiny: Dataset, changed: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = ERL.terms
    monkeypatch.setattr(ERL, "terms", lambda *given: changed(terms(*given)))
    (problem,) = broken(spec_of(tiny, "erl", steps=2, hyper={"kl_weight": 2.0}), tiny)
    assert problem.startswith(f"terms: {said}")


def mixed_rows(self: Any, inputs: Tensor, cache: Any) -> tuple[Tensor, Any]:
    states, after = ADVANCE(self, inputs, cache)
    return states + states.mean(0, keepdim=True), after


def shifted_places(self: Any, inputs: Tensor, cache: Any) -> tuple[Tensor, Any]:
    states, after = ADVANCE(self, inputs, cache)
    return states.roll(1, 1), after


@pytest.mark.parametrize(
    ("verb", "changed", "said"),
    [
        ("advance", mixed_rows, "advance: a row's step depends on the other rows"),
        ("advance", shifted_places, "advance: with every_prefix, the last position steps to another state"),
        (
            "side_by_side",
            lambda self, cache, views: dataclasses.replace(cache, bias=cache.bias.clamp(min=0)),
            "side_by_side: ",
        ),
    ],
)
def test_steps_that_see_what_they_may_not_are_told(
    tiny: Dataset, verb: str, changed: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SASRec, verb, changed)
    found = broken(spec_of(tiny, "prl", steps=2), tiny)
    assert any(problem.startswith(said) for problem in found), found


def test_what_starts_with_a_later_epoch_is_asked_too(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PRL, "_contrastive", lambda *given: 1 / 0)
    found = broken(spec_of(tiny, "prl", steps=2, hyper={"recipe": "released"}, max_epochs=3), tiny)
    assert found == tuple(f"{verb}: ZeroDivisionError: division by zero" for verb in ("loss", "terms"))
