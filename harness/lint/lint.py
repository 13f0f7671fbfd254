"""`rearec-bench lint`: every constraint on every row of some tables, and what came of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.resources import files
from itertools import chain
from math import floor, log10
from pathlib import Path

from ..utils.errors import InputError
from ..utils.text import columns, counted, fixed, hint, one_line
from .cells import Cell, Reading
from .checks import BY_FALL, GROWTH, ONE_TARGET, RULES, Check, Fallen, Found, LeftOut
from .metrics import Metric, plain
from .numbers import ONE, Interval, cut, exact, point, rounded
from .read import read_table, read_text
from .rows import Row, deviations, growth, ndcg_and_mrr, whole_hits, within_recall
from .tables import average_gains, averages, improvements, marks, same_rows

_RESULTS = __package__.partition(".")[0] + ".results"
PAPER_TABLES = ("table2_id_based.csv", "table3_text_based.csv")
_FUNNEL = "funnel_datasets.csv"
_ENOUGH = 12
"""Cells of a table of which a third must not break a constraint; of fewer, but one, three quarters."""


@dataclass(frozen=True)
class Facts:
    """What is known of the runs behind some tables.

    Attributes:
        rows: test rows by data set; "" for all of them.
        seeds: runs behind each number; None if not known.
        many_targets: whether a row may have several targets; then nothing is said of single rows of a table.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    seeds: int | None = None
    many_targets: bool = False

    def rows_of(self, cell: Cell) -> int | None:
        """The test rows of a cell's data set, which is one of its titles."""
        named = {plain(name): count for name, count in self.rows.items()}
        return next((named[key] for title in (*cell.where, cell.row) if (key := plain(title)) in named), named.get(""))


@dataclass(frozen=True)
class Impossible:
    """A constraint that the numbers of a table break, whatever they were rounded from.

    Attributes:
        words: the arithmetic in one line.
        off: how far the printed numbers are from it, in the unit that is shown.
    """

    rule: str
    cell: Cell
    words: str
    off: Fraction


@dataclass
class Findings:
    """What came of all constraints on some tables."""

    impossible: list[Impossible] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    numbers: int = 0
    unread: Counter[str] = field(default_factory=Counter)


def lint(readings: Sequence[Reading], facts: Facts = Facts()) -> Findings:
    """Check the tables of one reading each, and rows that several have against one another."""
    findings = Findings()
    for reading in readings:
        findings.numbers += len(reading.cells)
        findings.unread += reading.left_out
        _note(_found(reading.cells, facts), findings)
    _note(same_rows(reading.cells for reading in readings), findings)
    return findings


def _found(cells: Sequence[Cell], facts: Facts) -> Found:
    for row in [] if facts.many_targets else _rows(cells):
        told = row, facts.rows_of(next(iter(row.values()))), facts.seeds
        yield from chain(growth(row), within_recall(row), ndcg_and_mrr(row), whole_hits(*told), deviations(*told))
    yield from chain(improvements(cells), average_gains(cells), averages(cells, facts.rows_of), marks(cells))


def lint_files(paths: Sequence[Path], facts: Facts) -> Findings:
    """Check files of tables.

    Raises:
        InputError: a file that is no table, or a data set that no table has.
    """
    readings = [read_table(path) for path in paths]
    titles = {title for reading in readings for cell in reading.cells for title in (*cell.where, cell.row)}
    for name in facts.rows:
        if name and plain(name) not in map(plain, titles):
            raise InputError(
                f"--rows {name}: no table has this data set.{hint(name, titles)} "
                f"Titles there: {', '.join(sorted(titles))}."
            )
    return lint(readings, facts)


def lint_paper() -> Findings:
    """Check the paper's tables 2 and 3, with the authors' counts of test rows, and one run a number."""
    folder = files(_RESULTS).joinpath("paper")
    readings = [read_text(folder.joinpath(name).read_text(encoding="utf-8"), name) for name in PAPER_TABLES]
    funnel = [line.split(",") for line in folder.joinpath(_FUNNEL).read_text(encoding="utf-8").splitlines()]
    rows = {name: int(left) for name, step, split, left in funnel if (step, split) == ("history", "test")}
    return lint(readings, Facts(rows, seeds=1))


def own_mistakes(text: str, form: str) -> list[str]:
    """Lines on what is impossible in a table that this program has made; of blocks for a narrow terminal, none."""
    if form == "json" or (form == "markdown" and not re.search(r"^\|", text, re.MULTILINE)):
        return []
    wrong = lint([read_text(text, "report")]).impossible
    lines = [line for found in wrong for line in _lines(found)]
    return ["This table has an impossible number, which is a mistake of rearec-bench:", *lines] if wrong else []


