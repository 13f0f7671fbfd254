"""`report --table datasets` and `--table funnel`: our numbers beside the paper's, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.analysis.paper import paper_funnel
from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.generate import synthetic
from rearec_bench.harness.report.report import FORMATS, render
from rearec_bench.harness.report.table import Table
from rearec_bench.harness.report.tables.datasets import Cards, datasets, funnels
from rearec_bench.harness.report.tables.registry import PAPER_TABLES
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError

from .markdown import lines_of


def card(recipe: str = "software", **statistics: object) -> dict[str, Any]:
    """A card like that of the paper's Software, two users more."""
    rows = {"train": 151_731, "valid": 11_306, "test": 4_992}
    dropped = [
        ("the target's rating is not above 3", (0, 0, 0)),
        ("fewer than 10/5/5 items before it", (7, 0, 0)),
        ("the target is in no training row", (0, 1_587, 1_886)),
        ("an item of the history is in no training row", (0, 2_437, 2_615)),
    ]
    return {
        "recipe": recipe,
        "protocol": {"split": "as published", "filters": "the target's rating above 3"},
        "source": {"rows": 182_000},
        "filtered": [],
        "dropped": [{"why": why, "rows": dict(zip(rows, lost, strict=True))} for why, lost in dropped],
        "time_range": [1_000_000_000_000, 1_600_000_000_000],
        "split_times": {"train": [1_000_000_000_000, 1_500_000_000_000], "valid": [], "test": [1_599e9, 1_600e9]},
        "statistics": {
            "users": 30_051,
            "items": 16_705,
            "interactions": sum(rows.values()),
            "rows": rows,
            "mean_rows_per_user": {"test": 1.625},
            "max_rows_per_user": {"test": 31},
            "repeats": {"test": 1_248},
            "unseen_targets": {"test": 0},
            **statistics,
        },
    }


def cells(text: str) -> dict[tuple[str, str], list[str]]:
    """(data set, line) to the cells of a markdown table."""
    found = {}
    title = ""
    for first, label, *rest in lines_of(text)[2:]:
        title = first or title
        found[title, label] = rest
    return found


def test_ours_stands_beside_the_papers_with_the_difference() -> None:
    found = cells(render([datasets(Cards({"software": card()}))], format="markdown"))
    assert found["Software", "prepared"] == [
        *("30,051", "16,705", "168,029", "5.59", "10.06", "99.97%"),
        *("151,731", "11,306", "4,992", "1.62", "31", "0.00%", "25.00%", "2001-09-09", "2020-09-13"),
    ]
    assert found["Software", "paper"][:6] == ["30,049", "16,705", "168,029", "5.59", "10.06", "99.97%"]
    assert found["Software", "difference"][:6] == ["+2", "0", "0", "0.00", "0.00", "0.00"]
    assert set(found["Software", "paper"][6:] + found["Software", "difference"][6:]) == {""}


def test_rows_are_those_of_the_paper_and_of_what_is_prepared_or_of_the_suite_alone() -> None:
    found = cells(render([datasets(Cards({"software": card(), "mine": card("csv")}))], format="markdown"))
    assert [name for name, line in found if line == "paper"] == [
        *("Yelp", "Video & Games", "Software", "CDs & Vinyl", "Baby & Products"),
    ]
    assert ("Yelp", "prepared") not in found
    assert ("mine", "paper") not in found
    assert list(found)[-1] == ("mine", "prepared")
    renamed = cells(render([datasets(Cards({"soft2": card()}))], format="markdown"))
    assert ("soft2", "difference") in renamed and not any(name == "Software" for name, _ in renamed)
    table = datasets(Cards({"mine": card("csv")}, missing=("yelp", "other"), everything=False))
    assert [group.titles for group in table.groups] == [("Yelp",), ("mine",)]
    assert table.protocol[-1].startswith("Not prepared: yelp, other.")


def test_what_an_old_card_does_not_know_is_left_empty() -> None:
    old = card()
    for key in ("repeats", "unseen_targets"):
        del old["statistics"][key]
    del old["split_times"], old["time_range"]
    table = datasets(Cards({"software": old}))
    assert cells(render([table], format="markdown"))["Software", "prepared"][-4:] == ["", "", "", ""]
    values = {(one["quantity"], one["split"]): one["value"] for one in table.records if one["source"] == "prepared"}
    assert values["unseen_percent", "test"] is None
    assert "Repeats" in render([table], format="latex")
    assert json.loads(render([table], format="json"))


def test_records_are_unrounded() -> None:
    records = datasets(Cards({"software": card()})).records
    found = {
        (row["source"], row["quantity"], row["split"]): row["value"] for row in records if row["dataset"] == "software"
    }
    assert found["prepared", "interactions_per_user", ""] == 168_029 / 30_051
    assert found["paper", "interactions_per_user", ""] == 5.59
    assert found["difference", "users", ""] == 2
    assert found["prepared", "repeats_percent", "test"] == 25.0
    assert found["prepared", "last_time", "test"] == 1_600e9
    assert ("prepared", "first_time", "valid") not in found


