"""Data sets in words: the list of them, and the card of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..utils import text as plain
from . import catalog
from .data.card import SPLITS
from .data.summary import funnel, moment, summary_of
from .recipe.files import shipped_recipes

_KNOWN = ("schema", "name", "recipe", "fingerprint", "num_users", "sources", "protocol", "statistics", "source")
_COUNTED = ("filtered", "dropped", "unseen", "bad_lines", "time_range", "split_times", "boundaries")
_SHOWN = (*_KNOWN, *_COUNTED, "versions", "outputs", "recipe_settings")
_LABEL = 22


def dataset_lines(data_dir: Path) -> list[str]:
    """All data sets that can be named, and how to prepare more.

    Args:
        data_dir: where prepared data sets are.
    """
    rows: list[tuple[str, ...]] = [("data set", "recipe", "users", "items", "train", "valid", "test")]
    for name in catalog.known(data_dir):
        if not catalog.is_prepared(name, data_dir):
            continue
        card = catalog.card(name, data_dir)
        counts = card["statistics"]
        recipe = "embedded" if name in catalog.EMBEDDED else str(card["recipe"])
        numbers = (counts["users"], counts["items"], *(counts["rows"][split] for split in SPLITS))
        rows.append((name, recipe, *(f"{number:,}" for number in numbers)))
    return [*_aligned(rows, left=2), *map(plain.lines, _recipes())]


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """A whole card, for people.

    Args:
        card: of a data set.
    """
    return [
        *short_card_lines(card),
        *(_line(name.replace("_", " "), str(words)) for name, words in card["protocol"].items() if name != "split"),
        *_table1(card),
        *_funnel(card),
        *_unseen(card),
        *_times(card),
        *_recipe(card),
        *_files(card),
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
        plain.one_line(
            f"{card['name']}  {counts['users']:,} users, {counts['items']:,} items, {counts['interactions']:,} "
            f"prediction rows, split {card['protocol']['split']}"
        ),
        *(f"  {line}" for line in _aligned(rows, left=1)),
    ]


def vector_lines(card: Mapping[str, Any]) -> list[str]:
    """How the item vectors of a data set were made.

    Args:
        card: of the vectors.
    """
    return [
        plain.one_line(f"{card['items']:,} item vectors of width {card['width']:,} by {card['encoder']}"),
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


def _table1(card: Mapping[str, Any]) -> Iterator[str]:
    """As the paper's Table 1 counts."""
    held = summary_of(card)
    table1 = held.table1
    yield _line(
        "interactions",
        f"{table1.per_user:.2f} a user, {table1.per_item:.2f} an item; sparsity {table1.sparsity_percent:.2f}%",
    )
    yield _line("rows of a user, test", f"{held.mean_rows_per_user:.2f} on average, {held.max_rows_per_user:,} at most")
    repeats = card["statistics"].get("repeats")
    if repeats is not None:
        shares = (f"{split} {repeats[split] / max(1, held.rows[split]):.1%}" for split in SPLITS)
        yield _line("repeated targets", f"the row's own history has them: {', '.join(shares)}")
    if held.unseen_percent is not None and "unseen" not in card:
        yield _line("unseen in training", f"the target, test: {held.unseen_percent:.1f}%")


def _funnel(card: Mapping[str, Any]) -> Iterator[str]:
    """What the source held, and what every rule left of it."""
    if card["source"]:
        yield _line("source", ", ".join(f"{count:,} {name}" for name, count in card["source"].items()))
    rows: list[tuple[str, ...]] = [("left after each step", "interactions", *SPLITS)]
    for step in funnel(card):
        left = ("" if step.interactions is None else f"{step.interactions:,}",)
        by_split = ("",) * len(SPLITS) if step.rows is None else tuple(f"{step.rows[split]:,}" for split in SPLITS)
        rows.append((step.why, *left, *by_split))
    yield from (f"  {line}" for line in _aligned(rows, left=1))
    for one in card.get("bad_lines", ()):
        yield _line("lines left out", f"{one['file']}: {one['lines']:,}, {one['why']} (first: line {one['first']:,})")


def _unseen(card: Mapping[str, Any]) -> Iterator[str]:
    """What validation and test ask for that training does not show."""
    for one in card.get("unseen", ()):
        asked = (f"{split} {count:,} ({one['share'][split]:.1%})" for split, count in one["rows"].items())
        yield _line("unseen in training", f"{one['what']}: {', '.join(asked)}")


def _times(card: Mapping[str, Any]) -> Iterator[str]:
    if "time_range" in card:
        yield _line("time", " to ".join(moment(time) for time in card["time_range"]))
    for split, times in summary_of(card).times.items():
        yield _line(f"time of {split}", " to ".join(map(moment, times)))
    if "boundaries" in card:
        yield _line("valid and test after", ", ".join(moment(time) for time in card["boundaries"]))


def _files(card: Mapping[str, Any]) -> Iterator[str]:
    """Checksums of what it was made from and of what was made."""
    for label, key in (("source file", "sources"), ("file", "outputs")):
        for one in card.get(key, ()):
            yield _line(label, f"{one['file']}  {one['bytes']:,} bytes  sha256 {one['sha256']}")


def _recipe(card: Mapping[str, Any]) -> Iterator[str]:
    """The recipe, as far as it says something."""
    for name, value in card.get("recipe_settings", {}).items():
        said = _without_nothing(value)
        if said not in _NOTHING:
            words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
            yield _line(f"recipe: {name.replace('_', ' ')}", words)


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        said = {key: _without_nothing(one) for key, one in value.items()}
        return {key: one for key, one in said.items() if one not in _NOTHING}
    return value


_NOTHING: tuple[Any, ...] = (None, "", {}, [], False)


def _recipes() -> Iterator[str]:
    yield ""
    yield "To prepare one:"
    for recipe in shipped_recipes().values():
        yield f"  {recipe.command()}"
        yield f"    {recipe.about}"
        yield f"    {recipe.contents()}"


def _line(label: str, words: str) -> str:
    return plain.one_line(f"  {label:<{_LABEL - 2}}  {words}")


def _aligned(rows: list[tuple[str, ...]], *, left: int) -> list[str]:
    """Columns side by side: the first `left` of them to the left, numbers to the right."""
    rows = [tuple(map(plain.one_line, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
