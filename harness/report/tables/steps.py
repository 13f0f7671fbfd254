"""Each metric by K, a model trained per K: the data of the paper's Figure 5; beside them a model for every K."""

from __future__ import annotations

from collections.abc import Sequence

from ...analysis.ceiling import step_stats
from ...analysis.compare import METRICS, Compared, Row, compare
from ...analysis.resultset import CellResults, ResultSet
from ...utils.errors import RearecError
from ...utils.registry import STRATEGIES
from ..labels import label_of, metric_label
from ..table import EMPTY, ColumnGroup, Line, RowGroup, Table
from .overall import FIELDS, records_of, row_label, value_cell
from .parts import NO_STEPS, suite_table

_ONE_MODEL = " One model: its state after each step, with the K that it was chosen and is read at."


def steps(results: ResultSet) -> Table:
    """Per data set, backbone and metric, a line per strategy and a column per K ("searched": validation chose it)."""
    results = results.models()
    states = _states(results.cells)
    rows = (*compare(results.cells), *states)
    depths = sorted({row.row.steps for row in rows if row.row.steps is not None})
    columns: list[int | None] = [*depths, *([None] if any(row.row.steps is None for row in rows) else [])]
    groups = []
    for dataset, backbone in dict.fromkeys((row.row.dataset, row.row.backbone) for row in rows):
        here = [row for row in rows if (row.row.dataset, row.row.backbone) == (dataset, backbone)]
        for metric in METRICS:
            titles = (dataset, label_of(backbone), metric_label(metric))
            groups.append(RowGroup(titles, tuple(_lines(here, columns, metric=metric))))
    return suite_table(
        results,
        name="steps",
        caption="test metrics by number of reasoning steps K",
        columns=[ColumnGroup("K", tuple("searched" if k is None else str(k) for k in columns))],
        groups=groups,
        unfilled="" if set(columns) - {0} else NO_STEPS,
        notes=[f"One model trained for each K.{_ONE_MODEL if states else ''}"],
        fields=FIELDS,
        records=(record for row in rows for record in records_of(row) if record["metric"] in METRICS),
    )


def _lines(rows: Sequence[Compared], columns: Sequence[int | None], *, metric: str) -> list[Line]:
    lines = []
    for strategy in dict.fromkeys(row.row.strategy for row in rows):
        of = {row.row.steps: row for row in rows if row.row.strategy == strategy}
        label = row_label(next(iter(of.values())).row, lambda row: False)
        lines.append(Line(label, tuple(value_cell(of[k], metric) if k in of else EMPTY for k in columns)))
    return lines


def _states(cells: Sequence[CellResults]) -> list[Compared]:
    """The deepest model of each row whose strategy serves every depth, as a row with a K for each of its states."""
    deepest: dict[tuple[str, str, str], CellResults] = {}
    for cell in filter(_serves_every_depth, cells):
        other = deepest.setdefault((cell.dataset, cell.backbone, cell.strategy), cell)
        if len(step_stats(cell)) > len(step_stats(other)):
            deepest[cell.dataset, cell.backbone, cell.strategy] = cell
    found = []
    for cell in deepest.values():
        stats = step_stats(cell)
        name = f"{cell.strategy}[one model, K={len(stats) - 1}]"
        for k, each in enumerate(stats):
            row = Row(
                dataset=cell.dataset, backbone=cell.backbone, strategy=name, against=cell.against, steps=k, stats=each
            )
            found.append(Compared(row, None, {}, None, frozenset()))
    return found


def _serves_every_depth(cell: CellResults) -> bool:
    """Whether the strategy says so; a stored one that is not installed any more does not."""
    try:
        return any(STRATEGIES.settings(run.spec.strategy.kind).every_depth for run in cell.runs if run.spec.steps)
    except (RearecError, ImportError, AttributeError):
        return False
