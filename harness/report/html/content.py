"""What the HTML report holds of each suite: tables, charts, trials; everything as values that JSON and Jinja2 take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...analysis.claims import Judged, judge
from ...analysis.resultset import ResultSet
from ...records.results import TrialSummary
from ...store.frames import StoredTrial, trials_of
from ...store.store import Store
from ...utils.errors import DatasetError
from ..figures.case_study import Case, case_of
from ..figures.colours import places_beside_names
from ..figures.context import FigureContext, MissingData
from ..figures.registry import FIGURES
from ..formats.latex import render_latex
from ..formats.tidy import render_csv
from ..labels import label_of
from ..table import Table
from .charts import GAINS, Lacking, Panels, curve, figures_of, search_chart, settings_of
from .forest import Forest, forest_of
from .summary import Best, Fact, best_rows, facts_of, strategies_of
from .tables import PageTable, page_table

CASE = "Case study (Figure 11)"
LISTED = (
    "key",
    "dataset",
    "backbone",
    "row",
    "steps",
    "purpose",
    "chosen",
    "seed",
    "status",
    "settings_tried",
    "metric",
    "validation",
    "test",
    "epochs",
    "seconds",
)
"""What the list of trials shows of each."""


@dataclass(frozen=True)
class PageSuite:
    """A suite's content of the page.

    Attributes:
        counts: status to number of trials.
        facts: what is compared, and how fairly.
        strategies: each with the place of its colour.
        gains: the forest plot, or what it needs.
        best: the best row of each data set and backbone.
        tables: those that the suite fills; `shown` are the same for the page.
        figures: those that the suite fills, and the searches.
        case: Figure 11; None where the suite does not fill it.
        lacking: figures that the suite does not fill, and what they need.
        notes: what is left out, and why.
    """

    name: str
    counts: Mapping[str, int]
    facts: tuple[Fact, ...]
    strategies: tuple[tuple[str, int], ...]
    gains: Forest | str
    best: tuple[Best, ...]
    verdicts: tuple[Judged, ...]
    tables: tuple[Table, ...]
    shown: tuple[PageTable, ...]
    figures: tuple[Panels, ...]
    case: Case | None
    lacking: tuple[Lacking, ...]
    trials: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


def suite_content(
    results: ResultSet,
    makers: Mapping[str, Callable[[ResultSet], Table]],
    *,
    store: Store,
    context: FigureContext,
    folder: Path,
) -> PageSuite:
    """Everything that the page shows of a suite.

    Args:
        makers: tables by name.
        context: for figures and claims; those of a data set that is not prepared are left out, with a note.
        folder: of the results, as commands name it.

    Raises:
        InputError: a data set is not the one that trials were tested on.
        StoreError: the rows of a trial cannot be read.
    """
    notes: list[str] = []
    stored_trials = trials_by_key(results, store)
    trials = list(stored_trials.values())
    places = {key: place for place, key in enumerate(stored_trials)}
    cells = (*results.once().cells, *results.cells)  # ranks name a row on its own backbone by that
    behind = {cell.place: [places[run.key] for run in cell.runs if run.key in places] for cell in cells}
    colours = places_beside_names(cell.strategy for cell in results.models().cells)
    tables = []
    for name, make in makers.items():
        try:
            table = make(results)
        except DatasetError as error:
            notes.append(f"Table {name} is left out: {error}")
            continue
        if any(group.lines for group in table.groups):
            tables.append(table)
    figures, lacking = figures_of(context)
    case = None
    try:
        case = case_of(context)
    except MissingData as missing:
        lacking.append(Lacking(CASE, str(missing)))
    tried = _tried(trials)
    return PageSuite(
        name=results.name,
        counts=Counter(stored.summary.status for stored in trials),
        facts=facts_of(results),
        strategies=strategies_of(results),
        gains=_gains(context),
        best=best_rows(results),
        verdicts=judge(results, context.load),
        tables=tuple(tables),
        shown=tuple(page_table(table, behind, colours) for table in tables),
        figures=(*figures, *_searches(trials, colours)),
        case=case,
        lacking=tuple(lacking),
        trials=tuple(
            {**_trial(stored, folder), "settings_tried": tried[stored.key], "colour": colours.get(stored.row, 0)}
            for stored in trials
        ),
        notes=tuple(notes),
    )


def trials_by_key(results: ResultSet, store: Store) -> dict[str, StoredTrial]:
    """A suite's trials, those of a row on its own backbone under that."""
    own = {
        trial.key: cell.own_backbone
        for cell in results.cells
        if cell.own_backbone
        for trial in (*cell.searched, *cell.finals)
    }
    return {
        stored.key: replace(stored, backbone=own.get(stored.key, stored.backbone))
        for stored in trials_of(store, [results.name])
    }


