"""A worker that is used again for the next trial holds nothing of the one before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.run.runner import RunOptions, run_suite
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.trial.memory import MemoryTrimmer, give_back, resident_bytes
from rearec_bench.harness.trial.model_trial import ModelTrial

from ..suites import suite_in

SUITE = {
    "backbones": "[sasrec: {width: 8, layers: 1, feed_forward: 16}]",
    "seeds": "[1, 2]",
    "training": "{max_epochs: 1, max_len: 5, batch_size: 512}",
}


@pytest.fixture
def without_gc() -> Iterator[None]:
    """Nothing is freed but what nobody refers to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("fake_ray", "without_gc")
@pytest.mark.parametrize(("strategy", "packing"), [("prl", "users"), ("erl", "none")])
def test_the_model_of_a_trial_is_gone_when_its_result_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, packing: str
) -> None:
    def watched(self: ModelTrial, *arguments: Any) -> None:
        alive.append([model() is not None for model in models].count(True))
        build(self, *arguments)
        models.append(weakref.ref(self.model))

    models: list[weakref.ref[Any]] = []
    alive: list[int] = []
    build = ModelTrial.__init__
    monkeypatch.setattr(ModelTrial, "__init__", watched)
    store, options = Store(tmp_path / "results"), RunOptions(max_concurrent=1)
    where = {"store": store, "data_dir": tmp_path, "options": options, "reporter": LineReporter(StringIO())}
    suite = suite_in(tmp_path, f"training.packing={packing}", **SUITE, strategies=f"[{strategy}]")
    outcome = run_suite(suite, **where)
    assert outcome.done == len(alive) == len(store.keys()) >= 2
    assert set(alive) == {0} and models[-1]() is None


def test_pages_are_given_back_after_the_first_trial_and_then_when_they_are_many() -> None:
    sizes = iter([500, 590, 610, 520, 615, 625, 510])
    trimmed: list[int] = []
    reclaimer = MemoryTrimmer(slack=100, resident=lambda: next(sizes), trim=lambda: trimmed.append(1))
    grown = []
    for _ in range(5):
        reclaimer.after_trial(shares_gpu=False)
        grown.append(len(trimmed))
    assert grown == [1, 1, 2, 2, 3], "at 500 (the floor), 590, 610 (to 520), 615, 625 (to 510)"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_resident_memory_is_that_of_what_is_touched_and_goes_when_it_is_given_back() -> None:
    give_back()
    before = resident_bytes()
    held = [bytes(1000) for _ in range(50_000)]
    full = resident_bytes()
    assert full - before > 40_000_000
    del held
    give_back()
    assert resident_bytes() - before < 20_000_000
