"""Values of a suite file read by their declared type; nothing is coerced that was not declared."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..records.spec import canonical
from ..utils.messages import COLLECTIONS, bounds, did_you_mean, is_literal, is_union, plural, shown, singular
from ..utils.yaml_tree import Items, Mark, Node, Scalar, Table
from .model import Space

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
_UNREAD = object()


class Mistake(Exception):
    """A value that cannot be read: where it stands and what is wrong; collected, never seen by users."""

    def __init__(self, mark: Mark, what: str) -> None:
        self.mark = mark
        self.what = what
        super().__init__(what)


@dataclass(frozen=True)
class Declared:
    """What a setting may hold.

    Attributes:
        annotation: its type.
        limits: pydantic's bounds on it.
    """

    annotation: Any
    limits: tuple[Any, ...] = ()

    @classmethod
    def of(cls, field: FieldInfo) -> Declared:
        """The declaration of a settings field."""
        return cls(field.annotation, tuple(field.metadata))

    @property
    def members(self) -> tuple[Any, ...]:
        """The types of a union, else the type alone."""
        return get_args(self.annotation) if is_union(self.annotation) else (self.annotation,)

    @property
    def is_number(self) -> bool:
        """Whether a range between two numbers makes sense."""
        return any(member in (int, float) for member in self.members)

    @property
    def is_list(self) -> bool:
        """Whether a value is a list itself."""
        return any(get_origin(member) in COLLECTIONS for member in self.members)

    @property
    def is_open(self) -> bool:
        """Whether only the type's own validator knows what it may hold, mappings included."""
        return any(_is_open(member) for member in self.members)

    @property
    def noun(self) -> str:
        """One value, in words."""
        return " or ".join(dict.fromkeys(singular(member) for member in self.members))

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are whole ones."""
        return int in self.members and float not in self.members

    def read(self, node: Node) -> Any:
        """The value as JSON holds it, converted and checked against the bounds.

        Raises:
            Mistake: the value is of another type or out of bounds.
        """
        value = self._convert(node)
        bounded: Any = Annotated[self.annotation, None, *self.limits]
        adapter: TypeAdapter[Any] = TypeAdapter(bounded)
        try:
            return adapter.dump_python(adapter.validate_python(value), mode="json")
        except ValidationError as error:
            raise Mistake(node.mark, f"{shown(node)} is {_reason(error)}. Allowed: {self.allowed}.") from None

    @property
    def allowed(self) -> str:
        """What may be written, in words."""
        limits = bounds(self.limits)
        words = [plural(member) + (limits if member in (int, float) else "") for member in self.members]
        return ", or ".join(dict.fromkeys(words))

    def _convert(self, node: Node) -> Any:
        for member in self.members:
            value = _as_member(node, member)
            if value is not _UNREAD:
                return value
        choices = [str(value) for member in self.members if is_literal(member) for value in get_args(member)]
        if choices and isinstance(node, Scalar):
            near = did_you_mean(node.text, choices)
            raise Mistake(node.mark, f"{shown(node)} is unknown.{near} Allowed: {self.allowed}.")
        raise Mistake(node.mark, f"{shown(node)} is not {self.noun}. Allowed: {self.allowed}.")


def read_each(nodes: Iterable[Node], read: Callable[[Node], Any], report: Callable[[Mistake], None]) -> tuple[Any, ...]:
    """Read a list, each value of it once.

    Args:
        nodes: the values.
        read: reads one, or raises Mistake.
        report: gets every mistake, duplicates included.

    Returns:
        The values without mistakes.
    """
    values: dict[str, Any] = {}
    for node in nodes:
        try:
            value = read(node)
            if canonical(value) in values:
                raise Mistake(node.mark, f"{shown(node)} stands here twice. Remove one of them.")
            values[canonical(value)] = value
        except Mistake as mistake:
            report(mistake)
    return tuple(values.values())


def read_space(node: Node, declared: Declared, report: Callable[[Mistake], None]) -> Space | None:
    """What stands behind `search:`, a list of choices or {low, high, log}; None where it has mistakes."""
    if isinstance(node, Items) and node.items:
        choices = read_each(node.items, declared.read, report)
        return Space(choices=choices) if len(choices) == len(node.items) else None
    if isinstance(node, Table):
        try:
            return _range(node, declared)
        except Mistake as mistake:
            report(mistake)
            return None
    found = "an empty list" if isinstance(node, Items) else shown(node)
    report(Mistake(node.mark, f"search needs a list of values or {{low: ..., high: ...}}, not {found}."))
    return None


def _range(table: Table, declared: Declared) -> Space:
    known = ["high", "log", "low"]
    for entry in table.entries.values():
        if entry.key not in known:
            near = did_you_mean(entry.key, known)
            raise Mistake(entry.mark, f"{entry.key} is no part of a range.{near} Known: {', '.join(known)}.")
    if not declared.is_number:
        raise Mistake(table.mark, f"only numbers have a range. Give a list of: {declared.allowed}.")
    ends = {}
    number = Declared(int if declared.is_whole else float, declared.limits)
    for key in ("low", "high"):
        if key not in table.entries:
            raise Mistake(table.mark, f"a range needs low and high, {key} is missing.")
        ends[key] = number.read(table.entries[key].value)
    log_node = table.entries.get("log")
    log = Declared(bool).read(log_node.value) if log_node else False
    low, high = table.entries["low"].value, table.entries["high"].value
    if ends["low"] >= ends["high"]:
        raise Mistake(low.mark, f"low {shown(low)} is not below high {shown(high)}.")
    if log and ends["low"] <= 0:
        raise Mistake(low.mark, f"low {shown(low)} has no logarithm. With log: true, low must be above 0.")
    return Space(low=ends["low"], high=ends["high"], log=log, integer=declared.is_whole)


def _as_member(node: Node, member: Any) -> Any:
    """The value as one type of a union, _UNREAD where it is none of that type."""
    if get_origin(member) in COLLECTIONS and isinstance(node, Items):
        inner = Declared(get_args(member)[0])
        return [inner.read(item) for item in node.items]
    if not isinstance(node, Scalar):
        return _plain(node) if _is_open(member) else _UNREAD
    if member is type(None):
        return None if node.is_null else _UNREAD
    if is_literal(member):
        return next((value for value in get_args(member) if str(value) == node.text), _UNREAD)
    if member is str:
        return _UNREAD if node.is_null else node.text
    if _is_open(member):
        return _plain(node)
    return _UNREAD if node.quoted else _as_unquoted(node.text, member)


def _as_unquoted(text: str, member: Any) -> Any:
    if member is bool:
        return _BOOLEANS.get(text, _UNREAD)
    if member is int and _WHOLE.fullmatch(text):
        return int(text)
    if member is float and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return _UNREAD


def _plain(node: Node) -> Any:
    """The value of a type that only its own validator understands, guessed as JSON would be."""
    if isinstance(node, Items):
        return [_plain(item) for item in node.items]
    if isinstance(node, Table):
        return {entry.key: _plain(entry.value) for entry in node.entries.values()}
    for member in (type(None), bool, int, float):
        value = _as_member(node, member)
        if value is not _UNREAD:
            return value
    return node.text


def _is_open(member: Any) -> bool:
    return member not in (int, float, bool, str, type(None)) and get_origin(member) not in (
        Literal,
        *COLLECTIONS,
    )


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    if first["type"].startswith("greater_than"):
        return "too small"
    if first["type"].startswith("less_than"):
        return "too large"
    return f"not valid: {first['msg'].removeprefix('Value error, ')}"