def _gains(context: FigureContext) -> Forest | str:
    try:
        return forest_of(FIGURES[GAINS].panels(context))
    except MissingData as missing:
        return str(missing)


def _searches(trials: Sequence[StoredTrial], colours: Mapping[str, int]) -> list[Panels]:
    cells: dict[tuple[Any, ...], list[tuple[TrialSummary, bool]]] = {}
    for stored in trials:
        if stored.summary.spec.purpose == "search":
            place = (stored.dataset, stored.backbone, stored.row, stored.against)
            cells.setdefault(place, []).append((stored.summary, stored.chosen))
    drawn = [
        search_chart(
            f"Searches: {dataset} {label_of(backbone)} {label_of(row)}",
            searched,
            searched[0][0].spec.metric,
            colours.get(row, 0),
        )
        for (dataset, backbone, row, _), searched in cells.items()
    ]
    charts = tuple(chart for chart in drawn if chart is not None)
    return [Panels("Searches", charts)] if charts else []


def _tried(trials: Sequence[StoredTrial]) -> dict[str, str]:
    """Key to the settings that differ between trials of the same row, such as "temperature=0.5"."""
    rows: dict[tuple[str, str, str], list[StoredTrial]] = {}
    for stored in trials:
        rows.setdefault((stored.dataset, stored.backbone, stored.row), []).append(stored)
    words = {}
    for here in rows.values():
        held = [settings_of(stored.summary) for stored in here]
        differ = [name for name in held[0] if len({repr(settings.get(name)) for settings in held}) > 1]
        for stored, settings in zip(here, held, strict=True):
            words[stored.key] = ", ".join(f"{name}={_plain(settings[name])}" for name in differ if name in settings)
    return words


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _trial(stored: StoredTrial, folder: Path) -> dict[str, Any]:
    summary, spec = stored.summary, stored.summary.spec
    return {
        "key": summary.key,
        "dataset": stored.dataset,
        "backbone": stored.backbone,
        "row": stored.row,
        "steps": spec.steps,
        "purpose": spec.purpose,
        "chosen": stored.chosen,
        "seed": spec.seed,
        "status": summary.status,
        "reason": summary.reason,
        "metric": spec.metric,
        "validation": (summary.validation or {}).get(spec.metric),
        "test": (summary.test or {}).get(spec.metric),
        "metrics": dict(summary.test or summary.validation or {}),
        "best_epoch": summary.best_epoch,
        "epochs": len(summary.history),
        "seconds": summary.timings.get("total_s"),
        "parameters": summary.parameters,
        "settings": {
            "backbone": dict(spec.backbone.settings),
            "strategy": dict(spec.strategy.settings),
            "training": spec.training.model_dump(mode="json"),
            "evaluation": spec.evaluation.model_dump(mode="json"),
        },
        "environment": dict(summary.environment),
        "curve": curve(summary, spec.metric),
        "rerun": f"rearec-bench rerun {summary.key[:12]} --results {folder}",
    }


def as_json(suite: PageSuite) -> dict[str, Any]:
    """What the page's script needs of a suite to show it: the list of its trials."""
    trials = [{name: trial[name] for name in LISTED} for trial in suite.trials]
    return {"name": suite.name, "trials": trials}


def as_rest(suite: PageSuite) -> dict[str, Any]:
    """What is needed once somebody asks: figures, each trial in full (in the order of the list), texts to copy."""
    return {
        "figures": [
            [{"data": chart.data, "layout": chart.layout} for chart in panels.charts] for panels in suite.figures
        ],
        "trials": [{name: value for name, value in trial.items() if name not in LISTED} for trial in suite.trials],
        "copies": {table.name: {"latex": render_latex(table), "csv": render_csv([table])} for table in suite.tables},
    }
