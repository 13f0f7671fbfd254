"""The papers' claims against our runs: for each a number per seed, its 95% interval, and a verdict.

`results/paper/claims.yaml` has what is claimed, where, and how it is tested. A claim is reproduced if the
whole interval agrees, not reproduced if the whole interval contradicts it, and undecided at this power
otherwise; undecided as well where the interval has no width or there are fewer than `MIN_CELLS` cells. Only
seeds vary: a verdict applies to these data sets and these users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import product
from typing import Any, Literal

import numpy as np
import yaml

from ..trial.baselines import popularity_of
from ..trial.metrics import metric_of
from ..utils.errors import DatasetError
from .compare import METRICS, row_beside
from .groups import ITEMS, Load, check_dataset, item_groups, user_groups
from .intervals import Interval, share_interval, t_interval
from .resultset import CellResults, ResultSet

Verdict = Literal["reproduced", "not reproduced", "undecided", "not tested"]

METRIC = "ndcg@20"
READOUT = "readout"
STEPS = 2
"""K of the paper's Figure 2, and the one that it calls best: that of a row which a suite has at several K."""

MIN_CELLS = 5
"""Comparisons that a verdict needs: a share or a mean of fewer says little of others."""

_ROUNDING = 1e-9  # in percent: equal values differ by less
_FILE = "claims.yaml"
_RESULTS = __package__.partition(".")[0] + ".results"

BySeed = Mapping[int, float]


@dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Attributes:
        claim: in our words.
        paper: the method's name, for papers other than ReaRec's; "" for that.
        where: section, table or figure.
        test: what is computed; the file explains the kinds.
        expect: what the interval has to show.
        note: what the text leaves open.
    """

    id: str
    claim: str
    where: str
    test: Mapping[str, Any]
    expect: Mapping[str, Any]
    note: str = ""
    paper: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim and the verdict of our runs.

    Attributes:
        value: in percent, mean over seeds; None if nothing was tested.
        interval: 95% over seeds, Student's t, for a share Wilson's; None for fewer than two.
        cells: number of comparisons, or rows, behind each seed's value; the metrics of one count once.
        why: why nothing was tested, or why there is no verdict whatever the interval.
        beside: the value and interval of the claim's other reading, which decides nothing.
    """

    claim: Claim
    verdict: Verdict
    value: float | None = None
    interval: Interval | None = None
    seeds: int = 0
    cells: int = 0
    why: str = ""
    beside: tuple[float, Interval | None] | None = None


@dataclass(frozen=True)
class _Numbers:
    """The values of a claim: one mapping from seed to percent for each comparison."""

    parts: tuple[BySeed, ...] = ()
    why: str = ""


def paper_claims(rows: Iterable[str] | None = None) -> tuple[Claim, ...]:
    """The claims, in the order of the file: ReaRec's, and those of the papers whose method is among `rows`.

    Args:
        rows: names of rows; None for the claims of all papers.
    """
    entries = yaml.safe_load(files(_RESULTS).joinpath("paper", _FILE).read_text(encoding="utf-8"))
    claims = tuple(Claim(**entry) for entry in entries)
    if rows is None:
        return claims
    shown = {"", *(row.lower() for row in rows)}
    return tuple(claim for claim in claims if claim.paper.lower() in shown)


def judge(results: ResultSet, load: Load, claims: Iterable[Claim] | None = None) -> tuple[Judged, ...]:
    """Every claim against a suite.

    Args:
        load: returns a data set by its name; claims on groups of one that is not prepared stay untested.
        claims: None for ReaRec's, and for those of later methods that the suite has.
    """
    beside, alone = (
        [cell for cell in of.cells if not cell.unsupported] for of in (results.models(), results.models().once())
    )

    def numbers(test: Mapping[str, Any]) -> _Numbers:
        every = alone if test.get("over", READOUT) == READOUT else beside  # a row beside itself counts once
        return _KINDS[test["kind"]](test, every if test["kind"] == "steps" else _usual(every), results, load)

    def judged(claim: Claim) -> Judged:
        found = _judged(claim, numbers(claim.test))
        if "beside" not in claim.test:
            return found
        other = _judged(claim, numbers({**claim.test, "over": claim.test["beside"]}))
        return replace(found, beside=None if other.value is None else (other.value, other.interval))

    return tuple(map(judged, claims or paper_claims(cell.strategy for cell in beside)))


