"""The suites that ship: each passes `plan` on an empty machine, and asks what the paper's tables and figures ask."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.cost.operations import Shape, inference, packed_passes, packed_training
from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.plan.search import search_size
from rearec_bench.harness.suite.bundled import shipped_suites, summary_of
from rearec_bench.harness.suite.load import Suite, load_suite, suites_on
from rearec_bench.harness.trial import precision
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES
from rearec_bench.models.backbones.settings import SASRecSettings

START = "paper_defaults"  # a file to extend, no suite by itself
FIVE = ("yelp", "video_games", "software", "cds_vinyl", "baby_products")
PAIR = ("yelp", "video_games")
TABLES = ("full_table2", "full_table3")
FIGURES = ("fig2_ceiling", "fig4_groups", "fig5_steps", "fig6_sensitivity", "fig7_ablation", "fig8_trajectories")
PAPER = (*TABLES, *FIGURES, "fig9_similarity", "compute_matched")
TUNED = tuple(name for name in PAPER if name not in ("fig6_sensitivity", "fig8_trajectories"))  # these sweep
MATCHED = ("compute_matched", "compute_matched_ml100k")
HISTORY = 50

# (backbones, strategies, K, cells, trials at most): cells and trials counted by hand from the paper's layout.
LAYOUT: dict[str, tuple[str, str, Any, int, int]] = {
    "full_table2": ("sasrec bert4rec", "base erl prl", (2,), 5 * (2 * 3 + 2), 5 * (2 * 3 * (20 + 5) + 2)),
    "full_table3": ("unisrec morec", "base erl prl", (2,), 5 * (2 * 3 + 2), 5 * (2 * 3 * (20 + 5) + 2)),
    "fig2_ceiling": ("sasrec bert4rec unisrec morec", "base erl prl", (2,), 4 * 3, 4 * 3 * 25),
    "fig4_groups": ("sasrec", "base prl", (3,), 2, 2 * 25),
    "fig5_steps": (
        "sasrec",
        "base naive rpe erl prl",
        (1, 2, 3, 4, 5),
        2 * (1 + 4 * 5),
        2 * (1 + 4 * 5) * 25,
    ),
    "fig6_sensitivity": ("sasrec", "base prl_tau prl_alpha erl_lambda", (2,), 2 * (1 + 6 + 6 + 5), 2 * 18 * 5),
    "fig7_ablation": (
        "sasrec",
        "base erl erl_no_kl prl prl_no_rcl prl_no_pta",
        (2,),
        2 * 6,
        2 * 6 * 25,
    ),
    "fig8_trajectories": ("sasrec", "prl_alpha prl_no_rcl", (2,), 6 + 1, 7 * 5),
    "fig9_similarity": ("sasrec", "rpe erl erl_no_kl prl", (3,), 2 * 4, 2 * 4 * 25),
    "compute_matched": (
        "sasrec",
        "base base_inference base_6_layers base_10_layers base_training erl prl",
        (2,),
        7 + 2,
        7 * 25 + 2,
    ),
    "compute_matched_ml100k": (
        "sasrec",
        "base base_inference base_6_layers base_10_layers base_training erl prl",
        (2,),
        7 + 2,
        7 * (3 + 3) + 2,
    ),
    "example": ("sasrec bert4rec", "base erl prl", (2,), 2 * 3 + 2, 2 * 3 * 5 + 2),
    "example_steps": ("sasrec", "base erl prl", (1, 2, 3, 4, 5), 1 + 2 * 5, (1 + 2 * 5) * 3),
    "example_ablation": ("sasrec", "base erl erl_no_kl prl prl_no_rcl prl_no_pta", (2,), 6, 6 * 3),
    "example_text": ("unisrec morec", "base erl prl", (2,), 2 * 3 + 2, 2 * 3 * 5 + 2),
    "smoke_text": ("bert4rec esasrec lares unisrec morec", "base erl prl mancar plr lares", (2,), 5 * 6, 5 * 6),
    "lares_depth": ("lares", "lares_3 lares", (2, 8), 2 * 2, 2 * 2 * 3),
}
DATASETS = {
    **dict.fromkeys(TABLES, FIVE),
    **dict.fromkeys(("fig2_ceiling", "fig4_groups", "fig8_trajectories", "compute_matched"), ("yelp",)),
    **dict.fromkeys(("fig5_steps", "fig6_sensitivity", "fig7_ablation", "fig9_similarity"), PAIR),
    **dict.fromkeys(("compute_matched_ml100k", "example", "example_steps", "example_ablation"), ("ml-100k",)),
    **dict.fromkeys(("example_text", "lares_depth"), ("amazon-industrial-2018",)),
    "smoke_text": ("tiny",),
}


@cache
def suite_of(name: str) -> Suite:
    return load_suite(shipped_suites()[name])


@cache
def models(name: str) -> list[Cell]:
    return [cell for cell in expand(suite_of(name)) if not cell.is_baseline]


def printed(table: str) -> list[dict[str, str]]:
    """Rows of a table of the paper."""
    path = Path(__file__).resolve().parents[3] / "results" / "paper" / f"{table}.csv"
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keys(cell: Cell) -> list[str]:
    """Keys of a cell's final runs at the first values of what it searches."""
    values = {name: space.choices[0] if space.choices else space.low for name, space in cell.space.items()}
    return [
        cell.spec(values, seed=seed, purpose="final", fingerprint=cell.dataset, device="cpu").key for seed in cell.seeds
    ]


