"""The HTML report: its content against the analysis, and the page itself in a headless Chromium."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rearec_bench.harness.analysis.resultset import collect
from rearec_bench.harness.records.results import Epoch, TrialSummary
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.report.figures.registry import FIGURES
from rearec_bench.harness.report.html import content
from rearec_bench.harness.report.html.charts import GAINS, curve, search_chart
from rearec_bench.harness.report.html.page import packed, render_page, script_json
from rearec_bench.harness.report.tables.registry import DATA_TABLES, TABLES
from rearec_bench.harness.store.frames import StoredTrial
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import DatasetError

from .pages import page_suite

HOSTILE = "</script><script>window.hurt=1</script><img src=x onerror='window.hurt=1'>\u2028\"'`&amp;"


def unprepared(name: str) -> Any:
    """No data set is there."""
    raise DatasetError(f"{name} is not prepared. Type:  rearec-bench prepare {name}")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> content.PageSuite:
    """A suite with a hostile name in it, a failed trial, and search trials."""
    store = Store(tmp_path_factory.mktemp("html"))
    cells = (synthetic.cell("base", 0), synthetic.cell("erl", 2, row=HOSTILE), synthetic.cell("prl", 2))
    index = synthetic.fill(store, cells, ended={("tiny-sasrec-prl-2", 2): "failed"}, search=4)
    context = FigureContext(collect("s", cells, index, store=store), unprepared, unprepared)
    makers = {**TABLES, "groups": lambda results: DATA_TABLES["groups"](results, unprepared)}
    return page_suite(context, cells, index, makers)


@pytest.fixture(scope="module")
def page(suite: content.PageSuite) -> str:
    return render_page([suite], title="A report " + HOSTILE)


class Tags(HTMLParser):
    """All tags and what stands in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    tags = Tags(page).tags
    assert [attributes for tag, attributes in tags if tag == "link"] == [{"rel": "icon", "href": "data:,"}]
    assert not [tag for tag, attributes in tags if tag in ("img", "iframe", "object", "form") and "src" in attributes]
    assert not [attributes for tag, attributes in tags if tag == "script" and "src" in attributes]
    hrefs = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert all(str(href).startswith("#") for href in hrefs)
    ids = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert len(ids) == len(set(ids)) and {str(href)[1:] for href in hrefs} <= set(ids)


def test_hostile_strings_stay_text(page: str) -> None:
    tags = Tags(page).tags
    assert sum(tag == "script" for tag, _ in tags) == 4
    assert not any("onerror" in attributes for _, attributes in tags)
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_the_data_within_the_page_is_whole(page: str, suite: content.PageSuite) -> None:
    (listed,), (rest,) = json.loads(part(page, "data")), json.loads(unpacked(part(page, "rest")))
    trials = [{**light, **full} for light, full in zip(listed["trials"], rest["trials"], strict=True)]
    assert len(trials) == len(suite.trials) == 3 * 3 + 2 * 4
    assert [trial["key"] for trial in trials] == [trial["key"] for trial in suite.trials]
    assert {trial["row"] for trial in trials} == {"base", HOSTILE, "prl"}
    for trial, whole in zip(trials, suite.trials, strict=True):
        assert trial == whole
        assert trial["rerun"] == f"rearec-bench rerun {trial['key'][:12]} --results results"
        assert (trial["test"] is not None) == (trial["purpose"] == "final" and trial["status"] == "done")
    assert json.loads(script_json({"a": HOSTILE})) == {"a": HOSTILE}


