"""A run's heartbeat: what it says, that it costs little, and that damage to it hurts nobody."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.monitor.heart import Heart
from rearec_bench.harness.monitor.progress import Progress, RunFacts, Totals
from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import SuiteQueue
from rearec_bench.harness.store.heartbeat import (
    NAME,
    Beat,
    CellCount,
    Holder,
    Worker,
    lives,
    namespace,
    read,
    this_process,
    written,
)
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils.errors import DamagedError

from ..fake_trial import summary_for

SUITE = """
name: beating
datasets: [tiny]
backbones: [sasrec]
strategies: [base, erl: {kl_weight: {search: [0.01, 0.02, 0.03]}}]
steps: [1]
seeds: [1, 2]
"""
TOTALS = Totals(over=0, trials=7, diverged=0, failed=0, left_s=600.0)


def beat_of(**changed: Any) -> Beat:
    given: dict[str, Any] = {
        "suite": "beating",
        "process": this_process("suite 'beating'"),
        "namespace": namespace(),
        "command": "rearec-bench run beating.yaml",
        "folder": "/somewhere",
        "number": 3,
        "at": time.time(),
        "told_at": time.time(),
        "phase": "running",
        "ending": "",
        "place": "2 cores",
        "most": 2,
        "over": 3,
        "trials": 7,
        "left_s": 90.0,
        "rate_per_h": 24.0,
        "budget_ends_at": None,
        "cells": (CellCount("c", "tiny sasrec base", {"done": 2, "failed": 1}, 1, 3),),
        "workers": (Worker("7f" * 16, "tiny sasrec base", "final 1/2, seed 1", 1, 5.0, 4, "ndcg@20", 0.25, 100.0),),
    }
    return Beat(**{**given, **changed})


def facts(most: int = 2) -> RunFacts:
    given: dict[str, Any] = {"place": "2 cores", "results": Path(), "log": Path(), "totals": TOTALS}
    return RunFacts(suite="beating", cells=2, most=most, **given)


class Beating:
    """A queue with its heart; trials end as told."""

    def __init__(self, folder: Path, **options: Any) -> None:
        file = folder / "beating.yaml"
        file.write_text(SUITE)
        self.folder = folder / "beating"
        self.folder.mkdir()
        cells = expand(load_suite(file))
        self.queue = SuiteQueue(cells, fingerprints={"tiny": "f"}, device="cpu", stored=lambda key: None)
        self.heart = Heart(
            self.folder / NAME, suite="beating", queue=self.queue, command="rearec-bench run x", **options
        )

    def job(self) -> Job:
        job = self.queue.next()
        assert isinstance(job, Job)
        self.heart.started(job)
        return job

    def finish(self, job: Job, status: str = "done") -> None:
        summary = summary_for(job.spec, status=status)
        self.queue.tell(summary)
        self.heart.finished(job, summary, TOTALS)

    def read(self) -> Beat:
        found = read(self.folder)
        assert found is not None
        return found


@pytest.fixture
def beating(tmp_path: Path) -> Beating:
    return Beating(tmp_path)


def test_a_heartbeat_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "beating").mkdir()
    beat = beat_of(process=dataclasses.replace(this_process("x"), host="naïve\x1b"), left_s=None)
    (tmp_path / "beating" / NAME).write_bytes(written(beat))
    assert read(tmp_path / "beating") == beat
    assert json.loads((tmp_path / "beating" / NAME).read_text())["schema"] == 1
    assert read(tmp_path) is None


def test_it_says_what_each_cell_and_worker_does(beating: Beating) -> None:
    heart = beating.heart
    heart.start()
    assert beating.read().phase == "starting"
    with heart:
        heart.begin(facts())
        first, second = beating.job(), beating.job()
        heart.epoch(first, Progress(epoch=3, value=0.5, rows_per_s=100.0, cell_best=None))
        beating.finish(second, "failed")
        heart._tell()
        heart._write()
        beat = beating.read()
        assert (beat.phase, beat.most, beat.place, beat.over, beat.trials) == ("running", 2, "2 cores", 1, 7)
        (worker,) = beat.workers
        assert (worker.key, worker.epoch, worker.value, worker.metric) == (first.key, 3, 0.5, "ndcg@20")
        by_label = {cell.label: cell for cell in beat.cells}
        assert set(by_label) == {"tiny sasrec base", "tiny sasrec erl K=1"}
        of_first = by_label[worker.label]
        assert of_first.running == 1
        assert sum(cell.over.get("failed", 0) for cell in beat.cells) == 1
        assert sum(cell.waiting for cell in beat.cells) == 7 - 1 - 1
        assert beat.rate_per_h is not None and beat.rate_per_h > 0
        heart.ending = "complete"
    beat = beating.read()
    assert (beat.phase, beat.ending, beat.workers) == ("ended", "complete", ())


def test_an_error_that_ends_the_run_is_its_ending(beating: Beating) -> None:
    with pytest.raises(OSError, match="full"), beating.heart:
        raise OSError("the disk is full\nand more")
    assert beating.read().ending == "OSError: the disk is full"


def test_it_beats_while_the_driver_waits_and_says_so(tmp_path: Path) -> None:
    beating = Beating(tmp_path, every_s=0.02)
    with beating.heart as heart:
        heart.start()
        deadline = time.monotonic() + 20
        while beating.read().number < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        beat = beating.read()
        assert beat.number >= 4 and beat.at - beat.told_at > 0.02, "the loop has not come by"


def test_a_folder_that_is_gone_or_full_stops_nothing(beating: Beating) -> None:
    beating.folder.rmdir()
    with beating.heart as heart:
        heart.start()
        heart.begin(facts())
    assert not beating.folder.exists()


def test_a_process_that_is_gone_is_known_to_be_and_one_of_another_machine_is_not() -> None:
    us = this_process("x")
    assert lives(beat_of()) is True
    assert lives(beat_of(process=dataclasses.replace(us, began=us.began + 1))) is False
    assert lives(beat_of(process=Holder("x", us.pid, "elsewhere", "another", 5, 0.0))) is None
    assert lives(beat_of(namespace="another container's")) is None


@pytest.mark.parametrize("change", ["cut", "flip", "schema", "place"])
def test_damage_is_found(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "beating"
    folder.mkdir()
    content = written(beat_of(suite="other" if change == "place" else "beating"))
    rng = random.Random(7)  # noqa: S311 - no secret
    kinds = {
        "cut": [content[:length] for length in range(0, len(content) - 1, 37)],
        "flip": [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in rng.sample(range(200, 700), 40)],
        "schema": [content.replace(b'"schema": 1', b'"schema": 99')],
        "place": [content],
    }
    for harmed in kinds[change]:
        (folder / NAME).write_bytes(harmed)
        with pytest.raises(DamagedError):
            read(folder)


def test_a_beat_of_a_big_suite_takes_milliseconds(tmp_path: Path) -> None:
    cells = tuple(CellCount(f"{n:012x}", f"video_games sasrec prl K={n}", {"done": 20}, 1, 5) for n in range(1000))
    beat = beat_of(cells=cells)
    start = time.process_time()
    for _ in range(5):
        written(beat)
    assert (time.process_time() - start) / 5 < 0.05
