"""A suite's stored trials, cell by cell: the input of every table and figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..plan.staged import LOOKS, comparison
from ..records.results import TrialSummary
from ..records.spec import BASELINE
from ..store.store import Store
from ..utils.errors import DamagedError, InputError, RearecError
from .compare import Row, stats_of

if TYPE_CHECKING:
    from ..plan.cells import Cell
    from ..suite.model import Space, Suite

SameSource = Callable[[str, str, str], bool]
"""Whether a stored digest, of a backbone and a strategy by their kinds, is of today's source."""


@dataclass(frozen=True, kw_only=True)
class CellResults(Row):
    """The stored results of one cell.

    Attributes:
        seeds: of the planned final runs.
        runs: done final runs, in the order of the seeds.
        ended: seed to "diverged: ...", "failed: ..." or "damaged" for the other final runs.
        missing: seeds whose final run is not stored.
        search_trials: number of distinct search trials; of a search that goes on, before the first that is missing.
        epochs: trained by all of them and by the final runs.
        note: the run's remark on the cell, such as that no search trial succeeded.
        searched: its distinct search trials, however they ended, in the order of the search, failed ones last; suites
            of earlier versions lack failed ones.
        finals: its final runs, however they ended.
        points: configurations that can be searched; None if infinitely many.
        space: dotted name of a hyper-parameter to what is searched of it.
        id: of the cell.
        own_backbone: name of the row's own backbone, "" where it stands on the suite's.
        looks: what was found at each look ("seeds", "p", "level", "decided"), where seeds were added until decided.
    """

    seeds: tuple[int, ...]
    runs: tuple[TrialSummary, ...]
    ended: Mapping[int, str]
    missing: tuple[int, ...]
    search_trials: int
    epochs: int
    note: str = ""
    searched: tuple[TrialSummary, ...] = ()
    finals: tuple[TrialSummary, ...] = ()
    points: int | None = None
    space: Mapping[str, Space] = field(default_factory=dict)
    looks: tuple[Mapping[str, Any], ...] = ()
    id: str = ""
    own_backbone: str = ""


@dataclass(frozen=True)
class ResultSet:
    """A suite's results.

    Attributes:
        cells: in the order of the plan.
        facts: data set to "protocol" and "statistics" of its card.
        changed: "backbone + strategy" of components whose source has changed since their trials ran; for baselines
            their name.
        damaged: key to reason of the trials that are left out because they are damaged.
        parts: the suites that these are the cells of, where they are of several.
    """

    name: str
    cells: tuple[CellResults, ...]
    facts: Mapping[str, Mapping[str, Any]]
    changed: tuple[str, ...]
    store: Store
    damaged: Mapping[str, str] = field(default_factory=dict)
    suite: Suite | None = None
    parts: tuple[ResultSet, ...] = ()

    @property
    def awaits_final_runs(self) -> bool:
        """Whether a model's final run is still to be run."""
        return any(cell.missing and not cell.note and not cell.unsupported for cell in self.models().cells)

    def once(self) -> ResultSet:
        """The same with each trial in one row alone, for counts: a row on its own backbone is compared on each."""
        rows: dict[tuple[str, str], CellResults] = {}
        for cell in self.cells:
            rows.setdefault((cell.id, cell.strategy), replace(cell, backbone=cell.own_backbone or cell.backbone))
        return replace(self, cells=tuple(rows.values()))

    def models(self) -> ResultSet:
        """The same without baselines."""
        return replace(self, cells=tuple(cell for cell in self.cells if not cell.is_baseline))


def joined(suites: Sequence[ResultSet]) -> ResultSet:
    """The cells of several suites of one store as those of one; a cell that several have counts once.

    Raises:
        InputError: two suites have a row of one name with other final runs, or tested on other rows or candidates.
    """
    if len(suites) == 1:
        return suites[0]
    cells: dict[tuple[str, str, str, int | None], tuple[str, CellResults]] = {}
    _refuse_other_tests(suites)
    for results in suites:
        for cell in results.cells:
            place = (cell.dataset, cell.backbone, cell.strategy, cell.steps)
            of, other = cells.setdefault(place, (results.name, cell))
            keys = {run.spec.seed: run.key for run in other.finals}
            if any(keys.get(run.spec.seed, run.key) != run.key for run in cell.finals):
                raise InputError(
                    f"{cell.dataset} {cell.backbone} {cell.strategy} has other final runs in {of} than in "
                    f"{results.name}, so that they cannot be judged together. Leave out one of the two suites."
                )
            if len(cell.finals) > len(other.finals):
                cells[place] = results.name, cell
    return ResultSet(
        name=", ".join(results.name for results in suites),
        cells=tuple(cell for _, cell in cells.values()),
        facts={name: facts for results in suites for name, facts in results.facts.items()},
        changed=tuple(sorted({name for results in suites for name in results.changed})),
        store=suites[0].store,
        damaged={key: why for results in suites for key, why in results.damaged.items()},
        parts=tuple(suites),
    )


