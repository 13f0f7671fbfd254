import numpy as np
import pytest
import torch

from rearec_bench.harness import evaluate, ranking
from rearec_bench.harness.batches import SplitReader
from rearec_bench.harness.evaluate import Scorer, evidence, readout_ranks
from rearec_bench.harness.metrics import metrics_of
from rearec_bench.harness.results import TestEvidence, ValidationEvidence
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.settings import ERLSettings

from ..models.naive import build
from .test_batches import MAX_LEN, make_dataset

STEPS = 2


@pytest.fixture
def dataset():
    generator = np.random.default_rng(3)
    return make_dataset([list(generator.integers(0, 23, size)) for size in (2, 20, 7, 13, 3, 5, 31)])


@pytest.fixture
def model():
    model = build(steps=STEPS).float()
    with torch.no_grad():  # twin items, so that ties are there to be counted
        model.backbone.items[5] = model.backbone.items[6]
        model.backbone.items[7] = model.backbone.items[6]
    return model


def reader_of(dataset) -> SplitReader:
    return SplitReader(dataset, dataset.valid, max_len=MAX_LEN, device=torch.device("cpu"))


def found(model, dataset, *, mask_history: bool = False, split: str = "valid"):
    scorer = Scorer(model.backbone, 0.5, mask_history)
    strategy = ERL(ERLSettings(), steps=STEPS)
    return evidence(model, strategy, reader_of(dataset), scorer, seed=1, split=split, traced=True)


def all_states(model, reader) -> torch.Tensor:
    states = torch.empty(len(reader), STEPS + 1, 8)
    with torch.no_grad():
        for chunk in reader.chunks(np.arange(len(reader))):
            states[torch.from_numpy(chunk.rows)] = chunk.pick(model.reason(chunk.histories))
    return states


def sorted_rank(scores: np.ndarray, target: int) -> int:
    """Place of the target when all items are sorted, tied ones before it."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item == target))
    return order.index(target) + 1


def expected_ranks(states: torch.Tensor, model, dataset, *, mask_history: bool) -> list[int]:
    scores = (states @ model.backbone.item_vectors().T).detach().numpy()
    ranks = []
    for row, target in enumerate(dataset.valid.targets):
        own = scores[row].copy()
        if mask_history:
            start, end = dataset.valid.starts[row], dataset.valid.ends[row]
            history = set(dataset.flat[max(start, end - MAX_LEN) : end].tolist()) - {int(target)}
            own[list(history)] = -np.inf
        ranks.append(sorted_rank(own, int(target)))
    return ranks


@pytest.mark.parametrize("mask_history", [False, True])
@pytest.mark.parametrize(("columns", "queries"), [(1024, 512), (16, 512), (16, 1), (20, 100)])
def test_streamed_ranks_equal_a_sort_of_the_full_score_matrix_with_ties(
    dataset, model, mask_history: bool, columns: int, queries: int, monkeypatch
) -> None:
    monkeypatch.setitem(ranking._COLUMNS, "cpu", columns)
    monkeypatch.setitem(ranking._MOST_QUERIES, "cpu", queries)
    rows = found(model, dataset, mask_history=mask_history).rows
    states = all_states(model, reader_of(dataset))
    readout = states.mean(1)
    assert rows.readout_ranks.tolist() == expected_ranks(readout, model, dataset, mask_history=mask_history)
    for step in range(STEPS + 1):
        expected = expected_ranks(states[:, step], model, dataset, mask_history=mask_history)
        assert rows.step_ranks[:, step].tolist() == expected
    assert {5, 6, 7} & set(dataset.valid.targets.tolist()), "a target has twins"


def test_early_stopping_sees_the_ranks_that_are_stored(dataset, model) -> None:
    ranks = readout_ranks(
        model, ERL(ERLSettings(), steps=STEPS), reader_of(dataset), Scorer(model.backbone, 0.5, False)
    )
    assert ranks.tolist() == found(model, dataset).rows.readout_ranks.tolist()


def test_a_model_that_scores_all_items_alike_is_ranked_last(dataset, model) -> None:
    with torch.no_grad():
        model.backbone.items.zero_()
    assert set(found(model, dataset).rows.readout_ranks.tolist()) == {23}


def test_a_model_whose_scores_are_not_numbers_is_ranked_last(dataset, model) -> None:
    with torch.no_grad():
        model.backbone.items.fill_(float("nan"))
    assert set(found(model, dataset).rows.readout_ranks.tolist()) == {23}


def test_what_adaptive_depth_needs_equals_its_definition(dataset, model) -> None:
    rows = found(model, dataset).rows
    states = all_states(model, reader_of(dataset))
    scores = states @ model.backbone.item_vectors().detach().T / 0.5
    p = scores.softmax(-1)
    np.testing.assert_allclose(rows.entropy, -(p * p.log()).sum(-1).numpy(), rtol=2e-3, atol=2e-3)
    best = scores.sort(-1, descending=True).values
    np.testing.assert_allclose(rows.margin, (best[..., 0] - best[..., 1]).numpy(), rtol=2e-3, atol=2e-3)
    cosine = torch.nn.functional.cosine_similarity(states[:, 1:], states[:, :-1], dim=-1)
    np.testing.assert_allclose(rows.cosine, cosine.numpy(), rtol=2e-3, atol=2e-3)


def test_top_items_are_the_ten_best_of_the_readout(dataset, model) -> None:
    rows = found(model, dataset).rows
    scores = all_states(model, reader_of(dataset)).mean(1) @ model.backbone.item_vectors().detach().T
    for row, top in enumerate(rows.top_items):
        np.testing.assert_allclose(scores[row][top].numpy(), scores[row].sort(descending=True).values[:10].numpy())


def test_metrics_and_similarity_are_those_of_the_stored_rows(dataset, model) -> None:
    result = found(model, dataset)
    assert result.readout == metrics_of(result.rows.readout_ranks)
    assert result.steps[1] == metrics_of(result.rows.step_ranks[:, 1])
    states = torch.nn.functional.normalize(all_states(model, reader_of(dataset)), dim=-1)
    assert result.similarity[0][2] == pytest.approx(float((states[:, 0] * states[:, 2]).sum(-1).mean()), abs=1e-5)


def test_control_copies_lie_at_the_steps_mean_cosine_and_keep_the_length() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(40, 3, 16, generator=generator)
    readout = states.mean(1)
    copies = evaluate._noised_copies(readout, states, generator)
    cosine = torch.nn.functional.cosine_similarity
    wanted = cosine(states, readout[:, None], dim=-1).mean(1)
    torch.testing.assert_close(cosine(copies, readout[:, None], dim=-1), wanted[:, None].expand(-1, 3))
    torch.testing.assert_close(copies.norm(dim=-1), readout.norm(dim=-1)[:, None].expand(-1, 3))


def test_validation_and_test_evidence_are_types_of_their_own(dataset, model) -> None:
    assert type(found(model, dataset)) is ValidationEvidence
    assert type(found(model, dataset, split="test")) is TestEvidence


def test_traced_rows_are_evenly_spaced_and_hold_their_states(dataset, model, monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "TRACED_ROWS", 5)
    result = found(model, dataset)
    count = len(dataset.valid)
    assert result.traces.rows.tolist() == [
        0,
        round((count - 1) / 4),
        round((count - 1) / 2),
        round(3 * (count - 1) / 4),
        count - 1,
    ]
    states = all_states(model, reader_of(dataset))
    np.testing.assert_allclose(
        result.traces.states, states[result.traces.rows.astype(int)].numpy(), rtol=1e-5, atol=1e-6
    )
