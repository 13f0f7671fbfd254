"""What `rearec-bench plan` prints: the cells, their stored trials, and the time that is left."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cost.time import DataSize, Estimate
from ..plan.cell_trials import CellProgress
from ..plan.cells import check_precision, expand, once, traced
from ..plan.queue import SuiteQueue
from ..plan.staged import later_seeds, staged
from ..records.results import TrialSummary
from ..records.source import same_source
from ..run.cluster import usable_cores
from ..store.others import Others
from ..store.store import Store
from ..utils.durations import duration
from ..utils.text import columns, counted
from .labels import points_label

if TYPE_CHECKING:
    from ..plan.cells import Cell
    from ..suite.model import Space, Suite

_ENOUGH = 0.1  # of the points of a finite search space; below it, a search is told to be small
_OTHERS = 200  # stored trials of other suites that the estimate may use


def plan_report(suite: Suite, *, store: Store, data_dir: Path, others: Others | None = None) -> str:
    """The plan of a suite, for the terminal; for data sets that are not prepared, the command that prepares them.

    Trials of `others` that a run would take over count as stored.

    Raises:
        DatasetError: a text-based backbone and a data set without item vectors.
    """
    from ..datasets import catalog
    from ..plan.vectors import needed_vectors, vectors_fingerprint

    ready = {name for name in suite.datasets if catalog.is_prepared(name, data_dir)}
    index = store.index_before(suite.name) if suite.until else {}
    cells = traced(staged(suite, once(expand(suite)), index), partial(catalog.user_number, data_dir=data_dir), ready)
    cards = {name: catalog.card(name, data_dir) for name in suite.datasets if name in ready}
    for card in cards.values():
        catalog.refuse_one_item(card)
    vectors = needed_vectors(suite, cells, data_dir)
    device = "cuda" if suite.resources.gpu > 0 else "cpu"
    check_precision(cells, device)
    queue = SuiteQueue(
        [cell for cell in cells if cell.dataset in cards],
        fingerprints={name: card["fingerprint"] for name, card in cards.items()},
        vectors={name: vectors_fingerprint(name, given, data_dir=data_dir) for name, given in vectors.items()},
        device=device,
        stored=(others or Others(store)).after(store.lookup),
    )
    missing = [name for name in suite.datasets if name not in cards]
    lines = [
        _head(suite, searches=any(cell.space for cell in cells)),
        "",
        *_table(cells, {each.cell.id: each for each in queue.progress()}, set(cards)),
    ]
    lines += [f"  {line}" for name in missing for line in catalog.not_prepared_message(name).splitlines()]
    over, total = queue.totals()
    unknown = sum(_most(cell) for cell in cells if cell.dataset in missing and cell.unsupported is None)
    summaries = queue.over()
    about = "" if suite.search.epochs is None or (queue.exact and not unknown) else "About "
    lines += ["", f"{about}{counted(total + unknown, 'trial')}: {over:,} stored, {total - over + unknown:,} to run."]
    if more := later_seeds(suite, staged(suite, expand(suite), index), index):
        lines[-1] += f" {more:,} more at most, a seed at a time, while rows are not decided."
    lines[-1] += _failures(summaries)
    if unsupported := sum(cell.unsupported is not None for cell in cells):
        lines[-1] += f" {counted(unsupported, 'cell')} of {len(cells)} cannot run, and a run leaves them out."
    if total > over:
        lines[-1] += " " + _time(suite, queue, summaries, cards, store, device)
    if unknown:
        lines[-1] += (
            f" {unknown:,} of them are of data sets that are not prepared: which of those are stored, and how long the "
            "rest takes, is not known."
        )
    lines += [f"Of those stored, a run takes over {line}." for line in (others.lines() if others else ())]
    lines += [f"Trial {key[:8]} is damaged and counts as not run: {why}." for key, why in store.damaged.items()]
    changed = sum(
        not same_source(trial.source_digest, trial.spec.backbone.kind, trial.spec.strategy.kind) for trial in summaries
    )
    if changed:
        lines.append(
            f"{changed} of those stored were made with another source of their components than today's; "
            "`run --refresh` repeats them."
        )
    return "\n".join(lines)


def _head(suite: Suite, *, searches: bool) -> str:
    steps = suite.steps
    words = ", ".join(map(str, steps)) if isinstance(steps, tuple) else f"searched among {_values(steps)}"
    parts = [
        counted(len(suite.datasets), "data set"),
        counted(len(suite.backbones), "backbone"),
        f"({', '.join(variant.name for variant in suite.strategies)})",
    ]
    search = suite.search
    most = f"at most {counted(search.trials, 'search trial')}"
    if search.epochs is not None:
        most = f"{counted(search.epochs, 'epoch')} of search trials"
    if search.pruner != "none":
        most += f" ({search.pruner}: rungs at {search.grace}, {search.grace * search.reduction}, ... epochs)"
    finals = (
        f"up to {len(suite.seeds)} final runs, until decided" if suite.until else counted(len(suite.seeds), "final run")
    )
    budget = f"{most} a cell, {finals}" if searches else f"no search, {finals}"
    references = f"; references {', '.join(suite.references)}" if suite.references else ""
    return f"{suite.name}  {' x '.join(parts)}, K = {words}; {budget}{references}"


def _table(cells: tuple[Cell, ...], progress: Mapping[str, CellProgress], prepared: set[str]) -> list[str]:
    rows = [("data set", "backbone", "strategy", "points", "search trials", "final runs")]
    notes, sparse = [], []
    searched: dict[str, dict[str, None]] = {}  # the rows of each search space
    several = len({cell.backbone for cell in cells if cell.space}) > 1
    for cell in cells:
        if cell.dataset not in prepared:
            continue
        name = (cell.dataset, cell.backbone, f"{cell.row} K={cell.steps}" if cell.steps else cell.row)
        standing = progress.get(cell.id)
        if standing is None:
            rows.append((*name, "cannot run", "-", "-"))
            notes.append(f"  {' '.join(name)} cannot run: {cell.unsupported}.")
            continue
        search = f"{standing.search_over}/{standing.search_size}" if standing.search_size else "-"
        if standing.search_size and cell.search.epochs is not None:
            search = f"{standing.search_over} ({standing.search_epochs:,}/{cell.search.epochs:,} epochs)"
        if standing.search_tried < standing.search_over:
            search += f", {standing.search_tried} distinct"
        finals = f"{standing.final_over}/{standing.final_size}"
        rows.append((*name, points_label(cell.points) if cell.space else "-", search, finals))
        if cell.space:
            searched.setdefault(_searched(cell.space), {})[f"{cell.backbone} {cell.row}" if several else cell.row] = (
                None
            )
        if cell.space and cell.points is not None and standing.search_size < _ENOUGH * cell.points:
            sparse.append(f"{' '.join(name)} ({standing.search_size:,} of {cell.points:,})")
        if standing.note:
            notes.append(f"  {' '.join(name)}: {standing.note}.")
    if sparse:
        notes.append(
            f"  Fewer than one in {round(1 / _ENOUGH)} points of the search space will be tried: {', '.join(sparse)}. "
            "Raise search.trials, or list fewer values."
        )
    table = [f"  {line}" for line in columns(rows, left=3) if len(rows) > 1]
    if searched:
        table += ["", "  Searched:", *(f"    {', '.join(rows)}: {space}" for space, rows in searched.items())]
    return table + notes


def _searched(space: Mapping[str, Space]) -> str:
    return " x ".join(
        f"{name.rpartition('.')[2]} ({len(values.choices) if values.choices else _values(values)})"
        for name, values in space.items()
    )


def _values(space: Space) -> str:
    if space.choices:
        return ", ".join(map(str, space.choices))
    return f"{space.low} to {space.high}{', log' if space.log else ''}"


def _most(cell: Cell) -> int:
    from ..plan.search import search_size

    return search_size(cell) + len(cell.seeds)


def _failures(summaries: tuple[TrialSummary, ...]) -> str:
    counts = {status: sum(trial.status == status for trial in summaries) for status in ("pruned", "diverged", "failed")}
    words = [f"{count} {status}" for status, count in counts.items() if count]
    return f" Of those stored, {' and '.join(words)}." if words else ""


def _time(
    suite: Suite,
    queue: SuiteQueue,
    summaries: tuple[TrialSummary, ...],
    cards: Mapping[str, Mapping[str, Any]],
    store: Store,
    device: str,
) -> str:
    sizes = {name: DataSize.of(card) for name, card in cards.items()}
    estimate = Estimate(summaries, sizes)
    if not estimate.seen(device):
        stored = (store.lookup(key) for key in sorted(store.keys())[:_OTHERS])
        estimate = Estimate((summary for summary in stored if summary is not None), sizes)
    remaining = tuple(queue.remaining())
    seconds = estimate.left(remaining, device)
    seen = estimate.seen(device)
    basis = f"judging by those of {', '.join(seen)}" if seen else "a guess from operation counts, until some are stored"
    gpu = suite.resources.gpu
    if gpu > 0:
        hours, side = seconds * gpu / 3600, int(1 / gpu) if gpu < 1 else 1
        together = f"on one GPU with {gpu:g} each, about {duration(seconds / side)}"
        return f"About {_hours(hours)} GPU-hours, {basis}; {together}."
    side = max(int(usable_cores() / suite.resources.cpu), 1)
    spent = _hours(seconds * suite.resources.cpu / 3600)
    wall = duration(estimate.left(remaining, device, at_once=side))
    return f"About {spent} core-hours and no GPU, {basis}; {side} at a time, about {wall}."


def _hours(hours: float) -> str:
    """Two digits: 0.012, 1.5, 210."""
    return f"{float(f'{hours:.2g}'):,g}"
