"""Fixtures of the harness's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module of made-up trials beside this file."""
    from . import synthetic

    return synthetic


@pytest.fixture
def saying(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], None]]:
    """Prints a figure, for tests whose figures are of interest where they pass, too."""

    def say(words: str) -> None:
        with capsys.disabled():
            print(f"\n  {words}", end="", flush=True)

    yield say