def test_the_funnel_stands_beside_the_authors() -> None:
    found = cells(render([funnels(Cards({"software": card()}))], format="markdown"))
    assert found["software", "as rows"] == ["", "151,738", "15,330", "9,493"]
    assert found["software", "an item of the history is in no training row"] == ["", "151,731", "11,306", "4,992"]
    table = funnels(Cards({"software": card()}))
    lines = [(line.label, [cell.value for cell in line.cells]) for line in table.groups[0].lines]
    authors = paper_funnel()
    for label, step in (
        ("fewer than 10/5/5 items before it", "length"),
        ("the target is in no training row", "target"),
    ):
        place = next(place for place, line in enumerate(lines) if line[0] == label)
        theirs = [None, None, *(authors["Software", step, split] for split in ("valid", "test"))]
        assert lines[place + 1] == ("(authors)", theirs)
        assert lines[place][1][2:] == theirs[2:]
    assert lines[0][0] == "as rows" and lines[1][0] == "the target's rating is not above 3"
    assert found["software", "first day"] == ["", "2001-09-09", "", "2020-09-01"]


def test_the_funnel_of_yelp_has_interactions_of_the_authors() -> None:
    filtered = [("rating not above 3", 2_000_000), ("outside the 20-core", 4_000_000)]
    yelp = card("yelp") | {
        "source": {"interactions": 7_000_000},
        "filtered": [{"why": why, "interactions": count} for why, count in filtered],
    }
    table = funnels(Cards({"yelp": yelp}))
    lines = [(line.label, line.cells[0].value) for line in table.groups[0].lines]
    assert lines[:5] == [
        ("in the source", 7_000_000),
        ("rating not above 3", 5_000_000),
        ("(authors)", 4_684_545),
        ("outside the 20-core", 1_000_000),
        ("(authors)", 624_159),
    ]
    records = [one for one in table.records if one["source"] == "prepared" and one["why"] == "rating not above 3"]
    assert [(one["split"], one["left"], one["lost"]) for one in records] == [("", 5_000_000, 2_000_000)]


def test_the_authors_funnel_ends_at_the_papers_table_1() -> None:
    authors = paper_funnel()
    for name, total in (("Yelp", 443_807), ("Software", 168_029), ("CDs & Vinyl", 513_991)):
        assert sum(authors[name, "history", split] for split in ("train", "valid", "test")) == total


@pytest.mark.parametrize("make", [datasets, funnels])
def test_they_come_in_every_format_and_a_funnel_needs_a_data_set(make: Callable[[Cards], Table]) -> None:
    for form in FORMATS:
        text = render([make(Cards({"software": card()}))], format=form)
        assert "151731" in text or "151,731" in text
    with pytest.raises(InputError, match=r"\(yelp\)\. .* rearec-bench datasets list"):
        funnels(Cards({}, missing=("yelp",), everything=False))


# ---- from the command line


def report(folder: Path, *arguments: str) -> Result:
    given = ["report", *arguments, "--data-dir", str(folder / "data"), "--results", str(folder / "results")]
    return CliRunner().invoke(main, given)


def test_all_that_is_prepared_is_reported_without_a_suite(tmp_path: Path) -> None:
    preparation.prepare_synthetic(synthetic.Size(300, 60), data_dir=tmp_path / "data", name="made")
    found = cells(report(tmp_path, "--table", "datasets").stdout)
    assert found["made", "prepared"][0] == "300"
    assert ("Yelp", "paper") in found
    funnel = cells(report(tmp_path, "--table", "funnel").stdout)
    assert funnel["made", "as rows"][1:] != ["", "", ""]


def test_the_papers_table_1_needs_no_data(tmp_path: Path) -> None:
    for arguments in (["--table", "datasets"], ["--source", "paper", "--table", "table1"]):
        done = report(tmp_path, *arguments)
        assert done.exit_code == 0
        assert "| Yelp " in done.stdout and "443,807" in done.stdout
    assert report(tmp_path, "--table", "funnel").exit_code == 2
    assert render([PAPER_TABLES["table1"]()], format="csv").count("\n") == 1 + 5 * 6


def test_a_suites_data_sets_are_those_of_its_file(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(stored)
    preparation.prepare_synthetic(synthetic.Size(300, 60), data_dir=tmp_path / "data", name="made")
    found = cells(report(tmp_path, "smoke", "--table", "datasets").stdout)
    assert {name for name, _ in found} - {""} == {"tiny"}
    assert Store(stored).suites() == ["smoke"]
    refused = report(tmp_path, "smkoe", "--table", "datasets")
    assert (refused.exit_code, "Did you mean 'smoke'?" in refused.stderr) == (2, True)
