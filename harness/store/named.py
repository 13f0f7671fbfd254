"""Suites by what a user types: a file, the name of a suite that ships, the name of one that is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.errors import InputError

if TYPE_CHECKING:
    from ..suite.load import Suite
    from .store import Store


def named_suite(
    text: str, *, overrides: Sequence[str] = (), store: Store | None = None, data_dir: Path | None = None
) -> Suite:
    """The suite of a file or of a name; a stored one only where it is not overridden, which takes its file.

    `data_dir` is as in `load_suite`.

    Raises:
        InputError: neither.
        SuiteError: with every problem of the file.
    """
    from ..suite.bundled import find_suite, shipped_suites
    from ..suite.load import Suite, load_suite

    if store is None or overrides or text in shipped_suites() or text not in store.suites():
        return load_suite(find_suite(text), overrides=tuple(overrides), data_dir=data_dir)
    return Suite.from_json(store.read_suite(text)[0])


def stored_name(text: str, store: Store) -> str:
    """The name under which a suite is stored, from that name or from its file; unknown names as they are.

    Raises:
        InputError: a suite that ships, or one of a file, of which nothing is stored.
        SuiteError: the file has mistakes.
    """
    stored = store.suites()
    if text in stored:
        return text
    from ..suite.bundled import shipped_suites

    if not text.endswith((".yaml", ".yml")) and text not in shipped_suites():
        return text
    name = named_suite(text).name
    if name not in stored and not store.suite_folder(name).is_dir():
        raise InputError(f"nothing of {name} is stored in {store.root}. Type:  rearec-bench run {text}")
    return name
