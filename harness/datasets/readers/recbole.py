"""RecBole's atomic files: tab-separated, with `name:type` in the header."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..parsing.event_columns import EventColumns
from ..parsing.layout import Format, Layout, column_names
from ..parsing.table_files import TableFile
from ..recipe.recipe import Recipe
from .table_reader import TableReader, chosen_columns

_LAYOUT = Layout(separator="\t", quotes=False)
_COLUMNS = {"user": "user_id:token", "item": "item_id:token", "rating": "rating:float", "time": "timestamp:float"}


class _RecBole(TableReader):
    def interactions_format(self, path: Path, recipe: Recipe) -> Format:
        """See `TableReader.interactions_format`."""
        return _LAYOUT

    def items_format(self, path: Path, recipe: Recipe) -> Format:
        """See `TableReader.items_format`."""
        return _LAYOUT

    def event_columns(self, file: TableFile, recipe: Recipe) -> EventColumns:
        """Ratings and times are read if the file has them; see `TableReader.event_columns`."""
        chosen = chosen_columns(self.columns, recipe)
        names = column_names(file.path, _LAYOUT)
        if "rating" not in recipe.columns and chosen.rating not in names:
            chosen = replace(chosen, rating="")
        if "time" not in recipe.columns and chosen.time not in names:
            chosen = replace(chosen, time="")
        return chosen


READER = _RecBole(
    files={"interactions": ("*.inter",), "items": ("*.item",)},
    columns=_COLUMNS,
    item="item_id:token",
)
