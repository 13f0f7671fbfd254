import dataclasses

import numpy as np
import pytest

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.records import spec as spec_module
from rearec_bench.harness.records.results import EpochProgress
from rearec_bench.harness.records.spec import EvaluationSettings
from rearec_bench.harness.store.format import pack, unpack
from rearec_bench.harness.trial import batches, evaluate
from rearec_bench.harness.trial.baseline_trial import ranked
from rearec_bench.harness.trial.baselines import Popularity
from rearec_bench.harness.trial.failure import failed_result
from rearec_bench.harness.trial.metrics import metrics_of
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.trial.start import run_trial

from ..specs import SMALL, spec_of


@pytest.mark.slow
def test_a_sequence_model_beats_popularity_and_popularity_beats_chance(tiny: Dataset) -> None:
    model = {"width": 32, "layers": 1, "heads": 2, "feed_forward": 64, "dropout": 0.1, "input_dropout": 0.1}
    result = run_trial(spec_of(tiny, backbone=model, batch_size=128, max_epochs=8), tiny)
    assert result.test is not None, result.traceback
    sequence = result.test.readout["ndcg@20"]
    popularity = metrics_of(ranked(Popularity(tiny), tiny, tiny.test, mask_history=False).readout_ranks)["ndcg@20"]
    chance = float(np.mean([1 / np.log2(rank + 1) if rank <= 20 else 0 for rank in range(1, tiny.num_items + 1)]))
    assert sequence > 1.5 * popularity
    assert popularity > 1.5 * chance


@pytest.mark.parametrize("packing", ["none", "users"])
def test_the_same_seed_gives_the_same_ranks_and_another_seed_others(tiny: Dataset, packing: str) -> None:
    def ranks(seed: int) -> list[int]:
        spec = spec_of(tiny, "prl", steps=2, seed=seed, packing=packing, max_epochs=1)
        result = run_trial(spec, tiny)
        assert result.test is not None, result.traceback
        return result.test.rows.step_ranks.ravel().tolist()

    assert ranks(1) == ranks(1)
    assert ranks(1) != ranks(2)


def test_final_runs_keep_states_of_some_rows_and_search_trials_never_see_test(tiny: Dataset) -> None:
    searched = run_trial(spec_of(tiny, purpose="search", max_epochs=1), tiny)
    assert (searched.status, searched.test) == ("done", None)
    assert searched.validation is not None and searched.validation.traces is None
    final = run_trial(spec_of(tiny, "erl", steps=2, max_epochs=1), tiny)
    assert final.test is not None and final.test.traces is not None
    assert final.test.traces.states.shape == (min(512, len(tiny.test)), 3, SMALL["width"])
    assert final.test.rows.step_ranks.shape == (len(tiny.test), 3)


