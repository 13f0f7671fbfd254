"""Baseline rows: their ranks against naive counts, their trial's key, and their way through a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.plan.cells import Cell, expand
from rearec_bench.harness.records.results import EpochProgress, TrialResult
from rearec_bench.harness.records.source import source_digest
from rearec_bench.harness.records.spec import TrialSpec
from rearec_bench.harness.trial.baseline_trial import ranked
from rearec_bench.harness.trial.baselines import Baseline, Markov, Popularity
from rearec_bench.harness.trial.metrics import metrics_of
from rearec_bench.harness.trial.start import run_trial, start
from rearec_bench.harness.utils.registry import BASELINES, STRATEGIES, Entry

from ..suites import suite_in
from .test_batches import make_dataset

BOTH = pytest.mark.parametrize("reference", [Popularity, Markov])
HIDDEN = pytest.mark.parametrize("mask_history", [False, True])
SUITE = {
    "references": "[popularity, markov]",
    "backbones": "[sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}]",
    "seeds": "[3, 4]",
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Few items and long histories, some of them with the target in them; ties everywhere; rows apart from training."""
    generator = np.random.default_rng(5)
    made = make_dataset([list(generator.integers(0, 23, size)) for size in (2, 20, 7, 13, 3, 5, 31)])
    later = np.flatnonzero(np.arange(len(made.train)) % 3 == 0)
    train = np.setdiff1d(np.arange(len(made.train)), later)
    return dataclasses.replace(made, train=part(made.train, train), test=part(made.test, later))


def part(split: Split, rows: np.ndarray) -> Split:
    return Split(split.users[rows], split.starts[rows], split.ends[rows], split.targets[rows])


def naive_scores(data: Dataset, reference: type[Baseline], last: int) -> list[tuple[int, int]]:
    """(transitions, popularity) of each item after an item, counted row by row; tuples compare as the ranking does."""
    scores = []
    for item in range(data.num_items):
        rows = [row for row in range(len(data.train)) if data.train.targets[row] == item]
        after = sum(data.flat[data.train.ends[row] - 1] == last for row in rows)
        scores.append((after if reference is Markov else 0, len(rows)))
    return scores


def naive_ranking(data: Dataset, reference: type[Baseline], row: int, mask_history: bool) -> list[int]:
    """All items that are ranked for a test row, best first; of equal ones the target last, else the lower id first."""
    start, end, target = data.test.starts[row], data.test.ends[row], data.test.targets[row]
    seen = set(data.flat[start:end].tolist()) - {int(target)} if mask_history else set()
    scores = naive_scores(data, reference, int(data.flat[end - 1]))
    left = [item for item in range(data.num_items) if item not in seen]
    return sorted(left, key=lambda item: (-scores[item][0], -scores[item][1], item == target, item))


@BOTH
@HIDDEN
def test_ranks_and_the_ten_best_are_those_of_a_naive_sort(
    data: Dataset, reference: type[Baseline], mask_history: bool
) -> None:
    found = ranked(reference(data), data, data.test, mask_history=mask_history)
    places = []
    for row, target in enumerate(data.test.targets.tolist()):
        ranking = naive_ranking(data, reference, row, mask_history)
        places.append(ranking.index(target) + 1)
        scores = naive_scores(data, reference, int(data.flat[data.test.ends[row] - 1]))
        best = sorted(ranking, key=lambda item, scores=scores: (-scores[item][0], -scores[item][1], item))[:10]
        assert found.top_items[row].tolist() == [*best, *[-1] * (10 - len(best))]
    assert found.readout_ranks.tolist() == places
    assert found.step_ranks.tolist() == found.control_ranks.tolist() == [[place] for place in places]
    assert found.cosine.shape == (len(places), 0)
    assert found.items.tolist() == data.test.targets.tolist()
    assert found.users.tolist() == data.test.users.tolist()


def test_fewer_than_ten_items_leave_places_empty() -> None:
    small = make_dataset([[0, 1, 2, 0, 1, 3]], num_items=4)
    open_, masked = (
        ranked(Popularity(small), small, small.test, mask_history=masked).top_items for masked in (False, True)
    )
    assert open_[-1].tolist() == [1, 0, 2, 3, -1, -1, -1, -1, -1, -1]
    assert masked[-1].tolist() == [3, -1, -1, -1, -1, -1, -1, -1, -1, -1]


