"""The example report: what docs/measurements/example.md and its folder show of stored suites, nothing by hand.

    python tests/benchmarks/example_report.py [SUITE ...] [--results DIR] [--data-dir DIR] [--tiny-results DIR]

In example.md what stands between the marks is replaced, and the text around them stays; example/SUITE.md has every
table and figure that a suite fills. Only aggregates are written; figures of single users and titles are of the tiny
data set, whose suite `smoke` is in --tiny-results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from rearec_bench.harness.analysis.resultset import load_results
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.profile.store import ProfileStore
from rearec_bench.harness.report.figures.registry import NAMES as FIGURES
from rearec_bench.harness.report.report import draw_figures, every_table, render, render_html
from rearec_bench.harness.report.tables.registry import MARKED
from rearec_bench.harness.store.frames import trials_of
from rearec_bench.harness.store.store import Store

SUITES = ("example", "example_text", "example_steps", "example_ablation")
SHOWN = {"example_steps": ("steps", "claims"), "example_ablation": ("ablation", "claims")}
"""Tables of a suite in docs/measurements/example.md, where they are not those of `USUAL`."""
USUAL = ("datasets", "overall", "claims", "ceiling", "latency")
FIGURES_OF = {"example_steps": ("fig5_steps",), "example_ablation": ("fig7_ablation",)}
TINY = ("fig8_trajectories", "fig10_states", "fig11_case_study")
CAPTIONS = {
    "fig2_ceiling": "The readout, the step chosen on another seed's model, noised copies of the readout, the best step "
    "after the fact (Figure 2)",
    "fig4_groups": "Users by length of history (UG-0: shortest), items by popularity in training (IG-0: rarest), at "
    "each step of one model (Figure 4)",
    "fig5_steps": "A model trained for each K (Figure 5)",
    "fig7_ablation": "Whole methods, and what they are without a part (Figure 7)",
    "fig8_trajectories": "The target's rank at each step for single test rows (Figure 8)",
    "fig9_similarity": "Cosine between the states of the steps, mean over all test rows (Figure 9)",
    "fig10_states": "States of test rows on their first two principal components (Figure 10)",
    "fig11_case_study": "One user's history, and what would be recommended first after each step (Figure 11)",
    "gains": "Each row's gain over the row that it is compared with",
    "pareto": "Quality against time",
    "ranks": "Each row's rank with its interval, and the rows that cannot be told apart",
}
BEGIN, END = "<!-- results: example -->", "<!-- /results -->"


@dataclass(frozen=True)
class Spent:
    """Trials of a suite, those that no suite before it has (`own`), their core-hours, peak bytes of a worker."""

    trials: int
    own: int
    hours: float
    peak: int


def spent(suites: Sequence[str], store: Store) -> dict[str, Spent]:
    """By suite, in order; a trial counts for the first suite that has it."""
    seen: set[str] = set()
    found = {}
    for suite in suites:
        held = {one.key: one.summary for one in trials_of(store, [suite])}
        own = [held[key] for key in held.keys() - seen]
        seen |= held.keys()
        seconds = sum(summary.timings.get("total_s", 0.0) for summary in own)
        peak = max((summary.peak_memory_bytes for summary in held.values()), default=0)
        found[suite] = Spent(len(held), len(own), seconds / 3600, peak)
    return found


def clock_hours(suites: Sequence[str], store: Store) -> float:
    """Hours of all runs of the suites that have a log, by the clock: from the first to the last event of each run."""
    seconds = 0.0
    for suite in suites:
        began = last = 0.0
        log = store.root / "suites" / suite / "run.jsonl"
        for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
            event = json.loads(line)
            if event["event"] == "begin":
                seconds += last - began
                began = event["time"]
            last = event["time"]
        seconds += last - began
    return seconds / 3600


def time_lines(suites: Sequence[str], store: Store) -> list[str]:
    """The machine and the time it took."""
    machines = sorted(
        {
            f"{env['cpu']}, {env['cores']} cores, Python {env['python']}, torch {env['torch']}, {env['device']}"
            for one in trials_of(store, list(suites))
            for env in [one.summary.environment]
        }
    )
    each = spent(suites, store)
    own, hours = sum(one.own for one in each.values()), sum(one.hours for one in each.values())
    return [
        "| suite | trials | not in a suite above | core-hours of those | peak of a worker (GB) |",
        "|:--|--:|--:|--:|--:|",
        *(
            f"| `{suite}` | {one.trials} | {one.own} | {one.hours:.2f} | {one.peak / 1e9:.1f} |"
            for suite, one in each.items()
        ),
        "",
        f"{own} trials, {hours:.2f} core-hours of trials, {clock_hours(suites, store):.2f} hours by the clock, "
        f"two trials at a time. Machine: {'; '.join(machines)}.",
    ]


def tables(suite: str, store: Store, data_dir: Path) -> dict[str, list[str]]:
    """Name to lines of every table that a suite fills, its command first."""
    results = load_results(suite, store=store)
    load = cache(partial(catalog.load_dataset, data_dir=data_dir))
    profiles = [profile for profile in ProfileStore(store.root).read() if profile.subject.suite == suite]
    made = every_table(suite, load, profiles, store=store, data_dir=data_dir)
    held = {name: make(results) for name, make in made.items()}
    texts = {
        name: render([table], format="markdown")
        for name, table in held.items()
        if any(group.lines for group in table.groups)
    }
    return {
        name: [f"`rearec-bench report {suite} --table {name}{' --marks' if name in MARKED else ''}`", "", *quoted(text)]
        for name, text in texts.items()
    }


def quoted(text: str) -> list[str]:
    """A table, and what is said below it as paragraphs of a quotation."""
    lines: list[str] = []
    for line in text.strip().splitlines():
        if line and not line.startswith("|"):
            lines += [">" if lines and lines[-1].startswith(">") else "", f"> {line.strip()}"]
        elif line:
            lines += ["", line] if lines and lines[-1].startswith(">") else [line]
    return lines


def figures(
    suite: str, names: Sequence[str], store: Store, data_dir: Path, folder: Path, aggregates: bool
) -> list[str]:
    """Draw figures of a suite and keep the SVG; the names of those that it fills."""
    drawn = draw_figures([suite], folder, store=store, data_dir=data_dir, names=names, aggregates=aggregates)
    for path in (path for one in drawn for path in one.files if path.suffix != ".svg"):
        path.unlink()
    return [one.name for one in drawn if one.files]


def shown(suite: str, names: Sequence[str], place: str) -> list[str]:
    """Figures as Markdown, each with its caption; `place` is the folder they are in."""
    return [
        line
        for name in names
        for line in ("", f"![{CAPTIONS[name]}]({place}{suite}_{name}.svg)", "", f"*{CAPTIONS[name]}: `{suite}`.*")
    ]


def main() -> None:
    """Write docs/measurements/example.md's results and docs/measurements/example/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=list(SUITES))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--tiny-results", type=Path, default=Path("results"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/measurements"))
    options = parser.parse_args()
    store, folder = Store(options.results), options.output / "example"
    folder.mkdir(parents=True, exist_ok=True)
    every = [name for name in FIGURES if name not in TINY]
    lines = time_lines(options.suites, store)
    for suite in options.suites:
        held = tables(suite, store, options.data_dir)
        filled = figures(suite, every, store, options.data_dir, folder, aggregates=True)
        whole = f"Every table and figure of it: [{', '.join(held)}, {len(filled)} figures]({folder.name}/{suite}.md)."
        lines += ["", f"## {suite}", "", whole]
        for name in SHOWN.get(suite, USUAL):
            lines += ["", *held.get(name, ())]
        lines += shown(suite, FIGURES_OF.get(suite, filled), f"{folder.name}/")
        page = [f"# {suite}: every table and figure"]
        for name, text in held.items():
            page += ["", f"## {name}", "", *text]
        page += ["", "## Figures", *shown(suite, filled, "")]
        (folder / f"{suite}.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    lines += ["", "## Single users and titles", "", "Of the tiny data set, which is made: `rearec-bench run smoke`."]
    tiny = figures("smoke", TINY, Store(options.tiny_results), options.data_dir, folder, aggregates=False)
    lines += shown("smoke", tiny, f"{folder.name}/")
    html = render_html(options.suites, store=store, data_dir=options.data_dir, aggregates=True)
    front = options.output / "example.md"
    text = front.read_text(encoding="utf-8") if front.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    front.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + after, encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{front}; {folder}: {size / 1e6:.1f} MB; the HTML page would have {len(html.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
