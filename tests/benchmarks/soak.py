"""A long run of short trials: what the harness costs beside them, and whether its memory grows.

A suite of 1,000 fake trials of a second (more of them: as much shorter), searches and final runs of many cells, runs on
two cores. Sampled all the while: memory that is a process's own (USS: private pages alone) and open files of the
driver, of the trials' workers and of the collector, each with the number of trials stored by then. Growth is the slope
over the second half of the run, by when every worker has imported what it needs, without what Ray does after the last
trial. Then a hundred real trials of small models, whose later ones have more steps and so need more, and 400 that are
alike, one seed after the other, for the memory of workers that train. FAKE_SLEEP=1 lets the fake
trials sleep instead of keeping their core busy, for a machine that others use, too.

    python tests/benchmarks/soak.py [--tiny] [--trials N] [--json FILE]
"""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from figure import Figure, main
from suite_run import REAL_TRIAL, Ran, fake_run, listed, run

from rearec_bench.harness.store.store import Store

WORKERS = 2
EPOCHS = 10
TRIALS = 1000
SUITE = """
name: suite
datasets: [tiny]
backbones: [sasrec: {{width: 16, layers: 1, feed_forward: 32}}]
strategies:
  - base
  - naive
  - erl: {{kl_weight: {{search: {{low: 0.001, high: 0.1, log: true}}}}}}
  - prl: {{temperature: {{search: {{low: 0.05, high: 5.0, log: true}}}}}}
steps: [{steps}]
seeds: [{seeds}]
search: {{trials: {trials}}}
training: {{max_epochs: {epochs}, max_len: 10, packing: users}}
"""
REAL = """
name: suite
datasets: [tiny]
backbones: [sasrec: {{width: 16, layers: 1, feed_forward: 32}}]
strategies: [prl]
steps: [3]
seeds: [{seeds}]
training: {{max_epochs: 1, max_len: 10, packing: users}}
"""
REAL_TRIALS = 400
ROLES = {"TuneTrial": "workers", "ResourceTrainable": "workers", "Collector": "collector"}
_MB = 2**20
_PERIOD_S = 0.5
_MAX_FILES = 10


@dataclass(frozen=True)
class Sample:
    """One look at a process of a role: trials stored by then, bytes of its own memory, open files."""

    role: str
    pid: int
    stored: int
    uss: int
    files: int


