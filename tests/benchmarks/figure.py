"""What a benchmark script prints: figures, each beside its target.

A script has one function, `measure(tiny) -> list[Figure]`, and ends with `raise SystemExit(main(__doc__, measure))`:

    python tests/benchmarks/NAME.py [--tiny] [--json FILE]

`--tiny` takes sizes that run in seconds: it shows that the script works, and its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.records.provenance import environment


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

    facts = environment("cuda" if torch.cuda.is_available() else "cpu", threads=1)
    gpu = f", {facts['gpu']}" if "gpu" in facts else ""
    return f"{facts['cpu']}, {facts['cores']} cores{gpu}, Python {facts['python']}, torch {facts['torch']}"


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


def main_on_prepared(about: str | None, measure: Callable[..., list[Figure]], **names: str) -> int:
    """Measure on prepared data sets and print, or say which are not prepared; `names` are options, `measure` gets sets.

    Args:
        about: what --help prints.
        measure: called with the data sets as keywords.
        names: keyword to the data set's usual name.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="Where they are prepared.")
    for keyword, name in names.items():
        parser.add_argument(f"--{keyword}", default=name)
    options = vars(parser.parse_args())
    folder = options.pop("data_dir")
    if missing := [name for name in options.values() if not catalog.is_prepared(name, folder)]:
        print(f"not prepared in {folder}: {', '.join(missing)}. How: rearec-bench prepare --help")
        return 0
    sets: dict[str, Dataset] = {key: catalog.load_dataset(name, data_dir=folder) for key, name in options.items()}
    print(f"{table(measure(**sets))}\n\n{machine()}")
    return 0


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(unit: str) -> str:
    return unit if unit in {"x", "%"} else f" {unit}" if unit else ""