def part(page: str, name: str) -> str:
    """What stands in a script element."""
    (found,) = re.findall(rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', page, re.DOTALL)
    return found


def unpacked(text: str) -> str:
    return gzip.decompress(base64.b64decode(text)).decode()


def test_packed_text_comes_back_and_is_the_same_twice(page: str) -> None:
    assert unpacked(packed(HOSTILE)) == HOSTILE and packed(HOSTILE) == packed(HOSTILE)
    assert "Plotly" in unpacked(part(page, "plotly"))
    assert not set(packed(HOSTILE)) & set("<>&")


def test_numbers_lead_to_the_trials_behind_them(page: str, suite: content.PageSuite) -> None:
    _, _, table = page.partition('id="s0-overall"')
    heads, sort, places, text = re.search(
        r'<tr>(<th scope="row".*?)<td data-sort="(.*?)"[^>]*><button[^>]* data-trials="(.*?)">(.*?)</button>', table
    ).groups()
    assert re.sub("<[^>]*>", "", heads) == "tiny Base"
    finals = {trial["key"] for trial in suite.trials if trial["row"] == "base" and trial["purpose"] == "final"}
    assert len(finals) == 3 and {suite.trials[int(place)]["key"] for place in places.split()} == finals
    mean = sum(trial["metrics"]["ndcg@10"] for trial in suite.trials if trial["key"] in finals) / 3
    assert float(sort) == pytest.approx(mean) and text.startswith(f"{mean:.4f}")
    assert suite.counts == {"done": 16, "failed": 1}


def test_trials_of_a_row_on_its_own_backbone_are_listed_under_it(
    tmp_path: Path, synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    cells = (synthetic.cell("base", 0), synthetic.cell("erl", 2, on="esasrec"))
    results = collect("s", cells, synthetic.fill(store, cells), store=store)
    listed = [
        StoredTrial("s", cell.dataset, cell.backbone, cell.strategy, cell.against, False, run)
        for cell in results.cells
        for run in cell.runs
    ]
    monkeypatch.setattr(content, "trials_of", lambda *_: iter(listed))
    found = content.trials_by_key(results, store).values()
    assert {(each.row, each.backbone) for each in found} == {("base", "sasrec"), ("erl", "esasrec")}


def test_what_needs_data_is_left_out_and_said(suite: content.PageSuite) -> None:
    assert any(note.startswith("Table groups is left out: tiny is not prepared") for note in suite.notes)
    titles = [chart.title for figure in suite.figures for chart in figure.charts]
    assert "Ceiling of reasoning (Figure 2): tiny SASRec" in titles
    assert any(title.startswith("Searches: tiny SASRec PRL") for title in titles)
    lacking = {one.name: one.why for one in suite.lacking}
    assert list(lacking) == [
        "Groups of users and items (Figure 4)",
        "Number of steps (Figure 5)",
        "Sensitivity (Figure 6)",
        "Ablation (Figure 7)",
        "Quality against time",
        content.CASE,
    ]
    assert "tiny is not prepared" in lacking["Groups of users and items (Figure 4)"]
    assert lacking["Quality against time"] == "needs profiles of the suite's rows:  rearec-bench profile s"
    assert lacking[content.CASE] == "needs the prepared data set tiny (--data-dir)"
    titles = {figure.title for name, figure in FIGURES.items() if name != GAINS}
    assert {*lacking, *(figure.name for figure in suite.figures)} == titles | {content.CASE, "Searches"}


@pytest.fixture
def summary(tmp_path: Path, synthetic: ModuleType) -> TrialSummary:
    store, spec = Store(tmp_path), synthetic.spec(purpose="search")
    store.write(synthetic.trial(spec))
    return store.summary(spec.key)


def test_curves_are_thinned_and_keep_both_ends_and_the_best(summary: TrialSummary) -> None:
    epochs = tuple(Epoch(e, {"total": 1 / e}, {"ndcg@20": e / 1e4}, 1.0, 1.0, 1.0) for e in range(1, 301))
    found = curve(replace(summary, history=epochs, best_epoch=123), "ndcg@20")
    assert len(found["epoch"]) <= 41 and found["epoch"][0] == 1 and found["epoch"][-1] == 300
    assert 123 in found["epoch"]
    assert found["validation"][0] == 1e-4


def test_a_search_of_one_trial_has_no_chart(summary: TrialSummary) -> None:
    assert search_chart("t", [(summary, True)], "ndcg@20") is None
    other = replace(summary, spec=replace(summary.spec, steps=1))
    found = search_chart("t", [(summary, True), (other, False)], "ndcg@20")
    (points,) = found.data
    assert points["name"] == "K" and points["x"] == [2, 1] and len(points["y"]) == 2
    assert points["marker"]["symbol"] == ["star", "circle"], "the chosen one stands out"
    assert found.about.startswith("2 search trials; ")
    pruned = replace(other, status="pruned", validation=None)
    cut = search_chart("t", [(summary, True), (other, False), (pruned, False)], "ndcg@20")
    assert cut.about.startswith("2 of 3 search trials ran to their end; ")


def test_a_thousand_trials_stay_under_ten_megabytes(suite: content.PageSuite) -> None:
    made = [{**trial, "key": f"{place:032d}"} for place, trial in enumerate((*suite.trials,) * 60)]
    trials = [*suite.trials, *made][:1000]
    long = {"epoch": list(range(40)), "loss": [1.23456] * 40, "validation": [0.012345] * 40}
    many = replace(suite, trials=tuple({**trial, "curve": long} for trial in trials))
    assert len(many.trials) == 1000
    assert len(render_page([many], title="t").encode()) < 10e6


@pytest.fixture
def opened(open_page: Any, page: str) -> Any:
    return open_page(page)


def lines(tab: Any, table: str) -> list[str]:
    return [row.text_content() for row in tab.query_selector_all(f"#s0-{table} tbody tr") if row.is_visible()]


def test_tables_are_sorted_and_put_back(opened: Any) -> None:
    before = lines(opened, "overall")
    head = opened.locator("#s0-overall thead tr:last-child th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    cells = opened.eval_on_selector_all(
        "#s0-overall tbody tr", "rows => rows.map(row => row.cells[1].dataset.sort).filter(Boolean).map(Number)"
    )
    assert len(cells) > 2 and cells == sorted(cells, reverse=True)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    opened.locator("#s0-overall .reset").click()
    assert lines(opened, "overall") == before


def test_tables_are_filtered(opened: Any) -> None:
    opened.locator("#s0-trials .filter").fill("failed")
    assert len(lines(opened, "trials")) == 1
    assert "1 of 17 lines" in opened.locator("#s0-trials .said").inner_text()
    opened.locator("#s0-trials .filter").fill("")
    assert len(lines(opened, "trials")) == 17


def test_a_number_opens_its_trials(opened: Any) -> None:
    opened.locator("#s0-overall button.number").first.click()
    dialog = opened.locator("#detail")
    assert dialog.is_visible()
    assert "3 runs" in dialog.locator("h2").inner_text()
    dialog.locator("summary").first.click()
    assert dialog.locator("details").count() == 3
    assert "rearec-bench rerun" in dialog.inner_text() and "torch" in dialog.inner_text()
    opened.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_a_table_is_copied(opened: Any) -> None:
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.locator("#s0-overall .copy[data-form=latex]").click()
    opened.locator("#s0-overall .said", has_text="LaTeX copied").wait_for()
    assert r"\begin{tabular}" in opened.evaluate("navigator.clipboard.readText()")


def test_dark_is_dark_and_contrasts(opened: Any) -> None:
    for _ in range(2):
        back, text, quiet = opened.evaluate(
            """() => { const of = getComputedStyle(document.body), quiet = document.querySelector('.quiet');
            return [of.backgroundColor, of.color, getComputedStyle(quiet).color]; }"""
        )
        assert contrast(back, text) >= 7 and contrast(back, quiet) >= 4.5
        opened.locator("#theme").click()
    opened.locator("#theme").click()
    assert opened.locator("#theme").get_attribute("aria-pressed") == "true"


def test_everything_is_reached_by_keyboard_and_has_a_name(opened: Any) -> None:
    nameless = opened.evaluate(
        """() => [...document.querySelectorAll('button, a, input, [role=group], [role=region]')].filter(one => {
        const label = one.getAttribute('aria-label') || one.textContent.trim();
        return !label && !one.closest('label')?.textContent.trim(); }).map(one => one.outerHTML.slice(0, 90))"""
    )
    assert nameless == []
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    assert opened.evaluate("document.documentElement.lang") == "en"
    levels = opened.evaluate("[...document.querySelectorAll('main h2, main h3')].map(one => one.tagName)")
    assert levels[0] == "H2" and opened.locator("h1").count() == 1
    assert opened.evaluate("document.querySelectorAll('table:not(:has(caption))').length") == 0


def contrast(first: str, second: str) -> float:
    """WCAG contrast of two rgb() colours."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
