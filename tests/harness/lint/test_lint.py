"""What is impossible is found, what may be is not accused, and the paper's tables are what is known of them."""

from __future__ import annotations

import re
from pathlib import Path
from time import perf_counter

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.lint.checks import AVERAGES, BOTH, GAINS, GROWTH, HITS, MRR, NDCG, RULES, SAME, SPREAD
from rearec_bench.harness.lint.lint import Facts, Findings, lint, lint_paper
from rearec_bench.harness.lint.read import read_text
from rearec_bench.harness.lint.tables import NO_PARTS
from rearec_bench.harness.report import report
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.tables.overall import paper_table

from ...pages import page

HEAD = "| Model | R@5 | R@10 | N@5 | N@10 | M@5 | M@10 |\n|---|---|---|---|---|---|---|\n"
GOOD = "| A | .0600 | .0900 | .0400 | .0497 | .0334 | .0374 |\n"


def found(*texts: str, **facts: object) -> Findings:
    return lint([read_text(text, f"table {place}") for place, text in enumerate(texts)], Facts(**facts))  # type: ignore[arg-type]


def broken(*texts: str, **facts: object) -> list[tuple[str, str]]:
    """Rule and cell of all that is impossible."""
    return sorted({(one.rule, one.cell.place) for one in found(*texts, **facts).impossible})


def row(*numbers: str) -> str:
    return f"{HEAD}| A | {' | '.join(numbers)} |\n"


def test_the_four_swapped_improvements_of_the_paper_are_all_that_is_impossible_in_it() -> None:
    findings = lint_paper()
    assert sorted((one.rule, one.cell.place) for one in findings.impossible) == [
        (GAINS, f"Baby & Products  BERT4Rec  {row}  Recall@{cut}") for row in ("ERL", "PRL") for cut in (10, 20)
    ]
    assert all("would give it" in one.words for one in findings.impossible), "the other cut-off's values give them"


def test_the_page_shows_what_is_printed() -> None:
    shown = re.search(r"<!-- lint: paper -->\n\n```\n(.*)```\n\n<!-- /lint -->", page("lint"), re.DOTALL)
    assert shown and shown[1] == CliRunner().invoke(main, ["lint", "--source", "paper"]).output


def test_all_recalls_of_the_paper_are_whole_hits_and_its_rows_keep_every_bound() -> None:
    findings = lint_paper()
    hidden = sum(count for (rule, _), count in findings.left_out.items() if rule == HITS)
    assert (findings.checked[HITS], hidden) == (95, 25), "24 of Baby & Products, and one printed with three digits"
    assert (findings.checked[GROWTH], findings.checked[NDCG], findings.checked[GAINS]) == (120, 180, 160)


def test_a_row_with_the_differences_of_mancars_on_cds_is_impossible() -> None:
    # arXiv 2602.20093 v1: N@10 - N@5 = .0084, R@10 - R@5 = .0170; what they are differences of does not matter
    assert broken(row(".0400", ".0570", ".0250", ".0334", "-", "-")) == [(NDCG, "A  NDCG@10")]
    assert broken(row(".0400", ".0570", ".0250", ".0311", "-", "-")) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HEAD + GOOD, []),
        (row(".0900", ".0600", "-", "-", "-", "-"), [(GROWTH, "A  Recall@10")]),
        (row(".0600", ".0600", ".0400", ".0399", "-", "-"), []),
        (row("-", ".0900", "-", ".0902", "-", "-"), [(NDCG, "A  NDCG@10")]),
        (row("-", ".0900", "-", ".0901", "-", "-"), []),
        (row("-", ".0900", "-", ".0258", "-", "-"), [(NDCG, "A  NDCG@10")]),
        (row(".0600", ".0900", ".0400", ".0520", "-", "-"), [(NDCG, "A  NDCG@10")]),
        (row(".0600", ".0900", "-", "-", ".0350", ".0402"), [(MRR, "A  MRR@10")]),
        (row("-", "-", ".0400", "-", ".0402", "-"), [(BOTH, "A  NDCG@5")]),
        (row("-", "-", ".0400", "-", ".0200", "-"), [(BOTH, "A  NDCG@5")]),
        (row(".0600", "-", ".0400", "-", ".0370", "-"), [(BOTH, "A  NDCG@5")]),
        (HEAD.replace("M@5", "MAP@5") + "| A | - | - | .04 | - | .0402 | - |\n", []),
    ],
)
def test_bounds_between_metrics_and_cut_offs(text: str, wanted: list[tuple[str, str]]) -> None:
    assert broken(text) == wanted


