"""Adaptive depth: per row of a suite, what choosing each test row's number of steps would have scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...analysis.adaptive import (
    CEILING,
    CHOSEN_BY,
    DIVERGENCE,
    FIXED,
    READOUT,
    ROUTER,
    Adaptive,
    Estimate,
    Method,
    adaptive,
    has_streams,
)
from ...analysis.intervals import RESAMPLES
from ...analysis.resultset import ResultSet
from ..labels import full_name, label_of, metric_label
from ..table import EMPTY, ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .overall import row_label, steps_shown
from .parts import NO_STEPS, NOT_AVAILABLE, ROW, SEEDS, USERS, apart, bounds, row_fields, span, suite_table, value

FIELDS = (*ROW, "method", "quantity", "metric", "value", "std", "seeds", *USERS, *SEEDS)

_SHOWN = CHOSEN_BY
_LABELS = {
    FIXED: "best fixed step",
    "entropy": "by entropy",
    "margin": "by margin",
    "convergence": "by convergence",
    DIVERGENCE: "by divergence",
    ROUTER: "by router",
    CEILING: "ceiling (oracle)",
}
_OLDER = "stored by an earlier version, with entropy and margin at the score temperature for all steps"
_UNDEFINED = TableCell("text", text="-")
_NOTES = (
    "Depth per test row, chosen without its target. Entropy, margin: the first step whose entropy is at most, whose "
    "margin is at least a threshold; convergence: whose cosine to the step before is at least one; divergence: whose "
    "KL(p_(k-1) || p_k) is at most one, ManCAR's rule; router: a ridge regression of each depth's gain on entropy and "
    "margin at step 0. Thresholds, caps, router and best fixed step: from each run's validation rows, by "
    f"{metric_label(_SHOWN)}; each method may fall back on a fixed step. A row's first line is the strategy's own "
    "readout, after all K steps.",
    "Ceiling: an oracle, for each test row the best rank among steps 0..K, chosen by looking at the test target; no "
    "model reaches it. Of ceiling: (method - readout) / (ceiling - readout); '-' where the ceiling is not above the "
    "readout. Steps: mean per row.",
    f"95%: bootstrap intervals of {RESAMPLES:,} resamples of the test users, each with all its rows, runs averaged per "
    "row; models and choices are held fixed; blank where all resamples agree, or where one leaves the quantity "
    "undefined. Student's t over seeds: with --format csv or json.",
)


def adaptive_depth(results: ResultSet) -> Table:
    """Per cell that has steps: readout, best fixed step, each way to choose a depth per row, and the ceiling."""
    results = results.models()
    cells = adaptive(results)
    shows_steps = steps_shown(item.row for item in cells)
    streams = [
        f"{full_name(cell)} is not here: its streams have no order in which to stop."
        for cell in results.cells
        if has_streams(cell)
    ]
    heading, titles = apart([item.row for item in cells])
    against = {
        row_label(item.row, shows_steps): label_of(item.row.against)
        for item in cells
        if any(method.over_against for method in item.methods)
    }
    names = set(against.values())
    over = [f"over {min(names) if len(names) == 1 else 'reference'}"] if names else []
    several = f"References: {', '.join(f'{row} over {name}' for row, name in against.items())}."
    return suite_table(
        results,
        name="adaptive",
        caption="adaptive depth",
        heading="Method",
        columns=[ColumnGroup(heading, (metric_label(_SHOWN), "over readout", *over, "of ceiling", "steps"))],
        groups=(
            RowGroup(
                titles(item.row),
                tuple(_lines(item, row_label(item.row, shows_steps), compared=bool(against))),
            )
            for item in cells
        ),
        unfilled="" if cells else NO_STEPS,
        notes=(*_NOTES, *([several] if len(names) > 1 else []), *_left_out(cells), *streams),
        fields=FIELDS,
        records=(record for item in cells for record in _records(item)),
    )


def _lines(item: Adaptive, label: str, *, compared: bool) -> list[Line]:
    if not item.methods:
        readout = NOT_AVAILABLE if item.row.unsupported else value(item.row.stats[_SHOWN])
        return [Line(label, (readout, *[EMPTY] * (4 if compared else 3)))]
    lines = []
    for method in item.methods:
        name = label if method.name == READOUT else _LABELS[method.name]
        lines.append(Line(name, tuple(_values(method, item, compared=compared))))
        lines.append(Line("95%", tuple(_ranges(method, compared=compared))))
    return lines


def _values(method: Method, item: Adaptive, *, compared: bool) -> list[TableCell]:
    shown = method.metrics[_SHOWN]
    gains = [method.over_readout, *([method.over_against] if compared else [])]
    return [
        TableCell("value", shown.value, shown.std, item.seeds, item.planned),
        *(_cell("average", gain) for gain in gains),
        _cell("share", method.share),
        TableCell("value", method.steps.value, method.steps.std, digits=2),
    ]


def _cell(kind: str, estimates: Mapping[str, Estimate]) -> TableCell:
    if not estimates:
        return EMPTY
    value = estimates[_SHOWN].value
    if value is None:
        return _UNDEFINED
    return TableCell("share", value, digits=1) if kind == "share" else TableCell("average", value)


def _ranges(method: Method, *, compared: bool) -> list[TableCell]:
    gains = [method.over_readout, *([method.over_against] if compared else [])]
    return [
        _range(method.metrics[_SHOWN], digits=4),
        *(_range(gain.get(_SHOWN), digits=2) for gain in gains),
        _range(method.share.get(_SHOWN), digits=1),
        _range(method.steps, digits=2),
    ]


def _range(estimate: Estimate | None, *, digits: int) -> TableCell:
    users = estimate.users if estimate else None
    is_point = users is not None and math.isclose(users.low, users.high, abs_tol=1e-9)
    return EMPTY if is_point else span(users, digits=digits)


def _left_out(cells: Sequence[Adaptive]) -> list[str]:
    lines = []
    for item in cells:
        name = full_name(item.row, row_label(item.row, lambda row: True))
        if item.left_out:
            lines.append(f"{name}: {_seeds(item.left_out)} left out, without validation rows to choose depths on.")
        if item.older:
            lines.append(
                f"{name}: {_seeds(item.older)} left out: {_OLDER}, where the other seeds have each step's own. Repeat "
                "them:  rearec-bench run SUITE --refresh"
            )
        if item.one_temperature and any(other.by_step for other in cells):
            lines.append(f"{name}: {_OLDER}, where other rows here have each step's own.")
        if item.undiverged:
            lines.append(
                f"{name}: no rule by divergence, which an earlier version has not stored of {_seeds(item.undiverged)}. "
                "Repeat them:  rearec-bench run SUITE --refresh"
            )
    return lines


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _records(item: Adaptive) -> list[Record]:
    records: list[Record] = []
    for method in item.methods:
        by_metric = {
            "value": method.metrics,
            "over_readout_percent": method.over_readout,
            "over_reference_percent": method.over_against,
            "ceiling_share_percent": method.share,
        }
        quantities = [(name, metric, estimate) for name, of in by_metric.items() for metric, estimate in of.items()]
        for name, metric, estimate in [*quantities, ("mean_steps", None, method.steps)]:
            what = {"method": method.name, "quantity": name, "metric": metric}
            numbers = {"value": estimate.value, "std": estimate.std, "seeds": item.seeds}
            intervals = bounds(USERS, estimate.users) | bounds(SEEDS, estimate.seeds)
            records.append(row_fields(item.row) | what | numbers | intervals)
    return records
