"""PRL's contrast at the encoder, by width: the norm of its gradient over that of the cross-entropies.

By the states of a batch (what the history of a trial holds) and by the encoder's weights, before the first step and
after some. SASRec, K = 2, the paper's settings, packed batches of 512 rows, lr 0.001.

    rearec-bench prepare ml-100k --source DIR
    python tests/benchmarks/gradients.py [--data-dir DIR]

Without prepared data it says so and ends.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from figure import Figure, main_on_prepared
from made_rows import EPOCH, reader_of, sasrec, trainer_of

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.trial.gradients import term_gradients

WIDTHS = (32, 64, 256)
AFTER = (0, 30, 100)
BATCH = 512


def ratios(data: Dataset, width: int) -> Iterator[Figure]:
    """Contrast over cross-entropy, after each number of steps in `AFTER`."""
    torch.manual_seed(0)
    model, strategy = sasrec(data.num_items, strategy="prl", steps=2, max_len=50, width=width)
    reader = reader_of(data, max_len=50, packed=True)
    trainer = trainer_of(model, strategy, reader, batch=BATCH)
    weights = [weight for name, weight in model.named_parameters() if name != "backbone.items"]
    model.train()
    batches = (rows for epoch in range(1, 9) for rows in reader.batches(BATCH, seed=1, epoch=epoch))
    for step, rows in zip(range(max(AFTER) + 1), batches, strict=False):
        if step in AFTER:
            reasoned, catalogue = trainer.reason(rows, EPOCH)
            by_states = term_gradients(strategy, reasoned, catalogue)
            by_weights = {
                name: torch.cat([part.flatten() for part in torch.autograd.grad(term, weights, retain_graph=True)])
                for name, term in strategy.terms(reasoned, catalogue).items()
            }
            cosine = torch.cosine_similarity(*by_weights.values(), dim=0)
            yield Figure(
                f"d = {width}, after {step} steps",
                by_states["contrastive"] / by_states["cross_entropy"],
                detail=f"by the weights {by_weights['contrastive'].norm() / by_weights['cross_entropy'].norm():.2g}x, "
                f"at a cosine of {cosine:.2f}",
            )
        trainer._batch(rows, EPOCH, before=0)


def measure(data: Dataset) -> list[Figure]:
    """The figures of all widths."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    return [figure for width in WIDTHS for figure in ratios(data, width)]


if __name__ == "__main__":
    raise SystemExit(main_on_prepared(__doc__, measure, data="ml-100k"))
