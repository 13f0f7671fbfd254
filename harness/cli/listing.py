"""What there is to choose from, as text: components with their settings, data sets, suites; imports no torch."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ...models.settings import Settings
from ..datasets import catalog
from ..datasets.describe import dataset_lines, recipe_lines, short_card_lines
from ..datasets.embed import ENCODERS
from ..datasets.recipe.files import shipped_recipes
from ..records.spec import EvaluationSettings, TrainingSettings
from ..suite.bundled import shipped_suites, summary_of
from ..suite.labels import value_text
from ..suite.model import Resources, SearchSettings
from ..utils.errors import InputError
from ..utils.messages import allowed, hint
from ..utils.registry import BACKBONES, BASELINES, BUILT_IN, STRATEGIES, Registry

_SECTIONS: Mapping[str, tuple[type[Settings], str]] = {
    "search": (SearchSettings, "how hyper-parameters are searched"),
    "training": (TrainingSettings, "how every model is trained"),
    "evaluation": (EvaluationSettings, "how every model is evaluated"),
    "resources": (Resources, "what one trial occupies, and how it is looked after"),
}
_NARROWEST = 60
_MARGIN = 12
"""Columns of a group's name in the overview."""


@dataclass(frozen=True)
class _Group:
    """What may be named in one place.

    Attributes:
        place: where its names are typed.
        entries: name to one line about it; "" where names alone say enough.
        detail: everything about one of them.
        whole: everything about the group; None for its entries with all their words.
        terse: the overview has the names alone.
    """

    place: str
    entries: Mapping[str, str]
    detail: Callable[[str], list[str]]
    whole: Callable[[], list[str]] | None = None
    terse: bool = False


def inventory(name: str = "", *, data_dir: Path, width: int) -> str:
    """What a suite can name: all of it on one screen, or a group or an entry with all its details.

    Lines are at most `width` characters wide.

    Raises:
        InputError: neither a group nor an entry has that name.
    """
    width = max(width, _NARROWEST)
    groups = _groups(data_dir, width)
    if not name:
        return "\n".join(_overview(groups, width))
    if name in groups:
        return "\n".join(_whole(name, groups[name], width))
    found = [group.detail(name) for group in groups.values() if name in group.entries]
    if not found:
        raise InputError(
            f"nothing to list is called '{name}'.{hint(name, _names(groups))} Groups: {', '.join(groups)}. "
            "All names:  rearec-bench list"
        )
    return "\n\n".join("\n".join(lines) for lines in found)


def names(data_dir: Path) -> list[str]:
    """All that `inventory` takes: groups, then entries."""
    return _names(_groups(data_dir, _NARROWEST))


def _names(groups: Mapping[str, _Group]) -> list[str]:
    return [*groups, *chain.from_iterable(group.entries for group in groups.values())]


def _groups(data_dir: Path, width: int) -> dict[str, _Group]:
    def components(place: str, registry: Registry) -> _Group:
        entries = {name: _about(registry, name) for name in registry.names()}
        return _Group(place, entries, partial(_component, registry, width=width))

    def named(place: str, entries: Mapping[str, str], *then: str) -> _Group:
        def detail(name: str) -> list[str]:
            return [*_wrapped(f"{name}:", entries[name], width), *(line.format(name) for line in then)]

        return _Group(place, entries, detail)

    suites = {name: summary_of(path) for name, path in shipped_suites().items()}
    datasets = dict.fromkeys(sorted({*catalog.EMBEDDED, *catalog.prepared(data_dir), *shipped_recipes()}), "")
    return {
        "backbones": components("backbones: in a suite", BACKBONES),
        "strategies": components("strategies: in a suite", STRATEGIES),
        "references": components("references: in a suite; counts that are ranked without training", BASELINES),
        "settings": _Group(
            "blocks of a suite",
            {name: words for name, (_, words) in _SECTIONS.items()},
            lambda name: [f"{name}: {_SECTIONS[name][1]}", *_settings(_SECTIONS[name][0], width)],
            terse=True,
        ),
        "datasets": _Group(
            "datasets: in a suite, or rearec-bench prepare NAME",
            datasets,
            partial(_dataset, data_dir=data_dir),
            lambda: dataset_lines(data_dir),
        ),
        "encoders": named("rearec-bench embed NAME --encoder ENCODER", ENCODERS),
        "suites": named(
            "rearec-bench run NAME",
            suites,
            "  What it would run:  rearec-bench plan {}",
            "  To run it:  rearec-bench run {}",
        ),
    }


