"""Time and peak memory of preparing a large data set against just reading its columns; and of loading one.

    python tests/benchmarks/preparation.py                       # 20 million rows: about 2 GB of disk, minutes
    python tests/benchmarks/preparation.py --rows 1e6 --repeats 1

Ratings in the format of Amazon Reviews 2023 (user_id,parent_asin,rating,timestamp, gzipped) are made up and written to
a temporary folder, in random order. Then, in turns and each in a process of its own: Polars reads the four columns
and nothing else; `rearec-bench prepare` makes a data set of them (5-core, split at the publisher's two times). Then a
data set of a million users is made and loaded. A process is measured as a whole, from its start to its end.

The limits: prepared within three times the time of reading, in less than 4 GB; loaded in less than 2 s.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

MOST_TIMES, MOST_GB, LOAD_S = 3.0, 4.0, 2.0
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
    """What a process took.

    Attributes:
        wall_s: from its start to its end.
        cpu_s: of all its threads, in the kernel, too.
        peak_gb: its largest resident size, in 10^9 bytes.
        said: its output.
    """

    wall_s: float
    cpu_s: float
    peak_gb: float
    said: str


def spend(*arguments: str | Path) -> Cost:
    """Run Python with arguments.

    Raises:
        RuntimeError: it failed; its errors.
    """
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
        said = out.read().decode()
    scale = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e9, said)


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


def measure(folder: Path, rows: int, repeats: int) -> dict[str, list[Cost]]:
    """Read and prepare in turns."""
    source = folder / "raw"
    source.mkdir()
    write_ratings(source / FILE, rows)
    (folder / "ratings.yaml").write_text(RECIPE)
    found: dict[str, list[Cost]] = {"read": [], "prepare": []}
    for turn in range(repeats):
        found["read"].append(spend("-c", READ, source / FILE))
        arguments = ("prepare", "--recipe", folder / "ratings.yaml", "--source", source, "--name", f"turn{turn}")
        found["prepare"].append(spend("-c", PROGRAM, *arguments, "--data-dir", folder / "data"))
    cards = [json.loads((folder / f"data/turn{turn}/card.json").read_text()) for turn in range(repeats)]
    if len({card["fingerprint"] for card in cards}) != 1:
        raise RuntimeError("the fingerprints of the turns differ")
    return found


def measure_load(folder: Path, users: int, repeats: int) -> tuple[Cost, list[tuple[float, float]]]:
    """Make a data set, and load it: seconds by the clock and of the processor."""
    arguments = ("synthetic", "--users", str(users), "--items", str(max(20, users // 10)))
    made = spend("-c", PROGRAM, "prepare", *arguments, "--data-dir", folder / "made")
    loads = []
    for _ in range(repeats):
        wall, cpu, _ = spend("-c", LOAD, "synthetic", folder / "made").said.split()
        loads.append((float(wall), float(cpu)))
    return made, loads


def _row(name: str, costs: Sequence[Cost]) -> tuple[str, float, float, float]:
    walls, cpus = (statistics.median(getattr(cost, field) for cost in costs) for field in ("wall_s", "cpu_s"))
    return name, walls, cpus, max(cost.peak_gb for cost in costs)


def _number(text: str) -> int:
    return int(float(text))


def main() -> int:
    """Measure and print; exit status 1 where a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=_number, default=20_000_000)
    parser.add_argument("--users", type=_number, default=1_000_000, help="of the data set that is loaded")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        found = measure(folder, options.rows, options.repeats)
        size = (folder / "raw" / FILE).stat().st_size / 1e9
        statistics_said = found["prepare"][0].said.splitlines()[0]
        made, loads = measure_load(folder, options.users, options.repeats)
    read, prepared = _row("read the four columns", found["read"]), _row("prepare", found["prepare"])
    times = prepared[1] / read[1]
    load = statistics.median(wall for wall, _ in loads)
    print(f"{options.rows:,} rows ({size:.2f} GB gzipped), {platform.machine()}, {os.cpu_count()} cores, median of")
    print(f"{options.repeats} processes each (memory: the largest)")
    heads = ("", "wall s", "CPU s", "peak GB")
    print(
        tabulate([read, prepared, _row(f"prepare synthetic, {options.users:,} users", [made])], heads, floatfmt=".2f")
    )
    print(
        f"prepare / read: {times:.2f} by the clock, {prepared[2] / read[2]:.2f} of the processor (limit {MOST_TIMES:g})"
    )
    print(f"prepared: {statistics_said}")
    cpu = statistics.median(cpu for _, cpu in loads)
    print(f"load {options.users:,} users: {load:.2f} s by the clock, {cpu:.2f} s of the processor (limit {LOAD_S:g})")
    return int(times > MOST_TIMES or prepared[3] > MOST_GB or load > LOAD_S)


if __name__ == "__main__":
    sys.exit(main())
