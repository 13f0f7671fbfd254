"""What several tests of the analysis compute from."""

from __future__ import annotations

from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.store.store import Store


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    """Base and PRL with K = 2, three seeds each."""
    return synthetic.results_of(Store(tmp_path_factory.mktemp("results")), ("base", 0), ("prl", 2))