def _overview(groups: Mapping[str, _Group], width: int) -> Iterator[str]:
    for name, group in groups.items():
        if group.terse or not any(group.entries.values()) or len(group.entries) > _MARGIN:
            yield from _wrapped(f"{name:<{_MARGIN}}", "  ".join(group.entries), width)
        else:
            column = max(map(len, group.entries))
            for place, (entry, words) in enumerate(group.entries.items()):
                head = f"{'' if place else name:<{_MARGIN}}{entry:<{column}}  "
                yield head + textwrap.shorten(words, max(width - len(head), _MARGIN), placeholder=" ...")
        yield ""
    yield "More:  rearec-bench list strategies (or another group), rearec-bench list prl"


def _whole(name: str, group: _Group, width: int) -> list[str]:
    if group.whole is not None:
        return group.whole()
    column = max(map(len, group.entries)) + 1
    lines = [f"{name.capitalize()} ({group.place})"]
    for entry, words in group.entries.items():
        lines += _wrapped(f"  {entry:<{column}}", words, width)
    return [*lines, "", f"All of one:  rearec-bench list NAME, such as {next(iter(group.entries))}"]


def _dataset(name: str, *, data_dir: Path) -> list[str]:
    recipe = shipped_recipes().get(name)
    there = name in catalog.EMBEDDED or name in catalog.prepared(data_dir)
    lines = (
        [*short_card_lines(catalog.card(name, data_dir)), f"More:  rearec-bench datasets show {name}"] if there else []
    )
    return [*lines, *(recipe_lines(recipe) if recipe is not None else ())]


def _about(registry: Registry, name: str) -> str:
    try:
        words = (registry.settings(name).__doc__ or "").strip().partition("\n")[0]
    except (InputError, ImportError, AttributeError) as error:
        return f"cannot be used: {error}"
    origin = registry.origin(name)
    return words if origin == BUILT_IN else f"[{origin}] {words}"


def _component(registry: Registry, name: str, *, width: int) -> list[str]:
    lines = _wrapped(f"{name} ({registry.kind}):", _about(registry, name), width)
    try:
        return [*lines, *_settings(registry.settings(name), width)]
    except (InputError, ImportError, AttributeError):
        return lines


def _settings(settings: type[Settings], width: int) -> Iterator[str]:
    try:
        defaults: Settings | None = settings()
    except ValidationError:  # a plug-in whose settings have no defaults
        defaults = None
    column = max([20, *map(len, settings.model_fields)])
    if settings.model_fields:
        yield f"  {'setting':<{column}} {'default':<8} symbol"
    for name, field in settings.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = "required" if defaults is None else _shown(getattr(defaults, name))
        symbol = str(extra.get("symbol") or "")
        yield from _wrapped(f"  {name:<{column}} {default:<8} {symbol:<12}", _words(field, extra), width)


def _words(field: FieldInfo, extra: dict[str, Any]) -> str:
    words = [field.description or "", f"[{allowed(field) or getattr(field.annotation, '__name__', field.annotation)}]"]
    if extra.get("grid"):
        words.append(f"The paper searches {', '.join(map(_shown, extra['grid']))}.")
    if extra.get("source"):
        words.append(f"Source: {extra['source']}.")
    return " ".join(word for word in words if word)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return value_text(value)


def _wrapped(head: str, words: str, width: int) -> list[str]:
    head = head if head.endswith(" ") else f"{head} "
    indent = " " * len(head)
    lines = textwrap.wrap(words, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)
    return lines or [head.rstrip()]
