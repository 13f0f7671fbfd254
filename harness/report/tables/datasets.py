"""The paper's Table 1 for what is prepared, beside the paper's own numbers; and the funnel of each data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ...analysis.paper import PrintedDataset, paper_datasets, paper_funnel
from ...datasets.data.card import SPLITS
from ...datasets.data.summary import Step, Summary, Table1, funnel, moment, summary_of
from ...utils.errors import InputError
from ..table import EMPTY, ColumnGroup, Kind, Line, Record, RowGroup, Table, TableCell
from .parts import number

FIELDS = ("dataset", "source", "quantity", "split", "value")
FUNNEL_FIELDS = ("dataset", "source", "step", "why", "split", "left", "lost")
OURS, PAPER, DIFFERENCE, AUTHORS = "prepared", "paper", "difference", "authors"

Card = Mapping[str, Any]


@dataclass(frozen=True)
class Cards:
    """The data sets that a table is asked for.

    Attributes:
        prepared: name -> card.
        missing: names of those that are asked for and not prepared.
        everything: whether no suite limits them: the paper's five belong to the table, prepared or not.
    """

    prepared: Mapping[str, Card]
    missing: tuple[str, ...] = ()
    everything: bool = True


@dataclass(frozen=True)
class _Quantity:
    """A column: what it is called, how its numbers look, and the attribute they are, where its name is another."""

    column: str
    name: str
    split: str = ""
    kind: Kind = "count"
    digits: int = 0
    attribute: str = ""

    def of(self, summary: object) -> float | None:
        """Its number, of its split if there are several."""
        number = getattr(summary, self.attribute or self.name)
        return number[self.split] if isinstance(number, Mapping) else number


_TABLE1 = (
    _Quantity("Users", "users"),
    _Quantity("Items", "items"),
    _Quantity("Interactions", "interactions"),
    _Quantity("Per user", "interactions_per_user", kind="value", digits=2, attribute="per_user"),
    _Quantity("Per item", "interactions_per_item", kind="value", digits=2, attribute="per_item"),
    _Quantity("Sparsity", "sparsity_percent", kind="share", digits=2),
)
_OTHERS = (
    *(_Quantity(split.capitalize(), "rows", split) for split in SPLITS),
    _Quantity("Rows/user", "mean_rows_per_user", "test", "value", 2),
    _Quantity("Most", "max_rows_per_user", "test"),
    _Quantity("Unseen", "unseen_percent", "test", "share", 2),
    _Quantity("Repeats", "repeats_percent", "test", "share", 2),
)
_COLUMNS = (*_TABLE1, *_OTHERS)
_TIMES = ("first_time", "last_time")


def datasets(asked: Cards) -> Table:
    """Statistics of data sets as in the paper's Table 1, and more; the paper's five come first, in its order."""
    printed = paper_datasets()
    groups: list[RowGroup] = []
    records: list[Record] = []
    for name, card, paper in _entries(asked, printed):
        summary = None if card is None else summary_of(card)
        ours = [] if summary is None else [*_table1(summary.table1), *(column.of(summary) for column in _OTHERS)]
        theirs = [] if paper is None else _table1(paper)
        sources = {OURS: ours, PAPER: theirs, DIFFERENCE: _differences(ours, theirs)}
        lines = [_line(source, values, card) for source, values in sources.items() if values]
        groups.append(RowGroup((paper.name if paper is not None and name in printed else name,), tuple(lines)))
        for source, values in sources.items():
            records += _records(name, source, values)
        for split, times in {} if summary is None else summary.times.items():
            records += [_record(name, OURS, key, split, time) for key, time in zip(_TIMES, times, strict=True)]
    return Table(
        name="datasets",
        title="Data sets",
        caption="Statistics of the data sets",
        heading="Source",
        columns=(ColumnGroup("", (*(column.column for column in _COLUMNS), "First day", "Last day")),),
        groups=tuple(groups),
        protocol=tuple(_protocol(asked)),
        fields=FIELDS,
        records=tuple(records),
    )


def paper_datasets_table() -> Table:
    """Table 1 as the paper prints it."""
    printed = paper_datasets()
    return Table(
        name="table1",
        title="Table 1",
        caption="Table 1 of arXiv 2503.22675: statistics of the data sets",
        columns=(ColumnGroup("", tuple(column.column for column in _TABLE1)),),
        groups=(
            RowGroup(
                (),
                tuple(Line(row.name, tuple(map(_cell, _TABLE1, _table1(row)))) for row in printed.values()),
            ),
        ),
        protocol=(
            "The numbers of Table 1 of arXiv 2503.22675 as printed. Interactions are the prediction rows of all "
            "splits, judging by the authors' notebooks.",
        ),
        fields=FIELDS,
        records=tuple(record for name, row in printed.items() for record in _records(name, PAPER, _table1(row))),
    )


def funnels(asked: Cards) -> Table:
    """What every rule left of each data set, beside the authors' notebooks; only prepared data sets have numbers.

    Raises:
        InputError: none of them is prepared.
    """
    if not asked.prepared:
        named = f" ({', '.join(asked.missing)})" if asked.missing else ""
        raise InputError(f"no data set is prepared{named}. Type:  rearec-bench datasets list")
    printed, authors = paper_datasets(), paper_funnel()
    groups: list[RowGroup] = []
    records: list[Record] = []
    for name, card, paper in _entries(asked, printed):
        if card is None:
            continue
        lines: list[Line] = []
        for place, step in enumerate(funnel(card)):
            theirs = {} if paper is None else _authors_left(authors, paper.name, step)
            lines.append(Line(step.why, _left_cells(_left(step))))
            lines += [Line(f"({AUTHORS})", _left_cells(theirs))] if theirs else []
            records += _step_records(name, place, step, theirs)
        groups.append(RowGroup((name,), (*lines, *_day_lines(summary_of(card)))))
    return Table(
        name="funnel",
        title="Funnel",
        caption="What is left of each data set after every rule",
        heading="Rule",
        columns=(ColumnGroup("", ("Interactions", *(split.capitalize() for split in SPLITS))),),
        groups=tuple(groups),
        protocol=(
            "Left after each step, in the order of the steps: interactions first, then rows (an interaction with its "
            "user's past) by split; days are of the targets left.",
            *(
                ("(authors): what the notebooks of the authors' release print for the same step.",)
                if any(record["source"] == AUTHORS for record in records)
                else ()
            ),
            *_not_prepared(asked),
        ),
        fields=FUNNEL_FIELDS,
        records=tuple(records),
    )


def _entries(
    asked: Cards, printed: Mapping[str, PrintedDataset]
) -> Iterator[tuple[str, Card | None, PrintedDataset | None]]:
    """Name, card and the paper's row of each data set: the paper's five first, then the others by name."""
    for recipe, paper in printed.items():
        own = {name: card for name, card in asked.prepared.items() if card["recipe"] == recipe}
        for name, card in own.items():
            yield name, card, paper
        if not own and (asked.everything or recipe in asked.missing):
            yield recipe, None, paper
    for name, card in asked.prepared.items():
        if card["recipe"] not in printed:
            yield name, card, None


_Values = Sequence[float | None]
"""In the order of `_COLUMNS`; the last ones may lack."""


def _table1(row: Table1 | PrintedDataset) -> list[float | None]:
    return [column.of(row) for column in _TABLE1]


def _differences(ours: _Values, theirs: _Values) -> _Values:
    """Of ours over the paper's; of what it prints with two decimals, at two decimals."""
    return [
        None if own is None or other is None else round(round(own, column.digits) - other, column.digits)
        for column, own, other in zip(_TABLE1, ours, theirs, strict=False)
    ]


