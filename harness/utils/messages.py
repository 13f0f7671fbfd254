"""Parts of error messages: the nearest name, values as written, types and bounds in plain English."""

from __future__ import annotations

import types
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from .durations import Duration
from .text import hint
from .yaml_tree import Items, Node, Scalar

__all__ = ["COLLECTIONS", "allowed", "hint", "members", "shown"]

COLLECTIONS = (tuple, list, set, frozenset)

_MAX_SHOWN = 40
_PLURALS = {
    int: "whole numbers",
    float: "numbers",
    Decimal: "numbers",
    bool: "true, false",
    str: "text",
    type(None): "null",
}
_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (annotated_types.Ge, "ge", "from"),
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Le, "le", "up to"),
    (annotated_types.Lt, "lt", "below"),
)


def shown(node: Node) -> str:
    """An offending value as a message shows it."""
    if isinstance(node, Scalar):
        text = node.text if len(node.text) <= _MAX_SHOWN else node.text[: _MAX_SHOWN - 3] + "..."
        if node.quoted:
            return f"'{text}' (in quotes)"
        return text or "nothing"
    return "a list" if isinstance(node, Items) else "a mapping"


def members(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, else the type alone; without their bounds."""
    return tuple(_bare(member) for member in _parts(annotation))


def allowed(field: FieldInfo) -> str:
    """The values that a field accepts, such as "whole numbers from 1, or null"; "" if only its own validator knows."""
    parts = []
    for member in _parts(field.annotation):
        own = [limit for given in getattr(member, "__metadata__", ()) for limit in getattr(given, "metadata", ())]
        bare = _bare(member)
        parts.append(_plural(bare) + (_bounds([*field.metadata, *own]) if bare in (int, float) else ""))
    return ", or ".join(dict.fromkeys(parts)) if all(parts) else ""


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _bare(member: Any) -> Any:
    return get_args(member)[0] if get_origin(member) is Annotated else member


def _bounds(metadata: Iterable[Any]) -> str:
    limits = [
        f"{word} {getattr(limit, attribute)}"
        for limit in metadata
        for kind, attribute, word in _BOUNDS
        if isinstance(limit, kind)
    ]
    return " " + " and ".join(limits) if limits else ""


def _plural(member: Any) -> str:
    if get_origin(member) is Literal:
        return ", ".join(str(value) for value in get_args(member))
    if get_origin(member) in COLLECTIONS:
        inner = " or ".join(filter(None, (_plural(_bare(one)) for one in _parts(get_args(member)[0]))))
        return f"a list of {inner}" if inner else "a list"
    return Duration.nouns if member is Duration else _PLURALS.get(member, "")
