"""The paper's printed numbers (arXiv 2503.22675, tables 1 to 4) and those of later methods, as rows like our own."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from .compare import AVERAGE, METRICS, Row, Stat, percent

_RESULTS = __package__.partition(".")[0] + ".results"
_FILES = {
    "table1": "table1_datasets.csv",
    "funnel": "funnel_datasets.csv",
    "table2": "table2_id_based.csv",
    "table3": "table3_text_based.csv",
    "table4": "table4_latency.csv",
    "later": "later_methods.csv",
}
_BASE = "Base"


@dataclass(frozen=True)
class Latency:
    """One cell of Table 4.

    Attributes:
        step: "Base", or "Step-1" and so on.
        time_s: seconds over the test set.
        cost_percent: more than Base, recomputed; None for Base.
        printed: the same as the paper prints it; None for Base.
    """

    backbone: str
    step: str
    time_s: float
    cost_percent: float | None
    printed: float | None


@dataclass(frozen=True)
class PrintedDataset:
    """A row of Table 1, as printed; `interactions` are prediction rows."""

    name: str
    users: int
    items: int
    interactions: int
    per_user: float
    per_item: float
    sparsity_percent: float


def paper_datasets() -> Mapping[str, PrintedDataset]:
    """The rows of Table 1 by the recipe that prepares each data set, in the paper's order."""
    rows = (
        PrintedDataset(
            name=line["dataset"],
            users=int(line["users"]),
            items=int(line["items"]),
            interactions=int(line["interactions"]),
            per_user=float(line["avg_interactions_per_user"]),
            per_item=float(line["avg_interactions_per_item"]),
            sparsity_percent=float(line["sparsity_percent"]),
        )
        for line in _lines("table1")
    )
    return {row.name.lower().replace(" & ", "_"): row for row in rows}


def paper_funnel() -> Mapping[tuple[str, str, str], int]:
    """(data set, step, split) to the count that the authors' notebooks have there; data sets as printed.

    Steps: "rating" and "core" (interactions; the split is ""), "rows" (before their rules), "length" (histories long
    enough), "target" and "history" (known from training).
    """
    return {(line["dataset"], line["step"], line["split"]): int(line["left"]) for line in _lines("funnel")}


def paper_rows(table: str) -> tuple[Row, ...]:
    """The rows of "table2", "table3" or "later" (other papers' methods); every value is that of a single run.

    A metric that is not printed has no mean.
    """
    stats: dict[tuple[str, str, str], dict[str, Stat]] = {}
    for line in _lines(table):
        metric = line["metric"].lower()
        if metric != AVERAGE:
            row = stats.setdefault((line["dataset"], line["backbone"], line["strategy"]), {})
            row[metric] = Stat(float(line["value"]), None, 1, 1)
    return tuple(
        Row(
            dataset=dataset,
            backbone=backbone,
            strategy=strategy,
            against="" if strategy == _BASE else _BASE,
            steps=None,
            stats={metric: by_metric.get(metric, Stat(None, None, 0, 1)) for metric in METRICS},
        )
        for (dataset, backbone, strategy), by_metric in stats.items()
    )


def later_sources() -> Mapping[str, str]:
    """The paper behind each row of "later", by the row's name."""
    return {line["strategy"]: line["source"] for line in _lines("later")}


def paper_latency() -> tuple[Latency, ...]:
    """The cells of Table 4."""
    lines = _lines("table4")
    base = {line["backbone"]: float(line["inference_time_seconds"]) for line in lines if line["step"] == _BASE}
    cells = []
    for line in lines:
        time_s = float(line["inference_time_seconds"])
        printed = line["cost_increase_percent"]
        cells.append(
            Latency(
                backbone=line["backbone"],
                step=line["step"],
                time_s=time_s,
                cost_percent=None if line["step"] == _BASE else percent(time_s, base[line["backbone"]]),
                printed=float(printed) if printed else None,
            )
        )
    return tuple(cells)


def _lines(table: str) -> list[dict[str, str]]:
    text = files(_RESULTS).joinpath("paper", _FILES[table]).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
