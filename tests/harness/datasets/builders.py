"""Small data sets and what their arrays say, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.datasets.data.events import Events
from rearec_bench.harness.datasets.data.interactions import Interactions, from_tokens
from rearec_bench.harness.datasets.parsing.bad_lines import OnBadLine
from rearec_bench.harness.datasets.parsing.source_files import RawFiles
from rearec_bench.harness.datasets.readers import reader_of
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.utils.errors import DatasetError

LINES = "a x y z y\nb y x z x y\n"


def prepare_sequences(folder: Path, text: str = LINES, *, name: str | None = "mine", **options: Any) -> Path:
    """Write a sequence file and prepare it; the data folder comes back."""
    folder.mkdir(exist_ok=True)
    (folder / "sequences.txt").write_text(text)
    preparation.prepare("sequences", source=folder, data_dir=folder / "data", name=name, **options)
    return folder / "data"


def prepare(recipe: str, source: Path, on_bad_line: OnBadLine = "error", **options: Any) -> Dataset:
    """Prepare a source as "mine", with the data folder inside."""
    given = {"name": "mine", "data_dir": source / "data", **options}
    return preparation.prepare(recipe, source=source, on_bad_line=on_bad_line, **given)


def refusal(recipe: str, source: Path, **options: Any) -> str:
    """What is said of a source that is refused; nothing is written."""
    said = error_of(prepare, recipe, source, **options)
    assert not (source / "data").exists()
    return said


def bad_lines(data: Dataset) -> list[tuple[str, int, int]]:
    """Why, how many and the first of the lines that were left out."""
    return [(entry["why"], entry["lines"], entry["first"]) for entry in data.card["bad_lines"]]


def rows_of(data: Dataset, split: str, tokens: Any) -> list[tuple[tuple[str, ...], str]]:
    """History and target of every row, in the source's words."""
    arrays, laid_out = data.split(split), tokens[data.flat].tolist()
    return [
        (tuple(laid_out[start:end]), tokens[target])
        for start, end, target in zip(arrays.starts, arrays.ends, arrays.targets, strict=True)
    ]


def error_of(call: Callable[..., object], *given: Any, **options: Any) -> str:
    """What is said of data that is refused."""
    with pytest.raises(DatasetError) as caught:
        call(*given, **options)
    return str(caught.value)


def read(source: Path, how: Recipe, on_bad_line: OnBadLine = "error") -> Events:
    """What the reader of a recipe finds in a source."""
    events = reader_of(how.reader).read(RawFiles(source, how, lambda *_: None, on_bad_line))
    assert isinstance(events, Events)
    return events


def told(events: Events) -> list[tuple[Any, ...]]:
    """User, item and time of each interaction, and its rating if there are some."""
    held = events.interactions
    columns = [held.user_tokens[held.users], held.item_tokens[held.items], held.times]
    if events.ratings is not None:
        columns.append(events.ratings)
    return [tuple(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def interactions(users: Sequence[object], items: Sequence[object], times: Sequence[float]) -> Interactions:
    """Interactions of numbered users and items, called u0 and i0."""
    named = ([f"{kind}{number}" for number in numbers] for kind, numbers in (("u", users), ("i", items)))
    return from_tokens(*named, np.array(times, dtype=np.float64))
