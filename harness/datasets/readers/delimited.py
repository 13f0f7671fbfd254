"""User-supplied files: delimited text, Parquet, JSON lines; the recipe names their columns."""

from __future__ import annotations

from pathlib import Path

from ..parsing.layout import Format
from ..recipe.recipe import Recipe
from .table_reader import TableReader, layout_of


class _Delimited(TableReader):
    """Interactions as delimited text, under any file name."""

    def interactions_format(self, path: Path, recipe: Recipe) -> Format:
        """See `TableReader.interactions_format`."""
        return layout_of(path, recipe)


CSV = _Delimited()
PARQUET = TableReader(format="parquet")
JSONL = TableReader(format="jsonl")
