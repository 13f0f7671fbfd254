from typing import Any

import pytest
import torch

from rearec_bench.models.backbones.lares import LARES
from rearec_bench.models.backbones.sasrec import SASRec
from rearec_bench.models.layers import seed_dropout, seed_noise
from rearec_bench.models.strategies.contract import Reasoning

from .naive import BUILT_IN, HISTORIES, build, naive_states, padded


@pytest.mark.parametrize(("backbone", "rescale"), [*((name, False) for name in BUILT_IN), ("sasrec", True)])
def test_gradients_through_the_cache_equal_those_of_encoding_again(backbone: str, rescale: bool) -> None:
    model = build(backbone=backbone, steps=2, rescale=rescale).eval()
    weights = torch.randn(len(HISTORIES), 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parameters = dict(model.named_parameters())

    def gradients(states: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return torch.autograd.grad((states * weights).sum(), tuple(parameters.values()), allow_unused=True)

    cached = gradients(model.reason(padded())[:, 0])
    naive = gradients(torch.stack([naive_states(model, history) for history in HISTORIES]))
    for name, ours, expected in zip(parameters, cached, naive, strict=True):
        if name == "backbone.adaptor.gate_noise":
            assert ours is None, "noise is for training"
            continue
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("backbone", BUILT_IN)
def test_noised_view_follows_equation_10_and_shares_the_encoded_history(backbone: str) -> None:
    model = build(backbone=backbone, steps=2).eval()
    reasoning = Reasoning(noise_std=0.3)
    states, noised = model.reason_twice(padded(), reasoning, torch.Generator().manual_seed(5))
    drawn = torch.Generator().manual_seed(5)
    noise = [torch.empty(len(HISTORIES), 1, 8, dtype=torch.float64).normal_(0, 0.3, generator=drawn) for _ in range(2)]
    for row, history in enumerate(HISTORIES):
        own = torch.stack([step[row, 0] for step in noise])
        torch.testing.assert_close(noised[row, 0], naive_states(model, history, own)[1:], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(states[row, 0], naive_states(model, history), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("every_prefix", [False, True])
def test_views_stepped_together_are_those_stepped_one_after_the_other(
    every_prefix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(steps=3).eval()
    histories = padded(every_prefix=every_prefix)
    real = (
        (torch.arange(12) < histories.lengths[:, None])
        if every_prefix
        else torch.ones(len(HISTORIES), 1, dtype=torch.bool)
    )
    found = []
    for together in (True, False):
        if not together:
            monkeypatch.setattr(model.backbone, "side_by_side", lambda cache, views: None)
        states, noised = model.reason_twice(histories, Reasoning(noise_std=0.3), torch.Generator().manual_seed(5))
        model.zero_grad()
        (states[real].sin().sum() + noised[real].cos().sum()).backward()
        found.append((states[real], noised[real], [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-11)


def test_lares_starts_from_truncated_noise_times_its_scale_in_training_and_from_zeros_in_ranking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts, run = [], LARES._pass
    monkeypatch.setattr(LARES, "_pass", lambda self, states, *rest: starts.append(states) or run(self, states, *rest))
    model = build(backbone="lares", state_scale=2.0)
    seed_noise(model, 4, torch.device("cpu"))
    model.train().backbone.encode(padded())
    model.eval().backbone.encode(padded())
    noise = torch.nn.init.trunc_normal_(
        torch.empty_like(starts[0]), a=-3, b=3, generator=torch.Generator().manual_seed(4)
    )
    assert torch.equal(starts[0], 2 * noise) and not starts[1].any()


def test_released_noise_starts_each_step_from_the_clean_state() -> None:
    model = build(steps=2)
    reasoning = Reasoning(noise_std=0.3, noise_from_clean=True)
    states, noised = model.reason_twice(padded(HISTORIES[1:2]), reasoning, torch.Generator().manual_seed(5))
    drawn = torch.Generator().manual_seed(5)
    noise = [torch.empty(1, 1, 8, dtype=torch.float64).normal_(0, 0.3, generator=drawn)[0, 0] for _ in range(2)]
    # The same entries can be had from the noised chain when its noise also undoes what the chain did.
    first = naive_states(model, HISTORIES[1], torch.stack([noise[0], torch.zeros(8)]))[1]
    torch.testing.assert_close(noised[0, 0, 0], first, rtol=1e-11, atol=1e-11)
    correction = states[0, 0, 1] - first + noise[1]
    second = naive_states(model, HISTORIES[1], torch.stack([noise[0], correction]))[2]
    torch.testing.assert_close(noised[0, 0, 1], second, rtol=1e-11, atol=1e-11)


def test_released_second_encoding_has_dropout_of_its_own() -> None:
    model = build(steps=1, dropout=0.5).train()
    seed_dropout(model, 3, torch.device("cpu"))
    histories = padded()
    quiet = {"noise_std": 0.0, "noise_from_clean": True}
    states, noised = model.reason_twice(histories, Reasoning(second_encoding=True, **quiet), None)
    assert not torch.allclose(states[:, :, 1:], noised)
    model.eval()
    states, noised = model.reason_twice(histories, Reasoning(second_encoding=True, **quiet), None)
    torch.testing.assert_close(states[:, :, 1:], noised)


def trained(*, every_prefix: bool = False, noised: bool = False, **given: Any) -> tuple[Any, torch.Tensor]:
    """Where the dropout stream ends, and the states in training: (G, Q, T, d), those of the noised view behind."""
    model = build(**given).train()
    stream = seed_dropout(model, 3, torch.device("cpu"))
    seed_noise(model, 4, torch.device("cpu"))
    reasoning = Reasoning(noise_std=0.1 if noised else None)
    histories = padded(every_prefix=every_prefix)
    states, second = model.reason_twice(histories, reasoning, torch.Generator().manual_seed(5))
    return stream.state(), states if second is None else torch.cat([states, second], 2)


@pytest.mark.parametrize("noised", [False, True])
@pytest.mark.parametrize(("backbone", "every_prefix"), [*((name, False) for name in BUILT_IN), ("sasrec", True)])
def test_dropout_of_the_steps_leaves_the_encoded_history_as_it_is(
    backbone: str, every_prefix: bool, noised: bool
) -> None:
    given = {"backbone": backbone, "every_prefix": every_prefix, "noised": noised, "dropout": 0.5}
    end, states = trained(**given)
    same, as_items = trained(**given, step_dropout=0.5)
    assert torch.equal(as_items, states) and same == end
    for rate in (0.0, 0.2):
        _, changed = trained(**given, step_dropout=rate)
        assert torch.equal(changed[:, :, 0], states[:, :, 0])
        assert (changed[:, :, 1:] != states[:, :, 1:]).any(-1).all()


@pytest.mark.parametrize("every_prefix", [False, True])
def test_steps_without_dropout_draw_nothing_and_are_those_of_evaluation(every_prefix: bool) -> None:
    model = build(dropout=0.5, step_dropout=0.0).train()
    stream = seed_dropout(model, 3, torch.device("cpu"))
    first, cache = model.backbone.encode(padded(every_prefix=every_prefix))
    before = stream.state()
    training = [model.backbone.advance(first, cache)[0], model.backbone.advance(first, cache)[0]]
    assert stream.state() == before
    expected, _ = model.eval().backbone.advance(first, cache)
    assert torch.equal(training[0], expected) and torch.equal(training[1], expected)


def test_dropout_of_the_steps_falls_on_their_inputs_attention_and_sublayers() -> None:
    drawn = []
    for rate in (0.0, 0.5):
        model = build(layers=3, dropout=0.0, step_dropout=rate).train()
        stream = seed_dropout(model, 3, torch.device("cpu"))
        drawn.append(shapes := [])
        keep = stream.keep
        stream.keep = lambda shape, *given, shapes=shapes, keep=keep: shapes.append(tuple(shape)) or keep(shape, *given)
        model.reason(padded())
    one, longest = (len(HISTORIES), 1, 8), max(map(len, HISTORIES))
    steps = [[one, *([(len(HISTORIES), 2, 1, longest + k), one, one] * 3)] for k in (1, 2)]
    assert drawn == [[], [*steps[0], *steps[1]]]


@pytest.mark.parametrize("apart", [{}, {"noise_from_clean": True}, {"noise_from_clean": True, "second_encoding": True}])
@pytest.mark.parametrize(("backbone", "every_prefix"), [*((name, False) for name in BUILT_IN), ("sasrec", True)])
def test_with_shared_masks_the_noise_alone_parts_the_views(
    backbone: str, every_prefix: bool, apart: dict[str, bool]
) -> None:
    """Without noise the views are one; the clean view has the masks that it has alone, and none are left behind."""

    def views(noise_std: float, shared: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        encoder_rates = {"dropout": 0.0, "step_dropout": 0.5}  # a second encoding has no masks to differ in
        if backbone == "lares":
            encoder_rates["state_scale"] = 0.0  # nor in what the first pass starts from
        model = build(backbone=backbone, **encoder_rates).train()
        stream = seed_dropout(model, 3, torch.device("cpu"))
        seed_noise(model, 4, torch.device("cpu"))
        reasoning = Reasoning(noise_std=noise_std, shared_masks=shared, **apart)
        with model.backbone.prepared():
            found = model.reason_twice(padded(every_prefix=every_prefix), reasoning, torch.Generator().manual_seed(5))
        return *found, stream.keep(torch.Size([40]), 0.5, torch.float64)[0]

    states, noised, _ = views(0.0, True)
    assert torch.equal(noised, states[:, :, 1:])
    same, moved, after = views(0.3, True)
    assert torch.equal(same, states) and (moved != noised).any(-1).all()
    _, own, later = views(0.0, False)
    assert (own != noised).any(-1).all()
    assert not torch.equal(after, later), "own masks were drawn, shared ones were not"


def test_shared_masks_go_on_from_where_the_clean_view_ends() -> None:
    model = build(dropout=0.5).train()
    stream = seed_dropout(model, 3, torch.device("cpu"))
    model.reason(padded())
    alone = stream.state()
    stream = seed_dropout(model, 3, torch.device("cpu"))
    model.reason_twice(padded(), Reasoning(noise_std=0.1, shared_masks=True), torch.Generator().manual_seed(5))
    assert stream.state() == alone


@pytest.mark.parametrize("layers", [1, 2])
def test_one_layer_of_bert4rec_reads_a_history_as_sasrec_does_and_two_do_not(layers: int) -> None:
    """The last item sees the same in both; that earlier items see later ones shows from the second layer on."""
    sasrec, bert4rec = (
        build(backbone=name, steps=2, layers=layers).reason(padded())[:, 0] for name in ("sasrec", "bert4rec")
    )
    differs = ((sasrec - bert4rec).abs().amax((1, 2)) > 1e-3).tolist()
    assert differs == [False] + [layers == 2] * 2
    assert layers == 2 or torch.equal(sasrec, bert4rec)


def test_states_of_prefixes_cannot_be_had_in_one_pass_of_bert4rec() -> None:
    with pytest.raises(ValueError, match="bidirectional"):
        build(backbone="bert4rec").reason(padded(every_prefix=True))


@pytest.mark.parametrize("every_prefix", [False, True])
@pytest.mark.parametrize("together", [True, False])
def test_a_stream_sees_its_own_steps_and_no_other_stream(
    every_prefix: bool, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not together:
        monkeypatch.setattr(SASRec, "side_by_side", lambda self, cache, views: None)
    model = build(steps=3, streams=2)
    before = model.reason(padded(every_prefix=every_prefix))
    with torch.no_grad():
        model.triggers[1] += 1
    after = model.reason(padded(every_prefix=every_prefix))
    changed = (before - after).abs().amax((0, 1, 3)) > 1e-6
    assert changed.tolist() == [False] * 4 + [True] * 3