FALL = [(GROWTH, "A  Recall@10")]
RECALLS, NDCGS, MRRS = ".0600 .0900 .1100", ".0400 .0497 .0547", ".0334 .0374 .0387"


@pytest.mark.parametrize(
    ("recalls", "ndcgs", "mrrs", "wanted"),
    [
        (RECALLS, NDCGS, MRRS, []),
        (".0600 .0500 .1100", NDCGS, "- - -", FALL),
        (".9000 .0900 .1100", NDCGS, MRRS, FALL),
        (".0600 .0900 .0200", NDCGS, MRRS, [(GROWTH, "A  Recall@20")]),
        (RECALLS, ".0400 .0300 .0547", "- - -", [(GROWTH, "A  NDCG@10")]),
        (RECALLS, NDCGS, ".0334 .0074 .0387", [(GROWTH, "A  MRR@10")]),
        # what no other number in the cells that fall explains
        (".0600 .0500 .1100", ".0602 .0650 .0730", "- - -", [(NDCG, "A  NDCG@5"), *FALL]),
        (".0600 .0500 .1100", ".0400 .0497 .0960", "- - -", [(NDCG, "A  NDCG@20"), *FALL]),
        (".0600 .0500 .0400", NDCGS, "- - -", [(GROWTH, "A  Recall@20"), *FALL]),
        (".0600 .0500 .1100", ".0330 .0497 .0547", MRRS, [(BOTH, "A  NDCG@10"), (BOTH, "A  NDCG@5"), *FALL]),
    ],
)
def test_what_follows_from_a_cell_that_falls_is_not_named_again(
    recalls: str, ndcgs: str, mrrs: str, wanted: list[tuple[str, str]]
) -> None:
    names = [f"{name}@{cut}" for name in "RNM" for cut in (5, 10, 20)]
    head = f"| Model | {' | '.join(names)} |\n|{'---|' * 10}\n"
    rows = [f"A {recalls} {ndcgs} {mrrs}", *(f"{name} {RECALLS} {NDCGS} {MRRS}" for name in "BCD")]
    assert broken(head + "".join(f"| {' | '.join(row.split())} |\n" for row in rows)) == sorted(wanted)


@pytest.mark.parametrize(
    ("text", "facts", "wanted"),
    [
        ("dataset,model,HR@10\nYelp,A,0.0626\n", {"rows": {"yelp": 1000}, "seeds": 1}, [(HITS, "Yelp  A  Recall@10")]),
        ("dataset,model,HR@10\nYelp,A,0.0626\n", {"rows": {"": 1000}, "seeds": 5}, []),
        ("dataset,model,HR@10\nYelp,A,6.26%\n", {"rows": {"": 1000}, "seeds": 1}, [(HITS, "Yelp  A  Recall@10")]),
        ("dataset,model,HR@10\nYelp,A,6.30\n", {"rows": {"": 1000}, "seeds": 1}, []),
        ("dataset,model,HR@10\nYelp,A,0.0626\n", {"rows": {"": 1000}}, []),
        ("dataset,model,HR@10\nYelp,A,0.0626\n", {"rows": {"": 20000}, "seeds": 1}, []),
        ("model,metric,mean,std,seeds\nA,R@10,0.5000,0.8000,2\n", {}, [(SPREAD, "A  Recall@10")]),
        ("model,metric,mean,std,seeds\nA,R@10,0.5000,0.7000,2\n", {}, []),
        ("model,metric,mean,std,seeds\nA,R@10,0.5000,0.0102,2\n", {"rows": {"": 100}}, [(SPREAD, "A  Recall@10")]),
        ("model,metric,mean,std,seeds\nA,R@10,0.5000,0.0141,2\n", {"rows": {"": 100}}, []),
    ],
)
def test_hits_are_whole_and_deviations_possible(text: str, facts: dict[str, object], wanted: list[object]) -> None:
    assert broken(text, **facts) == wanted