@HIDDEN
def test_entropy_and_margin_are_those_of_the_smoothed_transitions(data: Dataset, mask_history: bool) -> None:
    found = ranked(Markov(data), data, data.test, mask_history=mask_history)
    rows = len(data.train)
    for row in range(len(data.test)):
        scores = naive_scores(data, Markov, int(data.flat[data.test.ends[row] - 1]))
        left = naive_ranking(data, Markov, row, mask_history)
        counts = np.array([scores[item][0] + scores[item][1] / (rows + 1) for item in left])
        shares = np.sort(counts[counts > 0] / counts.sum())[::-1]
        assert found.entropy[row, 0] == pytest.approx(-(shares * np.log(shares)).sum(), rel=2e-3, abs=2e-3)
        assert found.margin[row, 0] == pytest.approx(np.log(shares[0] / shares[1]), rel=2e-3, abs=2e-3)


def test_where_nothing_or_one_item_is_counted_entropy_is_zero_and_the_margin_finite() -> None:
    small = make_dataset([[0, 1, 1, 1]], num_items=3)
    found = ranked(Popularity(small), small, small.test, mask_history=False)
    assert (found.entropy[0, 0], found.margin[0, 0]) == (0.0, np.finfo(np.float16).max)
    none = dataclasses.replace(small, train=part(small.train, np.arange(0)))
    found = ranked(Popularity(none), none, none.test, mask_history=False)
    assert (found.entropy[0, 0], found.margin[0, 0]) == (0.0, 0.0)
    assert set(found.readout_ranks.tolist()) == {3}


def test_scores_are_asked_for_once_per_context(tiny: Dataset) -> None:
    class Counted(Markov):
        asked: list[int] = []  # noqa: RUF012

        def scores(self, context: int) -> np.ndarray:
            self.asked.append(context)
            return super().scores(context)

    ranked(Counted(tiny), tiny, tiny.test, mask_history=False)
    assert sorted(Counted.asked) == np.unique(tiny.flat[tiny.test.ends - 1]).tolist()


# cells and keys


def cells_of(folder: Path, *overrides: str) -> list[Cell]:
    return list(expand(suite_in(folder, *overrides, **SUITE)))


def spec_of(cell: Cell, **given: Any) -> TrialSpec:
    return cell.spec({}, **{"seed": cell.seeds[0], "purpose": "final", "fingerprint": "f", "device": "cpu", **given})


def key_of(folder: Path, *overrides: str, reference: str = "markov") -> str:
    return spec_of(next(cell for cell in cells_of(folder, *overrides) if cell.backbone == reference)).key


def test_each_data_set_has_a_cell_for_each_reference_before_its_models(tmp_path: Path) -> None:
    cells = cells_of(tmp_path, "datasets=[a, b]")
    assert [(cell.dataset, cell.backbone, cell.row, cell.steps, cell.seeds) for cell in cells] == [
        ("a", "popularity", "reference", 0, (3,)),
        ("a", "markov", "reference", 0, (3,)),
        ("a", "sasrec", "base", 0, (3, 4)),
        ("b", "popularity", "reference", 0, (3,)),
        ("b", "markov", "reference", 0, (3,)),
        ("b", "sasrec", "base", 0, (3, 4)),
    ]
    assert [cell.is_baseline for cell in cells] == [True, True, False] * 2
    assert len({cell.id for cell in cells}) == 6
    for nothing in ("references=[]", "references="):
        assert [cell.backbone for cell in cells_of(tmp_path, nothing)] == ["sasrec"]


@pytest.mark.parametrize(
    "override",
    [
        "name=x",
        "datasets=[x]",
        "backbones.sasrec.width=16",
        "strategies=[erl]",
        "steps=[2]",
        "seeds=[7, 8]",
        "search.metric=mrr",
        "training={lr: 0.1, batch_size: 8, max_epochs: 2, patience: 1, max_len: 9, packing: users, threads: 2}",
        "training.lr={search: [0.1, 0.2]}",
        "training.max_len={sweep: [5, 9]}",
        "evaluation.trace_users=[1]",
    ],
)
def test_what_moves_no_count_leaves_the_key_alone(tmp_path: Path, override: str) -> None:
    assert key_of(tmp_path, override) == key_of(tmp_path)


