"""The suite's queue gives out every trial once, the right one first, and nothing that is stored."""

from __future__ import annotations

import dataclasses
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.plan.cell_trials import Job
from rearec_bench.harness.plan.cells import Cell, expand, once
from rearec_bench.harness.plan.queue import FINISHED, WAIT, SuiteQueue, repeatable
from rearec_bench.harness.plan.search import Outcome
from rearec_bench.harness.records.results import Epoch, TrialSummary

from ..fake_trial import summary_for
from ..suites import suite_in

STRATEGIES = """[
  base,
  erl: {kl_weight: {search: [0.001, 0.01, 0.1]}},
  prl: {temperature: {search: {low: 0.1, high: 5.0}}}]"""
CELLS, TRIALS = 5, 5 * 2 + 2 * 3 + 2 * 4


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Cell, ...]:
    return cells_of(tmp_path)


def cells_of(folder: Path, datasets: str = "tiny") -> tuple[Cell, ...]:
    parts = {"strategies": STRATEGIES, "steps": "[1, 2]", "seeds": "[1, 2]", "search": "{trials: 4}"}
    return expand(suite_in(folder, datasets=f"[{datasets}]", **parts))


def queue_of(cells: tuple[Cell, ...], stored: dict[str, TrialSummary] | None = None, **options: Any) -> SuiteQueue:
    held = stored if stored is not None else {}
    options.setdefault("stored", held.get)
    return SuiteQueue(cells, fingerprints={"tiny": "f", "ml-100k": "g"}, device="cpu", **options)


def drain(
    queue: SuiteQueue, *, most: int = 1, end: Callable[[list[Job]], Job] = lambda running: running[0], stop: int = 10**6
) -> list[Job]:
    """Run a queue as `most` workers would; the jobs in the order in which they were given out."""
    running: list[Job] = []
    given: list[Job] = []
    while True:
        while len(running) < most and len(given) < stop and isinstance(job := queue.next(), Job):
            running.append(job)
            given.append(job)
        if not running:
            return given
        over = end(running)
        running.remove(over)
        queue.tell(summary_for(over.spec))


def test_every_trial_is_given_out_once(cells: tuple[Cell, ...]) -> None:
    assert len(cells) == CELLS
    queue = queue_of(cells)
    given = [job.key for job in drain(queue)]
    assert len(given) == len(set(given)) == TRIALS
    assert queue.next() is FINISHED and queue.left == 0
    limited = queue_of(cells, limit=3)
    assert len(drain(limited, most=2)) == 3
    assert limited.next() is FINISHED and limited.left == TRIALS - 3


@pytest.mark.parametrize("most", [2, 3, 20])
def test_the_number_of_workers_and_the_order_of_endings_change_no_trial(cells: tuple[Cell, ...], most: int) -> None:
    alone = {job.key for job in drain(queue_of(cells))}
    assert {job.key for job in drain(queue_of(cells), most=most)} == alone
    assert {job.key for job in drain(queue_of(cells), most=most, end=lambda running: running[-1])} == alone


@pytest.mark.parametrize("before", [0, 1, 7, 15, TRIALS])
def test_a_resumed_queue_gives_out_the_rest_and_ends_with_the_same_index(cells: tuple[Cell, ...], before: int) -> None:
    whole = queue_of(cells)
    keys = [job.key for job in drain(whole)]
    first = queue_of(cells)
    held = {job.key: summary_for(job.spec) for job in drain(first, stop=before)}
    second = queue_of(cells, held)
    rest = [job.key for job in drain(second)]
    assert set(rest) == set(keys) - set(held)
    assert second.index() == whole.index()


