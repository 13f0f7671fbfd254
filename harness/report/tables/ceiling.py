"""The ceiling: readout, each step, the best step per test row chosen after the fact, and what of that is luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...analysis.ceiling import CONTROLS, CROSSED, MODELS, NOISED, Ceiling, ceilings
from ...analysis.compare import METRICS, Stat
from ...analysis.resultset import ResultSet
from ..labels import label_of
from ..table import EMPTY, Line, Record, RowGroup, Table, TableCell
from .overall import row_label, steps_shown
from .parts import COLUMNS, NOT_AVAILABLE, ROW, STAT, gains, metric_columns, row_fields, stat_fields, suite_table, value

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
_CONTROL_LABELS = {CROSSED: "Cross-fitted", NOISED: "Noised", MODELS: "Models"}


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
        columns=metric_columns(backbones),
        groups=groups,
        notes=_NOTES,
        fields=FIELDS,
        records=(record for item in rows for record in _records(item)),
    )


def _place(item: Ceiling) -> tuple[str, str, int | None]:
    return item.row.dataset, item.row.strategy, item.row.steps


def _lines(across: Mapping[str, Ceiling], backbones: Sequence[str]) -> list[Line]:
    """Readout, steps, and, where there are steps, the optimum and its controls, each with its gains."""
    deepest = max(len(item.steps) for item in across.values())
    against = next((item.row.against for item in across.values() if item.over_against), None)
    shown = [name for name in CONTROLS if any(name in item.controls for item in across.values())]

    def line(label: str, cells: Callable[[Ceiling], list[TableCell]]) -> Line:
        shown = [across.get(backbone) for backbone in backbones]
        return Line(label, tuple(cell for item in shown for cell in (cells(item) if item else _NOTHING)))

    def step(k: int) -> Callable[[Ceiling], list[TableCell]]:
        return lambda item: _values(item, item.steps[k]) if k < len(item.steps) else _NOTHING

    def control(name: str) -> Callable[[Ceiling], list[TableCell]]:
        return lambda item: _values(item, item.controls[name].stats) if name in item.controls else _NOTHING

    def gain(name: str) -> Callable[[Ceiling], list[TableCell]]:
        return lambda item: _gains(item.controls[name].over) if name in item.controls else _NOTHING

    lines = [line("Readout", lambda item: _values(item, item.row.stats))]
    lines += [line(f"Step {k}", step(k)) for k in range(deepest)]
    if deepest:
        lines.append(line("Optimum", lambda item: _values(item, item.optimum)))
        lines.append(line("(over readout)", lambda item: _gains(item.over_readout)))
    if against is not None:
        lines.append(line(f"(over {label_of(against)})", lambda item: _gains(item.over_against)))
    for name in shown:
        over = "readout" if name != MODELS else label_of(against or "reference")
        lines += [line(_CONTROL_LABELS[name], control(name)), line(f"(over {over})", gain(name))]
    return lines


def _values(item: Ceiling, stats: Mapping[str, Stat] | None) -> list[TableCell]:
    if stats is None:
        return _NOTHING
    if item.row.unsupported:
        return [*([NOT_AVAILABLE] * len(METRICS)), EMPTY]
    return [*(value(stats[metric], of=item.row.place) for metric in METRICS), EMPTY]


def _gains(over: Mapping[str, float]) -> list[TableCell]:
    average = sum(over[metric] for metric in METRICS) / len(METRICS) if len(over) == len(METRICS) else None
    return gains(over, average)


def _records(item: Ceiling) -> list[Record]:
    nothing: Mapping[str, float] = {}
    states = [("readout", item.row.stats, nothing, nothing)]
    states += [(f"step_{k}", stats, nothing, nothing) for k, stats in enumerate(item.steps)]
    if item.optimum is not None:
        states.append(("optimum", item.optimum, item.over_readout, item.over_against))
    for name, control in item.controls.items():
        over_readout, over_against = (nothing, control.over) if name == MODELS else (control.over, nothing)
        states.append((name, control.stats, over_readout, over_against))
    return [
        row_fields(item.row)
        | {"state": state, "metric": metric}
        | stat_fields(stats[metric])
        | dict(zip(FIELDS[-2:], (over_readout.get(metric), over_against.get(metric)), strict=True))
        for state, stats, over_readout, over_against in states
        for metric in METRICS
    ]
