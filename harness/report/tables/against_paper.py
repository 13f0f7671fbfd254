"""Our numbers beside the paper's printed ones, cell by cell: `report --against paper`."""

from __future__ import annotations

from ...analysis.compare import METRICS, Compared, compare
from ...analysis.paper import later_sources, paper_datasets, paper_rows
from ...analysis.resultset import ResultSet
from ...utils.errors import InputError
from ..labels import label_of, metric_label, row_name
from ..table import ColumnGroup, Line, Record, Table, TableCell
from .parts import ROW, number, row_fields, row_groups, suite_table, value

FIELDS = (
    *ROW,
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
    "Ours: means over seeds. Difference: ours less the paper's; of gains over Base, in points."
)


def against_paper(results: ResultSet) -> Table:
    """Each row that the paper has as well: its number, ours, and the difference.

    Raises:
        InputError: the paper has none of the suite's rows.
    """
    results = results.models()
    printed = {
        (row.row.dataset, row.row.backbone, row.row.strategy): row
        for table in ("table2", "table3", "later")
        for row in compare(paper_rows(table))
    }
    names = {recipe: printed.name for recipe, printed in paper_datasets().items()}
    pairs: list[tuple[Compared, Compared]] = []
    for ours in compare(results.cells):
        recipe = results.facts.get(ours.row.dataset, {}).get("recipe", ours.row.dataset)
        dataset = names.get(recipe, names.get(ours.row.dataset, ""))
        theirs = printed.get((dataset, label_of(ours.row.backbone), label_of(ours.row.strategy)))
        if theirs is not None:
            pairs.append((theirs, ours))
    if not pairs:
        raise InputError(
            f"no row of '{results.name}' is in the paper's Tables 2 and 3. They have the data sets "
            f"{', '.join(names)}; the backbones sasrec, bert4rec, unisrec, morec; the rows base, erl, prl. Of later "
            "papers: plr and mancar."
        )
    return suite_table(
        results,
        name="overall",
        caption="test metrics beside those of the paper",
        columns=[ColumnGroup(metric_label(metric), ("Paper", "Ours", "Difference")) for metric in METRICS],
        groups=row_groups(
            ((ours.row.dataset, label_of(ours.row.backbone)), line)
            for theirs, ours in pairs
            for line in _lines(theirs, ours)
        ),
        notes=[_NOTE, *_other_papers(pairs)],
        fields=FIELDS,
        records=(record for theirs, ours in pairs for record in _records(theirs, ours)),
    )


def _other_papers(pairs: list[tuple[Compared, Compared]]) -> list[str]:
    """Where rows of later methods come from, and that their data may be prepared otherwise."""
    sources = later_sources()
    names = dict.fromkeys(theirs.row.strategy for theirs, _ in pairs if theirs.row.strategy in sources)
    words = "; ".join(f"{name}: {sources[name]}" for name in names)
    return [f"From other papers, whose data may be prepared otherwise: {words}."] if names else []


def _lines(theirs: Compared, ours: Compared) -> list[Line]:
    values: list[TableCell] = []
    gains: list[TableCell] = []
    for metric in METRICS:
        paper, own = theirs.row.stats[metric], ours.row.stats[metric]
        values += [number("value", paper.mean), value(own), number("change", _less(own.mean, paper.mean))]
        printed, ours_percent = theirs.improvements.get(metric), _gain(theirs, ours, metric)
        gains += [
            number("gain", printed),
            number("gain", ours_percent),
            number("change", _less(ours_percent, printed), digits=2),
        ]
    lines = [Line(row_name(ours.row), tuple(values))]
    return [*lines, Line("(Improv.)", tuple(gains))] if theirs.improvements else lines


def _gain(theirs: Compared, ours: Compared, metric: str) -> float | None:
    """Our gain, where it is over the row that the paper's is over."""
    return ours.improvements.get(metric) if label_of(ours.row.against) == theirs.row.against else None


def _less(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _records(theirs: Compared, ours: Compared) -> list[Record]:
    return [
        row_fields(ours.row)
        | {
            "metric": metric,
            "paper": theirs.row.stats[metric].mean,
            "ours": ours.row.stats[metric].mean,
            "std": ours.row.stats[metric].std,
            "seeds": ours.row.stats[metric].seeds,
            "difference": _less(ours.row.stats[metric].mean, theirs.row.stats[metric].mean),
            "paper_improvement_percent": theirs.improvements.get(metric),
            "our_improvement_percent": _gain(theirs, ours, metric),
        }
        for metric in METRICS
    ]