def test_after_each_trial_the_queue_is_like_one_made_anew(cells: tuple[Cell, ...]) -> None:
    held: dict[str, TrialSummary] = {}
    queue = queue_of(cells)
    draw = random.Random(5)  # noqa: S311 - no secret
    running: list[Job] = []
    while True:
        while len(running) < 5 and isinstance(job := queue.next(), Job):
            running.append(job)
        if not running:
            break
        over = running.pop(draw.randrange(len(running)))
        status = draw.choices(("done", "diverged", "failed"), (8, 1, 1))[0]
        held[over.key] = summary_for(over.spec, status=status)
        queue.tell(held[over.key])
        anew = queue_of(cells, dict(held))
        assert queue.totals() == anew.totals()
        assert queue.totals()[0] == len(held)
        assert [queue.count(one) for one in ("done", "diverged", "failed")] == [
            sum(summary.status == one for summary in held.values()) for one in ("done", "diverged", "failed")
        ]
        assert queue.progress() == anew.progress()
        assert queue.index() == anew.index()
        assert queue.over() == anew.over()
        assert [(cell.id, searches + finals) for cell, searches, finals in queue.remaining()] == [
            (one.cell.id, one.left) for one in anew.progress() if one.left
        ]
        assert all(
            finals == (len(one.cell.seeds) if one.final_size == 0 and not one.note else one.final_size - one.final_over)
            for one, (_, _, finals) in zip((one for one in anew.progress() if one.left), queue.remaining(), strict=True)
        )
        for cell in cells:
            searched = [Outcome.of(held[key], "ndcg@20").value for key in queue.index()[cell.id]["search"] if key]
            assert queue.best(cell) == max((value for value in searched if value is not None), default=None)
    assert queue.left == 0


def test_a_queue_keeps_of_a_trial_what_does_not_grow_with_its_epochs(cells: tuple[Cell, ...]) -> None:
    queue = queue_of(cells)
    job = queue.next()
    epochs = tuple(Epoch(number, {"total": 1.0}, {"ndcg@20": 0.1}, 1.0, 1.0, 1.0) for number in range(300))
    whole = dataclasses.replace(summary_for(job.spec), history=epochs)
    queue.tell(whole)
    kept = queue.summary(job.key)
    assert len(pickle.dumps(kept)) < len(pickle.dumps(whole)) / 4
    assert all(getattr(kept, name) == getattr(whole, name) for name in ("key", "status", "validation", "timings"))


def test_final_runs_follow_their_cells_search_and_wait_for_no_other(cells: tuple[Cell, ...]) -> None:
    given = drain(queue_of(cells), most=2)
    last_search = max(number for number, job in enumerate(given) if job.purpose == "search")
    assert any(job.purpose == "final" and job.cell.space for job in given[:last_search])
    for cell in cells:
        purposes = [job.purpose for job in given if job.cell is cell]
        assert purposes == sorted(purposes, reverse=True), "search first"


def test_final_runs_repeat_the_best_configuration_under_each_seed(cells: tuple[Cell, ...]) -> None:
    queue = queue_of(cells)
    given = drain(queue)
    for cell in cells:
        searched = [job for job in given if job.cell is cell and job.purpose == "search"]
        finals = [job for job in given if job.cell is cell and job.purpose == "final"]
        assert [job.spec.seed for job in finals] == [1, 2]
        if searched:
            best = max(searched, key=lambda job: summary_for(job.spec).validation["ndcg@20"])
            assert {str(job.values) for job in finals} == {str(best.values)}
            assert queue.index()[cell.id]["best"] == best.key


def test_one_search_runs_one_trial_at_a_time(cells: tuple[Cell, ...]) -> None:
    queue = queue_of(cells)
    running = []
    while isinstance(job := queue.next(), Job):
        running.append(job)
    searches = [job.cell.id for job in running if job.purpose == "search" and "strategy.temperature" in job.values]
    assert len(searches) == len(set(searches)) == 2
    assert queue.next() is WAIT


def test_a_key_that_two_cells_share_runs_once(tmp_path: Path) -> None:
    cells = expand(suite_in(tmp_path, seeds="[1, 2]", strategies="[base, naive, {naive: {name: again}}]"))
    queue = queue_of(cells)
    given = drain(queue, most=6)
    assert len(given) == 4
    assert [entry["final"].keys() for entry in queue.index().values()] == [{"1": 0, "2": 0}.keys()] * len(queue.index())


