"""What several tests of the analysis compute from."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.store.store import Store


@pytest.fixture
def results(tmp_path: Path, synthetic: ModuleType) -> ResultSet:
    """Base and PRL with K = 2, three seeds each."""
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("prl", 2))
    return collect("s", cells, synthetic.fill(store, cells), store=store)
