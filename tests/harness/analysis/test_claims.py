"""Claims and their verdicts: against loops over runs, and on the paper's own file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rearec_bench.harness.analysis.claims import MIN_CELLS, Claim, _judged, _Numbers, judge, paper_claims, verdict_of
from rearec_bench.harness.analysis.compare import METRICS
from rearec_bench.harness.analysis.intervals import Interval, t_interval
from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.tables.claims import claims
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import DatasetError

from .naive import gain


def unprepared(name: str) -> None:
    """No data set is there."""
    raise DatasetError(f"{name} is not prepared.")


def claim(expect: dict | None = None, **test: object) -> Claim:
    """A claim with a test of its own."""
    return Claim("c", "It is so.", "Section 1", test, expect or {"above": 0})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> ResultSet:
    cells = tuple(
        synthetic.cell(strategy, steps, backbone=backbone)
        for backbone in ("sasrec", "unisrec")
        for strategy, steps in (("base", 0), ("erl", 1), ("erl", 2), ("erl", 3), ("prl", 2))
    )
    return synthetic.results_of(Store(tmp_path_factory.mktemp("claims")), *cells)


def metrics(
    results: ResultSet, backbone: str, strategy: str, steps: int, split: str = "test"
) -> dict[int, dict[str, float]]:
    """Test (or validation) metrics of a cell by seed."""
    (cell,) = (c for c in results.cells if (c.backbone, c.strategy, c.steps) == (backbone, strategy, steps))
    return {run.spec.seed: getattr(results.store.read(run.key), split).readout for run in cell.runs}


@pytest.mark.parametrize(
    ("expect", "low", "high", "verdict"),
    [
        ({"above": 0}, 0.1, 2, "reproduced"),
        ({"above": 0}, -2, -0.1, "not reproduced"),
        ({"above": 0}, -1, 1, "undecided"),
        ({"above": 50}, 40, 60, "undecided"),
        ({"below": 0}, -2, -0.1, "reproduced"),
        ({"below": 0}, 0.1, 2, "not reproduced"),
        ({"between": [30, 50]}, 31, 49, "reproduced"),
        ({"between": [30, 50]}, 20, 29, "not reproduced"),
        ({"between": [30, 50]}, 51, 60, "not reproduced"),
        ({"between": [30, 50]}, 25, 40, "undecided"),
        ({"at_least": 7}, 1, 8, "reproduced"),
        ({"at_least": 7}, 1, 6, "not reproduced"),
        ({"at_least": 7}, -1, 8, "undecided"),
    ],
)
def test_the_whole_interval_decides(expect: dict, low: float, high: float, verdict: str) -> None:
    assert verdict_of(expect, (low + high) / 2, Interval(low, high)) == verdict
    assert verdict_of(expect, (low + high) / 2, None) == "undecided"


def test_a_contrast_is_the_mean_over_cells_and_metrics_of_each_seed(results: ResultSet) -> None:
    (found,) = judge(results, unprepared, [claim(kind="contrast", row="prl", over="base")])
    values = []
    for seed in (1, 2, 3):
        changes = []
        for backbone in ("sasrec", "unisrec"):
            ours, theirs = (metrics(results, backbone, *row)[seed] for row in (("prl", 2), ("base", 0)))
            changes += [(ours[name] / theirs[name] - 1) * 100 for name in METRICS]
        values.append(sum(changes) / 8)
    interval = t_interval(values)
    assert found.value == pytest.approx(sum(values) / 3) and (found.seeds, found.cells) == (3, 2)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))
    assert (found.verdict, found.why) == ("undecided", "fewer than 5 cells")


def test_five_cells_get_a_verdict_and_a_share_counts_each_of_them_once(tmp_path: Path, synthetic: ModuleType) -> None:
    rows = [(name, *row) for name in "abcde" for row in (("base", 0), ("prl", 2))]
    cells = [synthetic.cell(strategy, steps, dataset=name) for name, strategy, steps in rows]
    results = synthetic.results_of(Store(tmp_path), *cells)
    shares = []
    for seed in (1, 2, 3):
        above = 0
        for name in "abcde":
            base, prl = (
                next(c for c in results.cells if (c.dataset, c.strategy) == (name, row)).runs for row in ("base", "prl")
            )
            ours, theirs = (next(run.test for run in runs if run.spec.seed == seed) for runs in (prl, base))
            above += np.mean([ours[metric] / theirs[metric] - 1 for metric in METRICS]) > 0
        shares.append(20.0 * above)
    (found,) = judge(results, unprepared, [claim({"above": 101}, kind="share", row="prl", over="base")])
    assert 0 <= found.interval.low < found.value < found.interval.high <= 100
    assert found.value == pytest.approx(sum(shares) / 3) and found.cells == 5
    expected = verdict_of({"above": 101}, found.value, found.interval)
    assert (found.verdict, found.why) == (expected, "") and len(set(shares)) > 1
    four = replace(results, cells=tuple(cell for cell in results.cells if cell.dataset != "e"))
    (found,) = judge(four, unprepared, [claim(kind="share", row="prl", over="base")])
    assert (found.verdict, found.cells, found.why) == ("undecided", 4, "fewer than 5 cells")


@pytest.mark.parametrize("cells", [1, 4, 5, 10])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_without_an_effect_five_percent_of_the_verdicts_are_false(seeds: int, cells: int) -> None:
    rng = np.random.default_rng(seeds * 100 + cells)

    def verdicts(effect: float, bound: float, runs: int = 1500, *, shares: bool = False) -> float:
        """Share of decided claims about changes between two rows with noise of 3% a run."""
        decided = 0
        for _ in range(runs):
            ours, theirs = 1 + 0.03 * rng.standard_normal((2, cells, seeds))
            change = (ours * (1 + effect) / theirs - 1) * 100
            parts = 100.0 * (change > 0) if shares else change
            numbers = _Numbers(tuple(dict(enumerate(row)) for row in parts))
            kind = "share" if shares else "contrast"
            decided += _judged(claim({"above": bound}, kind=kind), numbers).verdict in (
                "reproduced",
                "not reproduced",
            )
        return decided / runs

    contrast, share = verdicts(0, 0), verdicts(0, 50, shares=True)
    if cells < MIN_CELLS:
        assert contrast == share == 0
    else:
        assert 0.03 <= contrast <= 0.07
        assert share <= 0.07, "few seeds have few shares: an interval is wide, or has no width"
        assert verdicts(0.3, 0, runs=100) > 0.5, "a large effect is found"


def test_an_interval_without_width_decides_nothing() -> None:
    assert verdict_of({"above": 50}, 100.0, Interval(100.0, 100.0)) == "undecided"
    assert verdict_of({"above": 50}, 0.0, Interval(0.0, 1e-12)) == "undecided"


def test_the_ceiling_stands_over_base_and_over_the_readout_and_the_claim_says_which_decides(results: ResultSet) -> None:
    given = ({"over": "base"}, {"over": "readout"}, {}, {"over": "base", "beside": "readout"})
    of = [claim({"between": [30, 50]}, kind="ceiling", **test) for test in given]
    over_base, over_readout, plain, found = judge(results, unprepared, of)
    gains: list[tuple[float, float]] = []
    for cell in results.cells:
        for run in cell.runs if cell.steps == 2 else ():
            test = results.store.read(run.key).test
            optimum = np.mean([gain(min(ranks)) for ranks in test.rows.step_ranks.tolist()])
            base = metrics(results, cell.backbone, "base", 0)[run.spec.seed]
            gains.append(tuple((optimum / of["ndcg@20"] - 1) * 100 for of in (base, test.readout)))
    assert (over_base.value, over_readout.value) == pytest.approx(tuple(np.mean(gains, axis=0)))
    assert plain.value == over_readout.value != over_base.value
    assert (found.value, found.interval) == (over_base.value, over_base.interval)
    assert found.beside == (over_readout.value, over_readout.interval)
    erl, prl, both = (
        judge(results, unprepared, [claim(kind="ceiling", over="base", strategies=kinds)])[0]
        for kinds in (["erl"], ["prl"], ["erl", "prl"])
    )
    assert (both.value, both.cells) == (over_base.value, erl.cells + prl.cells) and erl.value != prl.value
    (line,) = [line for line in claims(results, unprepared).protocol if "which decides" in line]
    assert (
        line.startswith("ceiling: Over base, which decides; over the readout ") and f"{found.beside[0]:+.1f}%" in line
    )


@pytest.mark.parametrize(("factor", "share"), [(1.0, 0.0), (1 + 1e-15, 0.0), (1 - 1e-15, 0.0), (1.001, 100.0)])
def test_a_gain_that_is_rounding_is_no_win(factor: float, share: float, results: ResultSet) -> None:
    base = next(cell for cell in results.cells if cell.strategy == "base")
    runs = [replace(run, test={name: value * factor for name, value in run.test.items()}) for run in base.runs]
    equal = replace(base, strategy="copy", against="base", runs=tuple(runs))
    tied = replace(results, cells=(base, equal))
    (found,) = judge(tied, unprepared, [claim(kind="share", row="copy", over="base")])
    assert found.value == share


def test_one_backbone_and_one_metric_alone_where_a_claim_says_so(results: ResultSet) -> None:
    (found,) = judge(
        results, unprepared, [claim(kind="share", row="prl", over="base", backbone="sasrec", metric="recall@20")]
    )
    ours, theirs = metrics(results, "sasrec", "prl", 2), metrics(results, "sasrec", "base", 0)
    shares = [100.0 * (ours[seed]["recall@20"] > theirs[seed]["recall@20"]) for seed in (1, 2, 3)]
    assert found.value == pytest.approx(sum(shares) / 3) and found.cells == 1


def test_two_steps_are_compared_with_the_other_k_that_is_best_on_validation(results: ResultSet) -> None:
    (found,) = judge(results, unprepared, [claim(kind="steps", best=2)])
    rivals = {}
    for backbone in ("sasrec", "unisrec"):
        of_k = {
            k: sum(run["ndcg@20"] for run in metrics(results, backbone, "erl", k, "validation").values())
            for k in (1, 3)
        }
        rivals[backbone] = 1 if of_k[1] > of_k[3] else 3
    values = []
    for seed in (1, 2, 3):
        changes = []
        for backbone, rival in rivals.items():
            two, other = (metrics(results, backbone, "erl", k)[seed]["ndcg@20"] for k in (2, rival))
            changes.append((two / other - 1) * 100)
        values.append(sum(changes) / 2)
    assert found.value == pytest.approx(sum(values) / 3) and found.cells == 2


def test_of_a_row_at_several_k_the_papers_own_takes_part(results: ResultSet) -> None:
    (found,) = judge(results, unprepared, [claim(kind="contrast", row="erl", over="base", metric="ndcg@20")])
    values = []
    for seed in (1, 2, 3):
        changes = [
            metrics(results, backbone, "erl", 2)[seed]["ndcg@20"]
            / metrics(results, backbone, "base", 0)[seed]["ndcg@20"]
            for backbone in ("sasrec", "unisrec")
        ]
        values.append((sum(changes) / 2 - 1) * 100)
    assert found.value == pytest.approx(sum(values) / 3) and found.cells == 2
    without = replace(results, cells=tuple(cell for cell in results.cells if (cell.strategy, cell.steps) != ("erl", 2)))
    (found,) = judge(without, unprepared, [claim(kind="contrast", row="erl", over="base", metric="ndcg@20")])
    assert found.cells == 4, "without K = 2 every K does"


def test_a_later_methods_claims_are_told_where_it_is_a_row_and_each_rival_is_a_comparison(results: ResultSet) -> None:
    assert {one.paper for one in paper_claims(["prl", "plr"])} == {"", "PLR"}
    both, erl, prl = (
        judge(results, unprepared, [claim(kind="contrast", row="base", over=over)])[0]
        for over in (["erl", "prl"], "erl", "prl")
    )
    assert both.cells == erl.cells + prl.cells
    assert both.value == pytest.approx((erl.value * erl.cells + prl.value * prl.cells) / both.cells)


def test_text_is_compared_with_ids_on_base_rows(results: ResultSet) -> None:
    (found,) = judge(results, unprepared, [claim(kind="backbones", above=["unisrec"], below=["sasrec"])])
    ours, theirs = metrics(results, "unisrec", "base", 0), metrics(results, "sasrec", "base", 0)
    changes = [(ours[seed]["ndcg@20"] / theirs[seed]["ndcg@20"] - 1) * 100 for seed in (1, 2, 3)]
    assert found.value == pytest.approx(sum(changes) / 3)


def test_a_seed_whose_reference_scores_zero_has_no_change(results: ResultSet) -> None:
    base = next(cell for cell in results.cells if cell.strategy == "base" and cell.backbone == "sasrec")
    runs = (replace(base.runs[0], test=dict.fromkeys(base.runs[0].test, 0.0)), *base.runs[1:])
    cells = tuple(replace(cell, runs=runs) if cell is base else cell for cell in results.cells)
    (found,) = judge(
        replace(results, cells=cells), unprepared, [claim(kind="backbones", above=["unisrec"], below=["sasrec"])]
    )
    assert found.seeds == 2


def test_a_row_on_its_own_backbone_is_compared_with_each_reference_and_once_with_itself(results: ResultSet) -> None:
    sasrec = [cell for cell in results.cells if cell.backbone == "sasrec"]
    own = [replace(cell, own_backbone="esasrec") if cell.strategy == "erl" else cell for cell in sasrec]
    both = replace(results, cells=tuple(replace(cell, backbone=name) for name in ("sasrec", "gru") for cell in own))
    of = [claim(kind="steps", best=2), claim(kind="ceiling", strategies=["erl"])]
    once, within, over = judge(both, unprepared, [*of, claim(kind="contrast", row="erl", over="base")])
    assert (once.cells, within.cells, over.cells) == (1, 1, 2)


def test_esasrec_is_judged_beside_sasrec_alone() -> None:
    (found,) = [one for one in paper_claims(["esasrec"]) if one.paper]
    assert found.test["backbone"] == "sasrec"


def test_what_cannot_be_tested_says_what_it_needs(results: ResultSet) -> None:
    found = {one.claim.id: one for one in judge(results, unprepared)}
    assert found["kl_helps"].verdict == "not tested" and found["kl_helps"].why == "needs the rows erl_no_kl and erl"
    assert found["rare_items_gain"].why == "needs the prepared data set tiny (--data-dir)"
    assert found["erl_in_most_cells"].verdict == "undecided"


def test_the_papers_claims_are_whole_and_their_table_renders(results: ResultSet) -> None:
    held, every = paper_claims([]), paper_claims()
    assert len({one.id for one in every}) == len(every) > len(held) >= 15
    table = claims(results, unprepared)
    assert [record["id"] for record in table.records] == [one.id for one in held]
    for form in ("markdown", "latex", "csv", "json"):
        assert "ERL surpasses its base in most cells." in render([table], format=form)
