"""A worker that is used again for the next trial holds nothing of the one before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.run import tune_worker
from rearec_bench.harness.run.supervisor import TrialLimits
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.trial.memory import Reclaimer, give_back, resident_bytes
from rearec_bench.harness.trial.model_trial import ModelTrial

SUITE = """
datasets: [tiny]
backbones: [sasrec: {{width: 8, layers: 1, feed_forward: 16}}]
strategies: [{strategy}]
steps: [1]
seeds: [1]
training: {{max_epochs: 1, max_len: 5, batch_size: 512, packing: {packing}}}
"""


@pytest.fixture
def without_gc() -> Iterator[None]:
    """Nothing is freed but what nobody refers to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def worker(spec: Any, dataset: Any, monkeypatch: pytest.MonkeyPatch) -> tune_worker.TuneTrial:
    """A worker with its first trial, in this process; what it sends is thrown away."""
    monkeypatch.setattr(tune_worker.ray, "get", lambda given: given)
    made = tune_worker.TuneTrial.__new__(tune_worker.TuneTrial)
    made._context = SimpleNamespace(
        datasets={"tiny": dataset},
        factory="rearec_bench.harness.trial.start:start",
        limits=TrialLimits(suite="reuse", every_s=None),
        collector=SimpleNamespace(write=SimpleNamespace(remote=lambda *arguments: None)),
        shares_gpu=False,
    )
    made._spec, made._saved, made._full, made._supervisor = spec, None, False, None
    made._resume = made._alone = False
    made._refusal = ""
    made._reclaimer = Reclaimer()
    return made


@pytest.mark.parametrize(("strategy", "packing"), [("prl", "users"), ("erl", "none")])
def test_the_model_of_a_trial_is_gone_when_its_result_is_sent(
    strategy: str, packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_gc: None
) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(SUITE.format(strategy=strategy, packing=packing))
    (cell,) = expand(load_suite(file))
    data = catalog.load_dataset("tiny", data_dir=tmp_path)
    spec = cell.spec({}, seed=1, purpose="search", fingerprint=data.fingerprint, device="cpu")
    models: list[weakref.ref[Any]] = []
    build = ModelTrial.__init__

    def watched(self: ModelTrial, *arguments: Any) -> None:
        build(self, *arguments)
        models.append(weakref.ref(self.model))

    monkeypatch.setattr(ModelTrial, "__init__", watched)
    used = worker(spec, data, monkeypatch)
    for _ in range(2):
        assert used.step()["done"]
    assert [model() for model in models] == [None, None]


def test_pages_are_given_back_after_the_first_trial_and_then_when_they_are_many() -> None:
    sizes = iter([500, 590, 610, 520, 615, 625, 510])
    trimmed: list[int] = []
    reclaimer = Reclaimer(slack=100, resident=lambda: next(sizes), trim=lambda: trimmed.append(1))
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
