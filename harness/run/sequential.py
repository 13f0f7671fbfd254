"""Runs a suite look by look: seeds are added, one at a time, for the rows that are not decided yet."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from ..analysis.resultset import load_results
from ..analysis.sequential import look
from ..plan.cells import expand
from ..plan.staged import SEEDS, staged
from ..store.store import Store
from ..suite.model import Suite
from .outcome import RunOutcome
from .runner import RunOptions

Run = Callable[[RunOptions], RunOutcome]


def run_in_looks(suite: Suite, run: Run, options: RunOptions, *, store: Store) -> RunOutcome:
    """How the last stage of a suite ended; `run` runs what is left of one.

    A suite without `until` is one stage. `--max-trials` and the time budget are those of all stages together.

    Raises:
        StoreError: a result cannot be read or written.
    """
    while True:
        outcome = run(options)
        if not suite.until or outcome.left or outcome.interrupted or outcome.ended_by != "complete":
            return outcome
        clock = time.perf_counter()
        added = next_stage(suite, store)
        if not added:
            return outcome
        budget, trials = options.time_budget_s, options.max_trials
        budget = None if budget is None else budget - outcome.wall_s - (time.perf_counter() - clock)
        trials = None if trials is None else trials - outcome.started
        if budget is not None and budget <= 0:
            return dataclasses.replace(outcome, left=added, ended_by="time budget")
        if trials is not None and trials <= 0:
            return dataclasses.replace(outcome, left=added)
        options = dataclasses.replace(options, time_budget_s=budget, max_trials=trials)


def next_stage(suite: Suite, store: Store) -> int:
    """How many final runs a look at the rows that are not decided adds; the look is stored."""
    results = load_results(suite.name, store=store)
    index = store.read_suite(suite.name)[1]
    cells = staged(suite, expand(suite), index)
    found = look(results, index)
    store.write_index(suite.name, found)
    return sum({cell.id: found[SEEDS][cell.id] - len(cell.seeds) for cell in cells}.values())
