"""What a benchmark script prints: figures, each beside its target.

A script has one function, `measure(tiny) -> list[Figure]`, and ends with `raise SystemExit(main(__doc__, measure))`:

    python tests/benchmarks/NAME.py [--tiny] [--json FILE]

`--tiny` takes sizes that run in seconds: it shows that the script works, and its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tabulate import tabulate


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured, with its sizes.
        measured: the number.
        unit: "x" for a ratio, "%", "s", "GB", "rows/s".
        target: what it should reach; None for a number that has no target.
        sense: whether the target is a maximum or a minimum.
        detail: how it came about, such as the two times behind a ratio.
    """

    name: str
    measured: float
    unit: str = "x"
    target: float | None = None
    sense: Literal["max", "min"] = "max"
    detail: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.measured <= self.target if self.sense == "max" else self.measured >= self.target


def table(figures: Sequence[Figure]) -> str:
    """Figures as a Markdown table: figure, target, measured, detail."""
    rows = []
    for figure in figures:
        words = {"max": "at most", "min": "at least"}[figure.sense]
        target = "" if figure.target is None else f"{words} {_number(figure.target)}{_unit(figure.unit)}"
        verdict = {True: "", False: " (missed)", None: ""}[figure.holds]
        rows.append((figure.name, target, f"{_number(figure.measured)}{_unit(figure.unit)}{verdict}", figure.detail))
    return tabulate(rows, ("figure", "target", "measured", "detail"), tablefmt="github", disable_numparse=True)


def machine() -> str:
    """One line: processor, cores, versions."""
    import torch

    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores{gpu}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def alternating(
    versions: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each version, called in turn, after one call of each that does not count.

    The clock is `time.process_time` for one-threaded work on a machine that others use, too.
    """
    for call in versions.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(repeats):
        for name, call in versions.items():
            start = clock()
            call()
            taken[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the straight line of least squares."""
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def main(about: str | None, measure: Callable[..., list[Figure]], **more: int | None) -> int:
    """Measure, print, and write where --json says; exit status 0 whether targets are met or not.

    `measure` is called with whether sizes are tiny, and with `more` options: numbers, or paths where it says None.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="Sizes that run in seconds; the numbers mean nothing.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures here, too.")
    for name, default in more.items():
        number = default is not None
        usual = f"{default:,} by default." if number else "Written here."
        parser.add_argument(f"--{name}", type=int if number else Path, default=default, help=usual)
    options = parser.parse_args()
    figures = measure(options.tiny, **{name: getattr(options, name) for name in more})
    print(table(figures))
    print(f"\n{machine()}")
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(figure) for figure in figures], indent=1))
    return 0


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(unit: str) -> str:
    return unit if unit in {"x", "%"} else f" {unit}" if unit else ""


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
