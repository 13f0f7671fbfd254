"""Readers of interactions in rows: delimited text, JSON lines, Parquet, and the published layouts of such."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ...utils.errors import DatasetError
from ..data.events import Events, read_events
from ..data.items import ItemAttributes
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import EventColumns
from ..parsing.guesses import layout_for
from ..parsing.layout import Format, Layout, column_names
from ..parsing.source_files import RawFiles
from ..parsing.table_files import TableFile
from ..recipe.recipe import Recipe
from ..recipe.uses import format_by_name
from .item_tables import ItemTable, read_items


@dataclass(frozen=True)
class TableReader:
    """Reads files with one interaction per row, and one with an item per row.

    Attributes:
        files: role -> names of the file, if the recipe gives none.
        columns: user, item, rating, time -> column, if the recipe gives none.
        optional: whether ratings and times are read only if the files have those columns.
        item: column of the item in the file that describes items, the same.
        time_format: how times are written, the same; "" for numbers.
        repeated: how a second description of an item is treated; see `read_items`.
        format: of interactions, under any file name (a layout: of both files); "" if the name decides.
    """

    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    item: str = ""
    time_format: str = ""
    repeated: Literal["refuse", "first"] = "refuse"
    format: Format | Literal["delimited", ""] = ""

    def read(self, raw: RawFiles) -> Events:
        """See `Reader.read`."""
        paths = raw.find("interactions", self.files)
        if raw.recipe.text.fields:
            raw.find("items", self.files)
        log = BadLineLog(raw.on_bad_line)
        files = [TableFile(path, self.interactions_format(path, raw.recipe, log), raw.progress, log) for path in paths]
        return read_events(files, self.event_columns(files[0], raw.recipe), log)

    def attributes(self, raw: RawFiles, wanted: Collection[str]) -> ItemAttributes | None:
        """See `Reader.attributes`."""
        if not raw.recipe.text.fields:
            return None
        log = BadLineLog(raw.on_bad_line)
        tables = []
        for path in raw.find("items", self.files):
            file = TableFile(path, self.items_format(path, raw.recipe, log), raw.progress, log)
            tables.append(self.item_table(file, raw.recipe))
        return read_items(tables, raw.recipe.text.fields, wanted, repeated=self.repeated)

    def interactions_format(self, path: Path, recipe: Recipe, log: BadLineLog) -> Format:
        """The format of a file of interactions; the log gets what is guessed."""
        said = recipe.said_of("interactions")
        own = replace(self.format, encoding=said.encoding) if isinstance(self.format, Layout) else self.format
        kind = "" if own == "delimited" else own or format_by_name(path.name)
        return kind or layout_for(path, said, chosen_columns(self.columns, recipe).names, log)

    def items_format(self, path: Path, recipe: Recipe, log: BadLineLog) -> Format:
        """The format of a file of items; the log gets what is guessed."""
        said = recipe.said_of("items")
        if isinstance(self.format, Layout):
            return replace(self.format, encoding=said.encoding)
        columns = (self.item_column(recipe), *text_columns(recipe))
        return format_by_name(path.name) or layout_for(path, said, columns, log)

    def item_column(self, recipe: Recipe) -> str:
        """The column with the item, in the file that describes items."""
        return recipe.item_columns.get("item") or self.item or recipe.columns.get("item", "item")

    def event_columns(self, file: TableFile, recipe: Recipe) -> EventColumns:
        """The columns of interactions; errors as `chosen_columns`."""
        chosen = chosen_columns(self.columns, recipe, self.time_format)
        if self.optional and isinstance(file.format, Layout):
            names = column_names(file.path, file.format)
            if "rating" not in recipe.columns and chosen.rating not in names:
                chosen = replace(chosen, rating="")
            if "time" not in recipe.columns and chosen.time not in names:
                chosen = replace(chosen, time="")
        return chosen

    def item_table(self, file: TableFile, recipe: Recipe) -> ItemTable:
        """The columns of items."""
        return ItemTable(file, self.item_column(recipe), text_columns(recipe))


def chosen_columns(defaults: Mapping[str, str], recipe: Recipe, time_format: str = "") -> EventColumns:
    """The columns of interactions: the recipe's, and a reader's own if it gives none.

    Raises:
        DatasetError: the recipe names no column for a required role.
    """
    names = {**defaults, **recipe.columns}
    missing = [role for role in ("user", "item") if not names.get(role)]
    if missing:
        raise DatasetError(
            f"the recipe does not name the column of the {' and of the '.join(missing)}. Add  columns: "
            "{user: NAME, item: NAME}, and rating and time if the file has them."
        )
    return EventColumns(
        user=names["user"],
        item=names["item"],
        rating=names.get("rating", ""),
        time=names.get("time", ""),
        time_format=recipe.time.format or time_format,
        unit=recipe.time.unit,
        decimal=recipe.decimal or "",
    )


def text_columns(recipe: Recipe) -> tuple[str, ...]:
    """The columns of a recipe's text, each once."""
    return tuple(dict.fromkeys(column for columns in recipe.text.fields.values() for column in columns))


CSV = TableReader(format="delimited")
PARQUET = TableReader(format="parquet")
JSONL = TableReader(format="jsonl")

AMAZON_REVIEWS = TableReader(
    columns={"user": "user_id", "item": "parent_asin", "rating": "rating", "time": "timestamp"},
    item="parent_asin",
    repeated="first",
)
"""Amazon Reviews 2023: a category's reviews, as JSON lines or as the CSV files with ratings only, and its metadata."""

YELP = TableReader(
    files={
        "interactions": ("yelp_academic_dataset_review.json",),
        "items": ("yelp_academic_dataset_business.json",),
    },
    columns={"user": "user_id", "item": "business_id", "rating": "stars", "time": "date"},
    item="business_id",
    time_format="%Y-%m-%d %H:%M:%S",  # its time zone is not published; read as UTC
    format="jsonl",
)
"""The Yelp open dataset."""

RECBOLE = TableReader(
    files={"interactions": ("*.inter",), "items": ("*.item",)},
    columns={"user": "user_id:token", "item": "item_id:token", "rating": "rating:float", "time": "timestamp:float"},
    optional=True,
    item="item_id:token",
    format=Layout(separator="\t", quotes=False, guess_encoding=True),
)
"""RecBole's atomic files: tab-separated, with `name:type` in the header."""
