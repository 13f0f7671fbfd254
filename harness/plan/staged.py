"""How many of its seeds each cell has, where a suite adds seeds until its rows are decided (`seeds: {until: decided}`).

A suite's index remembers it: `SEEDS` says how many each cell has by now, `LOOKS` what was found at each look at a
comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..suite.model import Suite
    from .cells import Cell

FIRST = 2
"""Seeds at the first look: one has no spread."""
LOOKS, SEEDS = "looks", "seeds"


def comparison(cell: str, *, against: str, own_backbone: str, backbone: str) -> str:
    """Name of a row's comparison in `LOOKS`: the cell's id and its reference, with the backbone of both if several."""
    return f"{cell} over {backbone} {against}" if own_backbone else f"{cell} over {against}"


def staged(suite: Suite, cells: Iterable[Cell], index: Mapping[str, Any]) -> tuple[Cell, ...]:
    """The cells of a suite with the seeds that they have by now; all of them where it does not say `until`."""
    if not suite.until:
        return tuple(cells)
    counts = index.get(SEEDS, {})
    return tuple(replace(cell, seeds=cell.seeds[: counts.get(cell.id, FIRST)]) for cell in cells)


def later_seeds(suite: Suite, cells: Sequence[Cell], index: Mapping[str, Any]) -> int:
    """Final runs that looks still to come add at most, to open rows and to those that they are compared with.

    Args:
        cells: each comparison of the suite, with the seeds that its row has by now.
    """
    decided = {name for name, looks in index.get(LOOKS, {}).items() if looks[-1]["decided"]}
    named: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        named.setdefault((cell.dataset, cell.backbone, cell.row), []).append(cell)
    later: dict[str, int] = {}
    for row in cells if suite.until else ():
        others = named.get((row.dataset, row.backbone, row.against), []) if row.against != row.row else []
        beside = [other for other in others if len(others) == 1 or other.steps == row.steps]
        name = comparison(row.id, against=row.against, own_backbone=row.on, backbone=row.backbone)
        if beside and name not in decided and row.unsupported is None and beside[0].unsupported is None:
            later |= {cell.id: len(suite.seeds) - len(cell.seeds) for cell in (row, *beside)}
    return sum(later.values())


def remembered(index: Mapping[str, Any]) -> dict[str, Any]:
    """What of an index a later run keeps."""
    return {name: index[name] for name in (SEEDS, LOOKS) if name in index}


def together(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The same of two indexes of one suite: for each cell the more seeds, and the looks that went further."""
    kept: dict[str, Any] = {}
    for name, further in ((SEEDS, max), (LOOKS, _further)):
        ours, theirs = first.get(name, {}), second.get(name, {})
        both = {cell: further(ours[cell], theirs[cell]) for cell in ours.keys() & theirs.keys()}
        kept |= {name: {**theirs, **ours, **both}} if ours or theirs else {}
    return kept


def _further(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first's once they have decided the row."""
    return theirs if len(theirs) > len(ours) and not (ours and ours[-1]["decided"]) else ours
