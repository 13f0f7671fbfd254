"""The hyper-parameters of one component in a suite: fixed, searched or swept; checked alone and together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from ...models.settings import Settings
from ..utils.messages import members
from ..utils.yaml_model import blamed, read
from ..utils.yaml_tree import Node, Problems, Table
from .labels import value_text
from .model import Parameters, Space
from .schema import Range, Varied, varying

_MAX_COMBINATIONS = 4096


def read_component(
    settings: type[Settings],
    node: Node,
    problems: Problems,
    *,
    own: Mapping[str, Any] = MappingProxyType({}),
    word: str = "hyper-parameter",
) -> tuple[Parameters, Mapping[str, Any]] | None:
    """The hyper-parameters of one component, each checked by its declaration, and the values of its extra keys.

    Args:
        settings: the class that declares them.
        problems: every mistake is added.
        own: name -> type of the extra keys.
        word: what the keys are called in messages.

    Returns:
        None where one is wrong.
    """
    values = read(varying(settings, *own.items()), node, problems, word=word)
    if values is None or not isinstance(node, Table):
        return None
    return parameters_of(settings, values, node), {name: getattr(values, name) for name in own}


def parameters_of(settings: type[Settings], model: BaseModel, table: Table) -> Parameters:
    """What is fixed, searched and swept in an object of `varying(settings)`, in the order of the file."""
    values = model.model_dump(mode="json", exclude_unset=True)
    fixed, searched, swept = {}, {}, {}
    for name in (name for name in table.entries if name in settings.model_fields and name in values):
        varied, value = getattr(model, name), values[name]
        if not isinstance(varied, Varied):
            fixed[name] = value
        elif varied.sweep is not None:
            swept[name] = tuple(value["sweep"])
        else:
            types = members(settings.model_fields[name].annotation)
            searched[name] = space_of(varied.search, value["search"], whole=int in types and float not in types)
    return Parameters(fixed=fixed, searched=searched, swept=swept)


def space_of(searched: Any, value: Any, *, whole: bool) -> Space:
    """The space of a `search:` entry; `value` is `searched` as JSON, `whole` is for a range of whole numbers."""
    if not isinstance(searched, Range):
        return Space(choices=tuple(value))
    number = int if whole else float
    return Space(low=number(value["low"]), high=number(value["high"]), log=value.get("log", False), integer=whole)


def check_together(settings: type[Settings], parameters: Parameters, table: Table, problems: Problems) -> bool:
    """Whether all values fit together, for classes whose validators look at several fields; one problem at most."""
    for values in _combinations(parameters):
        try:
            settings.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            what = str(first.get("ctx", {}).get("error", first["msg"]))
            varied = [f"{name}={value_text(values[name])}" for name in values if name not in parameters.fixed]
            chosen = f" (with {', '.join(varied)})" if varied else ""
            entry = table.entries.get(str(first["loc"][0])) if first["loc"] else None
            problems.add(entry.value.mark if entry else blamed(table), f"{what}{chosen}.")
            return False
    return True


def _combinations(parameters: Parameters) -> Iterator[Mapping[str, Any]]:
    """All combinations of the values that vary; if too many, each value with the others at their first."""
    varying: dict[str, tuple[Any, ...]] = dict(parameters.swept)
    for name, space in parameters.searched.items():
        varying[name] = space.choices or (space.low, space.high)
    if math.prod(len(values) for values in varying.values()) <= _MAX_COMBINATIONS:
        for combination in itertools.product(*varying.values()):
            yield {**parameters.fixed, **dict(zip(varying, combination, strict=True))}
        return
    first = {name: values[0] for name, values in varying.items()}
    for name, values in varying.items():
        for value in values:
            yield {**parameters.fixed, **first, name: value}
