"""A suite as the page shows it, of made-up trials whose suite is not stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.html import content
from rearec_bench.harness.report.table import Table
from rearec_bench.harness.store.frames import StoredTrial
from rearec_bench.harness.store.store import Store


def page_suite(
    context: FigureContext, cells: tuple[Any, ...], index: Any, makers: Mapping[str, Callable[[ResultSet], Table]]
) -> content.PageSuite:
    """What the page holds of a suite, given its plan and index."""

    def trials(store: Store, suites: list[str]) -> Iterator[StoredTrial]:
        for cell in cells:
            entry = index["cells"][cell.id]
            for key in (*entry["search"], *entry["final"].values()):
                chosen = key == entry["best"]
                yield StoredTrial("s", cell.dataset, cell.backbone, cell.row, cell.against, chosen, store.summary(key))

    results = context.results
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content, "trials_of", trials)
        return content.suite_content(results, makers, store=results.store, context=context, folder=Path("results"))