MARKED = r"""
\begin{{table}}\begin{{tabular}}{{ll|cc}}\toprule
& & \multicolumn{{2}}{{c}}{{Yelp}} \\ \cmidrule(lr){{3-4}}
Type & Method & HR@10 & NDCG@10 \\ \midrule
\multirow{{2}}{{*}}{{Ours}} & A & \textbf{{0.5000}} & {a} \\
& B & {b} & \textbf{{0.3000}} \\ \bottomrule
\end{{tabular}}\end{{table}}
"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (MARKED.format(a="0.2900", b="0.4900"), []),
        (MARKED.format(a="0.3000", b="0.5000"), []),
        (MARKED.format(a="0.3100", b="0.4900"), [("bold", "Ours  Yelp  B  NDCG@10")]),
        (MARKED.format(a=r"\underline{0.2900}", b=r"\textbf{0.5100}"), []),
        (
            "| |R@5|R@9|\n|-|-|-|\n|A|**.5**|<u>.7</u>|\n|B|<u>.30</u>|**.8**|\n|C|.42|<u>.7</u>|",
            [("underlined", "B  Recall@5")],
        ),
        ("| |R@5|\n|-|-|\n|Markov|.6|\n|B|**.5**|\n", []),
        ("| |R@5|R@9|\n|-|-|-|\n|A|.42**|.7**|\n|B|**.5**|**.8**|", []),
        ("| |R@5|R@9|\n|-|-|-|\n|A|**.42****|**.9**|\n|B|.5|**.8**|", [("bold", "A  Recall@5")]),
    ],
)
def test_the_best_is_bold_and_the_second_underlined(text: str, wanted: list[tuple[str, str]]) -> None:
    assert broken(text) == wanted


GAIN = """
| Set | Row  | R@5   | R@10  | Avg. |
|-----|------|-------|-------|------|
| S   | Base | .0500 | .1000 | -    |
|     | New  | .0550 | .1050 | -    |
| | (Improv.) | {} |
| T   | Base | .1000 | .2000 | -    |
|     | New  | .1200 | .2100 | -    |
|     | (Improv.) | +20.00% | +5.00% | +12.50% |
"""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("(↑10.00%) | (↑5.00%) | ↑7.50%", []),
        ("(↑10.20%) | (↑5.00%) | ↑7.60%", []),
        ("(↑10.40%) | (↑5.00%) | ↑7.70%", [(GAINS, "S  (Improv.)  Recall@5")]),
        ("(↑10.00%) | (↑5.00%) | ↑8.50%", [(AVERAGES, "S  (Improv.)  average")]),
        ("0.0050 | 0.0050 | ", []),
        ("↑.1000 | ↑.0500 | ↑.0667", []),
        ("9.09% | 4.76% | 6.25%", []),
    ],
)
def test_gains_follow_from_values_and_averages_from_gains(line: str, wanted: list[tuple[str, str]]) -> None:
    assert broken(GAIN.format(line)) == wanted


def test_gains_over_a_row_that_is_not_there_are_not_accused() -> None:
    text = GAIN.format("(↑10.40%) | (↑5.00%) | -").replace("+20.00%", "+31.00%").replace("+5.00%", "+37.00%")
    text = text.replace("+12.50%", "-").replace("| T   | Base", "| T   | Other")
    assert broken(text) == []
    assert broken(text.replace("(Improv.)", "(over Base)")) == [(GAINS, "S  (over Base)  Recall@5")]
    assert broken(text.replace("(Improv.)", "(over SASRec)")) == []


def test_numbers_of_another_kind_are_not_accused() -> None:
    differences = "".join(f"| {name} | .0{name}20 | .0{name}10 | - | - | - | - |\n" for name in range(10, 30))
    assert broken(HEAD + differences) == [] != broken(HEAD + differences.splitlines()[0])
    several = "| A | - | .29 | - | .237 | - | .296 |\n| B | - | .328 | - | .260 | - | .318 |\n"
    assert broken(HEAD + several) == [], "several targets a row"
    assert broken("| Metric | Difference |\n|---|---|\n| R@10 | +.0085 |\n| M@10 | +.0090 |\n") == []
    assert broken(HEAD + differences.splitlines()[0] + "\n| 9 | -.01 | .1 | - | - | - | - |\n") == []


def test_an_average_over_data_sets_may_be_weighted_by_rows() -> None:
    text = "| Set | Row | R@5 |\n|---|---|---|\n| S | A | .1000 |\n| T | A | .2000 |\n| Avg. | A | {} |"
    rows = {"S": 100, "T": 300}
    assert broken(text.format(".1500"), rows=rows) == broken(text.format(".1750"), rows=rows) == []
    assert broken(text.format(".1600"), rows=rows) == [(AVERAGES, "Avg.  A  Recall@5")]
    assert broken(text.format(".1600")) == []
    assert (AVERAGES, NO_PARTS) not in found(text.format(".1600")).left_out


def test_a_row_of_two_tables_has_one_set_of_numbers() -> None:
    transposed = "| Metric | A | B |\n|---|---|---|\n| Hit@5 | .0611 | .05 |\n"
    assert broken(HEAD + GOOD, transposed) == [(SAME, "A  Recall@5")]
    assert broken(HEAD + GOOD, transposed.replace(".0611", ".06")) == []


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_our_own_tables_are_read_in_every_format(form: str) -> None:
    findings = lint([read_text(render([paper_table("table2")], format=form), "report")])
    assert findings.impossible == []
    assert (findings.checked[GROWTH], findings.checked[NDCG], findings.checked[GAINS]) == (60, 90, 80)
    assert findings.checked[AVERAGES] == 20


def test_what_is_ambiguous_is_counted_and_not_accused() -> None:
    head = "| Model | R@5 | P@5 | R@10 |\n|---|---|---|---|\n"
    findings = found(head + "| A | .09 | .5 | .08 ± .01 |\n| B | - | .5 | n/a |\n| C | 0,07 | .3 | .5 |\n")
    assert [one.cell.place for one in findings.impossible] == []
    assert findings.numbers == 3
    assert +findings.unread == {
        "blank": 2,
        "no metric's name": 3,
        "not one number": 1,
        "a spread that is not said to be a standard deviation": 1,
    }


ACROSS = r"""
\begin{tabular}{l|cc|cc|c} \toprule
& \multicolumn{2}{c|}{Plain} & \multicolumn{2}{c|}{Reasoning} & \multirow{2}{*}{Improv.} \\
Metric & A & B & C & Ours \\ \midrule
R@5 & .0300 & .0400 & .0500 & .0600 & 20.00\%$\uparrow$ \\
R@10 & .0400 & .0500 & .0600 & .0690 & 15.00\%$\uparrow$ \\
N@5 & .0200 & .0250 & .0310 & .0350 & 12.90\%$\uparrow$ \\
N@10 & .0230 & .0280 & .0340 & .0380 & \textbf{GAIN\%}$\uparrow$ \\ \bottomrule
\end{tabular}
"""
BARE = "Model | R@5 | MRR | R@10\n--- | --- | --- | ---\nA | .0600 | .04 | .0900\nB | .0600 | - | .0500\n"


@pytest.mark.parametrize(
    ("text", "wanted", "unread"),
    [
        (HEAD + GOOD + "| p-value | 1e-3 | .04 | .03 | 2e-5 | .01 | .02 |\n", [], {"of a test or a spread": 6}),
        (BARE, [(GROWTH, "B  Recall@10")], {"no metric's name": 1}),
        (ACROSS.replace("GAIN", "11.76"), [], {}),
        (ACROSS.replace("GAIN", "19.76"), [(GAINS, "Improv.  NDCG@10")], {}),
        ("model;metric;value\nA;R@5;0,0600\nA;R@10;0,0500\n", [(GROWTH, "A  Recall@10")], {}),
        ("model,metric,k,value\nA,Recall,5,.0600\nA,Recall,10,.0500\n", [(GROWTH, "A  Recall@10")], {}),
        (
            row(".0600 (+2.1%)", ".0500 ↑3.4%", "-", ".04<sup>1</sup>", "-", "-"),
            [(GROWTH, "A  Recall@10")],
            {"a gain beside its value": 2, "blank": 3, "not one number": 1},
        ),
        (
            r"\begin{tabular}{lcc} Model & R$_{@5}$ & R@10 \\ A & $.0600_{\pm .01}$ & \textbf{.0500}$_{\uparrow 3\%}$"
            r" \\ B & .06$^{1}$ & .07$^{*}$ \\ \end{tabular} std",
            [(GROWTH, "A  Recall@10")],
            {"a gain beside its value": 1, "not one number": 1},
        ),
        (
            r"\begin{tabularx}{\textwidth}{lXX} Model & R@5 & R@10 \\ A & .06 & .09 \\% & .05 & .03"
            "\n"
            r"\hspace{1em}B & .0600 & .0500 \\ \end{tabularx}",
            [(GROWTH, "B  Recall@10")],
            {},
        ),
    ],
)
def test_tables_are_read_as_papers_print_them(text: str, wanted: list[object], unread: dict[str, int]) -> None:
    assert (broken(text), +found(text).unread) == (wanted, unread)


@pytest.mark.parametrize("long", ["*" * 60, " " * 1000, " *" * 60, "1" * 1000])
def test_a_number_before_a_long_row_of_signs_is_read_in_time(long: str) -> None:
    assert found(row(f".06{long}x", ".07", "-", "-", "-", "-")).unread["not one number"] == 1


def test_a_large_table_of_gains_is_checked_in_time() -> None:
    lines = [f"A{place},R@5,.{place + 10001},{place + 5}.3" for place in range(150)]
    start = perf_counter()
    assert found("\n".join(["model,metric,value,improvement_percent", *lines])).numbers == 300
    assert perf_counter() - start < 60, "the cube of its rows would be minutes"


@pytest.mark.parametrize(
    ("words", "status", "shown"),
    [
        (["--source", "paper"], 1, "4 impossible"),
        (["good.md"], 0, "Nothing is impossible"),
        (["bad.md"], 1, "--many-targets"),
        (["bad.md", "--many-targets"], 0, "Nothing is impossible"),
        (["--source", "paper", "--seeds", "2"], 2, "takes no --seeds"),
        (["good.md", "--rows", "Yelp=100"], 2, "no table has this data set"),
        (["good.md", "--rows", "many"], 2, "is no number of rows"),
        (["good.md", "--rows", "9" * 5000], 2, "is no number of rows"),
        (["words.md"], 2, "no table with a metric at a cut-off"),
        (["missing.md"], 2, "does not exist"),
        (["good.md", "--source", "paper"], 2, "one of the two"),
        ([], 2, "one of the two"),
    ],
)
def test_the_exit_status_says_what_came_of_it(
    words: list[str], status: int, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.md").write_text(HEAD + GOOD)
    Path("bad.md").write_text(row("-", ".0900", "-", ".0902", "-", "-"))
    Path("words.md").write_text("no table\n")
    done = CliRunner().invoke(main, ["lint", *words])
    assert done.exit_code == status, done.output
    assert shown in done.output


def test_rules_have_names_of_their_own() -> None:
    assert len(set(RULES)) == len(RULES) == 11


@pytest.mark.parametrize("table", [row(".0900", ".0600", "-", "-", "-", "-"), HEAD + GOOD, "blocks for a screen\n"])
def test_a_report_says_if_it_prints_what_is_impossible(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "render_report", lambda *given, **named: table)
    done = CliRunner().invoke(main, ["report", "--source", "paper"])
    assert (done.exit_code, done.stdout) == (0, table)
    assert ("mistake of rearec-bench" in done.stderr) == (".0900 | .0600" in table)
