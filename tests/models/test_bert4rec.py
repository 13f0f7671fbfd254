"""BERT4Rec: its states against the naive model, and what follows from seeing the whole history."""

from __future__ import annotations

import pytest
import torch

from rearec_bench.models.backbones.contract import Histories
from rearec_bench.models.reasoning import ReasoningModel

from .naive import build, naive_states

HISTORIES = [[3], [1, 2, 3, 4, 5, 6, 7], [9, 9, 0], [22, 5, 14, 2, 8, 8, 1, 0, 3, 11, 12, 13]]


def states_of(model: ReasoningModel, histories: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, histories))
    items = torch.tensor([history + [23] * (longest - len(history)) for history in histories])
    return model.reason(Histories(items, torch.tensor([len(history) for history in histories])))[:, 0]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_rows_batched_together_have_the_states_of_each_row_alone(layers: int) -> None:
    model = build(backbone="bert4rec", steps=3, layers=layers)
    together = states_of(model, HISTORIES)
    for row, history in enumerate(HISTORIES):
        torch.testing.assert_close(together[row], states_of(model, [history])[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(together[row], naive_states(model, history), rtol=1e-11, atol=1e-11)


def test_one_layer_reads_a_history_as_sasrec_does_and_two_do_not() -> None:
    """The last item sees the same in both; that earlier items see later ones shows from the second layer on."""

    def both(layers: int) -> list[torch.Tensor]:
        models = [build(backbone=name, steps=2, layers=layers) for name in ("sasrec", "bert4rec")]
        return [states_of(model, HISTORIES) for model in models]

    sasrec, bert4rec = both(layers=1)
    assert torch.equal(sasrec, bert4rec)
    sasrec, bert4rec = both(layers=2)
    alone, *longer = ((sasrec - bert4rec).abs().amax((1, 2)) > 1e-3).tolist()
    assert not alone and all(longer)


def test_states_of_prefixes_cannot_be_had_in_one_pass() -> None:
    model = build(backbone="bert4rec")
    histories = Histories(torch.tensor([[1, 2, 3]]), torch.tensor([3]), every_prefix=True)
    with pytest.raises(ValueError, match="bidirectional"):
        model.reason(histories)
