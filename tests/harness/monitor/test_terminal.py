"""What a run shows: lines where there is no terminal, a live view where there is one."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rearec_bench.harness.monitor.progress import Progress, RunFacts, Totals
from rearec_bench.harness.monitor.terminal import LineReporter, LiveReporter, reporter_for
from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.suite.load import load_suite

from ..fake_trial import summary_for

TOTALS = Totals(over=36, trials=89, diverged=1, failed=0, left_s=725.0)


@pytest.fixture
def jobs(tmp_path: Path) -> dict[str, Job]:
    file = tmp_path / "suite.yaml"
    file.write_text(
        "datasets: [ml-100k]\nbackbones: [sasrec]\nsteps: [2]\nseeds: [1, 2]\n"
        "strategies: [base, prl: {temperature: {search: [0.5, 1]}, decay: {search: [1.2, 1.5]}}]\n"
    )
    base, prl = expand(load_suite(file))
    values = {"strategy.temperature": 0.5, "strategy.decay": 1.5}
    where: dict[str, Any] = {"fingerprint": "f", "device": "cpu"}
    return {
        "search": Job(prl.spec(values, seed=0, purpose="search", **where), prl, "search", 2, 4, values),
        "final": Job(base.spec({}, seed=2, purpose="final", **where), base, "final", 1, 5, {}),
    }


def facts(**changed: Any) -> RunFacts:
    given: dict[str, Any] = {
        "suite": "ml100k",
        "cells": 13,
        "most": 2,
        "place": "2 cores",
        "results": Path("results"),
        "log": Path("results/suites/ml100k/run.jsonl"),
        "totals": TOTALS,
    }
    return RunFacts(**{**given, **changed})


def lines_of(reporter: Any, out: StringIO) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in out.getvalue().splitlines()]


def test_a_run_opens_with_what_will_run_and_where_results_go() -> None:
    out = StringIO()
    LineReporter(out).begin(facts(notes=("yelp morec base cannot run: no item vectors",)))
    assert out.getvalue().splitlines() == [
        "ml100k  13 cells, 89 trials (36 stored), 2 at a time on 2 cores          "
        "results in results    log: results/suites/ml100k/run.jsonl",
        "yelp morec base cannot run: no item vectors",
    ]


def test_each_finished_trial_is_a_line(jobs: dict[str, Job]) -> None:
    out = StringIO()
    reporter = LineReporter(out)
    search, final = jobs["search"], jobs["final"]
    reporter.finished(search, summary_for(search.spec, value=0.07684), TOTALS)
    reporter.finished(final, summary_for(final.spec, status="diverged"), TOTALS)
    first, second = lines_of(reporter, out)
    assert first == (
        f"done      {search.key[:8]}  ml-100k sasrec prl K=2 search temperature=0.5 decay=1.5   "
        "val N@20 .0768   0 epochs  1.0 s"
    )
    assert second == (
        f"diverged  {final.key[:8]}  ml-100k sasrec base final seed=2   a reason   (rearec-bench show {final.key[:8]})"
    )


def live(width: int = 160) -> tuple[LiveReporter, Console]:
    console = Console(file=StringIO(), force_terminal=True, width=width, color_system=None)
    return LiveReporter(console), console


def test_the_live_view_shows_what_runs_and_how_far_it_is(jobs: dict[str, Job]) -> None:
    reporter, console = live()
    reporter.begin(facts())
    reporter.started(jobs["final"])
    reporter.epoch(jobs["search"], Progress(epoch=14, value=0.0752, rows_per_s=1912.4, cell_best=0.0768))
    with console.capture() as captured:
        console.print(reporter._view())
    reporter.end()
    shown = [line.rstrip() for line in captured.get().splitlines() if line.strip()]
    assert re.fullmatch(
        r"  ml-100k sasrec prl K=2   search 3/4 +epoch  14   val N@20 \.0752   cell's best \.0768   1,912 rows/s",
        shown[1],
    )
    assert shown[0] == "  ml-100k sasrec base      final 2/5, seed 2"
    assert shown[2] == "  done 36/89   diverged 1   failed 0   [============>                     ]   40%   12 min left"


def test_the_live_view_fits_a_narrow_terminal(jobs: dict[str, Job]) -> None:
    reporter, console = live(width=72)
    reporter.begin(facts())
    reporter.epoch(jobs["search"], Progress(epoch=14, value=0.0752, rows_per_s=1912.4, cell_best=0.0768))
    with console.capture() as captured:
        console.print(reporter._view())
    reporter.end()
    shown = captured.get().splitlines()
    assert max(len(line) for line in shown) <= 72
    assert len([line for line in shown if line.strip()]) == 2


def test_a_finished_trial_leaves_the_live_view_and_a_failure_stays_above_it(jobs: dict[str, Job]) -> None:
    reporter, console = live()
    reporter.begin(facts())
    reporter.started(jobs["search"])
    reporter.finished(jobs["search"], summary_for(jobs["search"].spec, status="failed"), TOTALS)
    with console.capture() as captured:
        console.print(reporter._view())
    reporter.end()
    assert "prl" not in captured.get()
    assert f"failed    {jobs['search'].key[:8]}" in console.file.getvalue()


def test_no_terminal_means_lines() -> None:
    assert isinstance(reporter_for(StringIO()), LineReporter)
