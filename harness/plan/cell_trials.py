"""The trials of one cell: its search, then the final runs of the best configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..records.results import TrialSummary
from ..records.spec import Purpose, TrialSpec
from .search import CellSearch, Outcome, Suggestion, Values

if TYPE_CHECKING:
    from .cells import Cell

Lookup = Callable[[str], TrialSummary | None]
"""The summary of a trial that is over, None of any other."""

MAX_ATTEMPTS = 3
"""Of a trial whose worker dies: a machine that kills one worker often kills the next one as well."""


@dataclass(frozen=True)
class Job:
    """A trial to run.

    Attributes:
        index: number of the search trial, or of the seed among the cell's seeds; counted from 0.
        count: how many of that purpose the cell has; 0 where that is not known yet.
        values: the hyper-parameters chosen for it, by dotted name.
        attempt: counted from 1; one more each time its worker died, up to `MAX_ATTEMPTS`.
        alone: has a GPU for itself, as it ran out of memory beside others.
    """

    spec: TrialSpec
    cell: Cell
    purpose: Purpose
    index: int
    count: int
    values: Values
    attempt: int = 1
    alone: bool = False

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.spec.key


@dataclass(frozen=True)
class CellProgress:
    """The progress of a cell.

    Attributes:
        search_over: suggestions used up, duplicates included.
        search_tried: distinct ones of them.
        search_size: its budget of suggestions; about, where the budget is in epochs.
        search_epochs: epochs of the suggestions used up.
        final_over: final runs that are over.
        final_size: its final runs; 0 where the search found nothing to repeat.
        left: trials that may still have to run.
        best: best validation metric of its search, None where there is none yet.
        note: why it has no final runs, "" where it has or may have.
    """

    cell: Cell
    search_over: int
    search_tried: int
    search_size: int
    search_epochs: int
    final_over: int
    final_size: int
    left: int
    best: float | None
    note: str


class CellTrials:
    """All trials of a cell, as far as the results known so far determine them.

    Call `advance` at first and after each `tell`; nothing else changes it.

    Args:
        fingerprint: of the cell's data set.
        vectors: fingerprint of the data set's item vectors, "" without any.
    """

    def __init__(self, cell: Cell, *, fingerprint: str, device: str, lookup: Lookup, vectors: str = "") -> None:
        self.cell = cell
        self._vectors = vectors
        self._fingerprint = fingerprint
        self._device = device
        self._lookup = lookup
        self._search = CellSearch(cell, self._search_spec)
        self._suggestions: tuple[Suggestion, ...] = ()
        self._finals: tuple[TrialSpec, ...] | None = None
        self._best: Suggestion | None = None
        self._open: dict[str, Job] = {}
        self._index: dict[str, Any] | None = None
        self._more: int | None = None

    def advance(self) -> list[str]:
        """Determine the next trials; the keys of new ones, of which some may be over already or come twice."""
        self._index = self._more = None
        size = self._search.size if self.cell.search.epochs is None else 0
        suggested = self._search.suggestions(self._known)[len(self._suggestions) :]
        self._suggestions += tuple(suggested)
        new = [self._add(Job(new.spec, self.cell, "search", new.index, size, new.values)) for new in suggested]
        if self._finals is None and not self._open and self._search.complete:
            self._finals = self._make_finals()
            values = self._best.values if self._best is not None else {}
            count = len(self.cell.seeds)
            new += [
                self._add(Job(spec, self.cell, "final", number, count, values))
                for number, spec in enumerate(self._finals)
            ]
        return new

    def tell(self, key: str) -> None:
        """Take in that a trial is over."""
        self._open.pop(key, None)
        self._index = self._more = None

    def jobs(self) -> Iterable[Job]:
        """The determined trials that are not over, in order."""
        return self._open.values()

    @property
    def undetermined(self) -> int:
        """How many more trials there may be beside those that are determined."""
        if self._more is None:
            self._more = self._search.expected(self._known) - len(self._suggestions)
        return self._more + (len(self.cell.seeds) if self._finals is None else 0)

    @property
    def exact(self) -> bool:
        """Whether `undetermined` is certain; of a search that ends by its epochs it is an estimate."""
        return self.cell.search.epochs is None or self._search.complete

    @property
    def left(self) -> int:
        """Trials that may still have to run."""
        return len(self._open) + self.undetermined

    @property
    def finals_left(self) -> int:
        """Those of them that are final runs."""
        if self._finals is None:
            return len(self.cell.seeds)
        return sum(job.purpose == "final" for job in self._open.values())

    def best(self) -> float | None:
        """Best validation metric of its search so far, None where there is none yet."""
        best = self._search.best(self._known)
        outcome = self._known(best.spec.key) if best is not None else None
        return outcome.value if outcome is not None else None

    def progress(self) -> CellProgress:
        """Where the cell stands."""
        finals, searched = self._finals, self.searched()
        return CellProgress(
            cell=self.cell,
            search_over=len(searched),
            search_tried=len(set(searched)),
            search_size=self._search.expected(self._known),
            search_epochs=self._search.spent(self._known),
            final_over=sum(self._lookup(spec.key) is not None for spec in finals or ()),
            final_size=len(self.cell.seeds) if finals is None else len(finals),
            left=self.left,
            best=self.best(),
            note=self._note(),
        )

    def searched(self) -> list[str]:
        """Keys of the search trials that are over."""
        return [
            suggestion.spec.key for suggestion in self._suggestions if self._lookup(suggestion.spec.key) is not None
        ]

    def index(self) -> Mapping[str, Any]:
        """Which stored trials belong to the cell, for the suite's index.json.

        "search" ends before the first trial that is not over; those that are over behind it are "behind".
        """
        if self._index is None:
            self._index = self._make_index()
        return self._index

    def _make_index(self) -> dict[str, Any]:
        search: list[str | None] = []
        failed: list[str] = []
        behind: list[str] = []
        for suggestion in self._suggestions:
            key = suggestion.spec.key
            summary = self._lookup(key)
            if len(search) < suggestion.index or summary is None:
                behind += [key] if summary is not None and not suggestion.duplicate else []
                continue
            search.append(None if suggestion.duplicate or summary.status == "failed" else key)
            if summary.status == "failed" and not suggestion.duplicate:
                failed.append(key)
        entry: dict[str, Any] = {
            "search": search,
            "best": self._best.spec.key if self._best is not None else None,
            "final": {str(spec.seed): spec.key for spec in self._finals or () if self._lookup(spec.key) is not None},
        }
        optional = {"failed": failed, "behind": behind, "note": self._note()}
        return {**entry, **{name: value for name, value in optional.items() if value}}

    def _add(self, job: Job) -> str:
        if job.key not in self._open and self._lookup(job.key) is None:
            self._open[job.key] = job
        return job.key

    def _search_spec(self, values: Values) -> TrialSpec:
        """A search trial; the same trial without a pruner where only that is stored."""
        spec = self._spec(values, purpose="search", seed=self.cell.search.seed)
        if self.cell.pruner is None:
            return spec
        prunable = replace(spec, pruner=self.cell.pruner)
        whole = None if self._lookup(prunable.key) is not None else self._lookup(spec.key)
        return spec if whole is not None and whole.status != "failed" else prunable

    def _spec(self, values: Values, *, purpose: Purpose, seed: int) -> TrialSpec:
        return self.cell.spec(
            values,
            seed=seed,
            purpose=purpose,
            fingerprint=self._fingerprint,
            device=self._device,
            vectors=self._vectors,
        )

    def _known(self, key: str) -> Outcome | None:
        summary = self._lookup(key)
        return Outcome.of(summary, self.cell.search.metric) if summary is not None else None

    def _make_finals(self) -> tuple[TrialSpec, ...]:
        """The final runs after the search; none where no search trial succeeded."""
        self._best = self._search.best(self._known)
        if self._best is None and self._suggestions:
            return ()
        values = self._best.values if self._best is not None else {}
        return tuple(self._spec(values, purpose="final", seed=seed) for seed in self.cell.seeds)

    def _note(self) -> str:
        if self._finals == () and self._suggestions:
            return f"none of its {len(self._suggestions)} search trials succeeded, so there is nothing to repeat"
        return ""
