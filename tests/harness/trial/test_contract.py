"""What `check` and dry runs say of components; how they say it: tests/harness/run/test_check.py."""

from __future__ import annotations

import pytest

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.trial.contract import broken

from ..specs import spec_of
from .test_batches import make_dataset


@pytest.mark.parametrize("backbone", ["sasrec", "bert4rec", "lares"])
@pytest.mark.parametrize("max_len", [1, 2, 5])
def test_built_in_components_keep_their_contracts_at_any_max_len(tiny: Dataset, backbone: str, max_len: int) -> None:
    assert broken(spec_of(tiny, "prl", kind=backbone, steps=2, max_len=max_len), tiny) == ()


def test_built_in_components_keep_their_contracts_on_histories_of_one_item() -> None:
    data = make_dataset([[user % 5, (user + 1) % 5] for user in range(8)], num_items=5)
    assert broken(spec_of(data, "prl", steps=2), data) == ()
