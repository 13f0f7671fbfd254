"""Data sets described for people: the list of them, and the card of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..utils import text as plain
from ..utils.errors import DatasetError
from . import catalog
from .data.card import SPLITS
from .data.summary import funnel, moment, summary_of
from .recipe.files import shipped_recipes
from .recipe.recipe import Recipe

_OWN_LINES = {
    *("schema", "name", "recipe", "fingerprint", "num_users", "sources", "protocol", "statistics", "source"),
    *("filtered", "dropped", "unseen", "bad_lines", "time_range", "split_times", "boundaries"),
    *("versions", "outputs", "recipe_settings", "warnings", "guessed", "times"),
}
_NOTHING: tuple[Any, ...] = (None, "", {}, [], False)

Facts: TypeAlias = Iterator[tuple[str, str]]
"""Labels and what stands beside them."""


def dataset_lines(data_dir: Path) -> list[str]:
    """All data sets that can be named, what is wrong with those that cannot be read, and how to prepare more."""
    rows: list[Sequence[str]] = [("data set", "recipe", "users", "items", "train", "valid", "test")]
    broken = []
    for name in sorted({*catalog.EMBEDDED, *catalog.prepared(data_dir)}):
        try:
            card = catalog.card(name, data_dir)
        except DatasetError as error:
            broken.append(str(error))
            continue
        counts = card["statistics"]
        recipe = "embedded" if name in catalog.EMBEDDED else str(card["recipe"])
        numbers = (counts["users"], counts["items"], *(counts["rows"][split] for split in SPLITS))
        rows.append((name, recipe, *(f"{number:,}" for number in numbers)))
    lines = [*plain.columns(rows, left=2), *broken, "", "To prepare one:"]
    for shipped in shipped_recipes().values():
        lines += (f"  {line}" for line in recipe_lines(shipped))
    lines += ["", "From files of your own, by a recipe of a few lines (docs/datasets.md):"]
    lines += ["  rearec-bench prepare --recipe FILE --source DIR"]
    return [*map(plain.lines, lines)]


def recipe_lines(recipe: Recipe) -> list[str]:
    """The command that prepares a recipe's data set, what it is, and the files that it takes."""
    return [recipe.command(), f"  {recipe.about}", f"  {recipe.contents()}"]


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """A whole card, for people."""
    protocol = ((name.replace("_", " "), str(value)) for name, value in card["protocol"].items() if name != "split")
    others = ((name.replace("_", " "), str(value)) for name, value in card.items() if name not in _OWN_LINES)
    return [
        *short_card_lines(card),
        *_lines(protocol),
        *_lines(_table1(card)),
        *_funnel(card),
        *_lines(_left_out(card)),
        *_lines(_times(card)),
        *_lines(_recipe(card)),
        *_lines(_files(card)),
        *_lines(others),
        *_lines(_origin(card)),
    ]


def short_card_lines(card: Mapping[str, Any]) -> list[str]:
    """The main facts of a card."""
    counts = card["statistics"]
    rows: list[Sequence[str]] = [("", "rows", "users", "rows a user", "history, mean")]
    for split in SPLITS:
        size, means = (counts[name][split] for name in ("rows", "row_users")), ("mean_rows_per_user", "mean_history")
        rows.append((split, *(f"{n:,}" for n in size), *(f"{counts[name][split]:.1f}" for name in means)))
    title = (
        f"{card['name']}  {counts['users']:,} users, {counts['items']:,} items, {counts['interactions']:,} "
        f"prediction rows, split {card['protocol']['split']}"
    )
    guessed = (
        ("guessed", f"{guess['file']}: {guess['what']}: {json.dumps(guess['value'], ensure_ascii=False)}")
        for guess in card.get("guessed", ())
    )
    times = [("times", card["times"])] if "times" in card else []
    warnings = (("warning", words) for words in card.get("warnings", ()))
    return [
        plain.one_line(title),
        *(f"  {line}" for line in plain.columns(rows)),
        *_lines((*guessed, *times, *warnings)),
    ]


def dropped_lines(card: Mapping[str, Any]) -> list[str]:
    """What each rule that left out something took of the interactions and of each split, and lines left unread."""
    filtered = [entry for entry in card["filtered"] if entry["interactions"]]
    whole = ["interactions"] if filtered else []
    rows: list[Sequence[str]] = [("left out by a rule", *whole, *SPLITS)]
    for entry in filtered:
        rows.append((entry["why"], f"{entry['interactions']:,} ({entry['share']:.1%})", "", "", ""))
    for entry in card["dropped"]:
        counts, shares = entry["rows"], entry["share"]
        if any(counts.values()):
            of_splits = (f"{counts[split]:,} ({shares[split]:.1%})" for split in SPLITS)
            rows.append((entry["why"], *("" for _ in whole), *of_splits))
    return [*_lines(_bad_lines(card)), *(f"  {line}" for line in plain.columns(rows) if rows[1:])]


def vector_lines(card: Mapping[str, Any]) -> list[str]:
    """How the item vectors of a data set were computed, from their card."""
    title = f"{card['items']:,} item vectors of width {card['width']:,} by {card['encoder']}"
    return [plain.one_line(title), *_lines(_from_texts(card)), *_lines(_from_table(card)), *_lines(_origin(card))]


