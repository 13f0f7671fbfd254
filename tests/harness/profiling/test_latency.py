"""The latency table: our times beside the paper's, in every format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from rearec_bench.harness.profile.store import ProfileStore
from rearec_bench.harness.records.spec import TrainingSettings
from rearec_bench.harness.report.report import FORMATS, render, render_report
from rearec_bench.harness.report.tables.latency import PROFILE_FIELDS, latency
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES

from ..report.markdown import lines_of
from . import made


def shown(text: str) -> list[list[str]]:
    head, _, *lines = lines_of(text)
    return [head, *lines]


def test_times_costs_and_the_papers_numbers_stand_side_by_side() -> None:
    text = render([latency([made.profile()])], format="markdown")
    head, *lines = shown(text)
    assert head == ["", "", "SASRec", "Time (s)", "Cost (%)", "Paper (s)", "Paper (%)"]
    assert lines == [
        ["tiny", "PRL", "Base", "2.0000", "", "5.6761", ""],
        ["", "", "Step-1", "2.5000", "25.00", "5.7985", "2.16"],
        ["", "", "Step-2", "4.0000", "100.00", "5.8752", "3.51"],
    ]


def test_the_protocol_says_what_was_measured_and_where() -> None:
    table = latency([made.profile(rows=20, repeats=7)])
    text = "\n".join(table.protocol)
    assert "Abacus (cpu), 1 thread; 7 repeats" in text
    # 20 rows in 4 passes
    assert "20 test rows of 40, evenly spaced, 5 to a forward pass on average, max length 50, all 200 items" in text
    assert "width 8, layers 2, heads 2" in text
    assert "the readout (no other state)" in text
    assert "fresh initialisation" in text
    assert "PRL, the whole test set, one A100-40G; the data set is not named" in text


def test_the_papers_numbers_stand_beside_prl_alone() -> None:
    erl = made.profile(strategy=made.component(STRATEGIES, "erl"), row="erl")
    text = render([latency([erl])], format="markdown")
    assert shown(text)[0] == ["", "", "SASRec", "Time (s)", "Cost (%)"]
    assert "5.6761" not in text and "A100" not in text
    both = shown(render([latency([erl, made.profile()])], format="markdown"))
    assert both[1] == ["tiny", "ERL", "Base", "2.0000", "", "", ""]
    assert both[4] == ["", "PRL", "Base", "2.0000", "", "5.6761", ""]
    deeper = shown(render([latency([made.profile(times={0: (1.0,), 7: (2.0,)})])], format="markdown"))
    assert deeper[2] == ["", "", "Step-7", "2.0000", "100.00", "", ""], "a K that the paper does not have"


def test_backbones_stand_beside_each_other() -> None:
    other = made.profile(
        encoder=made.component(BACKBONES, "bert4rec", width=8), times={0: (3.0, 3.0), 2: (6.0, 6.0)}, taken_at=2.0
    )
    lines = shown(render([latency([made.profile(), other])], format="markdown"))
    assert lines[0][2] == "SASRec" and lines[0][7] == "BERT4Rec"
    assert lines[2][2:] == ["Step-1", "2.5000", "25.00", "5.7985", "2.16", "Step-1", "", "", "", ""]
    assert lines[3][7:] == ["Step-2", "6.0000", "100.00", "5.9174", "4.67"]


def test_profiles_of_the_same_row_are_told_apart() -> None:
    one, four = made.profile(), made.profile(training=TrainingSettings(threads=4))
    table = latency([one, four])
    assert [group.titles[1] for group in table.groups] == [f"PRL ({profile.subject.id})" for profile in (one, four)]
    assert any("1 thread;" in line and one.subject.id in line for line in table.protocol)
    assert any("4 threads;" in line and four.subject.id in line for line in table.protocol)


def test_records_hold_everything_unrounded() -> None:
    profile = made.profile(times={0: (3.0,), 1: (3.1,)})
    rows = list(csv.DictReader(io.StringIO(render([latency([profile])], format="csv"))))
    assert tuple(rows[0]) == PROFILE_FIELDS
    assert (rows[0]["cost_increase_percent"], rows[0]["step_time_s"]) == ("", "")
    assert float(rows[1]["cost_increase_percent"]) == pytest.approx(10 / 3, abs=1e-12)
    assert float(rows[1]["rows_per_s"]) == pytest.approx(40 / 3.1)
    assert float(rows[1]["paper_cost_percent"]) == pytest.approx((5.7985 - 5.6761) / 5.6761 * 100)
    assert (rows[1]["device"], rows[1]["machine"], rows[1]["threads"]) == ("cpu", "Abacus", "1")
    assert [rows[1][f"train_{phase}_s"] for phase in ("data", "forward", "loss", "backward", "optimiser")] == [
        *("0.1", "0.3", "0.2", "0.3", "0.1")
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_comes_from_the_store(tmp_path: Path, form: str) -> None:
    store = ProfileStore(tmp_path)
    store.write(made.profile())
    store.write(made.profile(suite="other", taken_at=2.0))
    text = render_report([], store=Store(tmp_path), table="latency", format=form)
    assert text.count("2.0000" if form in ("markdown", "latex") else "5.6761") == 2
    alone = render_report(["other"], store=Store(tmp_path), table="latency", format=form)
    assert alone.count("2.0000" if form in ("markdown", "latex") else "5.6761") == 1
    if form == "json":
        (table,) = json.loads(alone)["tables"]
        assert (table["title"], table["table"], len(table["records"])) == ("other", "latency", 3)
    if form == "latex":
        assert r"\multicolumn{4}{c}{SASRec}" in alone and r"Cost (\%)" in alone


@pytest.mark.parametrize(
    ("asked", "command"),
    [([], "profile SUITE"), (["smoke"], "profile smoke"), (["profile"], "profile --dataset NAME")],
)
def test_where_there_is_no_profile_the_command_is_named(tmp_path: Path, asked: list[str], command: str) -> None:
    with pytest.raises(InputError, match=f"no profile .*{tmp_path}.* Type:  rearec-bench {command}$"):
        render_report(asked, store=Store(tmp_path), table="latency")
    ProfileStore(tmp_path).write(made.profile())
    with pytest.raises(InputError, match=r"no profile of other .* Stored: mine\..* profile other"):
        render_report(["mine", "other"], store=Store(tmp_path), table="latency")
