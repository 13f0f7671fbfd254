"""Data sets in words: the list of them, and the card of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import catalog
from .card import SPLITS
from .recipe_files import shipped_recipes

_KNOWN = ("schema", "name", "recipe", "fingerprint", "num_users", "sources", "protocol", "statistics", "source")
_SHOWN = (*_KNOWN, "filtered", "dropped", "versions", "time_range", "boundaries", "unseen")
_LABEL = 22
_FIRST_YEARS_S = 10**8  # smaller numbers are no Unix times


def dataset_lines(data_dir: Path) -> list[str]:
    """All data sets that can be named, and how to prepare more.

    Args:
        data_dir: where prepared data sets are.
    """
    rows: list[tuple[str, ...]] = [("data set", "recipe", "users", "items", "train", "valid", "test")]
    missing = []
    for name in catalog.known(data_dir):
        if not catalog.is_prepared(name, data_dir):
            missing.append(catalog.not_prepared_message(name).splitlines()[0])
            continue
        card = catalog.card(name, data_dir)
        counts = card["statistics"]
        recipe = "embedded" if name in catalog.EMBEDDED else str(card["recipe"])
        numbers = (counts["users"], counts["items"], *(counts["rows"][split] for split in SPLITS))
        rows.append((name, recipe, *(f"{number:,}" for number in numbers)))
    return [*_aligned(rows, left=2), *missing, *_recipes()]


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """A whole card, for people.

    Args:
        card: of a data set.
    """
    return [
        *short_card_lines(card),
        *(_line(name.replace("_", " "), str(words)) for name, words in card["protocol"].items() if name != "split"),
        *_lost(card),
        *_unseen(card),
        *_times(card),
        *(
            _line("source file", f"{one['file']}  {one['bytes']:,} bytes  sha256 {one['sha256']}")
            for one in card["sources"]
        ),
        *(_line(name.replace("_", " "), str(value)) for name, value in card.items() if name not in _SHOWN),
        _line("made with", _versions(card)),
        _line("fingerprint", card["fingerprint"]),
    ]


def short_card_lines(card: Mapping[str, Any]) -> list[str]:
    """What one wants to know of a data set first.

    Args:
        card: of a data set.
    """
    counts = card["statistics"]
    rows: list[tuple[str, ...]] = [("", "rows", "users", "rows a user", "history, mean")]
    for split in SPLITS:
        values = (counts["rows"][split], counts["row_users"][split])
        means = (counts["mean_rows_per_user"][split], counts["mean_history"][split])
        rows.append((split, *(f"{value:,}" for value in values), *(f"{mean:.1f}" for mean in means)))
    return [
        f"{card['name']}  {counts['users']:,} users, {counts['items']:,} items, {counts['interactions']:,} prediction "
        f"rows, split {card['protocol']['split']}",
        *(f"  {line}" for line in _aligned(rows, left=1)),
    ]


def vector_lines(card: Mapping[str, Any]) -> list[str]:
    """How the item vectors of a data set were made.

    Args:
        card: of the vectors.
    """
    return [
        f"{card['items']:,} item vectors of width {card['width']:,} by {card['encoder']}",
        *_from_texts(card),
        *_from_table(card),
        *([_line("made with", _versions(card))] if "versions" in card else []),
        _line("fingerprint", card["fingerprint"]),
    ]


def _from_texts(card: Mapping[str, Any]) -> Iterator[str]:
    if "items_without_text" in card:
        yield _line("texts", f"of {card['items'] - card['items_without_text']:,} items")
        if card["template"]:
            yield _line("template", card["template"])
    if "words" in card:
        yield _line("words", f"{card['words']:,}, without those that all texts have")
    if "model" in card:
        yield from _by_model(card)
    if "explained_variance" in card:
        yield _line("explained variance", f"{card['explained_variance']:.1%}")
    if "model" in card and not card["pca"]:
        yield _line("principal components", f"none taken: a state is {card['width']:,} wide, {_wanted(card)}")
    elif "width_wanted" in card and card["width"] < card["width_wanted"]:
        yield _line("width", f"{_wanted(card)}, the texts allow {card['width']:,}")


def _wanted(card: Mapping[str, Any]) -> str:
    return f"{card['width_wanted']:,} wanted"


def _by_model(card: Mapping[str, Any]) -> Iterator[str]:
    """What a language model read, and how."""
    model = card["model"]
    revision = f", revision {model['revision'][:12]}" if model["revision"] else ""
    yield _line("model", f"{model['class']}, states {model['hidden_size']:,} wide{revision}")
    yield _line("weights", f"{model['identity'][:12]}, {card['precision']} on {card['device']}")
    cut = f"{card['different_texts_cut']:,} of them cut to {card['max_tokens']:,} tokens"
    yield _line("different texts", f"{card['different_texts']:,}, {card['tokens']:,} tokens, {cut}")
    if card["max_tokens"] < card["max_tokens_wanted"]:
        yield _line("most tokens", f"{card['max_tokens_wanted']:,} wanted, the model allows {card['max_tokens']:,}")
    if card["items_without_text"]:
        yield _line("without a text", f"{card['items_without_text']:,} items, which have the vector of the empty text")


def _from_table(card: Mapping[str, Any]) -> Iterator[str]:
    """What did not match in a table, and who has no vector."""
    if card.get("rows_passed_over"):
        yield _line("passed over", f"{card['rows_passed_over']:,} rows of items that the data set does not have")
    if card.get("items_without_row"):
        yield _line("without a row", f"{card['items_without_row']:,} items, which have zeros")
    elif card["zero_vectors"]:
        yield _line("without a vector", f"{card['zero_vectors']:,} items, which have zeros")


def _versions(card: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in card["versions"].items())


def _lost(card: Mapping[str, Any]) -> Iterator[str]:
    """What the source held, and why some of it is not in the data set."""
    if card["source"]:
        yield _line("source", ", ".join(f"{count:,} {name}" for name, count in card["source"].items()))
    for one in card["filtered"]:
        yield _line("left out", f"{one['why']}: {one['interactions']:,} interactions ({one['share']:.1%})")
    for one in card["dropped"]:
        if any(one["rows"].values()):
            lost = (f"{split} {one['rows'][split]:,} ({one['share'][split]:.1%})" for split in SPLITS)
            yield _line("dropped rows", f"{one['why']}: {', '.join(lost)}")


def _unseen(card: Mapping[str, Any]) -> Iterator[str]:
    """What validation and test ask for that training does not show."""
    for one in card.get("unseen", ()):
        asked = (f"{split} {count:,} ({one['share'][split]:.1%})" for split, count in one["rows"].items())
        yield _line("unseen in training", f"{one['what']}: {', '.join(asked)}")


def _times(card: Mapping[str, Any]) -> Iterator[str]:
    if "time_range" in card:
        yield _line("time", " to ".join(_moment(time) for time in card["time_range"]))
    if "boundaries" in card:
        yield _line("valid and test after", ", ".join(_moment(time) for time in card["boundaries"]))


def _moment(time: float) -> str:
    seconds = time / 1000 if time > _FIRST_YEARS_S * 1000 else time
    if seconds < _FIRST_YEARS_S:
        return f"{time:g}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _recipes() -> Iterator[str]:
    yield ""
    yield "To prepare one:"
    for recipe in shipped_recipes().values():
        yield f"  {recipe.command()}"
        yield f"    {recipe.about}"
        yield f"    {recipe.contents()}"


def _line(label: str, words: str) -> str:
    return f"  {label:<{_LABEL}}{words}"


def _aligned(rows: list[tuple[str, ...]], *, left: int) -> list[str]:
    """Columns side by side: the first `left` of them to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
