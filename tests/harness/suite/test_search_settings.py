"""What a suite may say of its search: budget, sampler, pruner; and a run in which a pruner is at work."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.run.runner import RunOptions, run_suite
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.model import Suite
from rearec_bench.harness.utils.errors import SuiteError

from ..suites import loaded
from .tables import cases, check

BASE = """
name: pruned
datasets: [tiny]
backbones: [sasrec]
strategies: [erl: {kl_weight: {search: {low: 0.01, high: 0.1}}}]
steps: [1]
seeds: [1]
training: {max_epochs: 8}
"""


def suite_of(folder: Path, search: str, *overrides: str, name: str = "suite.yaml", extends: str = "") -> Suite:
    file = folder / name
    file.write_text((f"extends: {extends}\n" if extends else BASE) + f"search: {{{search}}}\n")
    return loaded(file, *overrides)


WRONG = r"""
trials: 7, epochs: 40              => 9:21 search.epochs: trials is given, too
epochs: 0                          => 9:18 search.epochs: too small
grace: 2                           => 9:9 search: grace is a setting of asha. Add `pruner: asha`
pruner: asha, reduction: 1         => 9:35 search.reduction: too small
pruner: ash                        => 9:18 search.pruner: Did you mean 'asha'
pruner: asha, grace: 8             => 9:31 search.grace: no trial has more epochs than 8
"""


@pytest.mark.parametrize(("search", "expected"), cases(WRONG, str))
def test_a_wrong_search_is_refused(tmp_path: Path, search: str, expected: str) -> None:
    with pytest.raises(SuiteError) as caught:
        suite_of(tmp_path, search)
    check(caught.value.problems, expected)


@pytest.mark.parametrize(
    ("parent", "own", "overrides", "budget"),
    [
        ("trials: 7", "window: 1", (), (7, None)),
        ("epochs: 40", "window: 1", (), (20, 40)),
        ("trials: 7", "epochs: 40", (), (20, 40)),
        ("epochs: 40", "trials: 7", (), (7, None)),
        ("window: 1", "trials: 7", ("search.epochs=50",), (20, 50)),
        ("window: 1", "trials: 7", ("search.epochs=50", "search.trials=8"), (8, None)),
    ],
)
def test_a_budget_is_in_trials_or_in_epochs_and_the_later_word_counts(
    tmp_path: Path, parent: str, own: str, overrides: tuple[str, ...], budget: tuple[int, int | None]
) -> None:
    suite_of(tmp_path, parent)
    suite = suite_of(tmp_path, own, *overrides, name="below.yaml", extends="suite.yaml")
    assert (suite.search.trials, suite.search.epochs) == budget


def test_a_pruner_has_rungs_that_trials_come_to(tmp_path: Path) -> None:
    search = suite_of(tmp_path, "pruner: asha, grace: 2, reduction: 4").search
    assert (search.pruner, search.grace, search.reduction) == ("asha", 2, 4)
    assert suite_of(tmp_path, "pruner: asha, grace: 8", "training.max_epochs=9").search.grace == 8
    assert suite_of(tmp_path, "pruner: asha, grace: 8", "training.max_epochs=auto").search.grace == 8


def test_a_budget_and_a_pruner_leave_cells_and_final_runs_what_they_are(tmp_path: Path) -> None:
    (plain,) = expand(suite_of(tmp_path, "trials: 7"))
    (other,) = expand(suite_of(tmp_path, "epochs: 40, pruner: asha, sampler: random"))
    assert plain.id == other.id and plain.pruner is None and other.pruner.cell == other.id
    values = {"strategy.kl_weight": 0.05}
    made = [one.spec(values, seed=1, purpose="final", fingerprint="f", device="cpu").key for one in (plain, other)]
    assert made[0] == made[1]


@pytest.mark.slow
def test_a_run_prunes_stores_what_it_pruned_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    suite = suite_of(tmp_path, "trials: 9, sampler: random, pruner: asha, grace: 2, reduction: 2")
    store = Store(tmp_path / "results")

    def run(most: int | None) -> tuple[object, str]:
        out = StringIO()
        options = RunOptions(trial="fake_trial:FakeTrial", cpus=2, max_concurrent=1, max_trials=most)
        data = tmp_path / "data"
        return run_suite(suite, store=store, data_dir=data, options=options, reporter=LineReporter(out)), out.getvalue()

    first, said = run(5)
    second, said_then = run(None)
    (entry,) = store.read_suite("pruned")[1]["cells"].values()
    searched = [store.summary(key) for key in entry["search"]]
    assert (first.started, second.started, second.left) == (5, 5, 0)
    best: list[float] = []
    for number, one in enumerate(searched):
        value = one.history[0].validation["ndcg@20"]
        goes_on = sum(other > value for other in best) < max((number + 1) // 2, 1)
        assert (one.status == "pruned") == (not goes_on) or one.epochs > 2, "at the first rung"
        assert one.epochs in ((2, 4) if one.status == "pruned" else (8,))
        best.append(value)
    pruned = [one for one in searched if one.status == "pruned"]
    assert len(pruned) >= 3 and all(one.validation is None and one.reason.startswith("at epoch") for one in pruned)
    assert (said + said_then).count(" pruned ") == len(pruned)
    assert store.summary(entry["best"]).status == "done"
    (final,) = [store.summary(key) for key in entry["final"].values()]
    assert final.status == "done" and final.spec.pruner is None and final.environment["cpus"] == 1.0
    assert store.keys() == set(entry["search"]) | set(entry["final"].values())
