"""Suites of one small cell, or as a test says."""

from __future__ import annotations

import json
from pathlib import Path

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import Signal, SuiteQueue
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import Suite, load_suite

SMALLEST = {"datasets": "[tiny]", "backbones": "[sasrec]", "strategies": "[base]", "steps": "[1]", "seeds": "[1]"}


def suite_text(**parts: str) -> str:
    """The text of a suite; parts take the place of those of the smallest one, or come behind them."""
    return "".join(f"{key}: {value}\n" for key, value in {**SMALLEST, **parts}.items())


def suite_in(folder: Path, *overrides: str, name: str = "suite", **parts: str) -> Suite:
    """A suite that is written to a folder, as NAME.yaml, and loaded."""
    file = folder / f"{name}.yaml"
    file.write_text(suite_text(**parts))
    return loaded(file, *overrides)


def loaded(file: Path, *overrides: str) -> Suite:
    """The suite of a file, which is the same after a trip through JSON."""
    suite = load_suite(file, overrides=overrides)
    text = json.dumps(suite.to_json())
    again = Suite.from_json(json.loads(text))
    assert again == suite and json.dumps(again.to_json()) == text
    return suite


def plugin_text(name: str) -> str:
    """A plug-in with a strategy of this name, which is the base."""
    return f'''
from typing import ClassVar

from rearec_bench.models.settings import StrategySettings
from rearec_bench.models.strategies.base import Base


class Echo(Base):
    class Settings(StrategySettings):
        """The base, under another name."""

        uses_steps: ClassVar[bool] = False


STRATEGIES = {{"{name}": Echo}}
'''


def run_here(suite: Suite, store: Store, data: Dataset) -> None:
    """Run the trials of a suite in this process, all of which must succeed, and write its index."""
    from rearec_bench.harness.trial.start import run_trial

    queue = SuiteQueue(expand(suite), fingerprints={data.name: data.fingerprint}, device="cpu", stored=store.lookup)
    while not isinstance(job := queue.next(), Signal):
        result = run_trial(job.spec, data)
        assert result.status == "done", result.traceback
        store.write(result)
        queue.tell(store.summary(job.key))
    facts = {fact: data.card[fact] for fact in ("recipe", "protocol", "statistics")}
    index = {"fingerprints": {data.name: data.fingerprint}, "dataset_facts": {data.name: facts}}
    store.write_suite(suite.name, suite.to_json(), {**index, "cells": queue.index()})
