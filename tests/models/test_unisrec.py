"""UniSRec: adaptor, gate, cosine scores and item ids, each against a computation with loops or by hand."""

import math

import pytest
import torch
from torch import Tensor

from rearec_bench.models.backbones.settings import UniSRecSettings
from rearec_bench.models.backbones.unisrec import Adaptor, UniSRec, _dropped
from rearec_bench.models.layers import initialise, seed_dropout, seed_noise

CPU = torch.device("cpu")
M, D, G, N = 7, 5, 3, 40


def adaptor(*, dropout: float = 0.0, seed: int = 0, strong: bool = True) -> Adaptor:
    part = Adaptor(M, D, experts=G, dropout=dropout).double()
    initialise(part, seed)
    if strong:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in part.parameters():
                parameter += torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * 0.5
    return part


def texts(count: int = N) -> Tensor:
    return torch.randn(count, M, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def by_hand(part: Adaptor, x: list[float], noise: list[float], masks: list[list[float]]) -> list[float]:
    """One vector, number by number: gate with given noise, experts with given masks (already scaled)."""

    gate, gate_noise = part.gate.tolist(), part.gate_noise.tolist()
    bias, weight = part.bias.tolist(), part.weight.tolist()
    logits = []
    for g in range(G):
        clean, spread = (sum(x[i] * matrix[g][i] for i in range(M)) for matrix in (gate, gate_noise))
        logits.append(clean + noise[g] * (math.log(1 + math.exp(spread)) + 0.01))
    total = sum(math.exp(logit) for logit in logits)
    out = [0.0] * D
    for g in range(G):
        whitened = [x[i] * masks[g][i] - bias[g][i] for i in range(M)]
        for j in range(D):
            projected = sum(whitened[i] * weight[g][i][j] for i in range(M))
            out[j] += math.exp(logits[g]) / total * projected
    return out


def test_the_adaptor_in_training_drops_for_each_expert_and_adds_noise_to_the_gate() -> None:
    part, x = adaptor(dropout=0.4).train(), texts()
    seed_dropout(part, 5, CPU)
    seed_noise(part, 6, CPU)
    stream = part.dropout.stream
    assert stream is not None
    found = part(x)
    noise = torch.empty(N, G, dtype=torch.float64).normal_(generator=torch.Generator().manual_seed(6))
    seed_dropout(part, 5, CPU)
    masks = torch.empty(N, G, M)
    for expert, rows, kept, scale in _dropped(torch.ones_like(x), G, part.dropout.stream.draw_seed(), 0.4):
        masks[rows, expert] = kept.float() * scale
    assert not torch.equal(masks[:, 0], masks[:, 1]), "a mask for each expert"
    assert float((masks == 0).float().mean()) == pytest.approx(0.4, abs=0.06)
    for n in range(N):
        expected = by_hand(part, x[n].tolist(), noise[n].tolist(), masks[n].tolist())
        assert found[n].tolist() == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("chunk_bytes", [M * 8, 3 * M * 8, 1 << 20])
def test_the_gradient_of_the_masked_products_is_right_in_any_number_of_chunks(
    chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rearec_bench.models.backbones.unisrec._CPU_CHUNK_BYTES", chunk_bytes)
    part, x = adaptor(dropout=0.3).train(), texts(8)
    parameters = dict(part.named_parameters())

    def forward(*values: Tensor) -> Tensor:
        seed_dropout(part, 5, CPU)
        seed_noise(part, 6, CPU)
        found: Tensor = torch.func.functional_call(part, dict(zip(parameters, values, strict=True)), (x,))
        return found

    assert torch.autograd.gradcheck(forward, tuple(parameters.values()), fast_mode=True)


def test_gates_start_even_and_biases_at_zero_and_the_noise_of_the_gate_learns() -> None:
    part, x = adaptor(strong=False), texts()
    assert not (part.gate.any() or part.gate_noise.any() or part.bias.any())
    assert float(part.weight.detach().std()) == pytest.approx(0.02, rel=0.3)
    torch.testing.assert_close(part.eval()(x), (x @ part.weight.mean(0)))
    part.train()
    seed_noise(part, 6, CPU)
    (part(x) ** 2).sum().backward()
    for name, parameter in part.named_parameters():
        assert float(parameter.grad.abs().max()) > 0, name


def test_noise_is_drawn_from_a_stream_of_its_own_and_moves_no_dropout() -> None:
    part, x = adaptor(dropout=0.3).train(), texts()
    seed_dropout(part, 5, CPU)
    seed_noise(part, 6, CPU)
    first = part(x)
    stream = part.dropout.stream
    assert stream is not None
    after = stream.draw_seed()
    seed_dropout(part, 5, CPU)
    seed_noise(part, 7, CPU)
    assert not torch.allclose(part(x), first)
    assert part.dropout.stream is not None
    assert part.dropout.stream.draw_seed() == after


def test_training_without_a_seed_is_an_error() -> None:
    part = adaptor(dropout=0.3).train()
    with pytest.raises(RuntimeError, match="seed_noise"):
        part(texts())
    seed_noise(part, 1, CPU)
    with pytest.raises(RuntimeError, match="seed_dropout"):
        part(texts())


def test_an_item_without_text_starts_at_zero_and_its_gradient_stays_bounded() -> None:
    text = torch.randn(6, M)
    text[2] = 0
    backbone = UniSRec(UniSRecSettings(width=4), num_items=6, max_len=3, item_text=text)
    initialise(backbone, 0)
    backbone.eval()
    vectors = backbone.item_vectors(padding=True)
    lengths = vectors.norm(dim=-1)
    torch.testing.assert_close(lengths[[0, 1, 3, 4, 5]], torch.ones(5))
    assert not vectors[[2, 6]].any(), "without text, and the padding row"
    vectors.sum().backward()
    gradient = backbone.adaptor.bias.grad
    assert gradient is not None
    assert 0 < float(gradient.abs().max()) < 1e3
