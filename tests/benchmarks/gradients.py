"""PRL's contrast at the encoder, by width: the norm of its gradient over that of the cross-entropies.

By the states of a batch (what the history of a trial holds) and by the encoder's weights, before the first step and
after some. SASRec, K = 2, the paper's settings, packed batches of 512 rows, lr 0.001.

    rearec-bench prepare ml-100k --source DIR
    python tests/benchmarks/gradients.py [--data-dir DIR]

Without prepared data it says so and ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from figure import Figure, machine, table
from made_rows import EPOCH, reader_of, sasrec, trainer_of

from rearec_bench.harness.datasets import catalog
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


def main() -> int:
    """Print the figures of all widths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="Where ml-100k is prepared.")
    data_dir = parser.parse_args().data_dir
    if not catalog.is_prepared("ml-100k", data_dir):
        print(f"ml-100k is not prepared in {data_dir}.")
        return 0
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data = catalog.load_dataset("ml-100k", data_dir=data_dir)
    print(table([figure for width in WIDTHS for figure in ratios(data, width)]))
    print(f"\n{machine()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
