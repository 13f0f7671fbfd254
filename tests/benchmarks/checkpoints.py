"""What checkpoints cost: the time of one, and its share of training at the default interval.

The model is SASRec of width 256 over 87,969 items: 23 million parameters, four times as many numbers in a checkpoint
(weights, the best epoch's, and two of the optimiser). It is written and synced as by a worker and its
collector, without the way through Ray between them; then read back and verified.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from figure import Figure, alternating, main
from made_rows import made_dataset
from made_store import spec_of

from rearec_bench.harness.run.supervisor import TrialLimits
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.trial.checkpoint import pack, unpack
from rearec_bench.harness.trial.model_trial import ModelTrial
from rearec_bench.harness.utils.registry import BACKBONES

INTERVAL_S = TrialLimits("").every_s or float("inf")
MAX_SHARE = 1.0  # percent of the time of a trial


def measure(tiny: bool) -> list[Figure]:
    """Build the model, train a batch so that the optimiser has its state, and write it again and again."""
    items, width, repeats = (1_000, 32, 2) if tiny else (87_969, 256, 7)
    run = trained(items, width)
    size = sum(map(len, pack(run.snapshot()).values()))
    with tempfile.TemporaryDirectory() as folder:
        held, key = Checkpoints(Path(folder)), run.spec.key
        seconds = alternating(
            {
                "send": lambda: held.write(key, pack(run.snapshot()), "benchmark"),
                "read": lambda: unpack(held.read(key)),
                "plain write": lambda: write(Path(folder) / "plain", size),
            },
            repeats=repeats,
        )
    words = f"d = {width}, N = {items:,}, {size / 1e6:,.0f} MB"
    share = 100 * seconds["send"] / (INTERVAL_S + seconds["send"])
    return [
        Figure(f"a checkpoint, {words}", seconds["send"], "s", detail="with checksums, synced"),
        Figure(f"share of a trial's time at one every {INTERVAL_S:.0f} s", share, "%", target=MAX_SHARE, detail=words),
        Figure(
            "a checkpoint beside writing and syncing as many bytes",
            seconds["send"] / seconds["plain write"],
            "x",
            detail=f"{seconds['plain write']:.2f} s for the bytes",
        ),
        Figure(f"going on from it, {words}", seconds["read"], "s", detail="read, verified, made into tensors"),
    ]


def trained(items: int, width: int) -> ModelTrial:
    """A trial after an epoch of one batch that was not its best."""
    data = made_dataset(64, items, 10, prefixes=False)
    settings = BACKBONES.settings("sasrec").model_validate({"width": width}).model_dump(mode="json")
    spec = spec_of(data, backbone=settings, batch_size=64, max_len=10, max_epochs=50, lr=1e-9)
    run = ModelTrial(spec, data)
    run.epoch()
    run.epoch()
    return run


def write(path: Path, size: int) -> None:
    """The least that a disk has to do."""
    with path.open("wb") as file:
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
