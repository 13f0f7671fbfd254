"""The ceiling: readout, each step, and the best step per test row chosen after the fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..analysis.ceiling import Ceiling, ceilings
from ..analysis.compare import AVERAGE, METRICS, Stat
from ..analysis.resultset import ResultSet
from .labels import label_of, metric_label
from .overall import row_label, steps_shown
from .protocol import protocol_lines
from .table import EMPTY, ColumnGroup, Line, Record, RowGroup, Table, TableCell

FIELDS = (
    "dataset",
    "backbone",
    "strategy",
    "steps",
    "state",
    "metric",
    "mean",
    "std",
    "seeds",
    "over_readout_percent",
    "over_reference_percent",
)

_COLUMNS = (*METRICS, AVERAGE)
_NOTE = (
    "Optimum: for each test row the best rank among steps 0..K, chosen by looking at the test target; no model reaches "
    "it. The readout is not among them."
)


def ceiling(results: ResultSet) -> Table:
    """Per cell the metrics of the readout, of each step and of the optimum, and the optimum's gains."""
    results = results.models()
    found = ceilings(results)
    backbones = list(dict.fromkeys(item.row.backbone for item in found))
    shows_steps = steps_shown(item.row for item in found)
    groups = []
    for dataset, strategy, steps in dict.fromkeys(_place(item) for item in found):
        across = {item.row.backbone: item for item in found if _place(item) == (dataset, strategy, steps)}
        label = row_label(next(iter(across.values())).row, shows_steps)
        groups.append(RowGroup((dataset, label), tuple(_lines(across, backbones))))
    return Table(
        name="ceiling",
        title=results.name,
        caption=f"{results.name}: ceiling of reasoning",
        columns=tuple(
            ColumnGroup(label_of(backbone), tuple(metric_label(metric) for metric in _COLUMNS))
            for backbone in backbones
        ),
        groups=tuple(groups),
        protocol=(_NOTE, *protocol_lines(results)),
        fields=FIELDS,
        records=tuple(record for item in found for record in _records(item)),
    )


def _place(item: Ceiling) -> tuple[str, str, int | None]:
    return item.row.dataset, item.row.strategy, item.row.steps


def _lines(across: Mapping[str, Ceiling], backbones: Sequence[str]) -> list[Line]:
    deepest = max(len(item.steps) for item in across.values())
    labels = ["Readout", *(f"Step {k}" for k in range(deepest))]
    if deepest:
        labels += ["Optimum", "(over readout)"]
    against = next((item.row.against for item in across.values() if item.over_reference), None)
    if against is not None:
        labels.append(f"(over {label_of(against)})")
    stacks = [_stack(across.get(backbone), deepest) for backbone in backbones]
    return [Line(label, tuple(cell for stack in stacks for cell in stack[place])) for place, label in enumerate(labels)]


def _stack(item: Ceiling | None, deepest: int) -> list[list[TableCell]]:
    """A backbone's part of every line: readout, steps, optimum, its gain over the readout and over the reference."""
    if item is None:
        return [[EMPTY] * len(_COLUMNS)] * (deepest + 4)
    steps = [*item.steps, *([None] * (deepest - len(item.steps)))]
    values = [_values(item, stats) for stats in (item.row.stats, *steps, *([item.optimum] if deepest else []))]
    return [*values, *([_gains(item.over_readout)] if deepest else []), _gains(item.over_reference)]


def _values(item: Ceiling, stats: Mapping[str, Stat] | None) -> list[TableCell]:
    if stats is None:
        return [EMPTY] * len(_COLUMNS)
    if item.row.unsupported:
        return [*([TableCell("text", text="n/a")] * len(METRICS)), EMPTY]
    held = [stats[metric] for metric in METRICS]
    return [*(TableCell("value", one.mean, one.std, one.seeds, one.planned) for one in held), EMPTY]


def _gains(gains: Mapping[str, float]) -> list[TableCell]:
    if not gains:
        return [EMPTY] * len(_COLUMNS)
    cells = [TableCell("gain", gains[metric]) if metric in gains else EMPTY for metric in METRICS]
    average = sum(gains[metric] for metric in METRICS) / len(METRICS) if len(gains) == len(METRICS) else None
    return [*cells, EMPTY if average is None else TableCell("average", average)]


def _records(item: Ceiling) -> list[Record]:
    states: list[tuple[str, Mapping[str, Stat]]] = [("readout", item.row.stats)]
    states += [(f"step_{k}", stats) for k, stats in enumerate(item.steps)]
    if item.optimum is not None:
        states.append(("optimum", item.optimum))
    head = {name: getattr(item.row, name) for name in FIELDS[:4]}
    return [
        head
        | {
            "state": state,
            "metric": metric,
            "mean": stats[metric].mean,
            "std": stats[metric].std,
            "seeds": stats[metric].seeds,
            "over_readout_percent": item.over_readout.get(metric) if state == "optimum" else None,
            "over_reference_percent": item.over_reference.get(metric) if state == "optimum" else None,
        }
        for state, stats in states
        for metric in METRICS
    ]
