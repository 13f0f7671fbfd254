"""How many errors of a printed table does `lint` find, and does it accuse wrongly? For docs/measurements/lint.md.

    python tests/benchmarks/lint.py [--tables 1000] [--errors 1000]

Tables are made from simulated ranks: one or two data sets, three or four rows of each, one to five runs, two or three
cut-offs, with or without MRR, deviations, improvements and averages, as fractions or in percent, in Markdown, LaTeX
or CSV. Each is printed with three, four and five digits after the point of a fraction and checked as it is, and the
first of them (--errors) with one error of each kind that they can have. Test rows and runs are told.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rearec_bench.harness.lint.lint import Facts, lint
from rearec_bench.harness.lint.read import read_text

DIGITS = (3, 4, 5)
CUTS = (1, 3, 5, 10, 20, 50)
GAIN, AVERAGE = "(Improv.)", "Avg."
IN_TWO = "a digit of an NDCG in one of two tables"
BASES, OURS = ("Base", "GRU4Rec"), ("New", "Newer")


@dataclass(frozen=True)
class Made:
    """A table as printed: data set, row and metric to words.

    Attributes:
        values: unrounded, by data set, row and metric.
        marks: "bold" or "underlined" of a place.
        spreads: deviations by place.
        gains: by data set, row of ours and metric; the average is of metric "Avg.".
    """

    rows: Mapping[str, int]
    seeds: int
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    form: str
    percent: bool
    values: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    spreads: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    gains: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    marks: Mapping[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def datasets(self) -> list[str]:
        """In the order of the table, the average last."""
        return list(dict.fromkeys(place[0] for place in self.values))


def metric(name: str, ranks: NDArray[np.int64]) -> float:
    """A metric of ranks from 1."""
    family, _, cut = name.partition("@")
    inside = ranks[ranks <= int(cut)].astype(float)
    return float(np.sum({"R": inside**0, "N": 1 / np.log2(inside + 1), "M": 1 / inside}[family])) / len(ranks)


def ranks_of(draw: random.Random, rows: int, skill: float) -> NDArray[np.int64]:
    """Ranks of targets among some thousands of items, more often small than large."""
    numbers = np.random.default_rng(draw.getrandbits(32))
    return np.ceil(np.exp(numbers.random(rows) ** skill * math.log(5000))).astype(np.int64)


def simulate(draw: random.Random) -> Callable[[int], Made]:
    """A table, as it is printed with so many digits."""
    names = draw.sample(["Yelp", "Beauty", "CDs & Vinyl", "ml-1m"], draw.choice([1, 1, 2]))
    rows = {name: round(math.exp(draw.uniform(math.log(300), math.log(12000)))) for name in names}
    seeds = draw.choice([1, 1, 3, 5])
    cuts = sorted(draw.sample(CUTS, draw.choice([2, 2, 3])))
    metrics = tuple(f"{family}@{cut}" for family in ("R", "N", *["M"] * draw.choice([0, 1])) for cut in cuts)
    methods = (*BASES[: draw.choice([1, 2])], *OURS)
    runs = {
        (name, method, one): [metric(one, ranks) for ranks in by_seed]
        for name in names
        for method, skill in zip(methods, (draw.uniform(0.6, 1) for _ in methods), strict=True)
        for by_seed in [[ranks_of(draw, rows[name], skill) for _ in range(seeds)]]
        for one in metrics
    }
    means = {place: float(np.mean(values)) for place, values in runs.items()}
    if len(names) > 1 and draw.random() < 0.5:
        weights = [1.0] * len(names) if draw.random() < 0.5 else list(rows.values())
        for method in methods:
            for one in metrics:
                parts = [means[name, method, one] for name in names]
                means["Average", method, one] = float(np.average(parts, weights=weights))
    made = Made(rows, seeds, metrics, methods, draw.choice(["markdown", "latex", "csv"]), draw.random() < 0.5)
    spread, ddof, of_printed = draw.random() < 0.7 and seeds > 1, draw.choice([0, 1]), draw.random() < 0.5

    def printed(digits: int) -> Made:
        factor, places = (100, digits - 2) if made.percent else (1, digits)
        values = {place: f"{mean * factor:.{places}f}" for place, mean in means.items()}
        spreads = (
            {place: f"{np.std(of, ddof=ddof) * factor:.{places}f}" for place, of in runs.items()} if spread else {}
        )
        shown = {place: float(text) for place, text in values.items()} if of_printed else means
        gains: dict[tuple[str, str, str], float] = {}
        for name in names:
            for method in OURS:
                base = [shown[name, "Base", one] for one in metrics]
                if min(base) > 0:
                    new = [shown[name, method, one] for one in metrics]
                    each = [(a / b - 1) * 100 for a, b in zip(new, base, strict=True)]
                    gains |= {(name, method, one): gain for one, gain in zip(metrics, each, strict=True)}
                    gains[name, method, AVERAGE] = sum(each) / len(each)
        marks = {}
        for name in dict.fromkeys(place[0] for place in means):
            for one in metrics:
                order = sorted(methods, key=lambda method, name=name, one=one: -means[name, method, one])
                marks |= {(name, order[0], one): "bold", (name, order[1], one): "underlined"}
        return replace(
            made,
            values=values,
            spreads=spreads,
            marks=marks,
            gains={place: f"{gain:+.2f}" for place, gain in gains.items()},
        )

    return printed


def with_digit(text: str, draw: random.Random) -> str:
    """A number with one of its digits another one."""
    place = draw.choice([place for place, letter in enumerate(text) if letter.isdigit()])
    return text[:place] + draw.choice([digit for digit in "0123456789" if digit != text[place]]) + text[place + 1 :]


def _changed(
    field_: str, wanted: Callable[[tuple[str, str, str]], bool]
) -> Callable[[Made, random.Random], Made | None]:
    """An error: a digit of one number."""

    def inject(made: Made, draw: random.Random) -> Made | None:
        numbers: Mapping[tuple[str, str, str], str] = getattr(made, field_)
        places = [place for place in numbers if wanted(place)]
        if not places:
            return None
        place = draw.choice(places)
        return replace(made, **{field_: {**numbers, place: with_digit(numbers[place], draw)}})  # type: ignore[arg-type]

    return inject


def _swapped(
    field_: str, same: Callable[[tuple[str, str, str]], object]
) -> Callable[[Made, random.Random], Made | None]:
    """An error: two numbers of different words in the place of one another."""

    def inject(made: Made, draw: random.Random) -> Made | None:
        numbers: Mapping[tuple[str, str, str], str] = getattr(made, field_)
        pairs = [
            (one, other) for one in numbers for other in numbers
            if one < other and same(one) is not None and same(one) == same(other) and numbers[one] != numbers[other]
        ]  # fmt: skip
        if not pairs:
            return None
        one, other = draw.choice(pairs)
        return replace(made, **{field_: {**numbers, one: numbers[other], other: numbers[one]}})  # type: ignore[arg-type]

    return inject


def _moved(mark: str) -> Callable[[Made, random.Random], Made | None]:
    """An error: a mark on another row of its column, whose value is clearly lower."""

    def inject(made: Made, draw: random.Random) -> Made | None:
        places = [
            (place, (place[0], method, place[2])) for place, has in made.marks.items() for method in made.methods
            if has == mark and (place[0], method, place[2]) not in made.marks
            and float(made.values[place[0], method, place[2]]) < float(made.values[place])
        ]  # fmt: skip
        if not places or made.form == "csv":
            return None
        place, other = draw.choice(places)
        marks = {key: value for key, value in made.marks.items() if key != place}
        return replace(made, marks={**marks, other: mark})

    return inject


def _family(name: str, *, average: bool = False) -> Callable[[tuple[str, str, str]], bool]:
    return lambda place: place[2].startswith(name) and (place[0] == "Average") == average


ERRORS: dict[str, Callable[[Made, random.Random], Made | None]] = {
    "a digit of a recall": _changed("values", _family("R")),
    "a digit of an NDCG": _changed("values", _family("N")),
    "a digit of an MRR": _changed("values", _family("M")),
    "two cut-offs of a row swapped": _swapped("values", lambda place: (place[0], place[1], place[2][0])),
    "NDCG of two rows swapped": _swapped("values", lambda place: (place[0], place[2]) if place[2][0] == "N" else None),
    "a digit of a deviation of recall": _changed("spreads", _family("R")),
    "a digit of an improvement": _changed("gains", lambda place: place[2] != AVERAGE),
    "two improvements of a row swapped": _swapped("gains", lambda place: place[:2] if place[2] != AVERAGE else None),
    "a digit of an average improvement": _changed("gains", lambda place: place[2] == AVERAGE),
    "a digit of an average over data sets": _changed("values", _family("", average=True)),
    "the bold on another row": _moved("bold"),
    "the underline on another row": _moved("underlined"),
    IN_TWO: _changed("values", _family("N")),
}


def render(made: Made) -> str:
    """The text of a table."""
    if made.form == "csv":
        lines = ["dataset,method,metric,mean,std,seeds,improvement_percent"]
        for (name, method, one), text in made.values.items():
            place = (name, method, one)
            lines.append(
                f"{name},{method},{one},{text}{'%' if made.percent else ''},{made.spreads.get(place, '')},"
                f"{made.seeds},{made.gains.get(place, '')}"
            )
        averages = [(place, gain) for place, gain in made.gains.items() if place[2] == AVERAGE]
        lines += [f"{name},{method},avg,,,{made.seeds},{gain}" for (name, method, _), gain in averages]
        return "\n".join(lines) + "\n"
    wrap = {"bold": "**{}**", "underlined": "<u>{}</u>"}
    between, end = " | ", " |"
    lines = ["Mean and standard deviation (std).", "", f"| Data | Method | {' | '.join(made.metrics)} | Avg. |"]
    lines += ["|" + "---|" * (len(made.metrics) + 3)]
    if made.form == "latex":
        wrap = {"bold": r"\textbf{{{}}}", "underlined": r"\underline{{{}}}"}
        between, end = " & ", r" \\"
        lines = [r"% std", r"Mean and std. \begin{tabular}{ll" + "c" * (len(made.metrics) + 1) + "}", r"\toprule"]
        lines += [f"Data & Method & {' & '.join(made.metrics)} & Avg. \\\\", r"\midrule"]
    for cells in _lines(made, wrap):
        words = between.join(cells)
        lines.append(f"{'| ' if made.form == 'markdown' else ''}{words}{end}")
    return "\n".join([*lines, *([r"\bottomrule", r"\end{tabular}"] if made.form == "latex" else [])]) + "\n"


def _lines(made: Made, wrap: Mapping[str, str]) -> Iterator[list[str]]:
    sign, plus_minus = ("%", " ± ") if made.form == "markdown" else (r"\%", r" $\pm$ ")
    for name in made.datasets:
        for place, method in enumerate(made.methods):
            title = "" if place else name if made.form == "markdown" else name.replace("&", r"\&")
            cells = []
            for one in made.metrics:
                words = made.values[name, method, one]
                words += plus_minus + made.spreads[name, method, one] if (name, method, one) in made.spreads else ""
                cells.append(wrap.get(made.marks.get((name, method, one), ""), "{}").format(words))
            yield [title, method, *cells, "-"]
            gains = [made.gains.get((name, method, one)) for one in (*made.metrics, AVERAGE)]
            if all(gains):
                yield ["", GAIN, *(f"({gain}{sign})" for gain in gains)]


def finds(*tables: Made) -> bool:
    """Whether anything is called impossible."""
    readings = [read_text(render(made), f"table {place}") for place, made in enumerate(tables)]
    return bool(lint(readings, Facts(tables[0].rows, tables[0].seeds)).impossible)


def measure(
    tables: int, errors: int, digits: Sequence[int] = DIGITS
) -> tuple[dict[tuple[str, int], list[bool]], dict[int, int]]:
    """Of each kind of error and number of digits, whether each was found; by digits, tables accused wrongly."""
    found: dict[tuple[str, int], list[bool]] = {}
    accused = dict.fromkeys(digits, 0)
    for number in range(tables):
        printed = simulate(random.Random(f"table {number}"))  # noqa: S311 - no secret
        for places in digits:
            made = printed(places)
            accused[places] += finds(made)
            for kind, inject in ERRORS.items() if number < errors else ():
                wrong = inject(made, random.Random(f"{kind} {number}"))  # noqa: S311 - no secret
                if wrong is not None:
                    tables_of = (made, wrong) if kind == IN_TWO else (wrong,)
                    found.setdefault((kind, places), []).append(finds(*tables_of))
    return found, accused


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--errors", type=int, default=1000)
    options = parser.parse_args()
    found, accused = measure(options.tables, options.errors)
    print(f"| one error | tables | {' | '.join(f'{digits} digits' for digits in DIGITS)} |")
    print(f"|:--|--:|{'--:|' * len(DIGITS)}")
    for kind in ERRORS:
        of = [found.get((kind, digits), []) for digits in DIGITS]
        shares = [f"{100 * sum(each) / len(each):.0f}%" if each else "-" for each in of]
        print(f"| {kind} | {max(map(len, of)):,} | {' | '.join(shares)} |")
    print(f"| none, accused wrongly | {options.tables:,} | {' | '.join(str(accused[digits]) for digits in DIGITS)} |")


if __name__ == "__main__":
    main()
