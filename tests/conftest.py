"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data beside the project; a reason to skip where it is absent, a failure in CI."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not (folder / "data").is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI runs with ../shared beside the project, and it is not there")
        pytest.skip("needs the real data of ../shared, which is not there")
    return folder
