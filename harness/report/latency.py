"""The paper's Table 4: time of inference by number of reasoning steps."""

from __future__ import annotations

from ..analysis.paper import paper_latency
from .table import EMPTY, ColumnGroup, Line, RowGroup, Table, TableCell

FIELDS = ("backbone", "step", "inference_time_s", "cost_increase_percent")


def paper_latency_table() -> Table:
    """Seconds over the test set, and their increase over Base in percent, recomputed."""
    cells = paper_latency()
    backbones = list(dict.fromkeys(cell.backbone for cell in cells))
    lines = []
    for step in dict.fromkeys(cell.step for cell in cells):
        line: list[TableCell] = []
        for backbone in backbones:
            for cell in cells:
                if (cell.backbone, cell.step) == (backbone, step):
                    cost = EMPTY if cell.cost_percent is None else TableCell("plain", cell.cost_percent)
                    line += [TableCell("value", cell.time_s), cost]
        lines.append(Line(step, tuple(line)))
    return Table(
        name="table4",
        title="Table 4",
        caption="Table 4 of arXiv 2503.22675: time of inference by number of reasoning steps",
        columns=tuple(ColumnGroup(backbone, ("Time (s)", "Cost (%)")) for backbone in backbones),
        groups=(RowGroup((), tuple(lines)),),
        protocol=(
            "The times of Table 4 of arXiv 2503.22675 as printed: PRL, the whole test set, one A100-40G; the data set "
            "is not named. Costs are recomputed from them.",
        ),
        fields=FIELDS,
        records=tuple(
            {
                "backbone": cell.backbone,
                "step": cell.step,
                "inference_time_s": cell.time_s,
                "cost_increase_percent": cell.cost_percent,
            }
            for cell in cells
        ),
    )
