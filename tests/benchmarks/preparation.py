"""Time and peak memory of preparing a large data set against just reading its columns; and of loading one.

    python tests/benchmarks/preparation.py                       # 20 million rows: about 2 GB of disk, minutes
    python tests/benchmarks/preparation.py --rows 1000000 --repeats 1

Ratings in the format of Amazon Reviews 2023 (user_id,parent_asin,rating,timestamp, gzipped) are made up and written to
a temporary folder (TMPDIR), in random order. Then, in turns and each in a process of its own: Polars reads the four
columns and nothing else; `rearec-bench prepare` makes a data set of them (5-core, split at the publisher's two times).
Then a data set of a million users is made and loaded. A process is measured as a whole, from its start to its end.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from figure import Figure, main

MAX_TIMES, MAX_GB, MAX_LOAD_S = 3.0, 4.0, 2.0
ROWS_A_USER, ROWS_AN_ITEM = 8, 50
FIRST_MS, LAST_MS = 1_262_304_000_000, 1_694_000_000_000
CHUNK = 1_000_000
FILE = "ratings.csv.gz"
RECIPE = f"""
about: made-up ratings in the format of Amazon Reviews 2023
reader: amazon-2023-reviews
files: {{interactions: {FILE}}}
time: {{unit: milliseconds}}
core: 5
split: {{times: [1628643414042, 1658002729837]}}
"""
READ = """
import sys
import polars as pl

frame = pl.read_csv(sys.argv[1], columns=["user_id", "parent_asin", "rating", "timestamp"])
print(frame.height)
"""
LOAD = """
import sys, time
from pathlib import Path
from rearec_bench.harness.datasets import catalog
import pyarrow.parquet

start = time.perf_counter(), time.process_time()
data = catalog.load_dataset(sys.argv[1], data_dir=Path(sys.argv[2]))
print(time.perf_counter() - start[0], time.process_time() - start[1], data.num_users)
"""
PROGRAM = "from rearec_bench.cli import main; main()"


@dataclass(frozen=True)
class Cost:
    """What a process took, all its threads and the kernel included, and its output."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    output: str


def spend(*arguments: str | Path) -> Cost:
    """Run Python with arguments; a failure is raised with its errors."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise RuntimeError(errors.read().decode()[-2000:])
        scale = 1 if sys.platform == "darwin" else 1024
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e9, out.read().decode())


def write_ratings(path: Path, rows: int) -> None:
    """Write made-up ratings: users and items with a long tail, each user's rows all over the file."""
    rng = np.random.default_rng(0)
    users = _tokens("A", 27, rows // ROWS_A_USER)
    items = _tokens("B0", 8, rows // ROWS_AN_ITEM)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"user_id,parent_asin,rating,timestamp\n")
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            of_users = (len(users) * rng.random(count) ** 2).astype(np.int64)
            of_items = (len(items) * rng.random(count) ** 3).astype(np.int64)
            ratings = rng.choice([b"1.0", b"2.0", b"3.0", b"4.0", b"5.0"], count, p=[0.1, 0.05, 0.1, 0.2, 0.55])
            times = rng.integers(FIRST_MS, LAST_MS, count)
            lines = zip(users[of_users], items[of_items], ratings, times.tolist(), strict=True)
            stream.write(b"".join(b"%b,%b,%b,%d\n" % line for line in lines))


def _tokens(head: str, length: int, count: int) -> np.ndarray:
    """Names as Amazon gives them: capital letters and digits that tell nothing."""
    digests = (hashlib.sha256(str(number).encode()).hexdigest().upper() for number in range(count))
    return np.array([f"{head}{digest[:length]}".encode() for digest in digests], dtype=object)


def prepare(folder: Path, rows: int, repeats: int) -> dict[str, list[Cost]]:
    """Read and prepare in turns."""
    source = folder / "raw"
    source.mkdir()
    write_ratings(source / FILE, rows)
    (folder / "ratings.yaml").write_text(RECIPE)
    costs: dict[str, list[Cost]] = {"read": [], "prepare": []}
    for turn in range(repeats):
        costs["read"].append(spend("-c", READ, source / FILE))
        arguments = ("prepare", "--recipe", folder / "ratings.yaml", "--source", source, "--name", f"turn{turn}")
        costs["prepare"].append(spend("-c", PROGRAM, *arguments, "--data-dir", folder / "data"))
    cards = [json.loads((folder / f"data/turn{turn}/card.json").read_text()) for turn in range(repeats)]
    if len({card["fingerprint"] for card in cards}) != 1:
        raise RuntimeError("the fingerprints of the turns differ")
    return costs


def _figures(name: str, costs: Sequence[Cost], max_gb: float | None = None) -> list[Figure]:
    wall, cpu = (statistics.median(getattr(cost, field) for cost in costs) for field in ("wall_s", "cpu_s"))
    return [
        Figure(f"{name}: by the clock", wall, "s", detail=f"{cpu:.1f} s of the processor"),
        Figure(f"{name}: peak memory", max(cost.peak_gb for cost in costs), "GB", max_gb),
    ]


def measure(tiny: bool, rows: int, users: int, repeats: int) -> list[Figure]:
    """All figures."""
    rows, users, repeats = (20_000, 500, 1) if tiny else (rows, users, repeats)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = prepare(folder, rows, repeats)
        arguments = ("synthetic", "--users", str(users), "--items", str(max(20, users // 10)))
        made = spend("-c", PROGRAM, "prepare", *arguments, "--data-dir", folder / "made")
        loads = [spend("-c", LOAD, "synthetic", folder / "made").output.split() for _ in range(repeats)]
        size = (folder / "raw" / FILE).stat().st_size / 1e9
    read, prepared = (statistics.median(cost.wall_s for cost in each) for each in costs.values())
    wall, cpu = (statistics.median(float(load[column]) for load in loads) for column in (0, 1))
    about = f"{rows:,} rows"
    detail = f"{size:.2f} GB gzipped; {costs['prepare'][0].output.splitlines()[0]}"
    return [
        *_figures(f"reading the four columns of {about}", costs["read"]),
        *_figures(f"prepare, {about}", costs["prepare"], MAX_GB),
        Figure(f"prepare over reading, {about}", prepared / read, target=MAX_TIMES, detail=detail),
        *_figures(f"prepare synthetic, {users:,} users", [made]),
        Figure(f"load {users:,} users", wall, "s", MAX_LOAD_S, detail=f"{cpu:.2f} s of the processor"),
    ]


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure, rows=20_000_000, users=1_000_000, repeats=3))