def test_final_runs_keep_states_of_all_rows_of_the_users_that_are_named(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "TRACED_ROWS", 2)
    user = int(tiny.test.users[len(tiny.test) // 2])
    spec = dataclasses.replace(spec_of(tiny, max_epochs=1), evaluation=EvaluationSettings(trace_users=(user,)))
    final = run_trial(spec, tiny)
    assert final.test is not None and final.test.traces is not None, final.traceback
    named = np.flatnonzero(tiny.test.users == user).tolist()
    assert final.test.traces.rows.tolist() == sorted({0, *named, len(tiny.test) - 1})


def watched_depths(trial: ModelTrial, monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Filled while it trains and ranks: how many steps are taken, None for K."""
    depths: list[int | None] = []
    reason = trial.model.reason_twice
    monkeypatch.setattr(
        trial.model, "reason_twice", lambda *given, **more: depths.append(more["steps"]) or reason(*given, **more)
    )
    return depths


@pytest.mark.parametrize("backbone", ["sasrec", "lares"])
def test_a_trial_of_a_mean_depth_of_three_is_evaluated_at_six_the_same_in_batches_of_any_size(
    tiny: Dataset, backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**SMALL, "dropout": 0.1, "input_dropout": 0.1}
    found = []
    for tokens in (16384, 200):
        monkeypatch.setattr(batches, "_CPU_TOKENS_WITHOUT_GRADIENTS", tokens)
        spec = spec_of(tiny, "lares", kind=backbone, backbone=small, steps=6, hyper={"train_steps": 3}, max_epochs=2)
        trial = ModelTrial(spec, tiny)
        depths = watched_depths(trial, monkeypatch)
        while not trial.done:
            trial.epoch()
        result = trial.result()
        assert result.test is not None and result.test.rows.step_ranks.shape == (len(tiny.test), 7)
        assert len({step["ndcg@20"] for step in result.test.steps}) > 3, "each depth ranks in its own way"
        in_training = {depth for depth in depths if depth is not None}
        assert len(in_training) > 3 and max(in_training) <= 8
        found.append(result)
    assert found[0].history[0].losses == found[1].history[0].losses
    ours, theirs = (each.test.rows.step_ranks for each in found)
    assert (ours != theirs).mean() < 0.002, "but for rounding"


def test_the_best_epoch_by_validation_is_what_is_evaluated(tiny: Dataset) -> None:
    result = run_trial(spec_of(tiny, max_epochs=4, lr=0.02), tiny)
    assert result.validation is not None
    by_epoch = [epoch.validation["ndcg@20"] for epoch in result.history]
    assert result.validation.readout["ndcg@20"] == max(by_epoch)
    assert result.best_epoch == by_epoch.index(max(by_epoch)) + 1


def test_training_stops_after_patience_epochs_without_a_better_one(tiny: Dataset) -> None:
    seen: list[EpochProgress] = []
    result = run_trial(spec_of(tiny, max_epochs=40, patience=2, lr=0.05), tiny, seen.append)
    assert len(result.history) < 40
    assert len(result.history) == result.best_epoch + 2
    assert [progress.done for progress in seen] == [False] * (len(seen) - 1) + [True]


def test_auto_goes_on_until_patience_ends_it_with_the_same_epochs_and_a_limit(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered = run_trial(spec_of(tiny, max_epochs=40, patience=2, lr=0.05), tiny)
    auto = spec_of(tiny, max_epochs="auto", patience=2, lr=0.05)
    assert auto.identity()["training"]["max_epochs"] == "auto"
    result = run_trial(auto, tiny)
    assert [epoch.validation for epoch in result.history] == [epoch.validation for epoch in numbered.history]
    monkeypatch.setattr(spec_module, "MOST_EPOCHS", 2)
    assert len(run_trial(dataclasses.replace(auto, seed=2), tiny).history) == 2


def test_the_released_divergence_term_stays_finite_where_the_released_code_gets_nan(tiny: Dataset) -> None:
    hyper = {"recipe": "released", "kl_weight": 50.0}
    result = run_trial(spec_of(tiny, "erl", steps=2, hyper=hyper, lr=0.05, max_epochs=3), tiny)
    assert result.status == "done"
    assert all(np.isfinite(epoch.losses["total"]) for epoch in result.history)


def test_a_failure_is_a_result_with_its_reason_and_traceback(tiny: Dataset) -> None:
    spec = dataclasses.replace(spec_of(tiny), dataset_fingerprint="another")
    result = run_trial(spec, tiny)
    assert result.status == "failed"
    assert "fingerprint differs" in result.reason
    assert "Traceback" in result.traceback
    assert failed_result(spec, MemoryError("17 GiB\nmore")).reason == "MemoryError: 17 GiB"


def test_a_dry_run_trains_one_batch_and_keeps_nothing(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ModelTrial(spec_of(tiny, batch_size=64), tiny)
    batches, train = [], run.trainer._batch
    monkeypatch.setattr(run.trainer, "_batch", lambda *given, **more: batches.append(1) or train(*given, **more))
    run.dry_run()
    assert len(batches) == 1 and run.history == ()
    assert run.epoch().epoch == 1 and len(batches) > 2


def test_a_result_says_at_which_temperatures_entropy_and_margin_are_and_keeps_it_when_stored(tiny: Dataset) -> None:
    hyper = {"temperature": 0.5, "decay": 2.0, "score_temperature": 0.2}
    result = run_trial(spec_of(tiny, "prl", steps=2, hyper=hyper, max_epochs=1), tiny)
    assert result.step_temperatures == pytest.approx((0.4, 0.2, 0.1))
    assert unpack(pack(result)).step_temperatures == result.step_temperatures
    assert run_trial(spec_of(tiny, "erl", steps=2, max_epochs=1), tiny).step_temperatures == (1.0, 1.0, 1.0)
