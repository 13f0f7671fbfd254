"""Which item vectors a suite needs: those of its data sets, or files that it names; checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets import catalog
from ..datasets.vectors.vectors import ItemVectors, load_vectors_file
from ..utils.errors import DatasetError

if TYPE_CHECKING:
    from ..suite.model import Suite
    from .cells import Cell


def needed_vectors(suite: Suite, cells: Iterable[Cell], data_dir: Path) -> dict[str, bool | Path]:
    """Data set -> the file of its item vectors in the suite, or True for its own, for the suite's text-based backbones.

    Data sets that are not prepared are left out.

    Raises:
        DatasetError: lists all data sets without vectors, each with the command that makes them.
    """
    users: dict[str, dict[str, None]] = {}
    for cell in cells:
        if cell.text_based and cell.unsupported is None and catalog.is_prepared(cell.dataset, data_dir):
            users.setdefault(cell.dataset, {})[cell.chosen_backbone.kind] = None
    missing = []
    for name, kinds in users.items():
        if name not in suite.vectors and not catalog.has_vectors(name, data_dir):
            need = " and ".join(filter(None, (", ".join([*kinds][:-1]), [*kinds][-1])))
            missing.append(catalog.no_vectors_message(name, f", which {need} {'need' if len(kinds) > 1 else 'needs'}"))
    if missing:
        raise DatasetError("\n".join(missing))
    return {name: Path(suite.vectors[name]) if name in suite.vectors else True for name in users}


def vectors_fingerprint(name: str, given: bool | Path, *, data_dir: Path) -> str:
    """The fingerprint of a data set's item vectors.

    Args:
        given: a file, or True for its own; see `needed_vectors`.

    Raises:
        DatasetError: none there, damaged, or not vectors of this data set.
    """
    if isinstance(given, Path):
        facts = catalog.card(name, data_dir)
        size, content = facts["statistics"]["items"], facts["fingerprint"]
        return load_vectors_file(given, size, dataset_fingerprint=content).fingerprint
    card = catalog.vectors_card(name, data_dir=data_dir)
    if card is None:
        raise DatasetError(catalog.no_vectors_message(name))
    return str(card["fingerprint"])


def vector_facts(vectors: ItemVectors) -> dict[str, Any]:
    """What a table reports about the item vectors of its text-based rows."""
    return {name: vectors.card[name] for name in ("encoder", "width")}