def render_findings(findings: Findings) -> str:
    """What is impossible, then what was checked and what was left out."""
    shown = [line for found in findings.impossible for line in [*_lines(found), ""]]
    left: dict[str, list[str]] = {}
    for (rule, why), count in findings.left_out.items():
        left.setdefault(rule, []).append(f"{count:,} {why}")
    wrong = Counter(found.rule for found in findings.impossible)
    used = [rule for rule in RULES if findings.checked[rule] or rule in left]
    table = [["", "checked", "impossible", "left out"]]
    table += [[rule, f"{findings.checked[rule]:,}", f"{wrong[rule]:,}" if wrong[rule] else "-", ""] for rule in used]
    for line, rule in zip(columns(table), ["", *used], strict=True):
        shown.append(f"{line}   {'; '.join(left.get(rule, []))}".rstrip())
    unread = ", ".join(f"{count:,} {why}" for why, count in findings.unread.items() if count)
    shown += ["", f"{counted(findings.numbers, 'number')} read{f'; cells left out: {unread}' if unread else ''}."]
    broken = {found.rule for found in findings.impossible} & {*ONE_TARGET}
    verdict = f"{len(findings.impossible):,} impossible" if findings.impossible else "Nothing is impossible"
    shown.append(f"{verdict}, whatever the printed numbers were rounded from; with one target a test row.")
    if broken:
        shown.append("Where rows have several targets, bounds on NDCG and MRR do not hold. Then add --many-targets.")
    return "\n".join(map(one_line, shown)) + "\n"


def _lines(found: Impossible) -> list[str]:
    return [f"{found.cell.place}   ({found.rule}, {found.cell.table})", f"  {found.words}"]


def _rows(cells: Iterable[Cell]) -> list[Row]:
    """The values of each row by metric."""
    rows: dict[object, dict[Metric, Cell]] = {}
    for cell in cells:
        if cell.kind == "value" and cell.metric:
            rows.setdefault((cell.table, cell.where, cell.row, cell.line), {})[cell.metric] = cell
    return list(rows.values())


def _note(found: Found, findings: Findings) -> None:
    """Count checks; of those that fail keep for each cell the one that is furthest off.

    What most cells of a table break is no slip: its numbers are of another kind than they seem to be.
    """
    checked: dict[tuple[str, str], Counter[str]] = {}
    worst: dict[tuple[str, str], dict[str, Impossible]] = {}
    fallen = Fallen()
    for one in found:
        if isinstance(one, LeftOut):
            findings.left_out[one.rule, one.why] += 1
            continue
        key, place = (one.cell.table, one.rule), one.cell.place
        is_broken = bool(Interval.gap(*one.sides(rounded)))
        if is_broken and fallen.explains(one):
            findings.left_out[one.rule, BY_FALL] += 1
            continue
        checked.setdefault(key, Counter())[place] += 1
        if is_broken:
            if one.rule == GROWTH:
                fallen.add(one)
            wrong, before = _impossible(one), worst.setdefault(key, {}).get(place)
            worst[key][place] = max(filter(None, (before, wrong)), key=lambda each: each.off)
    other = {key for key, wrongs in worst.items() if _is_mostly(len(wrongs), len(checked[key]))}
    several = {table for table, rule in other if rule in ONE_TARGET}
    for (table, rule), cells in checked.items():
        wrongs = worst.get((table, rule), {})
        if rule in ONE_TARGET and table in several:
            findings.left_out[rule, "of a table that mostly breaks it: several targets a row?"] += cells.total()
        elif (table, rule) in other:
            findings.left_out[rule, "of a table that mostly breaks it: other numbers than they seem?"] += cells.total()
        else:
            findings.checked[rule] += cells.total()
            findings.impossible += wrongs.values()


def _is_mostly(wrong: int, cells: int) -> bool:
    return 4 * wrong >= 3 * cells > 3 or (3 * wrong > cells >= _ENOUGH)


def _impossible(check: Check) -> Impossible:
    percent = check.unit is None and check.cell.unit == "percent"
    unit, factor = ("%", point(100)) if percent else (check.unit or "", ONE)
    value, allowed, near, possible = (side * factor for view in (exact, rounded) for side in check.sides(view))
    off = value.gap(allowed)
    rounding = off - near.gap(possible)
    digits = min(max(1 - floor(log10(rounding)), 0), 10) if rounding > 0 else 4
    words = check.words if isinstance(check.words, str) else check.words()
    if check.says:
        above = value.low > allowed.high
        side = "may be" if allowed.width < off else "at most" if above else "at least"
        bound = allowed.high if above else allowed.low
        words += f": {_fixed(value.low, digits)}{unit}, {side} {_fixed(bound, digits)}{unit}"
    words += f". Off by {_fixed(off, digits)}; rounding explains {_fixed(rounding, digits)}."
    if not Interval.gap(*check.sides(cut)):
        words += " Cut off instead of rounded, it is possible."
    return Impossible(check.rule, check.cell, words, off)


def _fixed(value: Fraction, digits: int) -> str:
    return fixed(float(value), digits)
