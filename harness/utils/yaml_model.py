"""Values of a YAML tree by their declared types: pydantic validates, and its error locations become positions.

A scalar is what JSON would take it for (`1e-3` is a number, `no` is text); where text is declared it is the text that
was written. Types are read strictly: nothing becomes a number or a truth value that was not written as one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, get_args

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


class Place(NamedTuple):
    """The deepest node of a tree that a location leads to.

    Attributes:
        node: the value.
        key: where its key stands; its own position in a list.
        path: keys and indexes from the root of the tree.
    """

    node: Node
    key: Mark
    path: Location


def read(
    kind: Any,
    node: Node,
    *,
    where: str,
    problems: Problems,
    strict: bool = True,
    allowed: Callable[[Location, Node], str] = lambda location, node: "",
    word: str = "key",
) -> Any:
    """A value of a type, or None where it has mistakes.

    Args:
        kind: a pydantic model, or any type that pydantic knows.
        node: the value as written.
        where: dotted path of it, for messages; "" for the whole file.
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
        expected = {_locate(node, one["loc"]).path for one in errors if one["type"] in ("string_type", "literal_error")}
        if not strict or expected <= texts:
            break
        texts |= expected
    misspelled = [one["loc"][:-1] for one in errors if one["type"] == "extra_forbidden"]
    reported: set[Location] = set()
    for details in errors:
        location, is_missing = details["loc"], details["type"] == "missing"
        place = _locate(node, location)
        if location[:-1] not in misspelled if is_missing else place.path not in reported:
            reported.add(place.path)
            _report(details, place, kind, where=where, problems=problems, allowed=allowed, word=word)
    return None


def wrong(message: str, *location: int | str) -> ValidationError:
    """What a validator raises about a part of its value; "{} ..." stands for the value as it was written."""
    error = PydanticCustomError(_ABOUT_VALUE, "{message}", {"message": message})
    details: Any = {"type": error, "loc": location, "input": None}
    return ValidationError.from_exception_data("value", [details])


def blamed(table: Node) -> Mark:
    """Where to report that values of a mapping do not fit together: the one that the command line set, else all."""
    entries = table.entries.values() if isinstance(table, Table) else ()
    overridden = [entry.mark for entry in entries if not entry.mark.source.numbered]
    return overridden[-1] if overridden else table.mark


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


def _locate(root: Node, location: Location) -> Place:
    """Steps that are not in the tree, such as pydantic's tags of a union, are passed over."""
    node, mark = root, root.mark
    path: list[int | str] = []
    for step in location:
        if isinstance(node, Table) and str(step) in node.entries:
            entry = node.entries[str(step)]
            node, mark = entry.value, entry.mark
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            mark = node.mark
        else:
            continue
        path.append(step)
    return Place(node, mark, tuple(path))


def _report(
    details: ErrorDetails,
    place: Place,
    kind: Any,
    *,
    where: str,
    problems: Problems,
    allowed: Callable[[Location, Node], str],
    word: str,
) -> None:
    error, location, node = details["type"], details["loc"], place.node
    keys = [step for step in place.path if isinstance(step, str)]
    mark = node.mark
    if error == "extra_forbidden":
        mark = place.key
        known = sorted(_fields(kind, location[:-1]))
        word = word if len(location) == 1 else "key"
        what = f"unknown {word}.{hint(str(location[-1]), known)} Known: {', '.join(known) or 'none'}."
    elif error == "missing":
        keys.append(str(location[-1]))
        field = _fields(kind, location[:-1]).get(keys[-1])
        what = f"missing. Write it, such as {field.examples[0]}." if field and field.examples else "missing."
    elif error == "value_error":
        mark = blamed(node)
        about = f"{shown(node)} is not valid: " if isinstance(node, Scalar) else ""
        said = allowed(location, node) if about else ""
        what = f"{about}{details['ctx']['error']}." + (f" Allowed: {said}." if said else "")
    elif error == _ABOUT_VALUE:
        what = details["msg"].replace("{}", shown(node))
    else:
        what = _wrong_value(details, node, allowed(location, node))
    problems.add(mark, ".".join(filter(None, (where, *keys))), what)


def _wrong_value(details: ErrorDetails, node: Node, allowed: str) -> str:
    error, advice = details["type"], details["msg"].removeprefix("Input ")
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
        return f"{shown(node)} is not {noun}." + (f" Allowed: {allowed}." if allowed else "")
    size = "too small" if error.startswith("greater") else "too large" if error.startswith("less") else "not valid"
    return f"{shown(node)} is {size}. " + (f"Allowed: {allowed}." if allowed else f"It {advice}.")


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