APART = "{prl: {name: apart, on: esasrec, temperature: {search: [0.1, 1, 5]}}}"


@pytest.mark.parametrize(
    ("backbones", "strategies", "rows", "trials"),
    [
        ("sasrec, bert4rec", "base", ["sasrec base", "bert4rec base"], 2 * 2),
        ("sasrec, bert4rec", f"base, {APART}", ["sasrec base", "esasrec apart", "bert4rec base"], 2 * 2 + 3 + 2),
        ("sasrec: {layers: {sweep: [1, 2, 3]}}", APART, ["esasrec apart"], 3 + 2),
        ("esasrec", f"prl, {APART}", ["esasrec prl", "esasrec apart"], 2 + 3 + 2),
    ],
)
def test_a_row_on_its_own_backbone_is_one_cell_however_many_it_is_compared_on(
    tmp_path: Path, backbones: str, strategies: str, rows: list[str], trials: int
) -> None:
    given = {"seeds": "[1, 2]", "search": "{trials: 3}"}
    every = expand(suite_in(tmp_path, backbones=f"[{backbones}]", strategies=f"[{strategies}]", **given))
    assert [f"{cell.backbone} {cell.row}" for cell in once(every)] == rows
    for cells in (every, once(every)):
        queue = queue_of(cells)
        assert (queue.totals(), sum(left for *_, left in queue.standings())) == ((0, trials), trials)
        assert sum(search + final for _, search, final in queue.remaining()) == trials


def test_a_failed_search_trial_is_null_in_the_index_and_without_another_there_are_no_final_runs(
    cells: tuple[Cell, ...],
) -> None:
    queue = queue_of(cells)
    while isinstance(job := queue.next(), Job):
        queue.tell(summary_for(job.spec, status="diverged" if job.purpose == "search" else "done"))
    notes = {one.cell.row: one.note for one in queue.progress()}
    assert notes["base"] == ""
    assert notes["prl"] == "none of its 4 search trials succeeded, so there is nothing to repeat"
    prl = next(one for one in queue.progress() if one.cell.row == "prl")
    assert (prl.final_size, prl.left) == (0, 0)
    assert queue.left == 0
    some = queue_of(cells)
    while isinstance(job := some.next(), Job):
        some.tell(summary_for(job.spec, status="failed" if job.purpose == "search" and job.index == 1 else "done"))
    erl = next(cell for cell in cells if cell.row == "erl")
    assert [key is None for key in some.index()[erl.id]["search"]] == [False, True, False]


def test_trials_behind_one_that_is_missing_are_in_the_index_apart_from_the_search(tmp_path: Path) -> None:
    prl = "[prl: {temperature: {search: {low: 0.1, high: 5.0}}}]"
    cells = expand(suite_in(tmp_path, strategies=prl, search="{trials: 5, sampler: random}"))
    keys = [job.key for job in drain(queue_of(cells), stop=5)]
    queue = queue_of(cells)
    first, second, third, fourth, fifth = (queue.next() for _ in range(5))
    assert [job.key for job in (first, second, third, fourth, fifth)] == keys
    queue.tell(summary_for(third.spec))
    queue.tell(summary_for(fifth.spec, status="failed"))
    (entry,) = queue.index().values()
    assert (entry["search"], entry["behind"]) == ([], [keys[2], keys[4]])
    queue.tell(summary_for(first.spec))
    queue.tell(summary_for(second.spec))
    (entry,) = queue.index().values()
    assert (entry["search"], entry["behind"]) == (keys[:3], [keys[4]])
    queue.tell(summary_for(fourth.spec))
    (entry,) = queue.index().values()
    assert (entry["search"], entry["failed"]) == ([*keys[:4], None], [keys[4]]) and "behind" not in entry