@pytest.mark.parametrize("name", sorted({*shipped_suites()} - {START, "verdict_defaults"}))
def test_every_suite_passes_plan_where_nothing_is_prepared(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)  # on any processor
    done = CliRunner().invoke(main, ["plan", name])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{name}  ")
    for dataset in suite_of(name).datasets:
        assert dataset == "tiny" or f"{dataset} is not prepared." in done.output
    assert re.search(r"^[\d,]+ trials: 0 stored, [\d,]+ to run\.", done.output, flags=re.MULTILINE)


@pytest.mark.parametrize(("name", "layout"), LAYOUT.items(), ids=LAYOUT.keys())
def test_a_suite_has_the_rows_of_its_table_or_figure(name: str, layout: tuple[str, str, Any, int, int]) -> None:
    backbones, strategies, steps, cells, trials = layout
    suite = suite_of(name)
    assert suite.datasets == DATASETS[name]
    assert [row.name for row in suite.backbones] == backbones.split()
    assert [row.name for row in suite.strategies] == strategies.split()
    assert suite.steps == steps
    assert len(expand(suite)) == cells
    assert sum(search_size(cell) + len(cell.seeds) for cell in expand(suite)) == trials
    assert all(cell.unsupported is None for cell in expand(suite))


@pytest.mark.parametrize("name", [START, *PAPER])
def test_the_papers_suites_start_from_its_settings(name: str) -> None:
    seen: set[str] = set()
    while name != START:
        found = re.search(r"^extends: (\w+)\.yaml$", shipped_suites()[name].read_text(), flags=re.MULTILINE)
        assert found is not None and name not in seen
        seen.add(name)
        name = found[1]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings_hold_in_every_cell(name: str) -> None:
    for cell in models(name):
        values = {key: space.choices[0] if space.choices else space.low for key, space in cell.space.items()}
        spec = cell.spec(values, seed=1, purpose="final", fingerprint="0", device="cpu")
        training = spec.training
        assert (training.batch_size, training.max_len, training.patience, training.max_epochs) == (2048, 50, 10, 300)
        assert training.lr == 0.001 or "training.lr" in cell.space
        assert spec.backbone.settings["dropout"] == 0.5 or "backbone.dropout" in cell.space
        if cell.row in ("base", "erl", "prl"):
            shape = {key: spec.backbone.settings[key] for key in ("width", "layers", "heads", "feed_forward")}
            assert shape == {"width": 256, "layers": 2, "heads": 2, "feed_forward": 300}
        assert cell.seeds == (1, 2, 3, 4, 5)
        assert (cell.search.trials, cell.search.metric) == (20, "ndcg@20")