@dataclass
class Watch:
    """Looks at the driver (this process) and its Ray children while a suite runs."""

    samples: list[Sample] = field(default_factory=list)

    @contextmanager
    def __call__(self, store: Store) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(store, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def growth(self, role: str) -> float:
        """Bytes per stored trial over the second half of the run; the largest of the role's processes."""
        most = max(sample.stored for sample in self.samples)
        slopes = []
        for pid in {sample.pid for sample in self.samples if sample.role == role}:
            own = [one for one in self.samples if one.pid == pid and most / 2 <= one.stored < most]
            if len({sample.stored for sample in own}) > 2:
                line = statistics.linear_regression([one.stored for one in own], [one.uss for one in own])
                slopes.append(line.slope)
        return max(slopes, default=float("nan"))

    def at(self, role: str, share: float) -> tuple[float, int]:
        """(own memory in bytes, open files) of a role's largest process when this share of the trials was stored."""
        most = max(sample.stored for sample in self.samples)
        own = [sample for sample in self.samples if sample.role == role and sample.stored < most]
        near = min(abs(sample.stored - share * most) for sample in own)
        there = [sample for sample in own if abs(sample.stored - share * most) == near]
        return max(sample.uss for sample in there), max(sample.files for sample in there)

    def _look(self, store: Store, over: threading.Event) -> None:
        while not over.wait(_PERIOD_S):
            stored = len(store.keys())
            for pid, role in {os.getpid(): "driver", **_workers()}.items():
                try:
                    self.samples.append(Sample(role, pid, stored, _uss(pid), len(os.listdir(f"/proc/{pid}/fd"))))
                except OSError:  # it has ended meanwhile
                    continue


def fake_figures(tiny: bool, trials: int) -> list[Figure]:
    """Packing, memory, files and store of a run of fake trials."""
    watch = Watch()
    nap = 0.01 if tiny else min(0.1, 0.1 * TRIALS / trials)
    suite = (
        _suite(1, 2, 3) if tiny else _suite(-(-(trials - 5) // 55), 5, 20)
    )  # base has 5, the others 5 + 25 + 25 for each K
    ran = fake_run(suite, epoch_s=nap, workers=WORKERS, beside=watch)
    count = len(ran.spans)
    perfect = count * nap * EPOCHS / WORKERS
    return [
        Figure(
            f"{count:,} trials of {nap * EPOCHS:g} s on two cores / perfect packing",
            ran.wall_s / perfect,
            target=1.25 if nap == 0.1 else None,
            detail=f"{ran.wall_s:.0f} s / {perfect:.0f} s; {1e3 * (ran.wall_s - perfect) / count:.0f} ms a trial",
        ),
        _idle(ran, count),
        *_memory(watch, "fake trials", limit_kb={"driver": 20.0, "workers": 5.0, "collector": 5.0}),
        Figure("store per fake trial", ran.stored_bytes / count / 1024, "KB"),
    ]


def real_figures(tiny: bool) -> list[Figure]:
    """Memory of workers that train small models again and again."""
    suites = {
        "real trials": _suite(1, 1, 2, 1) if tiny else _suite(3, 5, 10, 1),
        "real trials alike": REAL.format(seeds=listed(3 if tiny else REAL_TRIALS)),
    }
    figures = []
    for name, suite in suites.items():
        watch = Watch()
        ran = run(suite, workers=WORKERS, trial=REAL_TRIAL, beside=watch)
        figures += _memory(watch, f"{len(ran.spans)} {name}", limit_kb={"workers": 100.0})
    return figures


def measure(tiny: bool, trials: int) -> list[Figure]:
    """All figures."""
    figures = [*fake_figures(tiny, trials), *real_figures(tiny)]
    return [figure for figure in figures if figure.measured == figure.measured]  # few samples have no slope


def _idle(ran: Ran, count: int) -> Figure:
    mean = sum(span.seconds for span in ran.spans) / count
    return Figure("cores idle between trials", 100 * ran.idle(WORKERS), "%", detail=f"trials of {mean:.2f} s")


def _memory(watch: Watch, of: str, *, limit_kb: dict[str, float]) -> list[Figure]:
    figures = []
    for role, limit in limit_kb.items():
        (early, files), (late, files_late) = watch.at(role, 0.1), watch.at(role, 1.0)
        about, after = f"{role}, {of}", "after a tenth of the trials"
        sizes = f"{early / _MB:.0f} MB {after}, {late / _MB:.0f} MB at the end"
        counts = f"{files} {after}, {files_late} at the end"
        figures += [
            Figure(f"growth of memory per trial, {about}", watch.growth(role) / 1024, "KB", limit, detail=sizes),
            Figure(f"open files more than before, {about}", files_late - files, "", _MAX_FILES, detail=counts),
        ]
    return figures


def _suite(steps: int, seeds: int, trials: int, epochs: int = EPOCHS) -> str:
    return SUITE.format(steps=listed(steps), seeds=listed(seeds), trials=trials, epochs=epochs)


def _workers() -> dict[int, str]:
    """Process number to role of this process's Ray workers."""
    parents: dict[int, int] = {}
    roles: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            title = (folder / "cmdline").read_bytes().decode(errors="replace")
        except (OSError, IndexError):
            continue
        if title.startswith("ray::"):
            roles |= {int(folder.name): role for name, role in ROLES.items() if name in title}
    return {pid: role for pid, role in roles.items() if _is_below(pid, os.getpid(), parents)}


def _is_below(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != ancestor:
        pid = parents[pid]
    return pid == ancestor


def _uss(pid: int) -> int:
    private = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_"):
            private += int(line.split()[1])
    return private * 1024


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure, trials=TRIALS))
