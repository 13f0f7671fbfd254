"""The suite's queue: which trial runs next, over all cells; knows what is stored and runs nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from .results import TrialSummary
from .search import CellSearch, Known, Outcome, Suggestion, Values
from .spec import Purpose, TrialSpec

if TYPE_CHECKING:
    from .plan import Cell


class Signal(Enum):
    """What the queue answers when it has no job to give."""

    WAIT = "wait"
    FINISHED = "finished"


WAIT = Signal.WAIT
FINISHED = Signal.FINISHED


@dataclass(frozen=True)
class Job:
    """A trial to run.

    Attributes:
        spec: the trial.
        cell: the cell it belongs to.
        purpose: "search" or "final".
        index: number of the search trial, or of the seed among the cell's seeds; counted from 0.
        count: how many of that purpose the cell has.
        values: the hyper-parameters chosen for it, by dotted name.
        attempt: 1, or 2 after its worker died.
    """

    spec: TrialSpec
    cell: Cell
    purpose: Purpose
    index: int
    count: int
    values: Values
    attempt: int = 1

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.spec.key


@dataclass
class _CellState:
    cell: Cell
    search: CellSearch
    cost: float
    position: int
    issued: int = 0
    finals: tuple[TrialSpec, ...] | None = field(default=None)
    best: Suggestion | None = None


class SuiteQueue:
    """All trials of a suite, in the order in which they should run.

    Args:
        cells: the suite's cells; those with `unsupported` are left out.
        fingerprints: data set name to fingerprint.
        device: "cpu" or "cuda".
        stored: the summary of a stored trial, or None where it is not stored or should run again.
        cost: seconds (or anything proportional) of one trial of a cell; the big ones start first.
        limit: most trials to start, None for all.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        *,
        fingerprints: Mapping[str, str],
        device: str,
        stored: Callable[[str], TrialSummary | None],
        cost: Callable[[Cell], float] = lambda cell: 1.0,
        limit: int | None = None,
    ) -> None:
        self._fingerprints = fingerprints
        self._device = device
        self._stored = stored
        self._limit = limit
        self._started = 0
        self._summaries: dict[str, TrialSummary] = {}
        self._in_flight: dict[str, Job] = {}
        self._again: list[Job] = []
        self._missing: set[str] = set()
        self._cells: list[_CellState] = []
        for position, cell in enumerate(cells):
            if cell.unsupported is None:
                search = CellSearch(cell, partial(self._spec, cell, purpose="search", seed=cell.search.seed))
                self._cells.append(_CellState(cell, search, cost(cell), position))
        biggest: dict[str, float] = {}
        for state in self._cells:
            biggest[state.cell.dataset] = max(state.cost, biggest.get(state.cell.dataset, 0.0))
        self._biggest = biggest

    @property
    def started(self) -> int:
        """Trials given out so far, each counted once however often its worker died."""
        return self._started

    @property
    def in_flight(self) -> tuple[Job, ...]:
        """Trials given out whose end is not known yet."""
        return tuple(self._in_flight.values())

    def next(self) -> Job | Signal:
        """The next trial to run; WAIT where one of those in flight must end first; FINISHED where none is left."""
        if self._again:
            job = self._again.pop(0)
            self._in_flight[job.key] = job
            return job
        if self._limit is None or self._started < self._limit:
            while jobs := [(self._rank(state, job), job, state) for state in self._cells for job in self._ready(state)]:
                _, job, state = min(jobs, key=lambda entry: entry[0])
                if self.look_again(job.key) is not None:
                    continue  # another process stored it since we looked
                state.issued += 1
                self._started += 1
                self._in_flight[job.key] = job
                return job
        return WAIT if self._in_flight else FINISHED

    def tell(self, summary: TrialSummary) -> Job | None:
        """Take in the end of a trial.

        Returns:
            The job that it ends, None where it was not in flight.
        """
        self._summaries[summary.key] = summary
        return self._in_flight.pop(summary.key, None)

    def lost(self, key: str) -> Job | None:
        """Take in that the worker of a trial died.

        Returns:
            None where the trial will be given out once more; the job where it died twice, for the caller to record
            the failure.
        """
        job = self._in_flight[key]
        if job.attempt > 1:
            return job
        del self._in_flight[key]
        self._again.append(Job(**{**vars(job), "attempt": job.attempt + 1}))
        return None

    def totals(self) -> tuple[int, int]:
        """How many trials of the suite are over, and how many there are at most.

        The second number falls when a search makes a duplicate suggestion or finds nothing to repeat.
        """
        keys, undetermined = self._determined()
        return sum(self._summary(key) is not None for key in keys), len(keys) + undetermined

    def over(self) -> tuple[TrialSummary, ...]:
        """The suite's trials that are over."""
        found = (self._summary(key) for key in sorted(self._determined()[0]))
        return tuple(summary for summary in found if summary is not None)

    def exhausted(self) -> bool:
        """Whether no trial is left to run."""
        over, total = self.totals()
        return over == total

    def notes(self) -> tuple[str, ...]:
        """The cells whose search found nothing to repeat."""
        noted = [(state.cell, self._note(state)) for state in self._cells]
        return tuple(f"{cell.dataset} {cell.backbone} {cell.row}: {note}" for cell, note in noted if note)

    def index(self) -> dict[str, Any]:
        """Which stored trials stand behind which cell, for the suite's index.json."""
        return {state.cell.id: self._cell_index(state) for state in self._cells}

    def summary(self, key: str) -> TrialSummary | None:
        """The summary of a trial that is over, None of any other."""
        return self._summary(key)

    def look_again(self, key: str) -> TrialSummary | None:
        """`summary`, asking the store anew where it is not known."""
        self._missing.discard(key)
        return self._summary(key)

    def _determined(self) -> tuple[set[str], int]:
        """The keys of all trials that are known by now, and how many more there may be."""
        keys: set[str] = set()
        undetermined = 0
        for state in self._cells:
            made = state.search.suggestions(self._known(state))
            finals = self._finals(state)
            keys |= {one.spec.key for one in made} | {spec.key for spec in finals or ()}
            undetermined += state.search.size - len(made) + (len(state.cell.seeds) if finals is None else 0)
        return keys, undetermined

    def _spec(self, cell: Cell, values: Values, *, purpose: Purpose, seed: int) -> TrialSpec:
        return cell.spec(
            values, seed=seed, purpose=purpose, fingerprint=self._fingerprints[cell.dataset], device=self._device
        )

    def _summary(self, key: str) -> TrialSummary | None:
        if key not in self._summaries and key not in self._missing:
            found = self._stored(key)
            if found is None:
                self._missing.add(key)
            else:
                self._summaries[key] = found
        return self._summaries.get(key)

    def _known(self, state: _CellState) -> Known:
        def known(key: str) -> Outcome | None:
            summary = self._summary(key)
            return Outcome.of(summary, state.cell.search.metric) if summary is not None else None

        return known

    def _finals(self, state: _CellState) -> tuple[TrialSpec, ...] | None:
        """The cell's final runs, None while its search goes on; none where its search found nothing to repeat."""
        if state.finals is None:
            known = self._known(state)
            if not state.search.ended(known):
                return None
            state.best = state.search.best(known)
            values: Values | None = {} if state.search.size == 0 else state.best and state.best.values
            if values is None:
                state.finals = ()
            else:
                seeds = state.cell.seeds
                state.finals = tuple(self._spec(state.cell, values, purpose="final", seed=seed) for seed in seeds)
        return state.finals

    def _ready(self, state: _CellState) -> Iterable[Job]:
        made = state.search.suggestions(self._known(state))
        finals = self._finals(state)
        for one in made if finals is None else ():
            if not one.duplicate and self._waiting(one.spec.key):
                yield Job(one.spec, state.cell, "search", one.index, state.search.size, one.values)
        values = state.best.values if state.best is not None else {}
        for number, spec in enumerate(finals or ()):
            if self._waiting(spec.key):
                yield Job(spec, state.cell, "final", number, len(state.cell.seeds), values)

    def _waiting(self, key: str) -> bool:
        return key not in self._in_flight and self._summary(key) is None

    def _rank(self, state: _CellState, job: Job) -> tuple[Any, ...]:
        """Big data sets first; then final runs, cells in turn, long trials, and the order of the suite."""
        cell = state.cell
        final_first = job.purpose != "final"
        return (
            -self._biggest[cell.dataset],
            cell.dataset,
            final_first,
            state.issued,
            -state.cost,
            state.position,
            job.index,
        )

    def _cell_index(self, state: _CellState) -> dict[str, Any]:
        search: list[str | None] = []
        for one in state.search.suggestions(self._known(state)):
            summary = self._summary(one.spec.key)
            if summary is None:
                break
            search.append(None if one.duplicate or summary.status == "failed" else one.spec.key)
        finals = self._finals(state) or ()
        entry: dict[str, Any] = {
            "search": search,
            "best": state.best.spec.key if state.best is not None else None,
            "final": {str(spec.seed): spec.key for spec in finals if self._summary(spec.key) is not None},
        }
        note = self._note(state)
        return {**entry, "note": note} if note else entry

    def _note(self, state: _CellState) -> str:
        if self._finals(state) == () and state.search.size:
            return f"none of its {state.search.size} search trials succeeded, so there is nothing to repeat"
        return ""


def repeatable(
    load: Callable[[str], TrialSummary | None], *, retry_failed: bool, stale: Callable[[TrialSummary], bool] | None
) -> Callable[[str], TrialSummary | None]:
    """`load`, blind to the trials that should run again.

    Args:
        load: the stored summary of a key, None where there is none.
        retry_failed: trials that failed or diverged run again.
        stale: trials for which it is true run again; None for none.
    """

    def stored(key: str) -> TrialSummary | None:
        summary = load(key)
        if summary is None or (retry_failed and summary.status != "done") or (stale is not None and stale(summary)):
            return None
        return summary

    return stored
