import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from rearec_bench.harness.records.results import TestEvidence, ValidationEvidence
from rearec_bench.harness.trial import evaluate, ranking
from rearec_bench.harness.trial.batches import SplitReader
from rearec_bench.harness.trial.evaluate import Scorer, evidence, readout_ranks, step_temperatures
from rearec_bench.harness.trial.metrics import metrics_of
from rearec_bench.harness.utils.seeds import stream_seed
from rearec_bench.models.strategies.base import Base
from rearec_bench.models.strategies.erl import ERL
from rearec_bench.models.strategies.prl import PRL
from rearec_bench.models.strategies.settings import BaseSettings, ERLSettings, PRLSettings

from ...models.naive import build
from ..dense_ranking import dense_entropy, dense_ranks, hide_histories
from .test_batches import MAX_LEN, make_dataset

STEPS = 2


@pytest.fixture
def dataset():
    generator = np.random.default_rng(3)
    return make_dataset([list(generator.integers(0, 23, size)) for size in (2, 20, 7, 13, 3, 5, 31)])


@pytest.fixture
def model():
    return build(steps=STEPS).float()


def reader_of(dataset) -> SplitReader:
    return SplitReader(dataset, dataset.valid, max_len=MAX_LEN, device=torch.device("cpu"))


def found(model, dataset, *, split: str = "valid"):
    scorer = Scorer(model.backbone, 0.5, False)
    strategy = ERL(ERLSettings(), steps=STEPS)
    return evidence(model, strategy, reader_of(dataset), scorer, seed=1, split=split, traced=True)


def all_states(model, reader) -> torch.Tensor:
    states = torch.empty(len(reader), STEPS + 1, 8)
    with torch.no_grad():
        for chunk in reader.chunks(np.arange(len(reader))):
            states[torch.from_numpy(chunk.rows)] = chunk.pick(model.reason(chunk.histories))
    return states


def test_early_stopping_sees_the_ranks_that_are_stored(dataset, model) -> None:
    ranks = readout_ranks(
        model, ERL(ERLSettings(), steps=STEPS), reader_of(dataset), Scorer(model.backbone, 0.5, False)
    )
    assert ranks.tolist() == found(model, dataset).rows.readout_ranks.tolist()


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_model_that_scores_all_items_alike_or_by_nan_is_ranked_last(dataset, model, value: float) -> None:
    with torch.no_grad():
        model.backbone.items.fill_(value)
    assert set(found(model, dataset).rows.readout_ranks.tolist()) == {23}


def test_metrics_and_similarity_are_those_of_the_stored_rows(dataset, model) -> None:
    result = found(model, dataset)
    assert (type(result), type(found(model, dataset, split="test"))) == (ValidationEvidence, TestEvidence)
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


def test_traced_rows_are_evenly_spaced_and_hold_their_states(dataset, model, monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "TRACED_ROWS", 5)
    result = found(model, dataset)
    count = len(dataset.valid)
    assert result.traces.rows.tolist() == [round(part * (count - 1) / 4) for part in range(5)]
    states = all_states(model, reader_of(dataset))
    np.testing.assert_allclose(
        result.traces.states, states[result.traces.rows.astype(int)].numpy(), rtol=1e-5, atol=1e-6
    )


def divergences(scores: torch.Tensor) -> torch.Tensor:
    """(r, S, N) scores to (r, S - 1) KL divergences of each state's softmax from the one before."""
    log_p = scores.double().log_softmax(-1)
    return (log_p[:, :-1].exp() * (log_p[:, :-1] - log_p[:, 1:]).nan_to_num()).sum(-1).float()