def _line(source: str, values: _Values, card: Card | None) -> Line:
    cells = [_cell(column, value, source) for column, value in zip_longest(_COLUMNS, values)]
    days = [EMPTY, EMPTY]
    if source == OURS and card is not None:
        days = [TableCell("text", text=moment(time, day=True)) for time in card.get("time_range", ())] or days
    return Line(source, (*cells, *days))


def _cell(column: _Quantity, value: float | None, source: str = OURS) -> TableCell:
    return number("change" if source == DIFFERENCE else column.kind, value, digits=column.digits)


def _records(name: str, source: str, values: _Values) -> list[Record]:
    return [
        _record(name, source, column.name, column.split, value)
        for column, value in zip(_COLUMNS, values, strict=False)
        if value is not None or source != DIFFERENCE
    ]


def _record(*values: object) -> Record:
    return dict(zip(FIELDS, values, strict=True))


def _protocol(asked: Cards) -> Iterator[str]:
    yield (
        "Interactions are the rows of all splits, as the paper counts them; sparsity is 1 - interactions / (users x "
        "items). Of test: rows of a user on average and at most; unseen: the target is in no training row; repeats: "
        "it is in the row's own history."
    )
    if any(paper is not None for *_, paper in _entries(asked, paper_datasets())):
        yield "paper: Table 1 of arXiv 2503.22675 as printed; difference: ours over it."
    for name, card, _ in _entries(asked, paper_datasets()):
        if card is not None:
            yield f"{name}: split {card['protocol']['split']}; filters: {card['protocol']['filters']}."
    yield from _not_prepared(asked)


def _not_prepared(asked: Cards) -> Iterator[str]:
    if asked.missing:
        yield f"Not prepared: {', '.join(asked.missing)}. Type:  rearec-bench datasets list"


_STEPS = {
    "as rows": "rows",
    "rating ": "rating",
    "outside the ": "core",
    "fewer than ": "length",
    "the target is in no training row": "target",
    "an item of the history is in no training row": "history",
}
"""How the words of a step begin -> what it is called in `paper_funnel`."""


def _authors_left(authors: Mapping[tuple[str, str, str], int], name: str, step: Step) -> Mapping[str, int]:
    """What the authors have left after the same step, by split; interactions under ""."""
    theirs = next((theirs for begins, theirs in _STEPS.items() if step.why.startswith(begins)), "")
    splits = ("",) if step.rows is None else SPLITS
    return {split: authors[name, theirs, split] for split in splits if (name, theirs, split) in authors}


def _left(step: Step) -> Mapping[str, int]:
    return step.rows if step.rows is not None else {"": step.interactions or 0}


def _left_cells(left: Mapping[str, int]) -> tuple[TableCell, ...]:
    return tuple(number("count", left.get(split)) for split in ("", *SPLITS))


def _day_lines(summary: Summary) -> Iterator[Line]:
    if summary.times:
        for place, label in enumerate(("first day", "last day")):
            days = {split: moment(times[place], day=True) for split, times in summary.times.items()}
            cells = (TableCell("text", text=days[split]) if split in days else EMPTY for split in SPLITS)
            yield Line(label, (EMPTY, *cells))


def _step_records(name: str, number: int, step: Step, theirs: Mapping[str, int]) -> Sequence[Record]:
    rows: list[tuple[str, str, int, int | None]]
    rows = [(OURS, split, left, step.lost.get(split, 0)) for split, left in _left(step).items()]
    rows += [(AUTHORS, split, left, None) for split, left in theirs.items()]
    return [dict(zip(FUNNEL_FIELDS, (name, source, number, step.why, *of), strict=True)) for source, *of in rows]
