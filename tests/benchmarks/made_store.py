"""Stores of made-up trials for benchmarks: the trials that a suite would ask for, with made-up results, written fast.

Every trial has the files of a real one, 30 epochs of history and 2,000 rows a split or as asked. Trials of one shape
share their rows (hard links) and nothing is synced, so that ten thousand take seconds and little space.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.records.results import Traces, TrialResult
from rearec_bench.harness.records.source import source_digest
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.store.format import RESULT, json_bytes
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.trial_folder import MANIFEST, files_of
from rearec_bench.harness.suite.load import load_suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "harness"))

import synthetic
from specs import spec_of  # noqa: F401 - for benchmarks of trials

NAME = "made"
EPOCHS = 30
ROWS = 2000
WIDTH = 8
SUITE = """
name: made
datasets: [tiny]
backbones: [sasrec]
strategies:
  - base
{variants}
steps: [1, 2, 3]
seeds: [1, 2, 3, 4, 5]
search: {{trials: 20}}
"""
VARIANT = "  - prl: {{name: prl_{number}, decay: {decay}, temperature: {{search: {{low: 0.05, high: 5.0}}}}}}"
ERL = "  - erl: {kl_weight: {search: [0.001, 0.005, 0.01, 0.05, 0.1]}}"
_OF_A_VARIANT = 3 * (20 + 5)
_OF_THE_REST = 5 + 3 * (5 + 5)


def make_store(folder: Path, trials: int, *, rows: int = ROWS, traced: int = 4) -> tuple[Path, int]:
    """Suite file (`made.yaml`) and number of trials of a finished suite, stored in `results`.

    There are about as many trials as asked for; base alone, which is five, where that is less than a hundred. Each
    split has `rows`, and each final run the states of `traced` test rows.
    """
    count = max(0, round((trials - _OF_THE_REST) / _OF_A_VARIANT))
    variants = [VARIANT.format(number=number, decay=1 + number / 1000) for number in range(count)]
    variants = [ERL, *variants] if count else []
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{NAME}.yaml"
    file.write_text(SUITE.format(variants="\n".join(variants)))
    suite = load_suite(file)
    store = Store(folder / "results")
    data = catalog.load_dataset("tiny", data_dir=folder)
    queue = SuiteQueue(expand(suite), fingerprints={"tiny": data.fingerprint}, device="cpu", stored=lambda key: None)
    templates: dict[tuple[int, str, str], _Template] = {}
    while not isinstance(job := queue.next(), Signal):
        spec = job.spec
        shape = (spec.steps, spec.purpose, spec.strategy.kind)
        if shape not in templates:
            templates[shape] = _Template(_result(spec, rows, traced), folder / "templates" / "-".join(map(str, shape)))
        templates[shape].write(spec, store.folder(spec.key))
        queue.tell(store.summary(spec.key))
    facts = {"tiny": {fact: data.card[fact] for fact in ("protocol", "statistics") if fact in data.card}}
    store.write_suite(NAME, suite.to_json(), {"cells": queue.index(), "dataset_facts": facts})
    return file, len(store.keys())


class _Template:
    """The files of one trial, for all of its shape."""

    def __init__(self, result: TrialResult, folder: Path) -> None:
        files = files_of(result)
        self._manifest: dict[str, Any] = json.loads(files.pop(MANIFEST))
        self._result: dict[str, Any] = json.loads(files.pop(RESULT))
        self._folder = folder
        self._names = tuple(files)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def write(self, spec: TrialSpec, target: Path) -> None:
        content = json_bytes({**self._result, "key": spec.key, "spec": spec.to_json()})
        manifest = {**self._manifest, "key": spec.key}
        manifest["files"] = {**manifest["files"], RESULT: hashlib.sha256(content).hexdigest()}
        manifest["sizes"] = {**manifest["sizes"], RESULT: len(content)}
        target.mkdir(parents=True)
        (target / RESULT).write_bytes(content)
        (target / MANIFEST).write_bytes(json_bytes(manifest))
        for name in self._names:
            os.link(self._folder / name, target / name)


def _result(spec: TrialSpec, rows: int, traced: int) -> TrialResult:
    made = _made(spec.steps, spec.purpose, rows, traced)
    digest = source_digest(spec.backbone.kind, spec.strategy.kind)
    return dataclasses.replace(made, spec=spec, source_digest=digest)


@lru_cache(maxsize=16)
def _made(steps: int, purpose: str, rows: int, traced: int) -> TrialResult:
    made: TrialResult = synthetic.trial(synthetic.spec(steps=steps, purpose=purpose), rows=rows)
    history = tuple(dataclasses.replace(made.history[0], epoch=epoch) for epoch in range(1, EPOCHS + 1))
    if made.test is None:
        return dataclasses.replace(made, history=history)
    draw = np.random.default_rng(steps)
    traces = Traces(
        rows=np.arange(min(rows, traced), dtype=np.int32),
        states=draw.normal(size=(min(rows, traced), steps + 1, WIDTH)).astype(np.float32),
        top_items=draw.integers(0, 60, (min(rows, traced), steps + 1, 10)).astype(np.int32),
    )
    return dataclasses.replace(made, history=history, test=dataclasses.replace(made.test, traces=traces))
