"""Made-up trials for tests of the store, the analysis and the report: no model, no training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rearec_bench.harness.analysis.resultset import ResultSet, collect
from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.records.results import (
    Epoch,
    Evidence,
    Rows,
    TestEvidence,
    Traces,
    TrialResult,
    ValidationEvidence,
)
from rearec_bench.harness.records.spec import Component, EvaluationSettings, TrainingSettings, TrialSpec
from rearec_bench.harness.store.store import Store


def metrics_of(ranks: np.ndarray) -> dict[str, float]:
    """NDCG, recall and MRR of 1-based ranks, written without the package's own metrics."""
    found: dict[str, float] = {}
    for k in (10, 20):
        hits = ranks <= k
        found[f"ndcg@{k}"] = float(np.where(hits, 1 / np.log2(ranks + 1), 0.0).mean())
        found[f"recall@{k}"] = float(hits.mean())
    return found | {"mrr": float((1 / ranks).mean())}


def evidence(kind: type[Evidence], *, rows: int, steps: int, seed: int, traces: bool = False) -> Any:
    """Evidence of one split from random ranks; its metrics are those of its ranks. Users and items are the split's."""
    draw = np.random.default_rng([seed, steps, rows, kind is TestEvidence])
    split = np.random.default_rng([rows, kind is TestEvidence])
    ranks = draw.integers(1, 60, (rows, steps + 1)).astype(np.int32)
    readout = draw.integers(1, 60, rows).astype(np.int32) if steps else ranks[:, 0]
    half = draw.random((rows, steps + 1)).astype(np.float16)
    top_items = draw.integers(-1, 60, (rows, 10)).astype(np.int32)
    cosine = draw.random((rows, steps)).astype(np.float16)
    made = Rows(
        users=split.integers(0, 9, rows).astype(np.int32),
        items=split.integers(0, 60, rows).astype(np.int32),
        readout_ranks=readout,
        step_ranks=ranks,
        top_items=top_items,
        entropy=half,
        margin=half[::-1],
        cosine=cosine,
        control_ranks=ranks[:, ::-1],
        divergence=cosine[::-1],
    )
    kept = min(rows, 4)
    return kind(
        readout=metrics_of(readout),
        steps=tuple(metrics_of(ranks[:, k]) for k in range(steps + 1)),
        similarity=tuple(tuple(1.0 - 0.1 * abs(i - j) for i in range(steps + 1)) for j in range(steps + 1)),
        rows=made,
        traces=Traces(
            rows=np.arange(kept, dtype=np.int32),
            states=draw.random((kept, steps + 1, 8)).astype(np.float32),
            top_items=draw.integers(0, 60, (kept, steps + 1, 10)).astype(np.int32),
        )
        if traces
        else None,
    )


def spec(
    *,
    strategy: str = "prl",
    steps: int = 2,
    seed: int = 1,
    purpose: str = "final",
    settings: Mapping[str, Any] | None = None,
) -> TrialSpec:
    """A spec; its settings are words to be hashed, nothing more."""
    return TrialSpec(
        dataset="tiny",
        dataset_fingerprint="f" * 16,
        backbone=Component("sasrec", {"width": 8}, 1),
        strategy=Component(strategy, settings or {}, 1),
        steps=steps,
        training=TrainingSettings(batch_size=32, max_epochs=3),
        evaluation=EvaluationSettings(),
        metric="ndcg@20",
        seed=seed,
        purpose=purpose,  # type: ignore[arg-type]
    )


def trial(of: TrialSpec, *, status: str = "done", rows: int = 50, draw: int | None = None) -> TrialResult:
    """A finished trial of a spec; `rows` of each split, `draw` is the seed of the ranks in place of the spec's own."""
    history = tuple(
        Epoch(
            epoch=epoch,
            losses={"rec": 3.0 / epoch, "total": 3.0 / epoch},
            validation={"ndcg@20": 0.01 * epoch},
            train_s=0.5,
            evaluate_s=0.1,
            rows_per_s=1000.0,
        )
        for epoch in (1, 2, 3)
    )
    made = TrialResult(
        spec=of,
        status="done",
        history=history,
        best_epoch=2,
        timings={"total_s": 1.8, "started_at": 1.0e9},
        peak_memory_bytes=1 << 20,
        parameters=1234,
        environment={"torch": "2.13.0", "threads": 1},
        source_digest="d" * 16,
    )
    if status != "done":
        return replace(made, status=status, reason="loss not finite at epoch 3", traceback="Traceback", best_epoch=0)
    seed = of.seed if draw is None else draw
    final = of.purpose == "final"
    return replace(
        made,
        validation=evidence(ValidationEvidence, rows=rows, steps=of.steps, seed=seed, traces=final),
        test=evidence(TestEvidence, rows=rows, steps=of.steps, seed=seed, traces=final) if final else None,
    )


