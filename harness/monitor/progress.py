"""What a run tells whoever watches it, and the words for it; `terminal` shows them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..records.results import TrialSummary

if TYPE_CHECKING:
    from ..plan.cell_trials import Job

METRIC_WORDS: Mapping[str, str] = {
    "ndcg@10": "N@10",
    "ndcg@20": "N@20",
    "recall@10": "R@10",
    "recall@20": "R@20",
    "mrr": "MRR",
}


@dataclass(frozen=True)
class Progress:
    """A trial under way, after an epoch.

    Attributes:
        epoch: counted from 1; 0 for a reference, which has none.
        value: its validation metric.
        rows_per_s: training rows per second.
        cell_best: the best of its cell's search so far; None for final runs, and where there is none yet.
    """

    epoch: int
    value: float
    rows_per_s: float
    cell_best: float | None


@dataclass(frozen=True)
class Totals:
    """Where a run stands.

    Attributes:
        over: trials of the suite that are over.
        trials: most trials it may have.
        diverged: of those over.
        failed: of those over.
        left_s: seconds left, roughly.
        pruned: of those over.
        exact: False where nobody knows yet how many trials there will be, and `trials` is a guess.
    """

    over: int
    trials: int
    diverged: int
    failed: int
    left_s: float
    pruned: int = 0
    exact: bool = True


@dataclass(frozen=True)
class RunFacts:
    """What is known when a run begins.

    Attributes:
        suite: its name.
        cells: number of cells.
        most: trials at once; 0 where none is left to run.
        place: what they run on, such as "2 cores".
        results: the store's folder.
        log: the run's log.
        totals: where the run stands.
        notes: cells that cannot run, with their reasons.
    """

    suite: str
    cells: int
    most: int
    place: str
    results: Path
    log: Path
    totals: Totals
    notes: tuple[str, ...] = ()


class Reporter(Protocol):
    """Whoever wants to know how a run goes."""

    def begin(self, facts: RunFacts) -> None:
        """The run begins."""

    def started(self, job: Job) -> None:
        """A worker has begun a trial."""

    def epoch(self, job: Job, progress: Progress) -> None:
        """A worker has finished an epoch."""

    def lost(self, job: Job, cause: str) -> None:
        """A worker died; its trial will run again."""

    def suspended(self, job: Job, *, saved: bool) -> None:
        """A trial was called back; a later run goes on with it, from where it is if it is saved."""

    def finished(self, job: Job, summary: TrialSummary, totals: Totals) -> None:
        """A trial is over."""

    def tick(self) -> None:
        """Time has passed."""

    def said(self, words: str) -> None:
        """Something that whoever watches should know."""

    def stopping(self, stored: int) -> None:
        """Ctrl-C, or SIGTERM."""

    def end(self) -> None:
        """The run is over, however it ended."""


class Reporters:
    """Several of them as one.

    Args:
        them: told in this order.
    """

    def __init__(self, *them: Reporter) -> None:
        self._them = them

    def begin(self, facts: RunFacts) -> None:
        """See `Reporter.begin`."""
        for one in self._them:
            one.begin(facts)

    def started(self, job: Job) -> None:
        """See `Reporter.started`."""
        for one in self._them:
            one.started(job)

    def epoch(self, job: Job, progress: Progress) -> None:
        """See `Reporter.epoch`."""
        for one in self._them:
            one.epoch(job, progress)

    def lost(self, job: Job, cause: str) -> None:
        """See `Reporter.lost`."""
        for one in self._them:
            one.lost(job, cause)

    def suspended(self, job: Job, *, saved: bool) -> None:
        """See `Reporter.suspended`."""
        for one in self._them:
            one.suspended(job, saved=saved)

    def finished(self, job: Job, summary: TrialSummary, totals: Totals) -> None:
        """See `Reporter.finished`."""
        for one in self._them:
            one.finished(job, summary, totals)

    def tick(self) -> None:
        """See `Reporter.tick`."""
        for one in self._them:
            one.tick()

    def said(self, words: str) -> None:
        """See `Reporter.said`."""
        for one in self._them:
            one.said(words)

    def stopping(self, stored: int) -> None:
        """See `Reporter.stopping`."""
        for one in self._them:
            one.stopping(stored)

    def end(self) -> None:
        """See `Reporter.end`."""
        for one in self._them:
            one.end()


def opening(facts: RunFacts) -> list[str]:
    """The first lines of a run."""
    about = "" if facts.totals.exact else "about "
    trials = about + _counted(facts.totals.trials, "trial")
    head = f"{facts.suite}  {_counted(facts.cells, 'cell')}, {trials} ({facts.totals.over} stored), "
    head += f"{facts.most} at a time on {facts.place}" if facts.most else "none left to run"
    return [f"{head}          results in {facts.results}    log: {facts.log}", *facts.notes]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def stopping_line(stored: int) -> str:
    """What Ctrl-C is answered with."""
    return f"stopping (once more: at once). Go on with the same command; {stored} trials are stored."


def suspended_line(job: Job, *, saved: bool) -> str:
    """A called-back trial in one line, without the time of day."""
    how = "it goes on from where it is" if saved else "it goes on from its last checkpoint, if it has one"
    return f"suspended {job.key[:8]}  {label(job)}   {how}"


def label(job: Job) -> str:
    """A trial's cell and its place in it, such as "ml-100k sasrec prl K=2 search temperature=0.5 decay=1.5"."""
    if job.spec.is_baseline:
        return cell_label(job)
    if job.purpose == "final":
        return f"{cell_label(job)} final seed={job.spec.seed}"
    values = [f"{name.rpartition('.')[2]}={_short(value)}" for name, value in job.values.items() if name != "steps"]
    return " ".join([cell_label(job), "search", *values])


def cell_label(job: Job) -> str:
    """A trial's cell, such as "ml-100k sasrec prl K=2"."""
    parts = [job.cell.dataset, job.cell.backbone, job.cell.row]
    if job.spec.steps:
        parts.append(f"K={job.spec.steps}")
    return " ".join(parts)


def finished_line(job: Job, summary: TrialSummary) -> str:
    """A finished trial in one line, without the time of day."""
    head = f"{summary.status:<9} {job.key[:8]}  {label(job)}"
    if summary.status != "done" or summary.validation is None:
        return f"{head}   {summary.reason}   (rearec-bench show {job.key[:8]})"
    metric = summary.spec.metric
    total = summary.timings.get("total_s", 0.0)
    value = f"val {METRIC_WORDS.get(metric, metric)} {decimals(summary.validation[metric])}"
    epochs = "" if job.spec.is_baseline else f"{len(summary.history)} epochs  "
    return f"{head}   {value}   {epochs}{total:.1f} s"


def decimals(value: float) -> str:
    """Four decimals without the zero in front."""
    text = f"{value:.4f}"
    return text[1:] if text.startswith("0.") else text


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def clock() -> str:
    """The time of day."""
    return time.strftime("%H:%M:%S")
