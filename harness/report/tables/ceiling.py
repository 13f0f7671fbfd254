"""The ceiling: readout, each step, the best step per test row chosen after the fact, and what of that is luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...analysis.ceiling import CONTROLS, CROSSED, MODELS, NOISED, Ceiling, ceilings
from ...analysis.compare import METRICS, Stat, state_names
from ...analysis.resultset import ResultSet
from ..labels import label_of, state_label
from ..table import EMPTY, Line, Record, RowGroup, Table, TableCell
from .overall import row_label, steps_shown
from .parts import (
    COLUMNS,
    NO_STEPS,
    NOT_AVAILABLE,
    ROW,
    STAT,
    gains,
    metric_columns,
    row_fields,
    stat_fields,
    suite_table,
    value,
)

FIELDS = (*ROW, "state", "metric", *STAT, "over_readout_percent", "over_reference_percent")

_NOTHING = [EMPTY] * len(COLUMNS)
_NOTES = (
    "Optimum: for each test row the best rank among steps 0..K, chosen by looking at the test target; no model reaches "
    "it. The readout is not among them.",
    "Best of K + 1 ranks, it gains even where the steps are noise. Cross-fitted: chosen on one seed's model, scored on "
    "another's; what is luck does not gain there. Noised: the same optimum of K + 1 noised copies of the readout, at "
    "the steps' cosine to it. Models: of K + 1 models of the row that it is compared with, without steps.",
    "What a choice without the target reaches of it:  --table adaptive",
)
_LABELS = {CROSSED: "Cross-fitted", NOISED: "Noised", MODELS: "Models"}

Gains = Mapping[str, float]


def ceiling(results: ResultSet) -> Table:
    """Per cell the metrics of the readout, of each step and of the optimum, and the optimum's gains."""
    results = results.models()
    rows = ceilings(results)
    backbones = list(dict.fromkeys(item.row.backbone for item in rows))
    shows_steps = steps_shown(item.row for item in rows)
    groups = []
    for dataset, strategy, steps in dict.fromkeys(_place(item) for item in rows):
        across = {item.row.backbone: item for item in rows if _place(item) == (dataset, strategy, steps)}
        label = row_label(next(iter(across.values())).row, shows_steps)
        groups.append(RowGroup((dataset, label), tuple(_lines(across, backbones))))
    return suite_table(
        results,
        name="ceiling",
        caption="ceiling of reasoning",
        heading="State",
        columns=metric_columns(backbones),
        groups=groups,
        unfilled="" if any(item.row.steps != 0 for item in rows) else NO_STEPS,
        notes=_NOTES,
        fields=FIELDS,
        records=(record for item in rows for record in _records(item)),
    )


def _place(item: Ceiling) -> tuple[str, str, int | None]:
    return item.row.dataset, item.row.strategy, item.row.steps


def _states(item: Ceiling) -> dict[str, tuple[Mapping[str, Stat], Gains, Gains]]:
    """Readout, steps, and, where there are steps, the optimum and its controls: each with its gains over two rows."""
    states: dict[str, tuple[Mapping[str, Stat], Gains, Gains]] = {"readout": (item.row.stats, {}, {})}
    steps = zip(state_names(len(item.steps), item.row.steps), item.steps, strict=True)
    states |= {name: (stats, {}, {}) for name, stats in steps}
    if item.optimum is not None:
        states["optimum"] = (item.optimum, item.over_readout, item.over_against)
    for name, control in item.controls.items():
        states[name] = (control.stats, {}, control.over) if name == MODELS else (control.stats, control.over, {})
    return states


def _lines(across: Mapping[str, Ceiling], backbones: Sequence[str]) -> list[Line]:
    """A line for each state, and below it its gains."""
    states = {backbone: _states(item) for backbone, item in across.items()}
    steps = dict.fromkeys(name for of in states.values() for name in of if "step" in name)
    against = next((item.row.against for item in across.values() if item.over_against), None)
    lines = []
    for name in ("readout", *steps, "optimum", *CONTROLS):
        here = [states.get(backbone, {}).get(name) for backbone in backbones]
        if not any(here):
            continue
        items = zip(backbones, here, strict=True)
        values = [cell for backbone, of in items for cell in (_values(across[backbone], of[0]) if of else _NOTHING)]
        lines.append(Line(_LABELS.get(name, state_label(name)), tuple(values)))
        if name in ("optimum", CROSSED, NOISED):
            lines.append(_gains("readout", [of and of[1] for of in here]))
        if name == MODELS or (name == "optimum" and against is not None):
            lines.append(_gains(label_of(against or "reference"), [of and of[2] for of in here]))
    return lines


def _values(item: Ceiling, stats: Mapping[str, Stat]) -> list[TableCell]:
    if item.row.unsupported:
        return [*([NOT_AVAILABLE] * len(METRICS)), EMPTY]
    return [*(value(stats[metric], of=item.row.place) for metric in METRICS), EMPTY]


def _gains(over: str, by_backbone: Sequence[Gains | None]) -> Line:
    cells: list[TableCell] = []
    for of in by_backbone:
        whole = of is not None and len(of) == len(METRICS)
        average = sum(of[metric] for metric in METRICS) / len(METRICS) if of is not None and whole else None
        cells += gains(of or {}, average)
    return Line(f"(over {over})", tuple(cells))


def _records(item: Ceiling) -> list[Record]:
    return [
        row_fields(item.row)
        | {"state": state, "metric": metric}
        | stat_fields(stats[metric])
        | dict(zip(FIELDS[-2:], (over_readout.get(metric), over_against.get(metric)), strict=True))
        for state, (stats, over_readout, over_against) in _states(item).items()
        for metric in METRICS
    ]
