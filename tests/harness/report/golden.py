"""Write the golden tables anew: `python tests/harness/report/golden.py`, then read the difference."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.report.report import FORMATS, render
from rearec_bench.harness.report.tables.registry import DATA_TABLES, TABLES

FOLDER = Path(__file__).with_name("golden")
LONG = {("adaptive", "json"), ("groups", "json")}  # the same records as csv, in ten thousand lines
VARIANTS = [
    *(
        (table, format, "wide", False)
        for table in (*TABLES, *DATA_TABLES)
        for format in FORMATS
        if (table, format) not in LONG
    ),
    ("overall", "markdown", "compact", False),
    ("overall", "markdown", "wide", True),
    ("overall", "latex", "wide", True),
]


def file_of(table: str, format: str, layout: str, spread: bool) -> Path:
    """Where the golden text of a variant is."""
    return FOLDER / f"{table}.{layout}{'.spread' if spread else ''}.{format}.txt"


def text_of(results: ResultSet, dataset: Dataset, table: str, format: str, layout: str, spread: bool) -> str:
    """A variant's text; numbers of csv and JSON to ten digits, as the last ones differ between machines."""
    made = TABLES[table](results) if table in TABLES else DATA_TABLES[table](results, lambda name: dataset)
    text = render([made], format=format, spread=spread, layout=layout)
    if format in ("csv", "json"):
        text = re.sub(r"-?\d+\.\d{11,}(e-?\d+)?", lambda found: f"{float(found[0]):.10g}", text)
    return text


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import synthetic

    from rearec_bench.harness.store.store import Store

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = synthetic.varied_results(Store(Path(folder)))
        for variant in VARIANTS:
            file_of(*variant).write_text(text_of(made, synthetic.dataset(made), *variant), encoding="utf-8")
