"""Cells and trials of suites that ship, or shipped, keep the keys under which people have stored their results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.suite.load import load_suite

HERE = Path(__file__).resolve()
SUITES = HERE.parents[3] / "suites"
EARLIER = HERE.with_name("earlier_suites")  # as they were when base was not searched
KEYS = json.loads(HERE.with_name("keys.json").read_text())


def keys_of(path: Path) -> list[str]:
    """Of each cell its id, and the keys of its trials with the first value of everything that is searched."""
    keys = []
    for cell in expand(load_suite(path)):
        if cell.unsupported:
            continue
        values = {name: space.choices[0] if space.choices else space.low for name, space in cell.space.items()}
        keys.append(cell.id)
        for purpose in ("search", "final"):
            for seed in (cell.search.seed, *cell.seeds):
                spec = cell.spec(values, seed=seed, purpose=purpose, fingerprint=cell.dataset, device="cpu")
                keys.append(spec.key)
    return keys


@pytest.mark.parametrize("name", sorted(KEYS))
def test_keys_of_the_shipped_suites_are_what_they_were(name: str) -> None:
    earlier = EARLIER / f"{name}.yaml"
    keys = keys_of(earlier if earlier.exists() else SUITES / f"{name}.yaml")
    assert [len(keys), hashlib.sha256(" ".join(keys).encode()).hexdigest()[:16]] == KEYS[name]
