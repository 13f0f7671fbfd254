"""The words of a suite's error messages: values as written, types and bounds in plain English, nearest names."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types

from .durations import Duration
from .yaml_tree import Items, Node, Scalar

COLLECTIONS = (tuple, list, set, frozenset)

_LONGEST = 40
_NOUNS = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true, false"),
    str: ("text", "text"),
    Duration: (Duration.noun, Duration.nouns),
    type(None): ("null", "null"),
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
        text = node.text if len(node.text) <= _LONGEST else node.text[: _LONGEST - 3] + "..."
        if node.quoted:
            return f"'{text}' (in quotes)"
        return text or "nothing"
    return "a list" if isinstance(node, Items) else "a mapping"


def hint(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the nearest known name, "" where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


did_you_mean = hint  # the name of before, until all callers use the new one


def singular(member: Any) -> str:
    """One value of a type: "a whole number"."""
    if get_origin(member) in COLLECTIONS:
        return f"a list of {plural(get_args(member)[0])}"
    return _NOUNS[member][0] if member in _NOUNS else "valid"


def plural(member: Any) -> str:
    """The values of a type: "whole numbers", or the choices themselves."""
    if is_literal(member):
        return ", ".join(str(value) for value in get_args(member))
    if get_origin(member) in COLLECTIONS:
        return singular(member)
    return _NOUNS[member][1] if member in _NOUNS else str(getattr(member, "__name__", member))


def bounds(limits: tuple[Any, ...]) -> str:
    """Pydantic's bounds: " above 0 and below 1", "" where there are none."""
    words = [
        f"{word} {getattr(limit, attribute)}"
        for limit in limits
        for kind, attribute, word in _BOUNDS
        if isinstance(limit, kind)
    ]
    return " " + " and ".join(words) if words else ""


def is_union(annotation: Any) -> bool:
    """Whether a type is a union of types."""
    return get_origin(annotation) in (Union, types.UnionType)


def is_literal(annotation: Any) -> bool:
    """Whether a type is a choice of values."""
    return get_origin(annotation) is Literal
