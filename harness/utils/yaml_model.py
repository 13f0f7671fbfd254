"""Values of a YAML tree by their declared types: pydantic validates, and its error locations become positions.

A scalar is what JSON would take it for (`1e-3` is a number, `no` is text); where text is declared it is the text that
was written. Types are read strictly: nothing becomes a number or a truth value that was not written as one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from .messages import hint, shown
from .yaml_tree import Items, Mark, Node, Problems, Scalar, Table

Location: TypeAlias = tuple[int | str, ...]

_VALUES: Mapping[str, Any] = {"true": True, "True": True, "false": False, "False": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    **dict.fromkeys(("tuple", "list", "set", "frozen"), "a list"),
    **dict.fromkeys(("dict", "model"), "a mapping of settings (key: value)"),
}
_ABOUT_VALUE = "about_value"


def read(
    kind: Any,
    node: Node,
    problems: Problems,
    *,
    strict: bool = True,
    allowed: Callable[[Location, Node], str] = lambda location, node: "",
    word: str = "key",
) -> Any:
    """A value of a type, or None where it has mistakes.

    Args:
        kind: a pydantic model, or any type that pydantic knows.
        node: the value as written.
        problems: gets every mistake.
        strict: as the module's docstring says; otherwise scalars are text, and pydantic converts it.
        allowed: location of a wrong value, and the value -> what may stand there, "" to leave that to pydantic.
        word: what the keys of a mapping are called.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    texts: set[Location] = set()
    while True:
        try:
            if not strict:
                return adapter.validate_python(_plain(node, None))
            return adapter.validate_json(json.dumps(_plain(node, texts)), strict=True)
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        expected = {_locate(node, one["loc"])[1] for one in errors if one["type"] in ("string_type", "literal_error")}
        if not strict or expected <= texts:
            break
        texts |= expected
    misspelled = [one["loc"][:-1] for one in errors if one["type"] == "extra_forbidden"]
    reported: set[Location] = set()
    for details in errors:
        location = details["loc"]
        value, path, key = _locate(node, location)
        if details["type"] == "missing":
            if location[:-1] not in misspelled:
                name = str(location[-1])
                problems.add(value.mark.under(name), missing(_fields(kind, location[:-1])[name]))
        elif details["type"] == "extra_forbidden":
            known = sorted(_fields(kind, location[:-1]))
            what = f"unknown {word if len(location) == 1 else 'key'}.{hint(str(location[-1]), known)}"
            problems.add(key, f"{what} Known: {', '.join(known) or 'none'}.")
        elif path not in reported:
            is_whole = details["type"] == "value_error" and isinstance(value, Table)
            problems.add(
                blamed(value) if is_whole else value.mark, _wrong_value(details, value, allowed(location, value))
            )
        reported.add(path)
    return None


def wrong(message: str, *location: int | str) -> ValidationError:
    """What a validator raises about a part of its value; "{}" stands for the value as it was written."""
    error = PydanticCustomError(_ABOUT_VALUE, "{message}", {"message": message})
    details: Any = {"type": error, "loc": location, "input": None}
    return ValidationError.from_exception_data("value", [details])


def missing(field: FieldInfo) -> str:
    """What to say about a field that is not there."""
    return f"missing. Write it, such as {field.examples[0]}." if field.examples else "missing."


def blamed(table: Node) -> Mark:
    """Where to report that values of a mapping do not fit together: the one that the command line set, else all."""
    entries = table.entries.values() if isinstance(table, Table) else ()
    overridden = [entry.mark for entry in entries if not entry.mark.source.numbered]
    return replace(overridden[-1], where=table.mark.where) if overridden else table.mark


def _plain(node: Node, texts: set[Location] | None, path: Location = ()) -> Any:
    if isinstance(node, Items):
        return [_plain(item, texts, (*path, index)) for index, item in enumerate(node.items)]
    if isinstance(node, Table):
        return {key: _plain(entry.value, texts, (*path, key)) for key, entry in node.entries.items()}
    if node.is_null:
        return None
    if node.quoted or texts is None or path in texts:
        return node.text
    if _WHOLE.fullmatch(node.text):
        return int(node.text)
    if _NUMBER.fullmatch(node.text) and math.isfinite(number := float(node.text)):
        return number
    return _VALUES.get(node.text, node.text)


def _locate(root: Node, location: Location) -> tuple[Node, Location, Mark]:
    """The deepest node that a location leads to, its path, and where its key stands.

    Steps that are not in the tree, such as pydantic's tags of a union, are passed over.
    """
    node, key = root, root.mark
    path: list[int | str] = []
    for step in location:
        if isinstance(node, Table) and str(step) in node.entries:
            key, node = node.entries[str(step)].mark, node.entries[str(step)].value
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            continue
        path.append(step)
    return node, tuple(path), key


def _wrong_value(details: ErrorDetails, node: Node, allowed: str) -> str:
    error, advice = details["type"], f" Allowed: {allowed}." if allowed else ""
    if error == _ABOUT_VALUE:
        return details["msg"].replace("{}", shown(node))
    if error == "value_error":
        said = f"{details['ctx']['error']}."
        return f"{shown(node)} is not valid: {said}{advice}" if isinstance(node, Scalar) else said
    if error == "literal_error":
        choices = details["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        near = hint(node.text, choices.split(", ")) if isinstance(node, Scalar) else ""
        return f"{shown(node)} is unknown.{near} Allowed: {choices}."
    if error == "too_short":
        return "the list is empty. Give at least one value."
    noun = _NOUNS.get(error.partition("_")[0])
    if noun == "a list" and isinstance(node, Table):
        return "a mapping is not a list. Put '- ' before each of its items."
    if noun is not None:
        return f"{shown(node)} is not {noun}.{advice}"
    size = "too small" if error.startswith("greater") else "too large" if error.startswith("less") else "not valid"
    return f"{shown(node)} is {size}.{advice or ' It ' + details['msg'].removeprefix('Input ') + '.'}"


def _fields(kind: Any, location: Location) -> dict[str, FieldInfo]:
    """The fields of the models that a location leads to, those that are not for files left out."""
    models = list(_models(kind))
    for step in location:
        fields = [model.model_fields[step] for model in models if step in model.model_fields]
        models = [inner for field in fields for inner in _models(field.annotation)] or models
    return {name: field for model in models for name, field in model.model_fields.items() if not field.exclude}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
