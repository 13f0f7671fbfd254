"""The bundled suite files, by name."""

from __future__ import annotations

import os
from pathlib import Path

from ..utils.errors import InputError, SuiteError
from ..utils.messages import hint
from .load import load_suite

_FOLDER = Path(__file__).resolve().parents[2] / "suites"


def shipped_suites() -> dict[str, Path]:
    """Name to file, sorted."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}


def find_suite(text: str) -> Path:
    """The path of a suite file, or of the bundled suite of that name where the file does not exist.

    Raises:
        InputError: neither a file nor the name of a bundled suite.
    """
    path = Path(text)  # pathlib's own is_file raises where a name is too long
    shipped = shipped_suites()
    if os.path.isfile(path) or (
        os.path.isdir(path.parent) and path.suffix in (".yaml", ".yml") and path.stem not in shipped
    ):
        return path
    if text in shipped:
        return shipped[text]
    if path.stem in shipped:
        raise InputError(f"there is no file {text}. For the bundled suite of that name type {path.stem}.")
    raise InputError(
        f"there is no file {text}, and no bundled suite has that name.{hint(text, shipped)} "
        f"Bundled: {', '.join(shipped)}."
    )


def summary_of(path: Path) -> str:
    """The first sentence of a suite file's first line, where that is a comment."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip()
    if not first.startswith("#"):
        return ""
    sentence = first.lstrip("# ").partition(". ")[0].rstrip(".:,")
    return sentence if sentence.endswith("?") else f"{sentence}."


def suites_on(dataset: str) -> list[str]:
    """Names of the bundled suites on a data set: first those named after it, then by number of data sets."""
    sizes: dict[str, int] = {}
    for name, path in shipped_suites().items():
        try:
            suite = load_suite(path)
        except SuiteError:  # only extended by others, not a suite by itself
            continue
        if dataset in suite.datasets:
            sizes[name] = len(suite.datasets)
    return sorted(sizes, key=lambda name: (_bare(name) != _bare(dataset), -sizes[name], name))


def _bare(name: str) -> str:
    return name.replace("-", "").replace("_", "")
