"""Ranks with their intervals and groups, a panel for each data set; over several, a critical-difference diagram."""

from __future__ import annotations

from ...analysis.ranks import rank_rows
from ..labels import metric_label
from ..tables.ranks import average_name, ranked_name, several_backbones
from .colours import places_beside_names
from .context import FigureContext, MissingData
from .panel import Panel, Standing


def rank_panels(context: FigureContext) -> list[Panel]:
    """A panel for each data set of two rows or more, then the average ranks over data sets.

    Raises:
        MissingData: no data set has two rows whose every run is there.
    """
    ranks = rank_rows(context.results)
    if not ranks.datasets:
        raise MissingData("needs two rows whose every run is stored")
    colours = places_beside_names(row.strategy for row in context.results.cells)
    metric = metric_label(ranks.metric)
    panels = []
    for dataset, rows in ranks.datasets.items():
        named = several_backbones(rows)
        standings = [
            Standing(
                ranked_name(each, named), each.rank, (each.low, each.high), each.groups, colours[each.row.strategy]
            )
            for each in rows
        ]
        about = f"Rank by test {metric} of each row with its 95% interval; bars: rows that cannot be told apart."
        panels.append(Panel(dataset, about, x=f"rank by {metric}", standings=standings))
    across = ranks.across
    if across is not None and across.rows:
        named = any(map(several_backbones, ranks.datasets.values()))
        standings = [
            Standing(average_name(each, named), each.rank, None, each.groups, colours[each.place[1]])
            for each in across.rows
        ]
        about = f"Average rank by test {metric} over {across.datasets} data sets; bars: rows that cannot be told apart."
        title = f"{across.datasets} data sets\ncritical difference (CD) {across.difference:.2f}"
        panels.append(
            Panel(title, about, x=f"average rank by {metric}", standings=standings, difference=across.difference)
        )
    return panels