@pytest.mark.parametrize("name", PAPER)
def test_every_grid_is_the_papers(name: str) -> None:
    suite, checked = suite_of(name), 0
    for row in suite.strategies:
        varied = {key: space.choices for key, space in row.parameters.searched.items()} | dict(row.parameters.swept)
        for key, values in varied.items():
            field = STRATEGIES.settings(row.kind).model_fields[key]
            assert values == tuple(field.json_schema_extra["grid"]), (row.name, key)
            checked += 1
    assert checked


def test_the_tables_rows_are_those_that_the_paper_prints() -> None:
    for table, name in (("table2_id_based", "full_table2"), ("table3_text_based", "full_table3")):
        rows, suite = printed(table), suite_of(name)
        assert {row["strategy"].lower() for row in rows} == {row.name for row in suite.strategies}
        assert {row["backbone"].lower() for row in rows} == {row.name for row in suite.backbones}
        assert len({row["dataset"] for row in rows}) == len(suite.datasets)


@pytest.mark.parametrize("name", TUNED)
def test_equal_budgets_are_equal(name: str) -> None:
    for cell in models(name):
        assert {"training.lr", "backbone.dropout"} <= set(cell.space), cell.row
        assert any(space.size is None for space in cell.space.values()), "a finite space would end early"
        assert search_size(cell) == 20
    base = {key: space for cell in models(name) if cell.row == "base" for key, space in cell.space.items()}
    for cell in models(name):
        assert {key: cell.space[key] for key in base} == base


def test_the_small_comparison_tries_the_same_learning_rates_for_every_row() -> None:
    spaces = [cell.space for cell in models("compute_matched_ml100k")]
    assert all(space == spaces[0] for space in spaces)
    assert {search_size(cell) for cell in models("compute_matched_ml100k")} == {3}


def test_an_ablated_row_differs_in_its_switch_alone_and_is_compared_with_the_full_one() -> None:
    rows = {row.name: row for row in suite_of("fig7_ablation").strategies}
    for name, full, switch in (
        ("erl_no_kl", "erl", "diversity"),
        ("prl_no_rcl", "prl", "contrastive"),
        ("prl_no_pta", "prl", "annealing"),
    ):
        assert (rows[name].kind, rows[name].against) == (full, full)
        assert rows[name].parameters.fixed == {switch: False}
        searched, whole = rows[name].parameters.searched, rows[full].parameters.searched
        assert {**whole, **searched} == whole
    assert set(rows["prl_no_rcl"].parameters.searched) == {"temperature", "decay"}
    assert set(rows["prl_no_pta"].parameters.searched) == {"temperature"}, "without PTA the decay does nothing"
    assert rows["erl_no_kl"].parameters.searched == {}, "without KL its weight does nothing"


def test_what_one_suite_has_run_another_does_not_repeat() -> None:
    ids = {name: {cell.id for cell in models(name)} for name in PAPER}
    assert ids["fig2_ceiling"] < ids["full_table2"] | ids["full_table3"]
    swept = {cell.id for cell in models("fig8_trajectories") if cell.strategy == "prl_alpha"}
    assert len(swept) == 6 and swept < ids["fig6_sensitivity"]
    assert len(ids["fig5_steps"] & ids["fig9_similarity"]) == 2 * 3
    assert len(ids["fig4_groups"] & ids["fig5_steps"]) == 2


def test_the_two_lines_of_prl_meet_in_one_trial() -> None:
    made = Counter(key for cell in models("fig6_sensitivity") for key in keys(cell))
    assert Counter(made.values()) == {1: 2 * 16 * 5, 2: 2 * 1 * 5}


def items_of(name: str) -> int:
    """Catalogue of the suite's data set: Yelp's by the paper's Table 1, ml-100k's by its card."""
    if name == "compute_matched_ml100k":
        return 1005
    return next(int(row["items"]) for row in printed("table1_datasets") if row["dataset"] == "Yelp")


def shape_of(cell: Cell) -> Shape:
    return Shape.of(SASRecSettings.model_validate(dict(cell.chosen_backbone.fixed)))


