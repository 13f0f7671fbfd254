"""The example report: what docs/example.md and docs/example/ show of stored suites, nothing of it by hand.

    python tests/benchmarks/example_report.py [SUITE ...] [--results DIR] [--data-dir DIR]

What stands between the page's marks is replaced, the words around them stay. Only aggregates are written; figures of
single users and titles are of the tiny data set, whose suite `smoke` is in --tiny-results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rearec_bench.harness.errors import InputError
from rearec_bench.harness.frames import trials_of
from rearec_bench.harness.report.figures.registry import FIGURES
from rearec_bench.harness.report.report import draw_figures, render_html, render_report
from rearec_bench.harness.report.tables import MARKED
from rearec_bench.harness.store import Store

SUITES = ("example", "example_text", "example_steps", "example_ablation")
OPEN = ("overall", "latency", "claims")
EVERYTHING = ("overall", "claims", "significance", "ceiling", "adaptive", "groups", "beyond", "budget", "latency")
TABLES = {
    "example_steps": ("steps", "claims", "significance", "ceiling"),
    "example_ablation": ("ablation", "claims", "significance"),
}
"""Tables on the page of suites that are there for one of them; all of them are in report.html."""
FIGURES_OF = {"example_steps": ("fig5_steps", "fig9_similarity"), "example_ablation": ("fig7_ablation",)}
TINY = ("fig8_trajectories", "fig10_states", "fig11_case_study")
CAPTIONS = {
    "fig2_ceiling": "the readout, the step chosen on another seed's model, noised copies of the readout, the best step "
    "after the fact (Figure 2)",
    "fig4_groups": "users by length of history (UG-0: shortest), items by popularity in training (IG-0: rarest), at "
    "each step of one model (Figure 4)",
    "fig5_steps": "a model trained for each K (Figure 5)",
    "fig7_ablation": "whole methods, and what they are without a part (Figure 7)",
    "fig8_trajectories": "the target's rank at each step for single test rows (Figure 8)",
    "fig9_similarity": "cosine between the states of the steps, mean over all test rows (Figure 9)",
    "fig10_states": "states of test rows on their first two principal components (Figure 10)",
    "fig11_case_study": "one user's history, and what would be recommended first after each step (Figure 11)",
    "pareto": "quality against time",
}
BEGIN, END = "<!-- results: example -->", "<!-- /results -->"


@dataclass(frozen=True)
class Spent:
    """What a suite's trials took.

    Attributes:
        trials: of the suite.
        own: of them, those that no suite before it has.
        hours: core-hours of its own trials, each on one thread.
        peak: bytes that the largest trial held.
    """

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
    """Hours of all runs of the suites, by the clock: from the first to the last event of each run in its log."""
    seconds = 0.0
    for suite in suites:
        began = last = 0.0
        for line in (store.root / "suites" / suite / "run.jsonl").read_text(encoding="utf-8").splitlines():
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
    lines = ["| suite | trials | not in a suite above | core-hours of those | most memory of a trial (GB) |"]
    lines.append("|:--|--:|--:|--:|--:|")
    each = spent(suites, store)
    for suite, one in each.items():
        lines.append(f"| `{suite}` | {one.trials} | {one.own} | {one.hours:.2f} | {one.peak / 1e9:.1f} |")
    hours = sum(one.hours for one in each.values())
    own = sum(one.own for one in each.values())
    lines.append("")
    lines.append(
        f"{own} trials, {hours:.2f} core-hours of trials, {clock_hours(suites, store):.2f} hours by the clock, "
        f"two trials at a time. Machine: {'; '.join(machines)}."
    )
    return lines


def tables(suite: str, store: Store, data_dir: Path) -> list[str]:
    """The tables of a suite; those that are long are folded."""
    lines: list[str] = []
    for name in TABLES.get(suite, EVERYTHING):
        try:
            text = render_report([suite], store=store, table=name, data_dir=data_dir, marks=name in MARKED)
        except InputError as error:
            lines += ["", f"`{name}`: {error}"]
            continue
        command = f"`rearec-bench report {suite} --table {name}{' --marks' if name in MARKED else ''}`"
        if name in OPEN or name == TABLES.get(suite, OPEN)[0]:
            lines += ["", command, "", text.strip()]
        else:
            head = f"<details><summary>{command.strip('`')}</summary>"
            lines += ["", head, "", text.strip(), "", "</details>"]
    return lines


def figures(
    suite: str, names: Sequence[str], store: Store, data_dir: Path, folder: Path, aggregates: bool
) -> list[str]:
    """Draw a suite's figures, keep the SVG, and show them."""
    lines: list[str] = []
    for drawn in draw_figures([suite], folder, store=store, data_dir=data_dir, names=names, aggregates=aggregates):
        for path in drawn.files:
            if path.suffix != ".svg":
                path.unlink()
            else:
                caption = f"{suite}: {CAPTIONS[drawn.name]}"
                lines += ["", f"![{caption}]({folder.name}/{path.name})", "", f"*{caption[0].upper()}{caption[1:]}.*"]
    return lines


def main() -> None:
    """Write docs/example.md's results and docs/example/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=list(SUITES))
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--tiny-results", type=Path, default=Path("results"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"))
    options = parser.parse_args()
    store, folder = Store(options.results), options.output / "example"
    folder.mkdir(parents=True, exist_ok=True)
    shown = [name for name in FIGURES if name not in TINY and name in CAPTIONS]
    lines = time_lines(options.suites, store)
    for suite in options.suites:
        lines += ["", f"## {suite}", *tables(suite, store, options.data_dir)]
        lines += figures(suite, FIGURES_OF.get(suite, shown), store, options.data_dir, folder, aggregates=True)
    tiny = Store(options.tiny_results)
    lines += ["", "## Single users and titles", "", "Of the tiny data set, which is made: `rearec-bench run smoke`."]
    lines += figures("smoke", TINY, tiny, options.data_dir, folder, aggregates=False)
    html = render_html(
        options.suites, store=store, data_dir=options.data_dir, aggregates=True, title="rearec-bench: an example report"
    )
    (folder / "report.html").write_text(html, encoding="utf-8")
    page = options.output / "example.md"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + after, encoding="utf-8")
    print(f"{page}, {folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
