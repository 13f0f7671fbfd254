"""Suites of one small cell, or as a test says."""

from __future__ import annotations

from pathlib import Path

from rearec_bench.harness.suite.load import Suite, load_suite

SMALLEST = {"datasets": "[tiny]", "backbones": "[sasrec]", "strategies": "[base]", "steps": "[1]", "seeds": "[1]"}


def suite_text(**parts: str) -> str:
    """The text of a suite; parts take the place of those of the smallest one, or come behind them."""
    return "".join(f"{key}: {value}\n" for key, value in {**SMALLEST, **parts}.items())


def suite_in(folder: Path, *overrides: str, name: str = "suite", **parts: str) -> Suite:
    """A suite that is written to a folder, as NAME.yaml, and loaded."""
    file = folder / f"{name}.yaml"
    file.write_text(suite_text(**parts))
    return load_suite(file, overrides=overrides)