def costs(name: str) -> dict[str, tuple[int, int]]:
    """Row to what it spends, and what K steps on the suite's plain backbone spend in the same place."""
    cells = {cell.row: cell for cell in models(name)}
    plain, items, steps = shape_of(cells["base"]), items_of(name), suite_of(name).steps[0]

    def passes(shape: Shape, steps: int, per_step: int = 1) -> int:
        return packed_passes(shape, length=HISTORY, steps=steps, passes=per_step)

    def ranked(shape: Shape, steps: int) -> int:
        return inference(shape, length=HISTORY, steps=steps, items=items)

    def trained(shape: Shape, steps: int) -> int:
        return packed_training(shape, length=HISTORY, steps=steps, items=items, scored=steps + 1)

    counts: dict[str, tuple[Callable[[Shape, int], int], int]] = {
        "base_inference": (ranked, ranked(plain, steps)),
        "base_6_layers": (passes, passes(plain, steps)),
        "base_10_layers": (passes, passes(plain, steps, per_step=2)),
        "base_training": (trained, trained(plain, steps)),
    }
    return {row: (count(shape_of(cells[row]), 0), target) for row, (count, target) in counts.items()}


@pytest.mark.parametrize("name", MATCHED)
def test_every_bigger_model_spends_the_compute_of_the_steps(name: str) -> None:
    rows = {row.name for row in suite_of(name).strategies if row.backbone}
    assert rows == set(costs(name))
    for row, (spent, target) in costs(name).items():
        assert spent / target == pytest.approx(1, abs=0.005), row
    plain = shape_of(next(cell for cell in models(name) if cell.row == "base"))
    assert plain == Shape(256 if name == "compute_matched" else 64, 2, 300)
    for cell in models(name):
        if cell.strategy in ("erl", "prl"):
            assert (shape_of(cell), cell.steps) == (plain, 2)
        assert cell.training["packing"] == "users", "what a pass costs in training is counted for packed users"


@pytest.mark.parametrize("name", MATCHED)
def test_a_suites_comment_tells_the_compute_of_its_rows(name: str) -> None:
    text = shipped_suites()[name].read_text(encoding="utf-8")
    for row, (spent, target) in costs(name).items():
        block = text.partition(f"#     {row} ")[2]
        told = re.search(r"([\d.]+) million\s+([\d.]+)$", block, flags=re.MULTILINE)
        assert told is not None
        digits = len(told[1].partition(".")[2])
        assert told[1] == f"{target / 1e6:.{digits}f}", row
        assert told[2] == f"{spent / target:.3f}", row


def test_another_comparison_of_the_same_rows_is_the_same_trials() -> None:
    text = shipped_suites()["compute_matched"].read_text(encoding="utf-8")
    shown = re.search(r"run compute_matched (--set .*)$", text, flags=re.MULTILINE)
    assert shown is not None
    path = shipped_suites()["compute_matched"]
    other = load_suite(path, overrides=tuple(shown[1].removeprefix("--set ").split(" --set ")))
    assert {cell.id for cell in expand(other)} == {cell.id for cell in expand(suite_of("compute_matched"))}
    assert {cell.row: cell.against for cell in expand(other)}["prl"] == "base_inference"


def test_smoke_runs_cover_every_backbone_and_every_strategy_with_a_loss_of_its_own() -> None:
    suites = [suite_of(name) for name in ("smoke", "smoke_text")]
    assert {row.kind for suite in suites for row in suite.backbones} == set(BACKBONES.names())
    assert {row.kind for suite in suites for row in suite.strategies} == set(STRATEGIES.names()) - {"naive", "rpe"}


def test_every_suite_is_listed_with_what_it_says_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    listed = CliRunner().invoke(main, ["list", "suites"]).output.partition("\n\n")[0].splitlines()[1:]
    names = [line.split()[0] for line in listed if not line.startswith("   ")]
    assert names == list(shipped_suites())
    assert all(len(summary_of(path)) > 20 for path in shipped_suites().values())
    for name in LAYOUT:
        line = next(line for line in listed if line.split()[0] == name)
        assert line.split(maxsplit=1)[1] == summary_of(shipped_suites()[name]), "one line each"
        assert len(line) <= 100


def test_the_next_step_after_preparing_is_the_broadest_suite_of_the_data_set() -> None:
    assert suites_on("ml-100k")[0] == "ml100k"
    assert suites_on("yelp")[0] == "full_table2"
    assert {"smoke", "smoke_text"} == set(suites_on("tiny"))