def _lines(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (plain.one_line(f"  {label:<20}  {words}") for label, words in facts)


def _origin(card: Mapping[str, Any]) -> Facts:
    if "versions" in card:
        yield "made with", ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    yield "fingerprint", card["fingerprint"]


def _from_texts(card: Mapping[str, Any]) -> Facts:
    if "items_without_text" not in card:
        return
    yield "texts", f"of {card['items'] - card['items_without_text']:,} items"
    if card["template"]:
        yield "template", card["template"]
    if "words" in card:
        yield "words", f"{card['words']:,}, without those that all texts have"
    if "model" in card:
        yield from _by_model(card)
    if "explained_variance" in card:
        yield "explained variance", f"{card['explained_variance']:.1%}"
    wanted = f"{card['width_wanted']:,} wanted"
    if "model" in card and not card["pca"]:
        yield "principal components", f"none taken: a state is {card['width']:,} wide, {wanted}"
    elif card["width"] < card["width_wanted"]:
        yield "width", f"{wanted}, the texts allow {card['width']:,}"


def _by_model(card: Mapping[str, Any]) -> Facts:
    """What a language model read, and how."""
    model = card["model"]
    revision = f", revision {model['revision'][:12]}" if model["revision"] else ""
    yield "model", f"{model['class']}, states {model['hidden_size']:,} wide{revision}"
    yield "weights", f"{model['identity'][:12]}, {card['precision']} on {card['device']}"
    cut = f"{card['different_texts_cut']:,} of them cut to {card['max_tokens']:,} tokens"
    yield "different texts", f"{card['different_texts']:,}, {card['tokens']:,} tokens, {cut}"
    if card["max_tokens"] < card["max_tokens_wanted"]:
        yield "most tokens", f"{card['max_tokens_wanted']:,} wanted, the model allows {card['max_tokens']:,}"
    if card["items_without_text"]:
        yield "without a text", f"{card['items_without_text']:,} items, which have the vector of the empty text"


def _from_table(card: Mapping[str, Any]) -> Facts:
    """What did not match in a table, and which items have no vector."""
    if card.get("rows_passed_over"):
        yield "passed over", f"{card['rows_passed_over']:,} rows of items that the data set does not have"
    if card.get("items_without_row"):
        yield "without a row", f"{card['items_without_row']:,} items, which have zeros"
    elif card["zero_vectors"]:
        yield "without a vector", f"{card['zero_vectors']:,} items, which have zeros"


def _table1(card: Mapping[str, Any]) -> Facts:
    """The statistics of the paper's Table 1."""
    summary = summary_of(card)
    table1 = summary.table1
    yield (
        "interactions",
        f"{table1.per_user:.2f} a user, {table1.per_item:.2f} an item; sparsity {table1.sparsity_percent:.2f}%",
    )
    yield (
        "rows of a user, test",
        f"{summary.mean_rows_per_user:.2f} on average, {summary.max_rows_per_user:,} at most",
    )
    repeats = card["statistics"].get("repeats")
    if repeats is not None:
        shares = ", ".join(f"{split} {repeats[split] / max(1, summary.rows[split]):.1%}" for split in SPLITS)
        yield "repeated targets", f"the row's own history has them: {shares}"
    if summary.unseen_percent is not None and "unseen" not in card:
        yield "unseen in training", f"the target, test: {summary.unseen_percent:.1f}%"
    if card["source"]:
        yield "source", ", ".join(f"{count:,} {name}" for name, count in card["source"].items())


def _funnel(card: Mapping[str, Any]) -> Iterator[str]:
    """What each rule left of the source."""
    rows: list[Sequence[str]] = [("left after each step", "interactions", *SPLITS)]
    for step in funnel(card):
        left = "" if step.interactions is None else f"{step.interactions:,}"
        rows.append((step.why, left, *("" if step.rows is None else f"{step.rows[split]:,}" for split in SPLITS)))
    return (f"  {line}" for line in plain.columns(rows))


def _bad_lines(card: Mapping[str, Any]) -> Facts:
    for bad in card.get("bad_lines", ()):
        yield "lines left out", f"{bad['file']}: {bad['lines']:,}, {bad['why']} (first: line {bad['first']:,})"


def _left_out(card: Mapping[str, Any]) -> Facts:
    """Lines that could not be read, and items of validation and test that training lacks."""
    yield from _bad_lines(card)
    for unseen in card.get("unseen", ()):
        asked = (f"{split} {count:,} ({unseen['share'][split]:.1%})" for split, count in unseen["rows"].items())
        yield "unseen in training", f"{unseen['what']}: {', '.join(asked)}"


def _times(card: Mapping[str, Any]) -> Facts:
    if "time_range" in card:
        yield "time", " to ".join(map(moment, card["time_range"]))
    for split, times in summary_of(card).times.items():
        yield f"time of {split}", " to ".join(map(moment, times))
    if "boundaries" in card:
        yield "valid and test after", ", ".join(map(moment, card["boundaries"]))


def _files(card: Mapping[str, Any]) -> Facts:
    """Checksums of its sources and of its own files."""
    for label, key in (("source file", "sources"), ("file", "outputs")):
        for file in card.get(key, ()):
            yield label, f"{file['file']}  {file['bytes']:,} bytes  sha256 {file['sha256']}"


def _recipe(card: Mapping[str, Any]) -> Facts:
    """The recipe's fields that are set; a header is there unless it says otherwise, or it is guessed."""
    for name, value in _without_nothing(card.get("recipe_settings", {})).items():
        if (name, value) == ("header", True):
            continue
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"recipe: {name.replace('_', ' ')}", words


def _without_nothing(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    inner = {key: _without_nothing(part) for key, part in value.items()}
    return {key: part for key, part in inner.items() if part not in _NOTHING}
