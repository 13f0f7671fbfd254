"""Time and peak memory of the losses against dense PyTorch on the CPU, one thread, forward and backward together.

    python tests/benchmarks/losses.py             # both shapes, all losses, each case in a process of its own
    python tests/benchmarks/losses.py --large     # adds B = 2,048, N = 87,969, d = 256 (ours alone: minutes)
    python tests/benchmarks/losses.py --chunks    # time against the rows of one chunk

The dense versions compute each softmax once, share it between the terms and keep what autograd needs and no more.
Times are CPU time of the fastest of several calls, since the machine may be shared. Peak is the growth of the process's
largest resident size over the calls, gradients included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence

import torch
from tabulate import tabulate
from torch import Tensor
from torch.nn import functional

from rearec_bench.models.losses import catalogue_loss

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
SHAPES = ((256, 12_101, 64), (512, 22_933, 64))
LARGE = (2_048, 87_969, 256)
STATES = 3
LAMBDA = 0.05
TAUS = (2.25, 1.5, 1.0)
UPPER = [[-LAMBDA if i < j else 0.0 for j in range(STATES)] for i in range(STATES)]
ORDERED = [[-LAMBDA / 6 if i != j else 0.0 for j in range(STATES)] for i in range(STATES)]


def _ours(**settings: object) -> Loss:
    return lambda states, items, targets: catalogue_loss(states, items, targets, **settings).total  # type: ignore[arg-type]


def _dense_ce(states: Tensor, items: Tensor, targets: Tensor, temperatures: Sequence[float]) -> Tensor:
    logits = (states / states.new_tensor(temperatures)[:, None]).flatten(0, 1) @ items.T  # (R * T, N)
    return functional.cross_entropy(logits, targets.repeat_interleave(states.shape[1])) * states.shape[1]


def _dense_prl(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    return _dense_ce(states, items, targets, TAUS)


def _dense_base(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(states[:, 0] @ items.T, targets)


def _linear_cross_entropy(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=512, acc_policy="accurate")
    return functional.linear_cross_entropy(states[:, 0], items, targets, options=options)


def _dense_erl(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    logs = (states.flatten(0, 1) @ items.T).log_softmax(-1)  # (R * T, N)
    loss = functional.nll_loss(logs, targets.repeat_interleave(STATES)) * STATES
    each = logs.view(-1, STATES, items.shape[0]).unbind(1)
    odds = logs.exp().view(-1, STATES, items.shape[0]).unbind(1)
    pairs = [(i, j) for i in range(STATES) for j in range(STATES) if i < j]
    divergence = sum((odds[i] * (each[i] - each[j])).sum() for i, j in pairs)
    return loss - LAMBDA * divergence / len(states)


def _dense_erl_released(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    loss = functional.cross_entropy(states.mean(1) @ items.T, targets)
    logs = (states.flatten(0, 1) @ items.T).log_softmax(-1).view(len(states), STATES, -1)
    odds, each, fixed = logs.exp().unbind(1), logs.unbind(1), logs.detach().unbind(1)
    pairs = [(i, j) for i in range(STATES) for j in range(STATES) if i != j]
    divergence = sum((odds[i] * (each[i] - fixed[j])).sum() for i, j in pairs)
    return loss - LAMBDA / 6 * divergence / len(states)


def _our_erl_released(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    weights = [*([*row, 0.0] for row in ORDERED), [0.0] * (STATES + 1)]
    states = torch.cat((states, states.mean(1, keepdim=True)), 1)
    temperatures, ce_weights = (1.0,) * (STATES + 1), (0.0,) * STATES + (1.0,)
    return catalogue_loss(
        states, items, targets, temperatures=temperatures, ce_weights=ce_weights, kl_weights=weights,
        kl_gradient="first",
    ).total  # fmt: skip


LOSSES: dict[str, dict[str, tuple[Loss, int]]] = {
    "base": {
        "dense": (_dense_base, 1),
        **({"linear_cross_entropy": (_linear_cross_entropy, 1)} if hasattr(functional, "linear_cross_entropy") else {}),
        "ours": (_ours(temperatures=(1.0,), ce_weights=(1.0,)), 1),
    },
    "prl": {
        "dense": (_dense_prl, STATES),
        "ours": (_ours(temperatures=TAUS, ce_weights=(1.0,) * STATES), STATES),
    },
    "erl": {
        "dense": (_dense_erl, STATES),
        "ours": (_ours(temperatures=(1.0,) * STATES, ce_weights=(1.0,) * STATES, kl_weights=UPPER), STATES),
    },
    "erl released": {"dense": (_dense_erl_released, STATES), "ours": (_our_erl_released, STATES)},
}


def _inputs(rows: int, items: int, width: int, states: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return (
        torch.randn(rows, states, width).requires_grad_(),
        torch.randn(items, width).mul_(0.2).requires_grad_(),
        torch.randint(items, (rows,)),
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(case: tuple[str, str, tuple[int, int, int], int]) -> tuple[float, float, float]:
    """Seconds of the fastest forward and backward together, and MiB above the inputs."""
    name, version, (rows, items, width), repeats = case
    torch.set_num_threads(1)
    loss, states = LOSSES[name][version]
    loss_of = loss(*_inputs(4, 50, 8, states))  # loads what is loaded late
    loss_of.backward()
    inputs = _inputs(rows, items, width, states)
    before = _peak_mib()
    taken = []
    for _ in range(repeats):
        for tensor in inputs:
            tensor.grad = None
        start = time.process_time()
        value = loss(*inputs)
        middle = time.process_time()
        value.backward()
        taken.append((time.process_time() - start, middle - start))
    both, forward = min(taken)
    return forward, both - forward, _peak_mib() - before


def _table(cases: list[tuple[str, str, tuple[int, int, int], int]]) -> str:
    rows = []
    dense: dict[object, float] = {}
    for case in cases:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            forward, backward, peak = pool.apply(_measure, (case,))
        name, version, shape, _ = case
        if version == "dense":
            dense[name, shape] = forward + backward
        speed = f"{dense[name, shape] / (forward + backward):.2f}x" if (name, shape) in dense else ""
        size = "B={:,} N={:,} d={}".format(*shape)
        both = (forward + backward) * 1e3
        rows.append((size, name, version, forward * 1e3, backward * 1e3, both, speed, peak))
    heads = ("shape", "loss", "version", "forward ms", "backward ms", "both ms", "speed", "peak MiB")
    return tabulate(rows, heads, tablefmt="github", floatfmt=".0f")


def _chunk_table() -> str:
    torch.set_num_threads(1)
    rows = []
    for shape in SHAPES:
        inputs = _inputs(*shape, STATES)
        for size in (4, 8, 16, 24, 32, 48, 64, 128, 256):
            times = {}
            for name, weights in (("prl", None), ("erl", UPPER)):
                taken = []
                for _ in range(5):
                    start = time.process_time()
                    catalogue_loss(
                        *inputs, temperatures=(1.0,) * STATES, ce_weights=(1.0,) * STATES, kl_weights=weights,
                        _rows_per_chunk=size,
                    ).total.backward()  # fmt: skip
                    taken.append(time.process_time() - start)
                times[name] = min(taken) * 1e3
            mib = size * STATES * shape[1] * 4 / 2**20
            rows.append(("B={:,} N={:,} d={}".format(*shape), size, size * STATES, mib, times["prl"], times["erl"]))
    heads = ("shape", "rows", "product rows", "buffer MiB", "prl ms", "erl ms")
    return tabulate(rows, heads, tablefmt="github", floatfmt=".1f")


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--chunks", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    if options.chunks:
        print(_chunk_table())
        return
    cases = [(name, v, shape, options.repeats) for shape in SHAPES for name, all_ in LOSSES.items() for v in all_]
    if options.large:
        cases += [(name, "ours", LARGE, 1) for name in ("prl", "erl")]
    print(_table(cases))


if __name__ == "__main__":
    main()
