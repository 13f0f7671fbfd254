"""Suites of 2, 6 and 24 rows, whose names are as long as people make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from rearec_bench.harness.analysis.resultset import ResultSet
from rearec_bench.harness.datasets.data.items import Items
from rearec_bench.harness.records.profile import Profile
from rearec_bench.harness.report.figures.context import FigureContext
from rearec_bench.harness.store.store import Store

SIZES = (2, 6, 24)


def cells_of(rows: int, synthetic: ModuleType) -> tuple[Any, ...]:
    """Cells of one data set and backbone; the largest suite has a second data set with a long name and two rows."""
    cell = synthetic.cell
    if rows == 2:
        return (cell("base", 0), cell("prl", 2))
    if rows == 6:
        return synthetic.cells_of_figures()
    shapes: list[tuple[Any, ...]] = [("base", 0, "base", "")]
    for steps in (1, 2, 3):
        shapes += [("erl", steps, "erl", "base"), ("prl", steps, "prl", "base")]
    for steps in (1, 2):
        shapes += [
            ("erl", steps, "erl_no_kl", "erl"),
            ("prl", steps, "prl_without_contrastive_learning_and_noise", "prl"),
            *(("prl", steps, f"prl[decay={decay}]", "base") for decay in (0.5, 1, 1.5, 2)),
        ]
    shapes += [("prl", 2, f"prl_from_epoch_{place}_on", "base") for place in range(3)]
    cells = [cell(kind, steps, row=row, against=against) for kind, steps, row, against in shapes[:22]]
    elsewhere = {"dataset": "amazon_video_games_2018_5core_long_histories", "backbone": "bert4rec"}
    return (
        *cells,
        *(cell(kind, steps, row=row, against=against, **elsewhere) for kind, steps, row, against in shapes[:2]),
    )


def sized_results(rows: int, store: Store, synthetic: ModuleType) -> ResultSet:
    return synthetic.results_of(store, *cells_of(rows, synthetic))


def sized_context(results: ResultSet, synthetic: ModuleType, profile: Profile, *, title: str = "") -> FigureContext:
    """What its figures are drawn from; every row has a profile."""
    data = synthetic.dataset(results)
    titles = np.array(
        [title or f"The {i}th Item of a Catalogue, with a Subtitle: Volume {i}" for i in range(60)], object
    )
    items = Items(np.array([str(i) for i in range(60)], dtype=object), titles, np.ones(60, np.int64))
    return FigureContext(results, lambda name: data, lambda name: items, profiles_of(results, profile))


def profiles_of(results: ResultSet, profile: Profile) -> Sequence[Profile]:
    """A profile of each row, each a little slower than the one before."""
    profiles = []
    for place, cell in enumerate(results.cells):
        spec = replace(profile.subject.spec, dataset=cell.dataset)
        subject = replace(profile.subject, suite=results.name, backbone=cell.backbone, row=cell.strategy, spec=spec)
        line = profile.lines[-1]
        times = type(line.times)(tuple(second * (1 + place / 50) for second in line.times.seconds))
        profiles.append(replace(profile, subject=subject, lines=(replace(line, steps=cell.steps or 0, times=times),)))
    return profiles
