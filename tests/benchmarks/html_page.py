"""Size of the HTML report of about 1,000 stored trials, and how long a headless Chromium takes to open it.

A suite with base, erl and prl is stored with made-up trials (final runs and a search for each cell, 30 epochs of
history, as many test rows as the data set has, 512 of them with states), and made into one page with every table and
figure that it fills. The page is opened from disk in a fresh tab each time: from the start of the navigation until it
is loaded and its overview is painted. Where there is no Chromium, nothing is opened.

    python tests/benchmarks/html_page.py [--tiny] [--json FILE]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from figure import Figure, main
from made_store import make_store

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.report.report import render_html
from rearec_bench.harness.store.store import Store

LIMIT_MB = 10.0
LIMIT_S = 2.0
TRACED = 512
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
    """Bytes, seconds to open, seconds to make."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = len(catalog.load_dataset("tiny", data_dir=folder).test.users)
        _, trials = make_store(folder, 100 if tiny else 1000, rows=rows, traced=TRACED)
        start = time.perf_counter()
        text = render_html(None, store=Store(folder / "results"), data_dir=folder)
        made_s = time.perf_counter() - start
        page = folder / "report.html"
        page.write_text(text, encoding="utf-8")
        size = page.stat().st_size / 1e6
        opened = _opened(page, times=1 if tiny else 5)
    what = f"HTML report of {trials:,} trials"
    figures = [Figure(f"{what}: size", size, "MB", None if tiny else LIMIT_MB)]
    if opened:
        seconds, processor = (statistics.median(values) for values in zip(*opened, strict=True))
        detail = f"{processor:.2f} s of them by the page's main thread"
        figures.append(Figure(f"{what}: to open", seconds, "s", None if tiny else LIMIT_S, detail=detail))
    return [*figures, Figure(f"{what}: to make", made_s, "s")]


def _opened(page: Path, *, times: int) -> list[tuple[float, float]]:
    """Seconds until the page is there, and processor seconds of its main thread; one tab before that does not count."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    if found is None:
        print("The page is not opened: that needs chromium, which is not installed.", file=sys.stderr)
        return []
    taken = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for _ in range(times + 1):
            tab = browser.new_page()
            session = tab.context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            tab.goto(page.as_uri())
            seconds = float(tab.evaluate(OPENED))
            held = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
            taken.append((seconds, float(held["TaskDuration"])))
            tab.close()
        browser.close()
    return taken[1:]


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
