"""The hyper-parameters of one component in a suite: fixed, searched or swept; checked alone and together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ...models.settings import Settings
from ..utils.messages import did_you_mean, shown
from ..utils.yaml_tree import Entry, Items, Mark, Node, Problems, Scalar, Table
from .labels import value_text
from .model import Parameters, Space
from .values import Declared, Mistake, read_each, read_space

_MOST_COMBINATIONS = 4096
_WAYS = ("search", "sweep")


@dataclass(frozen=True)
class Section:
    """One mapping of settings in a suite.

    Attributes:
        settings: the class that declares its keys.
        where: dotted path of the mapping, for messages.
        word: what its keys are called.
        varying: whether values may be searched and swept.
        reserved: keys that mean something else here and are read elsewhere.
        elsewhere: dotted path of the mapping that a key was taken over from, for messages.
    """

    settings: type[Settings]
    where: str
    word: str = "key"
    varying: bool = False
    reserved: tuple[str, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def path(self, key: str) -> str:
        """Dotted path of a key."""
        return f"{self.elsewhere.get(key, self.where)}.{key}"


@dataclass
class _Found:
    fixed: dict[str, Any] = field(default_factory=dict)
    searched: dict[str, Space] = field(default_factory=dict)
    swept: dict[str, tuple[Any, ...]] = field(default_factory=dict)


def read_parameters(node: Node, section: Section, problems: Problems) -> Parameters | None:
    """The hyper-parameters of one component.

    Args:
        node: the mapping; nothing written means nothing set.
        section: what may stand in it.
        problems: gets every mistake.

    Returns:
        The parameters, or None where something is wrong with them.
    """
    before = len(problems)
    found = _Found()
    for entry in _entries(node, section, problems):
        if entry.key not in section.reserved:
            _read_entry(entry, section, found=found, problems=problems)
    if len(problems) == before:
        _check_together(node, section, found=found, problems=problems)
    if len(problems) > before:
        return None
    return Parameters(fixed=found.fixed, searched=found.searched, swept=found.swept)


def read_settings(node: Node | None, section: Section, problems: Problems) -> Any:
    """The settings object of a section in which nothing varies; with its defaults where something is wrong."""
    parameters = read_parameters(node, section, problems) if node is not None else None
    return section.settings.model_validate(parameters.fixed if parameters else {})


def _entries(node: Node, section: Section, problems: Problems) -> tuple[Entry, ...]:
    if isinstance(node, Table):
        return tuple(node.entries.values())
    if not (isinstance(node, Scalar) and node.is_null):
        problems.add(node.mark, section.where, f"{shown(node)} is not a mapping of settings (key: value).")
    return ()


def _read_entry(entry: Entry, section: Section, *, found: _Found, problems: Problems) -> None:
    where = section.path(entry.key)
    fields = section.settings.model_fields
    if entry.key not in fields:
        near = did_you_mean(entry.key, [*fields, *section.reserved])
        known = ", ".join(sorted(fields)) or "none"
        problems.add(entry.mark, where, f"unknown {section.word}.{near} Known: {known}.")
        return

    def report(mistake: Mistake) -> None:
        problems.add(mistake.mark, where, mistake.what)

    declared = Declared.of(fields[entry.key])
    if isinstance(entry.value, Table) and _is_way(entry.value, declared):
        _read_way(entry, section, declared=declared, found=found, report=report)
        return
    try:
        if isinstance(entry.value, Items) and section.varying and not declared.is_list:
            hint = "Write {search: [...]} to have one chosen, or {sweep: [...]} for a row each."
            raise Mistake(entry.value.mark, f"a list is not {declared.noun}. {hint}")
        found.fixed[entry.key] = declared.read(entry.value)
    except Mistake as mistake:
        report(mistake)


def _is_way(table: Table, declared: Declared) -> bool:
    """Whether a mapping is meant as {search: ...} or {sweep: ...}: no built-in setting is a mapping itself."""
    return not declared.is_open or bool(set(table.entries) & set(_WAYS))


def _read_way(
    entry: Entry, section: Section, *, declared: Declared, found: _Found, report: Callable[[Mistake], None]
) -> None:
    table = entry.value
    keys = list(table.entries) if isinstance(table, Table) else []
    if not section.varying:
        report(Mistake(table.mark, f"cannot be searched or swept. Allowed: {declared.allowed}."))
        return
    unknown = [key for key in keys if key not in _WAYS]
    if unknown and isinstance(table, Table):
        near = did_you_mean(unknown[0], _WAYS)
        report(Mistake(table.entries[unknown[0]].mark, f"{unknown[0]} is unknown.{near} Known: search, sweep."))
        return
    if len(keys) != 1 or not isinstance(table, Table):
        found_keys = "both search and sweep" if keys else "an empty mapping"
        report(Mistake(table.mark, f"{found_keys} found. Give one of {{search: [...]}} and {{sweep: [...]}}."))
        return
    inner = table.entries[keys[0]].value
    if keys[0] == "search":
        space = read_space(inner, declared, report)
        if space is not None:
            found.searched[entry.key] = space
    elif isinstance(inner, Items) and inner.items:
        found.swept[entry.key] = read_each(inner.items, declared.read, report)
    else:
        what = "an empty list" if isinstance(inner, Items) else shown(inner)
        report(Mistake(inner.mark, f"sweep needs a list of values, not {what}."))


def _check_together(node: Node, section: Section, *, found: _Found, problems: Problems) -> None:
    """Validate values in combination, for classes whose validators look at several fields; one problem at most."""
    for values in _combinations(found):
        try:
            section.settings.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            what = str(first.get("ctx", {}).get("error", first["msg"]))
            varied = [f"{name}={value_text(values[name])}" for name in values if name not in found.fixed]
            chosen = f" (with {', '.join(varied)})" if varied else ""
            problems.add(_mark_of(node, first["loc"]), _where_of(section, first["loc"]), f"{what}{chosen}.")
            return


def _combinations(found: _Found) -> Iterator[Mapping[str, Any]]:
    """All combinations of what varies; where they are too many, each value with the others at their first."""
    varying: dict[str, tuple[Any, ...]] = {**found.swept}
    for name, space in found.searched.items():
        varying[name] = space.choices or (space.low, space.high)
    if math.prod(len(values) for values in varying.values()) <= _MOST_COMBINATIONS:
        for combination in itertools.product(*varying.values()):
            yield {**found.fixed, **dict(zip(varying, combination, strict=True))}
        return
    first = {name: values[0] for name, values in varying.items()}
    for name, values in varying.items():
        for value in values:
            yield {**found.fixed, **first, name: value}


def _mark_of(node: Node, loc: tuple[int | str, ...]) -> Mark:
    """The setting that is to blame; where several are, the one that the command line set, or all of them."""
    if not isinstance(node, Table):
        return node.mark
    if loc and loc[0] in node.entries:
        return node.entries[str(loc[0])].value.mark
    overridden = [entry.mark for entry in node.entries.values() if not entry.mark.source.numbered]
    return overridden[-1] if overridden else node.mark


def _where_of(section: Section, loc: tuple[int | str, ...]) -> str:
    return section.path(str(loc[0])) if loc else section.where
