"""The lines that describe a run and its trials to people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..records.results import TrialSummary
from ..utils.durations import duration
from ..utils.text import counted, one_line
from . import events
from .events import Event

if TYPE_CHECKING:
    from ..plan.cell_trials import Job

_METRICS: Mapping[str, str] = {
    "ndcg@10": "N@10",
    "ndcg@20": "N@20",
    "recall@10": "R@10",
    "recall@20": "R@20",
    "mrr": "MRR",
    "avg": "Avg.",
}
BAR = 34


def opening(facts: events.RunStarted) -> list[str]:
    """The first lines of a run."""
    about = "" if facts.totals.exact else "about "
    trials = about + counted(facts.totals.trials, "trial")
    head = f"{facts.suite}  {counted(facts.cells, 'cell')}, {trials} ({facts.totals.over} stored), "
    head += f"{facts.max_concurrent} at a time on {facts.place}" if facts.max_concurrent else "none left to run"
    return [one_line(f"{head}          results in {facts.results}    log: {facts.log}"), *map(one_line, facts.notes)]


def event_line(event: Event) -> str:
    """An event in one line; "" for those that have none."""
    match event:
        case events.WorkerLost(job, reason, runs_again=True):
            line = f"again     {job.key[:8]}  {label(job)}   {reason}"
        case events.OutOfMemory(job, reason):
            line = f"again     {job.key[:8]}  {label(job)}   alone on a GPU: {reason}"
        case events.TrialSuspended(job, saved):
            how = "resumes from its current state" if saved else "resumes from its last checkpoint, if any"
            line = f"suspended {job.key[:8]}  {label(job)}   {how}"
        case events.TrialEnded(job, summary, totals):
            line = f"{finished_line(job, summary)}   {progress(totals)}"
        case events.RunStopping(message=message, by_signal=True):
            return message
        case events.RunStopping(message=message):
            line = message
        case _:
            return ""
    return one_line(f"{time.strftime('%H:%M:%S')} {line}")


def finished_line(job: Job, summary: TrialSummary) -> str:
    """A finished trial in one line, without the time of day."""
    head = f"{summary.status:<9} {job.key[:8]}  {label(job)}"
    if summary.status != "done" or summary.validation is None:
        return f"{head}   {summary.reason}   (rearec-bench show {job.key[:8]})"
    metric = summary.spec.metric
    total = summary.timings.get("total_s", 0.0)
    value = f"val {metric_label(metric)} {decimals(summary.validation[metric])}"
    epochs = "" if job.spec.is_baseline else f"{counted(len(summary.history), 'epoch')}  "
    return f"{head}   {value}   {epochs}{total:.1f} s"


def progress(totals: events.Totals) -> str:
    """How far the suite is: "12/145, 38 min left"."""
    counts = f"{totals.over}/{'' if totals.exact else '~'}{totals.trials}"
    return f"{counts}, {duration(max(totals.left_s, 1))} left" if totals.over < totals.trials else counts


def label(job: Job) -> str:
    """A trial's cell and its place in it, such as "ml-100k sasrec prl K=2 search temperature=0.5 decay=1.5"."""
    if job.spec.is_baseline:
        return cell_label(job)
    if job.purpose == "final":
        return f"{cell_label(job)} final seed={job.spec.seed}"
    values = {name.rpartition(".")[2]: value for name, value in job.values.items() if name != "steps"}
    shown = [f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in values.items()]
    return " ".join([cell_label(job), "search", *shown])


def cell_label(job: Job) -> str:
    """A trial's cell, such as "ml-100k sasrec prl K=2"."""
    parts = [job.cell.dataset, job.cell.backbone, job.cell.row]
    if job.spec.steps:
        parts.append(f"K={job.spec.steps}")
    return " ".join(parts)


def place(job: Job) -> str:
    """A trial's place in its cell, such as "search 3/4" or "final 2/5, seed 2"; a baseline is the only one."""
    if job.spec.is_baseline:
        return "counting"
    if job.purpose == "final":
        return f"final {job.index + 1}/{job.count}, seed {job.spec.seed}"
    return f"search {job.index + 1}/{job.count}" if job.count else f"search {job.index + 1}"


def metric_label(name: str) -> str:
    """Short name of a metric, such as N@20 for ndcg@20."""
    return _METRICS.get(name, name)


def decimals(value: float) -> str:
    """Four decimals without the leading zero."""
    text = f"{value:.4f}"
    return text[1:] if text.startswith("0.") else text


def bar(share: float, width: int = BAR) -> str:
    """A share of 1 as a bar, such as "[=====>     ]"."""
    full = int(share * width)
    return f"[{'=' * max(full - 1, 0) + ('>' if full else ''):<{width}}]"
