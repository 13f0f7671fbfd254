"""Seeds added one at a time until a row is decided: the test at each look, and how many seeds each row has.

A row is decided once the test over users and seeds (`crossed.py`) tells it apart from its reference at the level of
that look, or once it has all seeds. The levels are a group-sequential boundary: they spend 5% over all looks as Lan
and DeMets (1983) do after O'Brien and Fleming, little at the first looks and most at the last, and take into account
that looks share their runs. Looks that were made keep theirs where `most` changes. Users are the same at every look,
which ties looks together more and errs on the safe side.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import takewhile
from typing import Any

import numpy as np

from ..plan.staged import FIRST, LOOKS, SEEDS, comparison
from .compare import row_against
from .crossed import UserShares, paired_difference, user_shares
from .ranks import metric_of_ranks
from .resultset import CellResults, ResultSet
from .significance import LEVEL

_POINTS = 2001
"""Of the grid that the test statistic is followed on."""


@cache
def levels(most: int, taken: tuple[float, ...] = ()) -> tuple[float, ...]:
    """The level of the two-sided test at each look, with `FIRST`, `FIRST` + 1, ... `most` seeds.

    Args:
        taken: levels of looks that were made, which stay; the others spend what these leave of the 5%.
    """
    from scipy.special import ndtr, ndtri

    times = np.arange(FIRST, most + 1) / most
    spent = 2 * ndtr(ndtri(LEVEL / 2) / np.sqrt(times))
    grid = np.linspace(-6, 6, _POINTS)
    step, found = grid[1] - grid[0], []
    density, before, paid = np.zeros(_POINTS), 0.0, 0.0
    density[_POINTS // 2] = 1 / step  # all looks start at nothing
    for number, (time, spend) in enumerate(zip(times, spent, strict=True)):
        kernel = np.exp(-(grid**2) / (2 * (time - before)))
        density = np.convolve(density, kernel / kernel.sum(), mode="same")
        beyond = 2 * step * np.cumsum(density[::-1])[: _POINTS // 2]  # of both sides, from the ends inwards
        at = max(int(np.searchsorted(beyond, spend - paid)), 1)
        level = float(2 * ndtr(-grid[_POINTS - at] / math.sqrt(time)))
        if number < len(taken) and taken[number] != level:  # of a suite that had another `most` then
            level = taken[number]
            at = int((grid > -ndtri(level / 2) * math.sqrt(time) - step / 2).sum())
            spend = paid + (beyond[at - 1] if at else 0.0)
        density[:at] = density[_POINTS - at :] = 0.0
        found.append(level)
        before, paid = float(time), max(paid, float(spend))
    return tuple(found)


def look(results: ResultSet, index: Mapping[str, Any]) -> dict[str, Any]:
    """The index after a look at every row that is not decided: `LOOKS` and `SEEDS` of its cells.

    Args:
        results: of the suite, every run of it done that its cells have seeds for.

    Raises:
        StoreError: the rows of a trial cannot be read.
    """
    metric = metric_of_ranks(results)
    places = {cell.place: at for at, cell in enumerate(results.cells)}
    looks = {name: list(before) for name, before in index.get(LOOKS, {}).items()}
    seeds = index.get(SEEDS, {}) | {cell.id: len(cell.seeds) for cell in results.cells}
    planned = results.suite.seeds if results.suite is not None else ()
    most = len(planned)

    @cache
    def shares_of(at: int) -> UserShares | None:
        return user_shares(results.cells[at], results.store, metric)

    for at, cell in enumerate(results.cells):
        other = row_against(cell, results.cells)
        if other is None or cell.unsupported or cell.is_baseline or not cell.runs:
            continue
        beside = results.cells[places[other.place]]
        if not beside.runs:  # it cannot run, so that nothing will be decided
            continue
        name = comparison(cell.id, against=cell.against, own_backbone=cell.own_backbone, backbone=cell.backbone)
        runs_of = partial(_runs_of, (cell, beside), planned)
        before = looks[name] = _standing(looks.get(name, ()), runs_of)
        count = before[-1]["seeds"] + 1 if before else FIRST
        decided = bool(before) and before[-1]["decided"]
        common = min(len(cell.seeds), len(beside.seeds))
        while not decided and count <= common:  # more than one look where both have seeds for other comparisons
            p = _p(shares_of(at), shares_of(places[other.place]), cell.seeds[:count])
            level = levels(most, tuple(one["level"] for one in before))[count - FIRST]
            decided = p is not None and p < level
            before.append({"seeds": count, "p": p, "level": level, "decided": decided, "runs": runs_of(count)})
            count += 1
        if not decided and count <= most:
            for one in (cell, beside):
                seeds[one.id] = max(seeds[one.id], count)
    return {**index, LOOKS: {name: made for name, made in looks.items() if made}, SEEDS: seeds}


def _standing(looks: Sequence[dict[str, Any]], runs_of: Callable[[int], str]) -> list[dict[str, Any]]:
    """The looks before the first that was at other runs: on other data, against another row, of another version."""
    return [*takewhile(lambda look: look.get("runs") in (None, runs_of(look["seeds"])), looks)]


def _runs_of(cells: Sequence[CellResults], seeds: Sequence[int], count: int) -> str:
    """A short name of the final runs of cells under the first seeds."""
    keys = [run.key for cell in cells for run in cell.finals if run.spec.seed in seeds[:count]]
    return hashlib.sha256("".join(keys).encode()).hexdigest()[:12]


def _p(first: UserShares | None, second: UserShares | None, seeds: Sequence[int]) -> float | None:
    if first is None or second is None:
        return None
    found = paired_difference(*(each.of(seeds) for each in (first, second)))
    return None if found is None else found.p
