"""What a run prints: lines where there is no terminal, a live view where there is one."""

from __future__ import annotations

import dataclasses
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from rearec_bench.harness.monitor import events
from rearec_bench.harness.monitor.events import Event, RunStarted, Totals, TrialEnded, TrialStarted, TrialSuspended
from rearec_bench.harness.monitor.terminal import LineReporter, LiveReporter, reporter_for
from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.suite.load import load_suite

from ..fake_trial import summary_for

TOTALS = Totals(over=36, trials=89, diverged=1, failed=0, left_s=725.0)
LOG = Path("results/suites/ml100k/run.jsonl")
NOTE = "yelp morec base cannot run: no item vectors"
STARTED = RunStarted("ml100k", 13, 2, "2 cores", Path("results"), LOG, TOTALS, (NOTE,))
ENDED = events.RunEnded("complete", "", 89, 89, {}, 1.0)


@pytest.fixture
def jobs(tmp_path: Path) -> tuple[Job, Job]:
    """A search trial and a final run."""
    file = tmp_path / "suite.yaml"
    prl = "prl: {temperature: {search: [0.5, 1]}, decay: {search: [1.2, 1.5]}}"
    file.write_text(
        f"{{datasets: [ml-100k], backbones: [sasrec], steps: [2], seeds: [1, 2], strategies: [base, {prl}]}}"
    )
    base, prl_cell = expand(load_suite(file))
    values = {"strategy.temperature": 0.5, "strategy.decay": 1.5}
    search = prl_cell.spec(values, seed=0, purpose="search", fingerprint="f", device="cpu")
    final = base.spec({}, seed=2, purpose="final", fingerprint="f", device="cpu")
    return Job(search, prl_cell, "search", 2, 4, values), Job(final, base, "final", 1, 5, {})


def lines_of(*events: Event) -> list[str]:
    """What a run without a terminal prints, the time of day left out."""
    out = StringIO()
    reporter = LineReporter(out)
    for event in events:
        reporter.handle(event)
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in out.getvalue().splitlines()]


def live(*events: Event, width: int = 160) -> tuple[list[str], str]:
    """The live view after some events, without empty lines; and what stands above it."""
    console = Console(file=StringIO(), force_terminal=True, width=width, color_system=None)
    reporter = LiveReporter(console)
    for event in events:
        reporter.handle(event)
    with console.capture() as captured:
        console.print(reporter._view())
    reporter.handle(ENDED)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in captured.get().splitlines() if line.strip()], console.file.getvalue()


def test_a_run_opens_with_what_will_run_and_where_results_go() -> None:
    head, note = lines_of(STARTED)
    assert head.startswith("ml100k  13 cells, 89 trials (36 stored), 2 at a time on 2 cores  ")
    assert head.endswith(f"results in results    log: {LOG}") and note == NOTE


def test_each_finished_trial_is_a_line(jobs: tuple[Job, Job]) -> None:
    search, final = jobs
    done, diverged = lines_of(
        TrialStarted(search),
        events.EpochEnded(search, 1, 0.5, 100.0, None),
        TrialEnded(search, summary_for(search.spec, value=0.07684), TOTALS),
        TrialEnded(final, summary_for(final.spec, status="diverged"), TOTALS),
    )
    assert done.startswith(f"done      {search.key[:8]}  ml-100k sasrec prl K=2 search temperature=0.5 decay=1.5   ")
    assert done.endswith("   val N@20 .0768   0 epochs  1.0 s   36/89, 12 min left")
    assert diverged.startswith(f"diverged  {final.key[:8]}  ml-100k sasrec base final seed=2   a reason   ")
    assert diverged.endswith(f"(rearec-bench show {final.key[:8]})   36/89, 12 min left")


