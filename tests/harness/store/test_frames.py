"""The trials of a suite, one by one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.report.trial import trial_text
from rearec_bench.harness.store.frames import trials_of
from rearec_bench.harness.store.store import Store

from ..suites import suite_in


def test_a_failed_search_trial_is_among_a_suites_and_says_which_uses_it(tmp_path: Path, synthetic: ModuleType) -> None:
    suite, store = suite_in(tmp_path), Store(tmp_path / "results")
    failed = synthetic.trial(synthetic.spec(purpose="search"), status="failed")
    store.write(failed)
    cell = expand(suite)[0]
    entry = {"search": [None], "best": None, "failed": [failed.key], "final": {}}
    store.write_suite(suite.name, suite.to_json(), {"cells": {cell.id: entry}})
    assert [trial.key for trial in trials_of(store, [suite.name])] == [failed.key]
    text = trial_text(failed.key, store=store, width=120)
    assert ", search trial of its cell   failed, " in text and f"used by      {suite.name} ({cell.row})" in text
