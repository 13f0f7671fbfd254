"""Fixtures of the profiles' tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def made() -> ModuleType:
    """The module `made.py` beside this file."""
    return _beside("made")


@pytest.fixture(scope="session")
def models() -> ModuleType:
    """The module `models.py` beside this file."""
    return _beside("models")


def _beside(name: str) -> ModuleType:
    """A module of this folder (test folders are no packages)."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"rearec_bench_tests_profile_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