def test_what_else_happens_to_a_trial_is_a_line_with_its_cause(jobs: tuple[Job, Job]) -> None:
    trial = jobs[0]
    lost, alone, saved, unsaved, budget = lines_of(
        events.WorkerLost(trial, "killed", runs_again=True),
        events.WorkerLost(trial, "killed", runs_again=False),
        events.OutOfMemory(trial, "12 GB"),
        TrialSuspended(trial, saved=True),
        TrialSuspended(trial, saved=False),
        events.RunStopping("time budget", 1, "the time budget\x1b is over", by_signal=False),
    )
    assert lost.startswith(f"again     {trial.key[:8]}") and lost.endswith("killed")
    assert alone.endswith("alone on a GPU: 12 GB")
    assert saved.startswith("suspended") and saved.endswith("from its current state")
    assert unsaved.endswith("from its last checkpoint, if any")
    assert budget == "the time budget\\x1b is over"


def test_the_live_view_shows_what_runs_and_how_far_it_is(jobs: tuple[Job, Job]) -> None:
    search, final = jobs
    shown, above = live(STARTED, TrialStarted(final), events.EpochEnded(search, 14, 0.0752, 1912.4, 0.0768))
    assert shown[0] == "  ml-100k sasrec base      final 2/5, seed 2"
    assert re.fullmatch(
        r"  ml-100k sasrec prl K=2   search 3/4 +epoch  14   val N@20 \.0752   cell's best \.0768   1,912 rows/s",
        shown[1],
    )
    assert shown[2] == "  done 36/89   diverged 1   failed 0   [============>                     ]   40%   12 min left"
    assert "yelp morec base cannot run" in above


def test_a_trial_whose_worker_has_the_next_one_is_not_shown_as_running(jobs: tuple[Job, Job]) -> None:
    search, final = jobs
    shown, _ = live(STARTED, TrialStarted(search), events.TrialHandedOver(search), TrialStarted(final))
    assert [line for line in shown if "ml-100k" in line] == ["  ml-100k sasrec base   final 2/5, seed 2"]


def test_the_last_finished_trials_stay_in_view_with_their_keys(jobs: tuple[Job, Job]) -> None:
    search, final = jobs
    ended = [TrialEnded(search, summary_for(search.spec, value=value), TOTALS) for value in (0.1, 0.2, 0.3, 0.4)]
    shown, _ = live(STARTED, TrialStarted(final), *ended, width=200)
    last = [line for line in shown if search.key[:8] in line]
    assert [re.search(r"N@20 (\.\d+)", line)[1] for line in last] == [".2000", ".3000", ".4000"]


def test_a_run_that_a_signal_ends_shows_at_its_end_how_far_it_came(jobs: tuple[Job, Job]) -> None:
    search, _ = jobs
    stopping = events.RunStopping("interrupted", 1, "stopping; 36 are stored.", by_signal=True)
    ended = TrialEnded(search, summary_for(search.spec), dataclasses.replace(TOTALS, over=37))
    _, above = live(STARTED, TrialStarted(search), stopping, ended)
    assert above.index("  stopping; 36 are stored.") < above.rindex("  done 37/89   diverged 1   failed 0 ")


def test_a_new_estimate_comes_with_an_epoch(jobs: tuple[Job, Job]) -> None:
    epoch = events.EpochEnded(jobs[0], 14, 0.0752, 1912.4, None)
    assert live(STARTED, epoch)[0][-1].endswith("12 min left")
    assert live(STARTED, dataclasses.replace(epoch, left_s=3600.0))[0][-1].endswith("60 min left")


def test_the_live_view_fits_a_narrow_terminal(jobs: tuple[Job, Job]) -> None:
    shown, _ = live(STARTED, events.EpochEnded(jobs[0], 14, 0.0752, 1912.4, 0.0768), width=72)
    assert max(map(len, shown)) <= 72 and len(shown) == 2


def test_a_trial_that_is_over_leaves_the_live_view_and_a_failure_stays_above_it(jobs: tuple[Job, Job]) -> None:
    search, final = jobs
    shown, above = live(
        STARTED,
        TrialStarted(search),
        TrialStarted(final),
        TrialSuspended(search, saved=True),
        TrialEnded(final, summary_for(final.spec, status="failed"), TOTALS),
    )
    assert shown[-1].startswith("  done 36/89") and "sasrec" not in "".join(shown)
    assert f"failed    {final.key[:8]}" in above and f"suspended {search.key[:8]}" in above


def test_no_terminal_means_lines() -> None:
    assert isinstance(reporter_for(StringIO()), LineReporter)