def verdict_of(expect: Mapping[str, Any], value: float, interval: Interval | None) -> Verdict:
    """The verdict of an interval on an expectation: one of above, below, between and at_least."""
    if interval is None or interval.high - interval.low <= _ROUNDING:
        return "undecided"
    ((kind, bound),) = expect.items()
    if kind == "above":
        yes, no = interval.low > bound, interval.high < bound
    elif kind == "below":
        yes, no = interval.high < bound, interval.low > bound
    elif kind == "between":
        yes, no = (
            bound[0] <= interval.low and interval.high <= bound[1],
            interval.high < bound[0] or bound[1] < interval.low,
        )
    else:
        yes, no = interval.low > 0 and interval.high >= bound, interval.high < bound
    return "reproduced" if yes else "not reproduced" if no else "undecided"


def _judged(claim: Claim, numbers: _Numbers) -> Judged:
    parts = numbers.parts
    shared = set.intersection(*(set(part) for part in parts)) if parts else set()
    if not shared:
        return Judged(claim, "not tested", why=numbers.why or "no seed has every run that it needs")
    values = [float(np.mean([part[seed] for part in parts])) for seed in sorted(shared)]
    value = float(np.mean(values))
    interval = _share_interval(values) if claim.test.get("kind") == "share" else t_interval(values)
    if len(values) > 1 and np.ptp(values) <= _ROUNDING:  # such as 100% of the rows in every seed
        interval = Interval(value, value)
    verdict, why = verdict_of(claim.expect, value, interval), ""
    if len(parts) < MIN_CELLS:
        verdict, why = "undecided", f"fewer than {MIN_CELLS} cells"
    elif interval is not None and interval.high - interval.low <= _ROUNDING:
        why = "the same in every seed: an interval without width"
    return Judged(claim, verdict, value, interval, len(values), len(parts), why)


def _share_interval(percents: Sequence[float]) -> Interval | None:
    interval = share_interval([percent / 100 for percent in percents])
    return None if interval is None else Interval(100 * interval.low, 100 * interval.high)


def _compared(test: Mapping[str, Any], cells: Sequence[CellResults], results: ResultSet, load: Load) -> _Numbers:
    """Each cell's change in percent, or 100 where it gains: the mean over its metrics, one comparison and not four."""
    row, rivals = test["row"], test["over"] if isinstance(test["over"], list) else [test["over"]]
    metrics = [test["metric"]] if "metric" in test else METRICS
    parts = []
    for cell, over in product(cells, rivals):
        if cell.strategy != row or cell.backbone != test.get("backbone", cell.backbone):
            continue
        other = row_beside(cell, over, cells)
        if other is None:
            continue
        ours, theirs = _by_seed(cell), _by_seed(other)
        part = {}
        for seed in ours.keys() & theirs.keys():
            changes = [_change(ours[seed][name], theirs[seed][name]) for name in metrics if theirs[seed][name]]
            if changes:
                change = float(np.mean(changes))
                part[seed] = 100.0 * (change > _ROUNDING) if test["kind"] == "share" else change
        parts.append(part)
    where = f" on {test['backbone']}" if "backbone" in test else ""
    return _Numbers(tuple(parts), why="" if parts else f"needs the rows {' and '.join([row, *rivals])}{where}")


def _ceiling(test: Mapping[str, Any], cells: Sequence[CellResults], results: ResultSet, load: Load) -> _Numbers:
    over = test.get("over", READOUT)
    parts = []
    for cell in cells:
        other = cell if over == READOUT else row_beside(cell, over, cells)
        below = _by_seed(other) if other is not None else {}
        gains = {}
        for run in cell.runs:
            start = below.get(run.spec.seed, {}).get(METRIC)
            kind = run.spec.strategy.kind
            if run.spec.steps > 0 and start and kind in test.get("strategies", [kind]):
                ranks = results.store.ranks(run.key, "test").step_ranks.min(axis=1)
                gains[run.spec.seed] = _change(metric_of(ranks, METRIC), start)
        if gains:
            parts.append(gains)
    needs = "needs a row with steps" + (f", and {over} beside it" if over != READOUT else "")
    return _Numbers(tuple(parts), why="" if parts else needs)


