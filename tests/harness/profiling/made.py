"""A profile with made-up numbers that are easy to reckon with."""

from __future__ import annotations

import dataclasses
from typing import Any

from rearec_bench.harness.records.profile import Line, Machine, Part, Profile, Subject, Times, Training
from rearec_bench.harness.records.spec import Component, EvaluationSettings, TrainingSettings, TrialSpec
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES


def component(registry: Any, kind: str, **settings: Any) -> Component:
    return Component(kind, registry.settings(kind).model_validate(settings).identity(), 1)


def subject(*, encoder: Component | None = None, **changed: Any) -> Subject:
    """PRL on SASRec, or on another encoder; fields of the trial or of the subject may be given."""
    spec = TrialSpec(
        dataset="tiny",
        dataset_fingerprint="f" * 8,
        backbone=encoder or component(BACKBONES, "sasrec", width=8),
        strategy=component(STRATEGIES, "prl"),
        steps=2,
        training=TrainingSettings(batch_size=100),
        evaluation=EvaluationSettings(),
        metric="ndcg@20",
        seed=0,
        purpose="search",
    )
    made = Subject(
        suite="mine",
        backbone=spec.backbone.kind,
        row="prl",
        spec=spec,
        steps=(0, 1, 2),
        machine="Abacus",
        rows=40,
        all_rows=40,
        items=200,
    )
    own = {name: value for name, value in changed.items() if name in vars(made)}
    trial = {name: value for name, value in changed.items() if name not in own}
    return dataclasses.replace(made, **{"spec": dataclasses.replace(spec, **trial), **own})


def line(steps: int, *seconds: float) -> Line:
    return Line(
        steps=steps,
        times=Times(seconds),
        passes=4,
        flops_counted=3_000 + steps,
        flops_formula=2_000 + steps,
        bound_s=0.5,
        peak_memory_bytes=2**20,
        parameters=123,
        training=Training(
            rows=(100, 100, 50),
            times=Times((1.0, 3.0, 1.0)),
            phases={"data": 0.1, "forward": 0.3, "loss": 0.2, "backward": 0.3, "optimiser": 0.1},
            flops=400,
            flops_rows=100,
            peak_memory_bytes=2**21,
        ),
    )


def profile(*, taken_at: float = 1.0, repeats: int = 3, times: Any = None, **changed: Any) -> Profile:
    """Base takes 2 s, K = 1 2.5 s, K = 2 4 s, in the median."""
    held = times or {0: (2.0, 1.0, 9.0), 1: (2.5, 2.5, 2.5), 2: (4.0, 3.0, 5.0)}
    return Profile(
        subject=subject(**{"steps": tuple(held), **changed}),
        lines=tuple(line(steps, *seconds) for steps, seconds in held.items()),
        parts=(
            Part("data", Times((0.5, 0.5, 0.5)), None, None, None),
            Part("encode", Times((1.0, 2.0, 3.0)), 1_000.0, 500.0, 0.5),
        ),
        reach=Machine(flops_per_s=1_000.0, bytes_per_s=100.0),
        repeats=repeats,
        environment={"torch": "2"},
        taken_at=taken_at,
    )