def dense_rows(model, strategy, reader, *, temperatures: list[float], mask_history: bool) -> dict[str, np.ndarray]:
    """All that is kept of a split, from all scores at once."""
    noise = torch.Generator().manual_seed(stream_seed(1, "control", "valid"))
    items = model.backbone.item_vectors().detach()
    kept: dict[str, list[torch.Tensor]] = {}
    with torch.no_grad():
        for chunk in reader.chunks(np.arange(len(reader))):
            states, targets = chunk.pick(model.reason(chunk.histories)), reader.targets[chunk.rows]
            readout = strategy.readout(states)
            controls = evaluate._noised_copies(readout, states, noise)
            scores = torch.cat([states, readout[:, None], controls], 1) @ items.T
            if mask_history:
                split = reader.split
                ends = zip(split.starts[chunk.rows], split.ends[chunk.rows], strict=True)
                whole = pad_sequence([reader._flat[start:end] for start, end in ends], True, items.shape[0])
                hide_histories(scores, whole, targets)
            count, ranks = states.shape[1], dense_ranks(scores, targets)
            best = scores.topk(10, dim=-1)
            found = {
                "row": torch.from_numpy(chunk.rows),
                "step_ranks": ranks[:, :count],
                "readout_ranks": ranks[:, count],
                "control_ranks": ranks[:, count + 1 :],
                "top_items": best.indices[:, count],
                "step_items": best.indices[:, :count],
                "entropy": dense_entropy(scores[:, :count] / torch.tensor(temperatures)[:, None]),
                "divergence": divergences(scores[:, :count] / torch.tensor(temperatures)[:, None]),
                "margin": (best.values[:, :count, 0] - best.values[:, :count, 1]) / torch.tensor(temperatures),
            }
            for name, values in found.items():
                kept.setdefault(name, []).append(values)
    order = torch.cat(kept.pop("row")).argsort()
    return {name: torch.cat(values)[order].numpy() for name, values in kept.items()}


