"""Time of `results verify` on 1,000 trials, and what looking at names and sizes adds to reading summaries.

python tests/benchmarks/store_verify.py [--tiny] [--json FILE]
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from pathlib import Path

from figure import Figure, alternating, main
from made_store import make_store

from rearec_bench.harness.store.format import RESULT, summary_of
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.trial_folder import MANIFEST
from rearec_bench.harness.store.verify import verify


def measure(tiny: bool) -> list[Figure]:
    """Median processor seconds of one pass over a store."""
    with tempfile.TemporaryDirectory() as folder:
        _, trials = make_store(Path(folder), 100 if tiny else 1000)
        store = Store(Path(folder) / "results")
        keys = sorted(store.keys())
        size = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
        if verify(store).findings:
            raise RuntimeError("the store that was made is damaged")
        seconds = alternating(
            {
                "verify": lambda: verify(store),
                "summaries": lambda: [store.summary(key) for key in keys],
                "unchecked": lambda: [_unchecked(store.folder(key)) for key in keys],
            },
            repeats=1 if tiny else 5,
            clock=time.process_time,
        )
    return [
        Figure(f"results verify, {trials:,} trials", seconds["verify"], "s", detail=f"{size / 1e6:,.0f} MB, one core"),
        Figure(
            f"summaries, {trials:,} trials: all checks over the checksum alone",
            seconds["summaries"] / seconds["unchecked"],
            detail=f"{seconds['summaries']:.2f} s and {seconds['unchecked']:.2f} s",
        ),
    ]


def _unchecked(folder: Path) -> object:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    content = (folder / RESULT).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest["files"][RESULT]:
        raise RuntimeError(f"{folder} is damaged")
    return summary_of(json.loads(content))


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
