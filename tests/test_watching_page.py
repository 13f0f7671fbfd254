"""What docs/watching.md says of the log is what runs write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from rearec_bench.harness.monitor import log
from rearec_bench.harness.monitor.status import STALE_S, State
from rearec_bench.harness.records.results import Status
from rearec_bench.harness.run.stopping import GRACE_SHARE, MAX_GRACE_S, SUSPEND_S, Ending, Terminated
from rearec_bench.harness.run.tracker import RunStopped
from rearec_bench.harness.store.progress_file import REFRESH_S

from .harness.tracked_run import TrackedRun
from .pages import page

PAGE = page("watching")
TRIAL = ("key", "cell", "dataset", "backbone", "row", "steps", "purpose", "index", "seed", "attempt", "values")


def events() -> dict[str, set[str]]:
    """Event to the fields that the page gives it, those of a trial written out."""
    table = PAGE.partition("| event | when |")[2].partition("\n\n")[0]
    found = {}
    for names, _, fields in re.findall(r"^\| (`[a-z_`, ]+`) \| (.*) \| (.*) \|$", table, flags=re.MULTILINE):
        own = set(re.findall(r"`([a-z_]+)`", fields.partition("(")[0] if "`how`" not in fields else "`how`"))
        if "those of a trial" in fields:
            own = set(re.findall(r"`([a-z_]+)`", fields)) | set(TRIAL)
        for name in re.findall(r"`([a-z_]+)`", names):
            found[name] = own
    return found


def test_every_event_that_a_run_logs_is_on_the_page() -> None:
    source = Path(log.__file__).read_text(encoding="utf-8")
    written = set(re.findall(r'self\.write\(\s*"([a-z_]+)"', source)) | set(get_args(Status))
    assert set(events()) == written


def test_a_log_has_the_fields_that_the_page_says(tmp_path: Path) -> None:
    details = {"command": "x", "folder": "f", "process": 1, "host": "h", "device": "cpu", "options": {}}
    run = TrackedRun(tmp_path, details=details)
    with run.tracker as tracker:
        run.begin("a cell cannot run")
        first = run.start("t1")
        tracker.note("t1", "no checkpoint")
        run.end("t1", first)
        second = run.start("t2")
        tracker.lost("t2", "killed")
        assert run.start("t3").key == second.key
        tracker.short_of_memory("t3", "12 GB")
        assert run.start("t4").key == second.key
        tracker.stop(Terminated())
        tracker.tick()
        tracker.suspended("t4", saved=True)
        with pytest.raises(RunStopped):
            tracker.tick()
    assert run.logged() == [
        *("begin", "warning", "start", "note", "done", "start", "lost", "start", "short_of_memory", "start"),
        *("stopping", "suspended", "end"),
    ]
    page = events()
    lines = run.lines()
    for line in lines:
        assert {"schema", "time", "level", "event"} <= set(line)
        missing = page[line["event"]] - set(line) - {"reason", "resources", "plugins", "environment"}
        assert not missing, (line["event"], missing)
    levels = {line["event"]: line["level"] for line in lines}
    assert (levels["lost"], levels["done"], levels["begin"]) == ("warning", "info", "info")
    assert lines[-1]["how"] == "terminated" and lines[-1]["done"] == 1 and lines[-1]["seconds"] >= 0


def test_the_page_names_every_state_and_ending_and_the_right_times() -> None:
    states = {"stored" if state == "unknown" else state for state in get_args(State)}
    assert all(f"`{word}`" in PAGE for word in (*states, *get_args(Ending)))
    assert (REFRESH_S, STALE_S, SUSPEND_S, GRACE_SHARE, MAX_GRACE_S) == (5.0, 30.0, 15.0, 0.1, 600.0)
    for words in ("every five seconds", "30 seconds", "within 15 seconds", "another tenth", "ten minutes at most"):
        assert words in PAGE.replace("\n", " ")