@pytest.mark.parametrize("annealing", [False, True])
def test_entropy_and_margin_are_at_each_steps_own_temperature_and_ranks_do_not_depend_on_it(
    dataset, model, annealing: bool
) -> None:
    settings = PRLSettings(temperature=0.8, decay=1.5, annealing=annealing)
    strategy, reader = PRL(settings, steps=STEPS), reader_of(dataset)
    rows = evidence(
        model, strategy, reader, Scorer(model.backbone, 0.5, False), seed=1, split="valid", traced=False
    ).rows
    scores = all_states(model, reader) @ model.backbone.item_vectors().detach().T
    expected = [0.4 * (1.5 if annealing else 1) ** (STEPS - k) for k in range(STEPS + 1)]
    assert step_temperatures(strategy, 0.5) == pytest.approx(expected)
    for k, temperature in enumerate(expected):
        best = (scores[:, k] / temperature).topk(2).values
        np.testing.assert_allclose(rows.entropy[:, k], dense_entropy(scores[:, k] / temperature), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(rows.margin[:, k], best[:, 0] - best[:, 1], rtol=1e-3, atol=1e-3)
    last = Base(BaseSettings(), steps=STEPS)
    plain = evidence(model, last, reader, Scorer(model.backbone, 0.5, False), seed=1, split="valid", traced=False).rows
    assert np.array_equal(plain.step_ranks, rows.step_ranks)
    assert np.array_equal(plain.control_ranks, rows.control_ranks)
    assert not np.array_equal(plain.entropy, rows.entropy)


@pytest.mark.parametrize("wrong", [(), (1.0,), (1.0,) * STEPS + (0.0,), (1.0,) * (STEPS + 2)])
def test_temperatures_of_steps_are_one_each_and_above_zero(wrong: tuple[float, ...]) -> None:
    class Odd(Base):
        def temperatures(self, temperature: float) -> tuple[float, ...]:
            return wrong

    with pytest.raises(ValueError, match=f"Odd has the temperatures .*; allowed: {STEPS + 1} numbers above 0"):
        step_temperatures(Odd(BaseSettings(), steps=STEPS), 1.0)


@pytest.mark.parametrize("mask_history", [False, True])
@pytest.mark.parametrize("last_state", [False, True])
@pytest.mark.parametrize(("columns", "queries"), [(1024, 512), (64, 70), (16, 1)])
def test_what_is_kept_is_what_all_scores_at_once_say(
    mask_history: bool, last_state: bool, columns: int, queries: int, monkeypatch
) -> None:
    monkeypatch.setitem(ranking._COLUMNS, "cpu", columns)
    monkeypatch.setitem(ranking._MAX_QUERIES, "cpu", queries)
    generator = np.random.default_rng(4)
    data = make_dataset([list(generator.integers(0, 300, size)) for size in (9, 20, 7, 31)], num_items=300)
    model, reader = build(300, steps=STEPS).float(), reader_of(data)
    strategy = PRL(PRLSettings(), steps=STEPS) if last_state else ERL(ERLSettings(), steps=STEPS)
    scorer = Scorer(model.backbone, 0.5, mask_history)
    result = evidence(model, strategy, reader, scorer, seed=1, split="valid", traced=True)
    annealed = [0.5 * 1.5**2, 0.5 * 1.5, 0.5] if last_state else [0.5] * 3
    expected = dense_rows(model, strategy, reader, temperatures=annealed, mask_history=mask_history)
    for name in ("step_ranks", "readout_ranks", "control_ranks", "top_items"):
        np.testing.assert_array_equal(getattr(result.rows, name), expected[name], err_msg=name)
    np.testing.assert_array_equal(result.traces.top_items, expected["step_items"][result.traces.rows])
    states = all_states(model, reader)
    cosine = torch.nn.functional.cosine_similarity(states[:, 1:], states[:, :-1], dim=-1)
    np.testing.assert_allclose(result.rows.cosine, cosine.numpy(), rtol=2e-3, atol=2e-3)
    for name in ("entropy", "margin", "divergence"):
        one_rounding = np.spacing(np.abs(expected[name]).astype(np.float16)).astype(np.float32)
        difference = np.abs(getattr(result.rows, name).astype(np.float32) - expected[name].astype(np.float16))
        assert (difference <= one_rounding).all(), name


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("max_len", [1, 5, MAX_LEN])
@pytest.mark.parametrize(
    "items", [[5] * 9, [1, 2, 1, 2, 2, 1, 3], [*range(20), 0], [7, *[8] * (MAX_LEN + 1), 7, 9], [0, 22]], ids=str
)
def test_the_whole_history_but_the_target_is_left_out_whatever_the_model_sees_of_it(
    model, packed: bool, max_len: int, items: list[int]
) -> None:
    data, strategy = make_dataset([[3, 3, 4], items]), ERL(ERLSettings(), steps=STEPS)
    with torch.no_grad():
        model.backbone.items.fill_(0.0)  # all items tie, so that a rank is the number of those that are ranked
    scorer = Scorer(model.backbone, 0.5, mask_history=True)
    left = [23, 22, *(23 - len({*items[:end]} - {items[end]}) for end in range(1, len(items)))]
    for split in ("valid", "test"):
        reader = SplitReader(data, getattr(data, split), max_len=max_len, device=torch.device("cpu"), packed=packed)
        assert readout_ranks(model, strategy, reader, scorer).tolist() == left
        rows = evidence(model, strategy, reader, scorer, seed=1, split=split, traced=False).rows
        assert rows.readout_ranks.tolist() == left and (rows.step_ranks == np.array(left)[:, None]).all()


@pytest.mark.parametrize(
    ("strategy", "scored"), [(ERL(ERLSettings(), steps=STEPS), 7), (PRL(PRLSettings(), steps=STEPS), 6)]
)
def test_a_readout_that_is_the_last_state_is_not_scored_again(
    dataset, model, strategy, scored: int, monkeypatch
) -> None:
    seen = []
    score = ranking.Ranker.score

    def spy(ranker, queries):
        seen.append(queries.shape[:2])
        return score(ranker, queries)

    monkeypatch.setattr(ranking.Ranker, "score", spy)
    monkeypatch.setitem(ranking._MAX_QUERIES, "cpu", 64)
    reader = reader_of(dataset)
    evidence(model, strategy, reader, Scorer(model.backbone, 0.5, False), seed=1, split="valid", traced=False)
    assert {states for _, states in seen} == {scored}
    assert sum(rows for rows, _ in seen) == len(reader) > max(rows for rows, _ in seen)


def test_ranking_is_full_precision_whatever_training_used(dataset, model, monkeypatch) -> None:
    expected = found(model, dataset).rows
    during = []
    reason = model.reason
    monkeypatch.setattr(
        model, "reason", lambda histories: during.append(torch.get_float32_matmul_precision()) or reason(histories)
    )
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rows = found(model, dataset).rows
        assert torch.get_float32_matmul_precision() == "medium", "what training uses comes back"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(during) == {"highest"}
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(rows, name), values)
