"""What `check` and dry runs say of components; how they say it: tests/harness/run/test_check.py."""

from __future__ import annotations

import pytest

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.trial.contract import broken
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils.registry import STRATEGIES
from rearec_bench.models.strategies.contract import Reasoning

from ..specs import spec_of
from .test_batches import make_dataset


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