def test_big_data_sets_start_first_and_their_longest_cells_before_others(tmp_path: Path) -> None:
    cells = cells_of(tmp_path, "tiny, ml-100k")
    rows = {"tiny": 1.0, "ml-100k": 100.0}
    queue = queue_of(cells, cost=lambda cell: rows[cell.dataset] * (1 + cell.steps))
    given = [queue.next() for _ in range(8)]
    assert {job.cell.dataset for job in given} == {"ml-100k"}
    searching = [job.cell.steps for job in given if job.purpose == "search"]
    assert searching[:2] == [2, 2]


def test_a_trial_whose_worker_died_has_three_attempts_and_those_that_left_a_newer_checkpoint_do_not_count(
    cells: tuple[Cell, ...],
) -> None:
    queue = queue_of(cells)
    job = queue.next()
    for progressed, attempt in ((True, 1), (True, 1), (True, 1), (False, 2), (False, 3), (True, 3)):
        assert queue.lost(job.key, progressed=progressed)
        again = queue.next()
        assert (again.key, again.attempt) == (job.key, attempt)
    assert not queue.lost(job.key)
    queue.tell(summary_for(job.spec, status="failed"))
    assert job.key not in {other.key for other in drain(queue)}
    assert queue.started == TRIALS


def test_a_trial_short_of_memory_runs_again_alone_when_nothing_else_does(cells: tuple[Cell, ...]) -> None:
    queue = queue_of(cells)
    first, second = queue.next(), queue.next()
    queue.short_of_memory(first.key)
    given = []
    while isinstance(job := queue.next(), Job):
        given.append(job)
        if job.alone:
            assert queue.in_flight == (job,)
            assert queue.next() is WAIT
        queue.tell(summary_for(job.spec))
        if job.key == given[0].key:
            queue.tell(summary_for(second.spec))
    assert queue.next() is FINISHED and queue.left == 0
    assert [job.key for job in given if job.alone] == [first.key]
    keys = [job.key for job in given]
    assert len(keys) == len(set(keys)) == TRIALS - 1
    alone = keys.index(first.key)
    later = [job for job in given[alone + 1 :] if job.cell.id != first.cell.id]
    assert later == [], "other cells' trials did not wait for it"


def test_a_trial_that_has_a_gpu_alone_and_is_lost_has_one_alone_again(cells: tuple[Cell, ...]) -> None:
    queue = queue_of(cells[:1])
    job = queue.next()
    others = [other for other in iter(queue.next, WAIT) if isinstance(other, Job)]
    queue.short_of_memory(job.key)
    for other in others:
        queue.tell(summary_for(other.spec))
    again = queue.next()
    assert (again.key, again.alone, again.attempt) == (job.key, True, 1)
    assert queue.lost(job.key)
    again = queue.next()
    assert (again.key, again.alone, again.attempt) == (job.key, True, 2)


def test_a_trial_that_another_process_stored_meanwhile_is_not_started(cells: tuple[Cell, ...]) -> None:
    held: dict[str, TrialSummary] = {}
    queue = queue_of(cells, held)
    _, second = queue.next(), next(iter(drain(queue_of(cells), stop=2)[1:]))
    held[second.key] = summary_for(second.spec)
    assert second.key not in {job.key for job in drain(queue)}


def test_retry_repeats_what_failed_or_diverged_and_refresh_what_another_source_made(cells: tuple[Cell, ...]) -> None:
    spec = next(iter(drain(queue_of(cells), stop=1))).spec
    for status, runs in (("done", False), ("diverged", True), ("failed", True)):
        held = {spec.key: summary_for(spec, status=status)}
        assert repeatable(held.get)(spec.key) is not None
        assert (repeatable(held.get, retry_failed=True)(spec.key) is None) == runs
    assert repeatable(held.get, stale=lambda summary: summary.source_digest != "digest")(spec.key) is not None
    assert repeatable(held.get, stale=lambda summary: summary.source_digest != "today's")(spec.key) is None
