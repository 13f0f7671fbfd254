"""How cost grows, over three decades: `plan`, `report` and a run with nothing left, with the number of stored trials;
training with interactions; evaluation with rows x items.

    python tests/benchmarks/growth.py [--tiny] [--plot FILE.svg]

A figure is the slope of a straight line through the points on logarithmic scales: 1 is linear growth. What a command
costs with a store of five trials (starting Python, importing) is taken off before. Commands run as processes of their
own; all times are processor times, so that a machine that others use, too, gives the same slopes.
"""

from __future__ import annotations

import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from figure import Figure, main
from made_store import NAME, make_store

MAX_SLOPE = 1.1
TRIALS = (100, 1_000, 10_000)
INTERACTIONS = (10_000, 100_000, 1_000_000)
PRODUCTS = ((1_000, 1_000), (1_000, 10_000), (10_000, 10_000), (10_000, 100_000))
COMMAND = """
import sys
from rearec_bench.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    print("".join(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


@dataclass(frozen=True)
class Point:
    """Processor seconds of one size, start-up taken off, and peak memory where the process is one of its own."""

    name: str
    by: str
    size: int
    seconds: float
    megabytes: float | None = None


def store_points(tiny: bool) -> list[Point]:
    """`plan`, three tables of `report`, and `run` with nothing left, on stores of made-up trials."""
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        _, few = _commands(Path(folder) / "few", 1)
        start_up = {name: 0.0 if tiny else _process(arguments)[0] for name, arguments in few.items()}
        for size in (110, 185) if tiny else TRIALS:
            trials, commands = _commands(Path(folder) / str(size), size)
            for name, arguments in commands.items():
                seconds, megabytes = _process(arguments)
                points.append(Point(name, "trials", trials, max(seconds - start_up[name], 1e-3), megabytes))
    return points


def training_points(tiny: bool) -> list[Point]:
    """One epoch of a small model."""
    from made_rows import made_dataset, reader_of, sasrec, trainer_of

    points = []
    for interactions in (500, 1_000, 2_000) if tiny else INTERACTIONS:
        model, strategy = sasrec(_ITEMS, strategy="erl", steps=1, max_len=_LENGTH, **_SMALL)
        rows = reader_of(made_dataset(interactions // _LENGTH, _ITEMS, _LENGTH), max_len=_LENGTH, packed=True)
        trainer = trainer_of(model, strategy, rows, batch=512)
        trainer.epoch(1, max_batches=1)
        points.append(Point("one epoch", "interactions", interactions, _seconds(partial(trainer.epoch, 2))))
    return points


def evaluation_points(tiny: bool) -> list[Point]:
    """Full ranking of a split's rows by the readout, encoding included."""
    from made_rows import made_dataset, reader_of, sasrec

    from rearec_bench.harness.trial.evaluate import Scorer, readout_ranks

    points = []
    for rows, items in ((100, 100), (100, 1_000), (1_000, 1_000)) if tiny else PRODUCTS:
        model, strategy = sasrec(items, strategy="base", steps=0, max_len=_LENGTH, **_SMALL)
        reader = reader_of(made_dataset(rows // _LENGTH, items, _LENGTH), max_len=_LENGTH)
        rank = partial(readout_ranks, model, strategy, reader, Scorer(model.backbone, 1.0, False))
        rank()
        points.append(Point("ranking", "rows x items", rows * items, _seconds(rank)))
    return points


_SMALL = {"width": 16, "layers": 1, "feed_forward": 32}
_ITEMS = 500
_LENGTH = 10


def figures_of(points: Sequence[Point]) -> list[Figure]:
    """The exponent of each series."""
    found = []
    for name in dict.fromkeys(point.name for point in points):
        series = [point for point in points if point.name == name]
        detail = ", ".join(
            f"{point.size:,}: {point.seconds:.3g} s" + (f" {point.megabytes:.0f} MB" if point.megabytes else "")
            for point in series
        )
        sizes, seconds = ([math.log(getattr(point, field)) for point in series] for field in ("size", "seconds"))
        exponent = statistics.linear_regression(sizes, seconds).slope
        found.append(Figure(f"growth of {name} with {series[0].by}", exponent, "", MAX_SLOPE, detail=detail))
    return found


def _commands(folder: Path, trials: int) -> tuple[int, dict[str, list[str]]]:
    file, count = make_store(folder, trials)
    results = ["--results", str(folder / "results")]
    stored = [str(file), *results, "--data-dir", str(folder)]
    tables = {f"report --table {one}": ["report", NAME, *results, "--table", one] for one in _TABLES}
    return count, {"plan": ["plan", *stored], **tables, "run, nothing left": ["run", *stored]}


_TABLES = ("overall", "ceiling", "steps")


def _process(arguments: Sequence[str]) -> tuple[float, float]:
    """Processor seconds and peak resident megabytes of a command."""
    command = [sys.executable, "-c", COMMAND, *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    peak = next(int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("VmHWM"))
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak / 1024


def _seconds(call: Callable[[], object]) -> float:
    import torch

    torch.set_num_threads(1)
    start = time.process_time()
    call()
    return time.process_time() - start


def _plot(points: Sequence[Point], file: Path) -> None:
    """Seconds over size on logarithmic scales, with a dashed line of slope 1 to compare with."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(8, 4.6), layout="constrained")
    axes = canvas.subplots()
    for name in dict.fromkeys(point.name for point in points):
        series = [point for point in points if point.name == name]
        axes.loglog([point.size for point in series], [point.seconds for point in series], marker="o", label=name)
    size, seconds = min(point.size for point in points), min(point.seconds for point in points)
    span = max(point.size for point in points) / size
    axes.loglog([size, size * span], [seconds, seconds * span], "--", color="grey", label="linear growth")
    axes.set(xlabel="trials; interactions; rows x items", ylabel="seconds")
    axes.grid(alpha=0.3)
    canvas.legend(loc="outside right upper", fontsize="small")
    canvas.savefig(file)


def measure(tiny: bool, plot: Path | None) -> list[Figure]:
    """All figures, and the picture."""
    points = [*store_points(tiny), *training_points(tiny), *evaluation_points(tiny)]
    if plot:
        _plot(points, plot)
    return figures_of(points)


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure, plot=None))