def test_what_moves_a_count_gives_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cells_of(tmp_path)[1]
    keys = [
        key_of(tmp_path),
        key_of(tmp_path, reference="popularity"),
        key_of(tmp_path, "evaluation.mask_history=true"),
        spec_of(cell, fingerprint="g").key,
        spec_of(cell, purpose="search").key,
    ]
    masked = key_of(tmp_path, "evaluation.mask_history=true", "training.max_len=7")
    assert masked == keys[2], "the whole history is masked, whatever a model sees of it"
    monkeypatch.setattr(BASELINES.settings("markov"), "version", 2)
    keys.append(spec_of(cell).key)
    assert len(set(keys)) == len(keys)
    assert spec_of(cell, device="cuda") == spec_of(cell, device="cpu")


def test_no_plug_in_may_call_its_strategy_a_reference() -> None:
    from rearec_bench.harness.utils.errors import InputError

    with pytest.raises(InputError, match=r"^'reference' of mine\.py"):
        STRATEGIES.add(Entry("reference", "mine:Mine", origin="mine.py"))


@pytest.mark.parametrize("name", BASELINES.names())
def test_every_reference_keeps_its_contract(name: str, tiny: Dataset) -> None:
    made = BASELINES.component(name)(tiny)
    assert BASELINES.settings(name).__doc__
    contexts = made.contexts(tiny.test)
    assert contexts.shape == (len(tiny.test),)
    before = made.scores(int(contexts[0]))
    assert before.shape == (tiny.num_items,) and before.min() >= 0
    made.scores(int(contexts[0]))[:] = -7
    assert (made.scores(int(contexts[0])) == before).all(), "the caller may change what it is given"


# trials


def run_of(tiny: Dataset, folder: Path, *overrides: str, reference: str = "markov", **given: Any) -> TrialResult:
    cell = next(cell for cell in cells_of(folder, *overrides) if cell.backbone == reference)
    return run_trial(spec_of(cell, **{"fingerprint": tiny.fingerprint, **given}), tiny)


@pytest.mark.parametrize("mask", ["false", "true"])
def test_a_reference_is_a_trial_with_the_evidence_of_any_other(tiny: Dataset, tmp_path: Path, mask: str) -> None:
    result = run_of(tiny, tmp_path, f"evaluation.mask_history={mask}", "training.max_len=6")
    assert (result.status, result.history, result.best_epoch, result.parameters) == ("done", (), 0, 0)
    assert result.test is not None and result.validation is not None, result.traceback
    for found, split in ((result.validation, tiny.valid), (result.test, tiny.test)):
        expected = ranked(Markov(tiny), tiny, split, mask_history=mask == "true")
        assert found.rows.readout_ranks.tolist() == expected.readout_ranks.tolist()
        assert found.readout == found.steps[0] == metrics_of(expected.readout_ranks)
        assert found.traces is None
    assert set(result.timings) == {"started_at", "total_s", "build_s", "train_s", "evaluate_s"}
    assert result.source_digest == source_digest("markov", "reference")
    assert run_of(tiny, tmp_path, purpose="search").test is None
    other = run_of(tiny, tmp_path, fingerprint="another")
    assert other.status == "failed" and "fingerprint differs" in other.reason


def test_it_ends_after_one_step_that_is_no_epoch(tiny: Dataset, tmp_path: Path) -> None:
    told: list[EpochProgress] = []
    spec = spec_of(cells_of(tmp_path)[0], fingerprint=tiny.fingerprint)
    assert run_trial(spec, tiny, told.append).status == "done"
    assert told == []
    progress = start(spec, tiny).epoch()
    assert (progress.epoch, progress.done) == (0, True)
    assert progress.best == progress.validation["ndcg@20"] > 0
    assert progress.rows_per_s > 0