@dataclass(frozen=True)
class FakeCell:
    """A cell of a plan, as far as the analysis looks at it."""

    kind: str
    steps: int | None
    dataset: str = "tiny"
    backbone: str = "sasrec"
    row: str = ""
    against: str = "base"
    seeds: tuple[int, ...] = (1, 2, 3)
    unsupported: str | None = None
    is_baseline: bool = False
    points: int | None = None
    space: Mapping[str, Any] = field(default_factory=dict)
    on: str = ""

    @property
    def id(self) -> str:
        return f"{self.dataset}-{self.on or self.backbone}-{self.row}-{self.steps}"


FACTS = {
    "statistics": {"items": 1005, "rows": {"test": 5326}, "row_users": {"test": 148}},
    "protocol": {"split": "by time at 80/90%"},
}


def cell(strategy: str, steps: int | None, **fields: Any) -> FakeCell:
    """A cell whose row has the strategy's name unless it is given."""
    fields.setdefault("row", strategy)
    if strategy == "base":
        fields.setdefault("against", "")
        fields.setdefault("points", 1)
    return FakeCell(strategy, steps, **fields)


def cells_of_figures() -> tuple[FakeCell, ...]:
    """Cells that fill every figure: several K, an ablated row, a swept hyper-parameter."""
    return (
        cell("base", 0),
        cell("erl", 2),
        cell("erl", 3),
        cell("erl", 2, row="erl_no_kl", against="erl"),
        cell("prl", 2, row="prl[decay=1]"),
        cell("prl", 2, row="prl[decay=2]"),
    )


def fill(
    store: Store,
    cells: Iterable[FakeCell],
    *,
    ended: Mapping[tuple[str, int], str] | None = None,
    missing: Iterable[tuple[str, int]] = (),
    search: int = 2,
    rows: int = 50,
) -> dict[str, Any]:
    """The suite's index, after storing made-up trials of its cells.

    `ended` gives (cell id, seed) the status of a final run that is not done, `missing` are those that are not there;
    `search` counts search trials of each cell that has steps, `rows` those of each split.
    """
    entries = {}
    for number, one in enumerate(cells):
        if one.unsupported:
            continue
        settings = {"cell": one.id}
        common: dict[str, Any] = {"strategy": one.kind, "steps": 2 if one.steps is None else one.steps}
        tried = [
            spec(**common, seed=0, purpose="search", settings=settings | {"temperature": i})
            for i in range(search if one.steps != 0 else 0)
        ]
        finals = {seed: spec(**common, seed=seed, settings=settings) for seed in one.seeds}
        finals = {seed: held for seed, held in finals.items() if (one.id, seed) not in set(missing)}
        for held in tried:
            store.write(trial(held, rows=rows))
        for seed, held in finals.items():
            status = (ended or {}).get((one.id, seed), "done")
            store.write(trial(held, status=status, rows=rows, draw=1000 * number + seed))
        entries[one.id] = {
            "search": [held.key for held in tried],
            "best": tried[0].key if tried else None,
            "final": {str(seed): held.key for seed, held in finals.items()},
        }
    return {"schema": 1, "dataset_facts": {"tiny": FACTS}, "cells": entries}


def results_of(store: Store, *rows: FakeCell | tuple[str, int | None], **options: Any) -> ResultSet:
    """The stored results of made-up cells, or of (strategy, K); options as of `fill`."""
    cells = tuple(row if isinstance(row, FakeCell) else cell(*row) for row in rows)
    return collect("s", cells, fill(store, cells, **options), store=store)


def dataset(results: ResultSet) -> Dataset:
    """A data set of 60 items whose rows of every split are the test rows of a suite's made-up trials."""
    rows = results.store.rows(next(cell for cell in results.cells if cell.runs).runs[0].key, "test")
    count = len(rows.users)
    split = Split(rows.users, np.zeros(count, np.int64), np.arange(1, count + 1, dtype=np.int64), rows.items)
    return Dataset("tiny", "f" * 16, 60, 9, np.arange(60, dtype=np.int32), split, split, split, {})


def varied_results(store: Store) -> ResultSet:
    """A suite with all that a table must show: odd names, K, variants, rows that ended badly, changed sources."""
    odd = "a_b & 100%"
    cells = (
        cell("base", 0),
        cell("erl", 1),
        cell("erl", 2),
        cell("prl", 1),
        cell("prl", 2),
        cell("prl", 2, row="prl_x[decay=1]", against="prl"),
        cell("base", 0, backbone=odd),
        cell("erl", 1, backbone=odd, unsupported="the data set has no item vectors"),
        cell("prl", 1, backbone=odd),
    )
    index = fill(
        store,
        cells,
        ended={("tiny-sasrec-prl-1", 2): "diverged"},
        missing=[("tiny-sasrec-prl-2", 1), *((f"tiny-{odd}-prl-1", seed) for seed in (1, 2, 3))],
    )
    return collect("varied", cells, index, store=store, same_source=lambda _digest, _backbone, kind: kind != "erl")
