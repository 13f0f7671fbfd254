"""A run's log: one JSON line per event, in `run.jsonl` beside its suite; docs/watching.md lists the events."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..store.suites import SCHEMA
from ..utils.errors import StoreError
from ..utils.files import writing
from . import events
from .events import Event

if TYPE_CHECKING:
    from ..plan.cell_trials import Job
    from ..records.results import TrialSummary

_LEVELS = {
    **dict.fromkeys(("lost", "short_of_memory", "note", "diverged", "damaged", "warning"), "warning"),
    **dict.fromkeys(("failed", "error"), "error"),
}
"""Event to level; "info" for the others."""


class RunLog:
    """One JSON line per event; a line that a killed run left half-written is closed first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(self._path):
            path.parent.mkdir(parents=True, exist_ok=True)
            torn = path.exists() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
            self._file: IO[bytes] = path.open("ab", buffering=0)
            if torn:
                self._file.write(b"\n")

    def handle(self, event: Event) -> None:
        """Append an event of the run, if it is one of those that are logged.

        Raises:
            StoreError: the file cannot be written; never at the end of a run, where an earlier error has reported it.
        """
        match event:
            case events.RunStarting(suite, over, trials, details):
                self.write("begin", suite=suite, over=over, trials=trials, **details)
            case events.TrialDamaged(key, reason):
                self.write("damaged", key=key, reason=reason)
            case events.RunStarted(notes=notes):
                for note in notes:
                    self.write("warning", note=note)
            case events.TrialStarted(job):
                self.write("start", **job_facts(job))
            case events.TrialNote(job, note):
                self.write("note", **job_facts(job), note=note)
            case events.WorkerLost(job, reason):
                self.write("lost", **job_facts(job), reason=reason)
            case events.OutOfMemory(job, reason):
                self.write("short_of_memory", **job_facts(job), reason=reason)
            case events.TrialSuspended(job, saved):
                self.write("suspended", **job_facts(job), checkpoint=saved)
            case events.TrialEnded(job, summary):
                self.write(summary.status, **job_facts(job), **summary_facts(summary))
            case events.RunStopping(why, running):
                self.write("stopping", why=why, running=running)
            case events.RunEnded(how, error, over, trials, counts, seconds):
                with contextlib.suppress(StoreError):
                    if error:
                        self.write("error", reason=error)
                    self.write("end", how=how, over=over, trials=trials, **counts, seconds=round(seconds, 3))
            case _:
                pass

    def write(self, event: str, **fields: Any) -> None:
        """Append and flush an event; a StoreError if the file cannot be written."""
        level = _LEVELS.get(event, "info")
        line = {"schema": SCHEMA, "time": round(time.time(), 3), "level": level, "event": event, **fields}
        content = (json.dumps(line, allow_nan=False, default=str) + "\n").encode()
        with writing(self._path):
            while content:
                content = content[self._file.write(content) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def job_facts(job: Job) -> dict[str, Any]:
    """The fields that identify a trial in its events."""
    cell = job.cell
    return {
        "key": job.key,
        "cell": cell.id,
        "dataset": cell.dataset,
        "backbone": cell.backbone,
        "row": cell.row,
        "steps": job.spec.steps,
        "purpose": job.purpose,
        "index": job.index,
        "seed": job.spec.seed,
        "attempt": job.attempt,
        "values": dict(job.values),
    }


def summary_facts(summary: TrialSummary) -> dict[str, Any]:
    """The fields of a trial's last event that describe its result."""
    fields: dict[str, Any] = {"epochs": len(summary.history), "best_epoch": summary.best_epoch}
    if summary.validation is not None:
        fields[summary.spec.metric] = summary.validation[summary.spec.metric]
    if summary.reason:
        fields["reason"] = summary.reason
    seconds = summary.timings.get("total_s", 0.0)
    return {**fields, "status": summary.status, "seconds": seconds, "timings": dict(summary.timings)}
