"""Our numbers beside the paper's printed ones, cell by cell: `report --against paper`."""

from __future__ import annotations

from ...analysis.compare import METRICS, Compared, compare, measure
from ...analysis.paper import paper_datasets, paper_rows
from ...analysis.resultset import ResultSet
from ...utils.errors import InputError
from ..labels import label_of, metric_label, steps_label
from ..table import EMPTY, ColumnGroup, Line, Record, RowGroup, Table, TableCell
from .protocol import protocol_lines

FIELDS = (
    "dataset",
    "backbone",
    "strategy",
    "steps",
    "metric",
    "paper",
    "ours",
    "std",
    "seeds",
    "difference",
    "paper_improvement_percent",
    "our_improvement_percent",
)

_NOTE = (
    "Paper: as printed in Tables 2 and 3 of arXiv 2503.22675 (one number, seeds not stated; gains recomputed from it). "
    "Ours: means over seeds. Difference: ours less the paper's; of gains, in points."
)


def against_paper(results: ResultSet) -> Table:
    """Each row that the paper has as well: its number, ours, and the difference.

    Raises:
        InputError: the paper has none of the suite's rows.
    """
    results = results.models()
    printed = {
        (one.row.dataset, one.row.backbone, one.row.strategy): one
        for table in ("table2", "table3")
        for one in compare(paper_rows(table))
    }
    names = {recipe: held.name for recipe, held in paper_datasets().items()}
    pairs: list[tuple[Compared, Compared]] = []
    for ours in compare(measure(results)):
        recipe = results.facts.get(ours.row.dataset, {}).get("recipe", ours.row.dataset)
        dataset = names.get(recipe, names.get(ours.row.dataset, ""))
        theirs = printed.get((dataset, label_of(ours.row.backbone), label_of(ours.row.strategy)))
        if theirs is not None:
            pairs.append((theirs, ours))
    if not pairs:
        raise InputError(
            f"no row of '{results.name}' stands in the paper's Tables 2 and 3. They have the data sets "
            f"{', '.join(names)}; the backbones sasrec, bert4rec, unisrec, morec; the rows base, erl, prl."
        )
    groups: dict[tuple[str, str], list[Line]] = {}
    for theirs, ours in pairs:
        groups.setdefault((ours.row.dataset, label_of(ours.row.backbone)), []).extend(_lines(theirs, ours))
    return Table(
        name="overall",
        title=results.name,
        caption=f"{results.name}: test metrics beside those of the paper",
        columns=tuple(ColumnGroup(metric_label(metric), ("Paper", "Ours", "Difference")) for metric in METRICS),
        groups=tuple(RowGroup(titles, tuple(lines)) for titles, lines in groups.items()),
        protocol=(_NOTE, *protocol_lines(results)),
        fields=FIELDS,
        records=tuple(record for theirs, ours in pairs for record in _records(theirs, ours)),
    )


def _lines(theirs: Compared, ours: Compared) -> list[Line]:
    shown = f" ({steps_label(ours.row.steps)})" if ours.row.steps else ""
    values: list[TableCell] = []
    gains: list[TableCell] = []
    for metric in METRICS:
        paper, held = theirs.row.stats[metric], ours.row.stats[metric]
        values += [
            TableCell("value", paper.mean),
            TableCell("value", held.mean, held.std, held.seeds, held.planned),
            EMPTY if held.mean is None or paper.mean is None else TableCell("change", held.mean - paper.mean, digits=4),
        ]
        printed, found = theirs.improvements.get(metric), ours.improvements.get(metric)
        gains += [
            EMPTY if printed is None else TableCell("gain", printed),
            EMPTY if found is None else TableCell("gain", found),
            EMPTY if printed is None or found is None else TableCell("change", found - printed, digits=2),
        ]
    lines = [Line(f"{label_of(ours.row.strategy)}{shown}", tuple(values))]
    return [*lines, Line("(Improv.)", tuple(gains))] if theirs.improvements else lines


def _records(theirs: Compared, ours: Compared) -> list[Record]:
    head = {name: getattr(ours.row, name) for name in FIELDS[:4]}
    records: list[Record] = []
    for metric in METRICS:
        paper, held = theirs.row.stats[metric].mean, ours.row.stats[metric]
        records.append(
            head
            | {
                "metric": metric,
                "paper": paper,
                "ours": held.mean,
                "std": held.std,
                "seeds": held.seeds,
                "difference": None if held.mean is None or paper is None else held.mean - paper,
                "paper_improvement_percent": theirs.improvements.get(metric),
                "our_improvement_percent": ours.improvements.get(metric),
            }
        )
    return records
