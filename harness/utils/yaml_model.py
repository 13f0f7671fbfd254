"""Values of a YAML tree by their declared types: pydantic validates, and its error locations become positions.

A scalar is what JSON would take it for (`1e-3` is a number, `no` is text); where text is declared it is the text that
was written. Types are read strictly: nothing becomes a number or a truth value that was not written as one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from .messages import allowed, hint, shown
from .yaml_tree import Items, Mark, Node, Problems, Scalar, Table

Location: TypeAlias = tuple[int | str, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)

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
    word: str = "key",
) -> Any:
    """A value of a type (a pydantic model, or any type that pydantic knows), or None if it has mistakes.

    A field's `title`, if any, names what is allowed, its `description` what is allowed in place of a list. Without
    `strict`, scalars are text and pydantic converts them. `word` is what messages call the keys of a mapping.
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
        found = [(_locate(node, details["loc"])[1], details["type"]) for details in errors]
        others = {path for path, kind_of in found if kind_of not in ("int_type", "string_type", "literal_error")}
        expected = {path for path, _ in found} - others
        if not strict or expected <= texts:
            break
        texts |= expected
    misspelled = [details["loc"][:-1] for details in errors if details["type"] == "extra_forbidden"]
    reported: set[Location] = set()
    for details in errors:
        location = details["loc"]
        value, path, key = _locate(node, location)
        if details["type"] == "missing":
            if location[:-1] not in misspelled or not path:
                name = str(location[-1])
                examples = _fields(kind, location[:-1])[name].examples
                problems.add(
                    value.mark.under(name), f"missing. Write it, such as {examples[0]}." if examples else "missing."
                )
        elif details["type"] == "extra_forbidden":
            known = sorted(_fields(kind, location[:-1]))
            what = f"unknown {word if len(location) == 1 else 'key'}.{hint(str(location[-1]), known)}"
            problems.add(key, f"{what} Known: {', '.join(known) or 'none'}.")
        elif path not in reported:
            is_whole = details["type"] == "value_error" and isinstance(value, Table)
            problems.add(
                blamed(value) if is_whole else value.mark,
                _wrong_value(details, value, _allowed(kind, location, value), _example(kind, path)),
            )
        reported.add(path)
    return None


def read_parts(kind: type[ModelT], table: Table, problems: Problems) -> ModelT:
    """A model of all fields without mistakes; the others have their defaults, or are missing."""
    whole: ModelT | None = read(kind, table, problems)
    if whole is not None:
        return whole
    fields = {key: field for key, field in kind.model_fields.items() if key in table.entries}
    parts = {key: read(type_of(field), table.entries[key].value, Problems()) for key, field in fields.items()}
    return kind.model_construct(**{key: value for key, value in parts.items() if value is not None})


def type_of(field: FieldInfo) -> Any:
    """The type of a field with its bounds and validators."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def wrong(message: str, *location: int | str) -> ValidationError:
    """The error of a validator about a part of its value; "{}" stands for the value as written."""
    error = PydanticCustomError(_ABOUT_VALUE, "{message}", {"message": message})
    details: Any = {"type": error, "loc": location, "input": None}
    return ValidationError.from_exception_data("value", [details])


def blamed(table: Node) -> Mark:
    """Where to report that values of a mapping contradict each other: the one that the command line set, else all."""
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
    """The deepest node that a location leads to, its path, and the position of its key.

    Steps that are not in the tree, such as pydantic's tags of a union, are skipped.
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


def _wrong_value(details: ErrorDetails, node: Node, values: str, example: str) -> str:
    error, advice = details["type"], f" Allowed: {values}." if values not in ("", "text") else ""
    such = f" Write it, such as {example}." if example else ""
    if error == _ABOUT_VALUE:
        return details["msg"].replace("{}", shown(node))
    if error == "value_error":
        what = f"{details['ctx']['error']}."
        return f"{shown(node)} is not valid: {what}{advice}" if isinstance(node, Scalar) else what
    if error == "literal_error":
        choices = details["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
        near = hint(node.text, choices.split(", ")) if isinstance(node, Scalar) else ""
        return f"{shown(node)} is unknown.{near}{such if not near else ''} Allowed: {choices}."
    if error == "too_short":
        return "the list is empty. Give at least one value."
    noun = _NOUNS.get(error.partition("_")[0])
    if noun == "a list" and isinstance(node, Table):
        return "a mapping is not a list. Put '- ' before each of its items."
    if noun == "a list" and values and not values.startswith("a list"):
        advice = f" Allowed: a list of {values}."
    if noun is not None:
        return f"{shown(node)} is not {noun}.{advice or such}"
    size = "too small" if error.startswith("greater") else "too large" if error.startswith("less") else "not valid"
    return f"{shown(node)} is {size}.{advice or ' It ' + details['msg'].removeprefix('Input ') + '.'}"


def _allowed(kind: Any, location: Location, node: Node) -> str:
    path = [_fields(kind, location[:depth]).get(str(step)) for depth, step in enumerate(location)]
    fields = [field for field in path if field is not None]
    field = next((field for field in reversed(fields) if field.title), fields[-1] if fields else None)
    if field is None:
        return ""
    if not field.title:
        return allowed(field)
    return field.description if isinstance(node, Items) and field.description else field.title


def _example(kind: Any, path: Location) -> str:
    """How a whole field is written, where it says so; "" for parts of fields."""
    field = _fields(kind, path[:-1]).get(str(path[-1])) if path else None
    return str(field.examples[0]) if field is not None and field.examples else ""


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
