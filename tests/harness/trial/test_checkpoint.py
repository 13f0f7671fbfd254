"""A trial that goes on from a checkpoint ends with the bits of one that was never interrupted."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.vectors.vectors import ItemVectors
from rearec_bench.harness.records.results import TrialResult
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.trial.checkpoint import Checkpoint, check, pack, unpack
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.utils.errors import CheckpointError
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES

from ...models.training import few_rows
from .. import specs
from ..run.helpers import told


def spec_of(data: Dataset, backbone: str = "sasrec", strategy: str = "prl", **training: Any) -> TrialSpec:
    dropouts = {"dropout": 0.3, "input_dropout": 0.3}
    size = {name: value for name, value in dropouts.items() if name in BACKBONES.settings(backbone).model_fields}
    wanted = {"batch_size": 100, "max_len": 10, "max_epochs": 3, "lr": 0.01, **training}
    steps = 0 if strategy == "base" else 2
    return specs.spec_of(data, strategy, kind=backbone, steps=steps, seed=3, backbone=size, **wanted)


class Stop(Exception):
    """Where the worker dies."""


@pytest.fixture(scope="module")
def tiny(tiny: Dataset) -> Dataset:
    """A part of the data; its fingerprint is not looked at again."""
    return few_rows(tiny, 400)


@pytest.fixture(scope="module")
def with_vectors(tiny: Dataset) -> Dataset:
    values = np.random.default_rng(0).standard_normal((tiny.num_items, 6)).astype(np.float32)
    return dataclasses.replace(tiny, vectors=ItemVectors(values, "a" * 16, {}))


def finish(run: ModelTrial) -> TrialResult:
    while not run.done:
        run.epoch()
    return run.result()


def interrupted(spec: TrialSpec, data: Dataset, *, after: int) -> dict[str, bytes]:
    """The files of the checkpoint after so many batches, put through bytes; everything else of the run is gone."""
    run = ModelTrial(spec, data)
    left = after
    taken: list[dict[str, bytes]] = []

    def after_batch() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            taken.append(pack(run.snapshot()))
            raise Stop

    run.after_batch = after_batch
    with pytest.raises(Stop):
        finish(run)
    torch.rand(7)  # what runs in between moves torch's own generator
    return taken[0]


def resumed(spec: TrialSpec, data: Dataset, files: dict[str, bytes]) -> ModelTrial:
    run = ModelTrial(spec, data)
    run.restore(unpack(files))
    return run


@pytest.mark.parametrize(
    ("strategy", "packing"),
    [
        ("base", "none"),
        ("erl", "users"),
        ("prl", "none"),
        ("prl", "users"),
        ("plr", "users"),
        ("lares", "none"),
        ("lares", "users"),
        ("mancar", "users"),
    ],
)
def test_a_trial_that_goes_on_from_the_middle_of_an_epoch_ends_with_the_same_bits(
    tiny: Dataset, strategy: str, packing: str
) -> None:
    spec = spec_of(tiny, strategy=strategy, packing=packing)
    whole = finish(ModelTrial(spec, tiny))
    counted = ModelTrial(spec, tiny)
    batches: list[int] = []
    counted.after_batch = lambda: batches.append(1)
    counted.epoch()
    per_epoch = len(batches)
    assert per_epoch > 2
    for after in (2, per_epoch + 1):
        files = interrupted(spec, tiny, after=after)
        found = finish(resumed(spec, tiny, files))
        assert told(found) == told(whole)
        assert [epoch.gradients for epoch in found.history] == [epoch.gradients for epoch in whole.history]
        assert whole.history[0].gradients


def test_a_schedule_goes_on_where_it_was_in_the_middle_of_its_warm_up_and_after(tiny: Dataset) -> None:
    changed = {"weight_decay": 0.1, "warmup_steps": 6, "schedule": "cosine", "grad_clip": 0.5}
    spec = spec_of(tiny, strategy="erl", packing="users", **changed)
    whole = finish(ModelTrial(spec, tiny))
    for after in (3, 7):
        assert told(finish(resumed(spec, tiny, interrupted(spec, tiny, after=after)))) == told(whole)


def test_between_epochs_and_many_times_over(tiny: Dataset) -> None:
    spec = spec_of(tiny)
    whole = finish(ModelTrial(spec, tiny))
    run = ModelTrial(spec, tiny)
    for _ in range(2):
        run.epoch()
        run = resumed(spec, tiny, pack(run.snapshot()))
    found = finish(run)
    assert told(found) == told(whole)
    assert found.environment["restarts"] == 2
    assert "restarts" not in whole.environment


@pytest.mark.parametrize("backbone", ["bert4rec", "unisrec", "morec", "lares"])
def test_every_backbone_goes_on_with_the_same_bits(with_vectors: Dataset, backbone: str) -> None:
    spec = spec_of(with_vectors, backbone, max_epochs=2)
    whole = finish(ModelTrial(spec, with_vectors))
    files = interrupted(spec, with_vectors, after=2)
    assert told(finish(resumed(spec, with_vectors, files))) == told(whole)


def test_taking_a_snapshot_changes_nothing(tiny: Dataset) -> None:
    spec = spec_of(tiny, max_epochs=2)
    run = ModelTrial(spec, tiny)
    run.after_batch = lambda: pack(run.snapshot()) and None
    assert told(finish(run)) == told(finish(ModelTrial(spec, tiny)))


def test_draws_from_torchs_own_generator_go_on_too(tiny: Dataset) -> None:
    spec = spec_of(tiny)

    def drawing() -> ModelTrial:
        run = ModelTrial(spec, tiny)
        block = next(part for part in run.model.modules() if hasattr(part, "contract"))
        block.expand.register_forward_hook(
            lambda module, given, out: out + 0.1 * torch.rand(()) if module.training else out
        )
        return run

    whole = finish(drawing())
    run = drawing()
    run.epoch()
    files = pack(run.snapshot())
    torch.rand(100)
    run = drawing()
    run.restore(unpack(files))
    assert told(finish(run)) == told(whole)


def test_a_strategy_that_remembers_says_so_in_torchs_way(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    base = STRATEGIES.component("base")
    plain = base.loss

    def loss(self: Any, reasoned: Any, catalogue: Any) -> Any:
        self.seen = getattr(self, "seen", 0) + 1
        value, terms = plain(self, reasoned, catalogue)
        return value / (1 + 0.01 * self.seen), terms

    monkeypatch.setattr(base, "loss", loss)
    monkeypatch.setattr(base, "state_dict", lambda self: {"seen": self.seen}, raising=False)
    monkeypatch.setattr(base, "load_state_dict", lambda self, state: vars(self).update(state), raising=False)
    spec = spec_of(tiny, strategy="base", max_epochs=2)
    whole = finish(ModelTrial(spec, tiny))
    assert told(finish(resumed(spec, tiny, interrupted(spec, tiny, after=3)))) == told(whole)


def test_times_add_up_and_the_peak_is_the_highest(tiny: Dataset) -> None:
    spec = spec_of(tiny, max_epochs=2)
    run = ModelTrial(spec, tiny)
    run.epoch()
    taken = run.snapshot()
    held = dataclasses.replace(
        taken, state={**taken.state, "spent_s": 1000.0, "build_s": 100.0, "started_at": 5.0, "peak_memory_bytes": 2**50}
    )
    again = ModelTrial(spec, tiny)
    again.restore(unpack(pack(held)))
    result = finish(again)
    assert 1000.0 < result.timings["total_s"] < 1100.0
    assert 100.0 < result.timings["build_s"] < 150.0
    assert result.timings["train_s"] == sum(epoch.train_s for epoch in result.history)
    assert result.timings["started_at"] == 5.0
    assert result.peak_memory_bytes == 2**50


def test_a_state_and_weights_come_back_as_they_were() -> None:
    state = {
        "numbers": {"inf": float("-inf"), "tenth": 0.1, "whole": 2**63, "none": None},
        "words": ["a", (True, {"~odd": 1, 2: "two"})],
        "tensors": {0: torch.arange(3, dtype=torch.uint8), 1: torch.tensor(1.5, dtype=torch.bfloat16)},
    }
    weight = torch.randn(4, 3)
    weights = {"a": weight, "tied": weight, "turned": weight.t(), "half": weight.half(), "extra": {"seen": 3}}
    found = unpack(pack(Checkpoint({}, weights, state)))
    tensors = dict(found.state["tensors"])
    assert {**found.state, "tensors": 0} == {**state, "tensors": 0}
    assert torch.equal(tensors[0], state["tensors"][0])
    assert (tensors[1].dtype, tensors[1].shape) == (torch.bfloat16, ())
    assert found.weights.pop("extra") == weights.pop("extra")
    assert found.weights.keys() == weights.keys()
    assert all(torch.equal(found.weights[name], value) for name, value in weights.items())


def test_what_torch_would_refuse_to_load_is_not_written() -> None:
    with pytest.raises(TypeError, match=r"trainer\.1\.odd is object, neither number, word nor tensor"):
        pack(Checkpoint({}, {}, {"trainer": [0, {"odd": object()}]}))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    content = io.BytesIO()
    torch.save({"state": Hostile(), "others": {}}, content)
    files = {**pack(Checkpoint({}, {}, {})), "resume.pt": content.getvalue()}
    with pytest.raises(CheckpointError, match="it is damaged"):
        unpack(files)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["key", "source_digest", "torch"])
def test_another_trial_and_another_version_are_refused(tiny: Dataset, name: str) -> None:
    spec = spec_of(tiny)
    held = ModelTrial(spec, tiny).snapshot()
    check(held, spec)
    other = dataclasses.replace(held, about={**held.about, name: "another"})
    with pytest.raises(CheckpointError, match=r"made by another .* \(another, and this is "):
        ModelTrial(spec, tiny).restore(other)


@pytest.mark.parametrize("missing", ["trainer", "history", "torch", "best"])
def test_a_checkpoint_that_does_not_hold_what_it_should_is_refused(tiny: Dataset, missing: str) -> None:
    spec = spec_of(tiny)
    held = ModelTrial(spec, tiny).snapshot()
    state = {name: value for name, value in held.state.items() if name != missing}
    with pytest.raises(CheckpointError, match="does not fit the trial"):
        ModelTrial(spec, tiny).restore(Checkpoint(held.about, held.weights, state))
    shapes = {**held.state, "model": {name: value[..., :1] for name, value in held.state["model"].items()}}
    with pytest.raises(CheckpointError, match="size mismatch"):
        ModelTrial(spec, tiny).restore(Checkpoint(held.about, held.weights, shapes))
