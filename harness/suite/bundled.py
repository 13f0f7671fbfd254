"""The bundled suite files, by name."""

from __future__ import annotations

import os
from pathlib import Path

from ..utils.errors import InputError
from ..utils.messages import hint

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
