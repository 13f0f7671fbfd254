"""What reading a store of about 1,000 trials costs: tables, the HTML report, `results verify`.

A suite with base, erl and prl is stored with made-up trials (final runs and a search for each cell, 30 epochs of
history). `rearec-bench report` prints tables in processes of its own, which may import neither torch nor ray. The page
is made of a store whose trials have as many test rows as the data set, 512 of them with states, and is opened from disk
in a fresh tab of a headless Chromium each time: from the start of the navigation until it is loaded and its overview is
painted.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from figure import Figure, alternating, main
from made_store import NAME, make_store

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.report.report import render_html
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify

MAX_REPORT_S, MAX_PAGE_MB, MAX_OPEN_S = 2.0, 10.0, 2.0
TABLES = ("overall", "steps", "ceiling")
REPORT = """
import sys
from rearec_bench.cli import main

main(["report", sys.argv[1], "--results", sys.argv[2], "--table", sys.argv[3]], standalone_mode=False)
heavy = [name for name in ("torch", "ray", "optuna", "pandas") if name in sys.modules]
sys.exit(f"imported {heavy}" if heavy else 0)
"""
OPENED = """() => new Promise((done) => {
    const look = () => {
        const loaded = performance.getEntriesByType("navigation")[0].loadEventEnd;
        const painted = performance.getEntriesByName("first-contentful-paint")[0];
        if (loaded && painted) done(Math.max(loaded, painted.startTime) / 1000);
        else setTimeout(look, 10);
    };
    look();
})"""


def measure(tiny: bool) -> list[Figure]:
    """All figures."""
    trials, repeats = (100, 1) if tiny else (1000, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, count = make_store(folder / "rows", trials)
        figures = [
            *_report_figures(folder / "rows" / "results", count, repeats),
            *_verify_figures(Store(folder / "rows" / "results"), count, repeats),
        ]
        return [*figures, *_page_figures(folder / "page", trials, repeats)]


def _report_figures(results: Path, trials: int, repeats: int) -> list[Figure]:
    def report(table: str) -> None:
        command = [sys.executable, "-c", REPORT, NAME, str(results), table]
        subprocess.run(command, check=True, stdout=subprocess.PIPE)

    seconds = alternating({table: partial(report, table) for table in TABLES}, repeats=repeats)
    return [Figure(f"report --table {table}, {trials:,} trials", seconds[table], "s", MAX_REPORT_S) for table in TABLES]


def _verify_figures(store: Store, trials: int, repeats: int) -> list[Figure]:
    size = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    if verify(store).findings:
        raise RuntimeError("the store that was made is damaged")
    seconds = alternating({"verify": lambda: verify(store)}, repeats=repeats, clock=time.process_time)["verify"]
    return [Figure(f"results verify, {trials:,} trials", seconds, "s", detail=f"{size / 1e6:,.0f} MB, one core")]


def _page_figures(folder: Path, trials: int, repeats: int) -> list[Figure]:
    rows = len(catalog.load_dataset("tiny", data_dir=folder).test.users)
    _, count = make_store(folder, trials, rows=rows, traced=512)
    start = time.perf_counter()
    text = render_html(None, store=Store(folder / "results"), data_dir=folder)
    made_s = time.perf_counter() - start
    page, what = folder / "report.html", f"HTML report of {count:,} trials"
    page.write_text(text, encoding="utf-8")
    figures = [
        Figure(f"{what}: size", page.stat().st_size / 1e6, "MB", MAX_PAGE_MB),
        Figure(f"{what}: to make", made_s, "s"),
    ]
    if opened := _opened(page, repeats):
        seconds, processor = (statistics.median(values) for values in zip(*opened, strict=True))
        detail = f"{processor:.2f} s of them by the page's main thread"
        figures.append(Figure(f"{what}: to open", seconds, "s", MAX_OPEN_S, detail=detail))
    return figures


def _opened(page: Path, repeats: int) -> list[tuple[float, float]]:
    """Seconds until the page is there, and processor seconds of its main thread; one tab before that does not count."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        print("The page is not opened: that needs chromium, which is not installed.", file=sys.stderr)
        return []
    taken = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(repeats + 1):
            tab = browser.new_page()
            session = tab.context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab.goto(page.as_uri())
            seconds = float(tab.evaluate(OPENED))
            metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
            taken.append((seconds, float(metrics["TaskDuration"])))
            tab.close()
        browser.close()
    return taken[1:]


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