def _refuse_other_tests(suites: Sequence[ResultSet]) -> None:
    tests: dict[str, tuple[str, tuple[str, str]]] = {}
    for results in suites:
        for cell in results.models().cells:
            for run in cell.finals:
                test = (run.spec.dataset_fingerprint, run.spec.hidden)
                of, other = tests.setdefault(cell.dataset, (results.name, test))
                if test != other and of != results.name:
                    what = "with another evaluation.mask_history" if test[0] == other[0] else "in another preparation"
                    raise InputError(
                        f"{results.name} has {cell.dataset} {what} than {of}, so that they cannot be judged "
                        "together. Leave out one of the two suites."
                    )


def load_results(
    name: str, *, store: Store, same_source: SameSource | None = None, damaged: Mapping[str, str] | None = None
) -> ResultSet:
    """The results of a stored suite.

    `same_source` compares the components' source with today's; None skips this. `damaged` maps the keys of trials to
    leave out to a reason; trials with a damaged summary are left out as well.

    Raises:
        StoreError: there is no such suite, or its own files are damaged.
    """
    from ..plan.cells import expand
    from ..plan.staged import staged
    from ..suite.load import Suite

    content, index = store.read_suite(name)
    suite = Suite.from_json(content)
    cells = staged(suite, expand(suite), index)
    results = collect(name, cells, index, store=store, same_source=same_source, damaged=damaged)
    return replace(results, suite=suite)


def collect(
    name: str,
    cells: Iterable[Cell],
    index: Mapping[str, Any],
    *,
    store: Store,
    same_source: SameSource | None = None,
    damaged: Mapping[str, str] | None = None,
) -> ResultSet:
    """The results of planned cells; `index` maps cells to trials, other arguments as `load_results`.

    Raises:
        StoreError: a trial cannot be read, for another reason than damage.
    """
    stored = store.keys()
    broken = dict(damaged or {})
    cache: dict[str, TrialSummary] = {}

    def summary(key: str | None) -> TrialSummary | None:
        if key is None or key not in stored or key in broken:
            return None
        if key not in cache:
            try:
                cache[key] = store.summary(key)
            except DamagedError as error:
                broken[key] = error.why
                return None
        return cache[key]

    entries, looks = index.get("cells", {}), index.get(LOOKS, {})
    return ResultSet(
        name=name,
        cells=tuple(
            replace(
                _cell(cell, entries.get(cell.id, {}), summary, broken),
                looks=tuple(
                    looks.get(
                        comparison(cell.id, against=cell.against, own_backbone=cell.on, backbone=cell.backbone), ()
                    )
                ),
            )
            for cell in cells
        ),
        facts=index.get("dataset_facts", {}),
        changed=_changed(cache.values(), same_source),
        store=store,
        damaged=broken,
    )


def _cell(
    cell: Cell,
    entry: Mapping[str, Any],
    summary: Callable[[str | None], TrialSummary | None],
    damaged: Mapping[str, str],
) -> CellResults:
    finals = {int(seed): key for seed, key in entry.get("final", {}).items()}
    runs: list[TrialSummary] = []
    ended: dict[int, str] = {}
    missing: list[int] = []
    for seed in cell.seeds:
        run = summary(finals.get(seed))
        if run is None and finals.get(seed) not in damaged:
            missing.append(seed)
        elif run is None or not _is_final(run, cell, seed):
            ended[seed] = "damaged"
        elif run.status != "done" or run.test is None:
            ended[seed] = f"{run.status}: {run.reason}"
        else:
            runs.append(run)
    searched = dict.fromkeys(key for key in entry.get("search", ()) if key)
    stored_finals = [run for key in dict.fromkeys(finals.values()) if (run := summary(key)) is not None]
    trained = [*(trial for key in searched if (trial := summary(key)) is not None), *stored_finals]
    behind = dict.fromkeys(key for key in entry.get("behind", ()) if key not in searched)
    failed = dict.fromkeys(key for key in entry.get("failed", ()) if key not in {**searched, **behind})
    return CellResults(
        dataset=cell.dataset,
        backbone=cell.backbone,
        strategy=cell.row,
        against=cell.against,
        steps=cell.steps,
        seeds=tuple(cell.seeds),
        runs=tuple(runs),
        ended=ended,
        missing=tuple(missing),
        search_trials=len(searched),
        epochs=sum(len(trial.history) for trial in trained),
        unsupported=cell.unsupported or "",
        note=entry.get("note", ""),
        is_baseline=cell.is_baseline,
        searched=tuple(trial for trial in map(summary, [*searched, *behind, *failed]) if trial is not None),
        finals=tuple(stored_finals),
        points=cell.points,
        space=cell.space,
        id=cell.id,
        own_backbone=cell.on,
        stats=stats_of([run.test or {} for run in runs], planned=len(cell.seeds)),
    )


def _is_final(run: TrialSummary, cell: Cell, seed: int) -> bool:
    """Whether a run is the one that an index names; suites share baselines, whatever their seeds."""
    return run.spec.purpose == "final" and (cell.is_baseline or run.spec.seed == seed)


def _changed(trials: Iterable[TrialSummary], same_source: SameSource | None) -> tuple[str, ...]:
    if same_source is None:
        return ()
    changed: set[str] = set()
    for backbone, strategy, source in {(t.spec.backbone.kind, t.spec.strategy.kind, t.source_digest) for t in trials}:
        with suppress(RearecError):  # a plug-in that is not here: nothing to compare with
            if source and not same_source(source, backbone, strategy):
                changed.add(backbone if strategy == BASELINE else f"{backbone} + {strategy}")
    return tuple(sorted(changed))
