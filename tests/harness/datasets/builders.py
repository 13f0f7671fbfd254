"""Small data sets and what their arrays say, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset

LINES = "a x y z y\nb y x z x y\n"


def prepare_sequences(folder: Path, text: str = LINES, *, name: str | None = "mine", **options: Any) -> Path:
    """Write a sequence file and prepare it; the data folder comes back."""
    folder.mkdir(exist_ok=True)
    (folder / "sequences.txt").write_text(text)
    preparation.prepare("sequences", source=folder, data_dir=folder / "data", name=name, **options)
    return folder / "data"


def rows_of(data: Dataset, split: str, tokens: Any) -> list[tuple[tuple[str, ...], str]]:
    """History and target of every row, in the source's words."""
    arrays = data.split(split)
    return [
        (tuple(tokens[data.flat[start:end]]), tokens[target])
        for start, end, target in zip(arrays.starts, arrays.ends, arrays.targets, strict=True)
    ]
