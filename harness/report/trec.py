"""Final runs as TREC run files with their qrels, for pytrec_eval, ir-measures and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..analysis.resultset import CellResults, load_results
from ..records.results import Rows
from ..store.archive import refuse_existing
from ..store.store import Store
from ..utils import files as atomic
from ..utils.errors import InputError

DEPTH = 20
"""Places of a run file: the largest cut-off of the metrics."""


def write_trec(suites: Sequence[str], store: Store, target: Path) -> tuple[int, int]:
    """Write the final runs of suites, a folder each, to a new folder; the number of runs and of qrels.

    A query is a test row, by its number. Trials keep the ten best items and the rank of the target, which stands where
    that rank says; `other-N` fills the places before it that are not stored. So NDCG and recall up to 20 are those of
    the tables; a target behind place 20 is left out.

    Raises:
        InputError: the target exists, or there is no final run.
        StoreError: a trial is damaged, or the target cannot be written.
    """
    refuse_existing(target)
    runs, qrels = 0, set()
    with atomic.writing(target), atomic.new_folder(target) as folder:
        for suite in suites:
            (folder / suite).mkdir()
            for cell in load_results(suite, store=store).once().cells:
                for run in cell.runs:
                    rows = store.rows(run.key, "test")
                    data = f"{cell.dataset}-{run.spec.dataset_fingerprint[:8]}"
                    truth = folder / suite / f"{_plain(data)}.qrels"
                    if truth not in qrels:
                        lines = (f"{row} 0 {item} 1\n" for row, item in enumerate(rows.items.tolist()))
                        truth.write_text("".join(lines))
                        qrels.add(truth)
                    name = _plain(f"{data}.{_name(cell)}.seed{run.spec.seed}.{run.key[:8]}")
                    (folder / suite / f"{name}.run").write_text("".join(_lines(rows, _plain(_name(cell)))))
                    runs += 1
        if not runs:
            raise InputError(f"there is no final run of {', '.join(suites)} to export.")
    return runs, len(qrels)


def _lines(rows: Rows, tag: str) -> Iterator[str]:
    for row, (item, rank, top) in enumerate(
        zip(rows.items.tolist(), rows.readout_ranks.tolist(), rows.top_items.tolist(), strict=True)
    ):
        ranked = [str(other) for other in top if other not in (item, -1)]
        if rank <= DEPTH:
            ranked += [f"other-{place}" for place in range(len(ranked) + 1, rank)]
            ranked.insert(rank - 1, str(item))
        for place, document in enumerate(ranked, 1):
            yield f"{row} Q0 {document} {place} {DEPTH + 1 - place} {tag}\n"


def _name(cell: CellResults) -> str:
    return f"{cell.backbone}.{cell.strategy}" + (f".K{cell.steps}" if cell.steps else "")


def _plain(name: str) -> str:
    """A name without what files and columns cannot hold."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", name)
