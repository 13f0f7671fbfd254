"""What things are called in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..monitor.lines import metric_label as metric_label
from ..suite.labels import value_text

if TYPE_CHECKING:
    from ..analysis.compare import Row
    from ..suite.model import Space

_NAMES = {
    "base": "Base",
    "naive": "Naive",
    "rpe": "RPE",
    "erl": "ERL",
    "prl": "PRL",
    "plr": "PLR",
    "mancar": "ManCAR",
    "sasrec": "SASRec",
    "bert4rec": "BERT4Rec",
    "esasrec": "eSASRec",
    "lares": "LARES",
    "unisrec": "UniSRec",
    "morec": "MoRec",
    "popularity": "Popularity",
    "markov": "Markov",
}

HIDDEN = {"nothing": "not masked", "history": "masked", "window": "masked as far as models see it"}


def label_of(name: str) -> str:
    """The field's own spelling of a known name, with its swept values if any; other names as they are."""
    bare, bracket, swept = name.partition("[")
    return _NAMES.get(bare, bare) + bracket + swept


def points_label(points: int | None) -> str:
    """The number of points of a search space: 36, or continuous."""
    return "continuous" if points is None else f"{points:,}"


def range_words(space: Space) -> str:
    """The values that are searched: {1, 2, 5}, or 0.05 to 5 on a logarithmic scale."""
    if space.choices:
        return f"{{{', '.join(map(value_text, space.choices))}}}"
    return f"{space.low} to {space.high}{' on a logarithmic scale' if space.log else ''}"


def state_label(name: str) -> str:
    """A state as a table shows it: Step 1, or Stream 2 step 1."""
    return name.replace("_", " ").capitalize()


def steps_label(steps: int | None) -> str:
    """K as a table shows it."""
    return "K searched" if steps is None else f"K={steps}"


def row_name(row: Row, *, brackets: bool = True) -> str:
    """A row with its K where it has steps: PRL (K=2), or PRL K=2 without brackets."""
    shown = f"({steps_label(row.steps)})" if brackets else steps_label(row.steps)
    return f"{label_of(row.strategy)} {shown}" if row.steps else label_of(row.strategy)


def full_name(row: Row, name: str = "") -> str:
    """Data set, backbone and row, the last by the name given or by its own: ml-100k SASRec PRL K=2."""
    return f"{row.dataset} {label_of(row.backbone)} {name or row_name(row, brackets=False)}"