def _steps(test: Mapping[str, Any], cells: Sequence[CellResults], results: ResultSet, load: Load) -> _Numbers:
    best = test["best"]
    parts = []
    for cell in cells:
        others = [
            other
            for other in cells
            if _row(other) == _row(cell) and other.steps not in (None, 0, cell.steps) and other.runs
        ]
        if cell.steps != best or not others:
            continue
        rival = max(others, key=_validation)  # on validation: the best of several on test would be so by luck, too
        parts.append(_changes(cell, rival))
    return _Numbers(tuple(parts), why="" if parts else f"needs a row at K = {best} and at another K")


def _backbones(test: Mapping[str, Any], cells: Sequence[CellResults], results: ResultSet, load: Load) -> _Numbers:
    parts = []
    base = [cell for cell in cells if not cell.against]
    for cell in (cell for cell in base if cell.backbone in test["above"]):
        for other in (other for other in base if other.backbone in test["below"]):
            if (other.dataset, other.strategy, other.steps) == (cell.dataset, cell.strategy, cell.steps):
                parts.append(_changes(cell, other))
    return _Numbers(tuple(parts), why="" if parts else "needs base rows of backbones on text and of backbones on IDs")


def _groups(test: Mapping[str, Any], cells: Sequence[CellResults], results: ResultSet, load: Load) -> _Numbers:
    parts = []
    for cell in cells:
        if cell.strategy != test["row"] or not cell.runs or not cell.runs[0].spec.steps:
            continue
        try:
            data = check_dataset(load(cell.dataset), cell)
        except DatasetError:
            return _Numbers(why=f"needs the prepared data set {cell.dataset} (--data-dir)")
        if test["of"] == ITEMS:
            inside = item_groups(data.test.targets, popularity_of(data)) == test["group"]
        else:
            inside = user_groups(data.test) == test["group"]
        gains = {}
        for run in cell.runs:
            rows = results.store.ranks(run.key, "test")
            first = metric_of(rows.step_ranks[inside, 0], METRIC) if inside.any() else 0.0
            if first:
                gains[run.spec.seed] = _change(metric_of(rows.readout_ranks[inside], METRIC), first)
        parts.append(gains)
    return _Numbers(tuple(parts), why="" if parts else f"needs the row {test['row']}")


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Sequence[CellResults], ResultSet, Load], _Numbers]] = {
    "contrast": _compared,
    "share": _compared,
    "ceiling": _ceiling,
    "steps": _steps,
    "backbones": _backbones,
    "groups": _groups,
}


def _change(ours: float, theirs: float) -> float:
    """In percent."""
    return (ours / theirs - 1) * 100


def _changes(cell: CellResults, other: CellResults) -> BySeed:
    """In percent, of the seeds that both have; without those where the other scores zero."""
    ours, theirs = _by_seed(cell), _by_seed(other)
    shared = [seed for seed in ours if seed in theirs and theirs[seed][METRIC]]
    return {seed: _change(ours[seed][METRIC], theirs[seed][METRIC]) for seed in shared}


def _row(cell: CellResults) -> tuple[str, str, str]:
    return cell.dataset, cell.backbone, cell.strategy


def _validation(cell: CellResults) -> float:
    return float(np.mean([(run.validation or {}).get(METRIC, 0.0) for run in cell.runs]))


def _usual(cells: Sequence[CellResults]) -> list[CellResults]:
    """Of a row at several K that with the paper's own."""
    usual = {_row(cell) for cell in cells if cell.steps == STEPS}
    return [cell for cell in cells if cell.steps in (None, 0, STEPS) or _row(cell) not in usual]


def _by_seed(cell: CellResults) -> dict[int, Mapping[str, float]]:
    return {run.spec.seed: run.test or {} for run in cell.runs}
