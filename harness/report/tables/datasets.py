"""The paper's Table 1 for what is prepared, beside the paper's own numbers; and the funnel of each data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
    _Quantity("Per user", "interactions_per_user", kind="plain", digits=2, attribute="per_user"),
    _Quantity("Per item", "interactions_per_item", kind="plain", digits=2, attribute="per_item"),
    _Quantity("Sparsity", "sparsity_percent", kind="share", digits=2),
)
_OTHERS = (
    *(_Quantity(split.capitalize(), "rows", split) for split in SPLITS),
    _Quantity("Rows/user", "mean_rows_per_user", "test", "plain", 2),
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
        ours = {} if card is None else _values(summary_of(card))
        theirs = {} if paper is None else _table1_values(paper)
        sources = {OURS: ours, PAPER: theirs, DIFFERENCE: _differences(ours, theirs)}
        lines = [_line(source, values, card) for source, values in sources.items() if values]
        groups.append(RowGroup((paper.name if paper is not None and name in printed else name,), tuple(lines)))
        for source, values in sources.items():
            records += [_record(name, source, key, value) for key, value in values.items()]
        records += [] if card is None else [_record(name, OURS, key, at) for key, at in _times(summary_of(card))]
    return Table(
        name="datasets",
        title="Data sets",
        caption="Statistics of the data sets",
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
                tuple(
                    Line(row.name, tuple(_cell(column, _table1_values(row)) for column in _TABLE1))
                    for row in printed.values()
                ),
            ),
        ),
        protocol=(
            "The numbers of Table 1 of arXiv 2503.22675 as printed. Interactions are the prediction rows of all "
            "splits, judging by the authors' notebooks.",
        ),
        fields=FIELDS,
        records=tuple(
            _record(name, PAPER, key, value)
            for name, row in printed.items()
            for key, value in _table1_values(row).items()
        ),
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
        steps = funnel(card)
        theirs = [{} if paper is None else _authors_left(authors, paper.name, step) for step in steps]
        lines = list(chain.from_iterable(map(_step_lines, steps, theirs)))
        groups.append(RowGroup((name,), (*lines, *_day_lines(summary_of(card)))))
        for place, (step, left) in enumerate(zip(steps, theirs, strict=True)):
            records += _step_records(name, place, step, left)
    return Table(
        name="funnel",
        title="Funnel",
        caption="What is left of each data set after every rule",
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


_Values = Mapping[tuple[str, str], float | None]


def _values(summary: Summary) -> _Values:
    others = {(column.name, column.split): column.of(summary) for column in _OTHERS}
    return _table1_values(summary.table1) | others


def _table1_values(row: Table1 | PrintedDataset) -> dict[tuple[str, str], float | None]:
    return {(column.name, column.split): column.of(row) for column in _TABLE1}


def _differences(ours: _Values, theirs: _Values) -> _Values:
    """Of ours over the paper's; of what it prints with two decimals, at two decimals."""
    differences: dict[tuple[str, str], float | None] = {}
    for column in _TABLE1:
        key = (column.name, column.split)
        own, other = ours.get(key), theirs.get(key)
        if own is not None and other is not None:
            differences[key] = round(round(own, column.digits) - other, column.digits)
    return differences


def _times(summary: Summary) -> Iterator[tuple[tuple[str, str], float]]:
    for split, times in summary.times.items():
        for quantity, time in zip(_TIMES, times, strict=True):
            yield (quantity, split), time


def _line(source: str, values: _Values, card: Card | None) -> Line:
    days = [EMPTY, EMPTY]
    if source == OURS and card is not None:
        days = [TableCell("text", text=moment(time, day=True)) for time in card.get("time_range", ())] or days
    kind: Kind | None = "change" if source == DIFFERENCE else None
    return Line(source, (*(_cell(column, values, kind) for column in _COLUMNS), *days))


def _cell(column: _Quantity, values: _Values, kind: Kind | None = None) -> TableCell:
    value = values.get((column.name, column.split))
    return number(kind or column.kind, value, digits=column.digits)


def _record(name: str, source: str, key: tuple[str, str], value: float | None) -> Record:
    return dict(zip(FIELDS, (name, source, *key, value), strict=True))


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


def _step_lines(step: Step, theirs: Mapping[str, int]) -> Iterator[Line]:
    yield Line(step.why, _left_cells(_left(step)))
    if theirs:
        yield Line(f"({AUTHORS})", _left_cells(theirs))


def _left(step: Step) -> Mapping[str, int]:
    return step.rows if step.rows is not None else {"": step.interactions or 0}


def _left_cells(left: Mapping[str, int]) -> tuple[TableCell, ...]:
    return tuple(number("count", left.get(split)) for split in ("", *SPLITS))


def _day_lines(summary: Summary) -> Iterator[Line]:
    if summary.times:
        for place, label in enumerate(("first day", "last day")):
            cells = (
                TableCell("text", text=moment(summary.times[split][place], day=True))
                if split in summary.times
                else EMPTY
                for split in SPLITS
            )
            yield Line(label, (EMPTY, *cells))


def _step_records(name: str, number: int, step: Step, theirs: Mapping[str, int]) -> Sequence[Record]:
    sides: tuple[tuple[str, Mapping[str, int]], ...] = ((OURS, _left(step)), (AUTHORS, theirs))
    return [
        dict(zip(FUNNEL_FIELDS, (name, source, number, step.why, split, left, _lost(step, source, split)), strict=True))
        for source, by_split in sides
        for split, left in by_split.items()
    ]


def _lost(step: Step, source: str, split: str) -> int | None:
    return step.lost.get(split, 0) if source == OURS else None
