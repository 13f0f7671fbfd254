"""MovieLens: `::` files (1M, 10M), CSV (latest, 20M and later), tabs and bars (100k), and RecBole's atomic files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ...utils.errors import DatasetError
from ..parsing.bad_lines import BadLineLog
from ..parsing.event_columns import EventColumns
from ..parsing.layout import Format, Layout
from ..parsing.raw import writing_of
from ..parsing.table_files import TableFile
from ..recipe.recipe import Recipe
from .item_tables import ItemTable
from .table_reader import RECBOLE, TableReader, text_columns

ATTRIBUTES = ("title", "year", "genres")
"""Attributes of a film."""

_ATOMIC = {"title": "movie_title:token_seq", "year": "release_year:token", "genres": "class:token_seq"}

_GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical "
    "Mystery Romance Sci-Fi Thriller War Western"
)
GENRES = tuple(_GENRES.split())
"""Of the flags at the end of a line of `u.item`."""

_RATINGS = ("userId", "movieId", "rating", "timestamp")
_YEAR = re.compile(r"(.*?)\s*\((\d{4})\)", re.DOTALL)


class _MovieLens(TableReader):
    def interactions_format(self, path: Path, recipe: Recipe, log: BadLineLog) -> Format:
        """See `TableReader.interactions_format`."""
        if _is_atomic(path):
            return RECBOLE.interactions_format(path, recipe, log)
        return _layout(path, _RATINGS, recipe.said_of("interactions").encoding)

    def items_format(self, path: Path, recipe: Recipe, log: BadLineLog) -> Format:
        """See `TableReader.items_format`."""
        if _is_atomic(path):
            return RECBOLE.items_format(path, recipe, log)
        names: tuple[str, ...] = ("movieId", "title", "genres")
        if _plain(path) == "u.item":
            names = ("movieId", "title", "released", "on video", "address", *GENRES)
        return _layout(path, names, recipe.said_of("items").encoding)

    def event_columns(self, file: TableFile, recipe: Recipe) -> EventColumns:
        """See `TableReader.event_columns`."""
        if _is_atomic(file.path):
            return RECBOLE.event_columns(file, recipe)
        return super().event_columns(file, recipe)

    def item_table(self, file: TableFile, recipe: Recipe) -> ItemTable:
        """See `TableReader.item_table`."""
        unknown = [column for column in text_columns(recipe) if column not in ATTRIBUTES]
        if unknown:
            raise DatasetError(f"text: no '{unknown[0]}'. Attributes of MovieLens films: {', '.join(ATTRIBUTES)}.")
        if _is_atomic(file.path):
            return ItemTable(file, RECBOLE.item, tuple(_ATOMIC.values()), derive=_atomic_film)
        flags = _plain(file.path) == "u.item"
        return ItemTable(file, "movieId", ("title", *(GENRES if flags else ("genres",))), derive=_film)


def _film(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Title, year and genres of a film, the year taken from the brackets behind the title."""
    match = _YEAR.fullmatch(columns["title"].strip())
    title, year = match.groups() if match else (columns["title"], "")
    if "genres" in columns:
        genres = columns["genres"].replace("(no genres listed)", "").split("|")
    else:
        genres = [genre for genre in GENRES if columns[genre] == "1"]
    return {"title": title, "year": year, "genres": " ".join(genres)}


def _atomic_film(columns: Mapping[str, str]) -> Mapping[str, str]:
    return {attribute: columns[column] for attribute, column in _ATOMIC.items()}


def _is_atomic(path: Path) -> bool:
    """Whether a file is one of RecBole's, which has its own header."""
    return _plain(path).endswith((".inter", ".item")) and _plain(path) != "u.item"


def _plain(path: Path) -> str:
    return path.name.removesuffix(".gz")


def _layout(path: Path, names: tuple[str, ...], encoding: str) -> Layout:
    """That of a file of GroupLens's, by its name: of their CSV files alone the first line names the columns."""
    name = _plain(path)
    if name.endswith(".csv"):
        return Layout(writing_of(path).separator or ",", encoding=encoding, guess_encoding=True)
    separator = "|" if name == "u.item" else "::" if name.endswith(".dat") else "\t"
    return Layout(separator, quotes=False, header=False, names=names, encoding=encoding, guess_encoding=True)


READER = _MovieLens(
    files={
        "interactions": ("ratings.dat", "ratings.csv", "u.data"),
        "items": ("movies.dat", "movies.csv", "u.item"),
    },
    columns=dict(zip(("user", "item", "rating", "time"), _RATINGS, strict=True)),
)
