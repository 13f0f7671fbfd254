"""Fixtures of the harness's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.datasets.data.dataset import Dataset


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module of made-up trials beside this file."""
    from . import synthetic

    return synthetic


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """The embedded data set."""
    from rearec_bench.harness.datasets.catalog import load_dataset

    return load_dataset("tiny", data_dir=Path("unused"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def saying(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], None]]:
    """Prints a figure, for tests whose figures are of interest where they pass, too."""

    def say(words: str) -> None:
        with capsys.disabled():
            print(f"\n  {words}", end="", flush=True)

    yield say
