"""Strict YAML: text to a tree that keeps the position of every key and value, and guesses no types.

PyYAML would read `1e-3` as text, `no` as False, `10:30` as 630, and take the last of duplicate keys. Here a scalar
stays the text that was written; whoever knows the declared type reads it (`suite_values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from .errors import Problem, SuiteError

_DEEPEST = 60
_MERGE = "<<"


@dataclass(frozen=True)
class Source:
    """Where a piece of a suite was written.

    Attributes:
        label: the file as the user named it, or `--set key=value`.
        folder: what paths in it are relative to.
        rank: order among the sources of one suite, for sorting problems.
        numbered: whether lines and columns mean anything to the user.
    """

    label: str
    folder: Path
    rank: int = 0
    numbered: bool = True


@dataclass(frozen=True)
class Mark:
    """A position: 1-based line and column in a source."""

    source: Source
    line: int
    column: int


@dataclass(frozen=True)
class Scalar:
    """A single value as it was written.

    Attributes:
        text: the text, without quotes.
        quoted: written in quotes or as a block, so that it is text and nothing else.
        mark: where it starts.
    """

    text: str
    quoted: bool
    mark: Mark

    @property
    def is_null(self) -> bool:
        """Nothing written, `~` or `null`."""
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True)
class Entry:
    """One key of a mapping, where the key stands, and its value."""

    key: str
    mark: Mark
    value: Node


@dataclass(frozen=True)
class Table:
    """A mapping, in the order of the file."""

    entries: Mapping[str, Entry]
    mark: Mark

    def with_entry(self, entry: Entry) -> Table:
        """A copy in which the entry replaces the one of the same key, or stands last."""
        return Table({**self.entries, entry.key: entry}, self.mark)


Node: TypeAlias = Scalar | Items | Table


class Problems:
    """Collects the mistakes of one suite, to be told all at once."""

    def __init__(self) -> None:
        self._found: list[tuple[int, Problem]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, mark: Mark, where: str, what: str) -> None:
        """Note a mistake at a position."""
        line, column = (mark.line, mark.column) if mark.source.numbered else (0, 0)
        problem = Problem(mark.source.label, line, column, where, what)
        if all(problem != held for _, held in self._found):
            self._found.append((mark.source.rank, problem))

    def error(self) -> SuiteError:
        """Everything noted, by file and line."""
        found = sorted(self._found, key=lambda held: (held[0], held[1].line, held[1].column))
        return SuiteError(tuple(problem for _, problem in found))


def parse(text: str, source: Source, problems: Problems) -> Node | None:
    """The tree of one YAML document.

    Args:
        text: the document.
        source: where it comes from.
        problems: gets syntax errors, tags, duplicate keys and keys that are not plain names.

    Returns:
        The tree, or None where the text is empty or not YAML.
    """
    try:
        composer = _Composer(text)
        root = composer.get_single_node()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(source, before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        problems.add(mark, "", f"not YAML: the character U+{error.character:04X} is not allowed.")
        return None
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        problems.add(_mark(source, where), "", f"not YAML: {_sentence(error)}")
        return None
    for mark, tag in composer.tags:
        problems.add(_mark(source, mark), "", f"the tag {tag} is not allowed. Write the value plainly, without a tag.")
    return None if root is None else _Converter(source, problems).node(root)


class _Composer(yaml.SafeLoader):
    """PyYAML's nodes, with explicit tags noted and nesting limited; nothing is ever constructed from them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tags: list[tuple[Any, str]] = []
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None):
            self.tags.append((event.start_mark, str(event.tag).replace("tag:yaml.org,2002:", "!!")))
        if self._depth == _DEEPEST:
            raise yaml.composer.ComposerError(None, None, "it is nested too deeply", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Converter:
    """PyYAML nodes to ours; an aliased node is converted once."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self._done: dict[int, Node] = {}
        self._open: set[int] = set()

    def node(self, node: Any) -> Node:
        mark = _mark(self._source, node.start_mark)
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._open:
            self._problems.add(mark, "", "the anchor contains itself.")
            return Scalar("", False, mark)
        self._open.add(id(node))
        converted: Node
        if isinstance(node, yaml.ScalarNode):
            converted = Scalar(node.value, node.style is not None, mark)
        elif isinstance(node, yaml.SequenceNode):
            converted = Items(tuple(self.node(item) for item in node.value), mark)
        else:
            converted = self._table(node, mark)
        self._open.discard(id(node))
        self._done[id(node)] = converted
        return converted

    def _table(self, node: Any, mark: Mark) -> Table:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            at = _mark(self._source, key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(at, "", "a key must be a plain name.")
                continue
            key, value = key_node.value, self.node(value_node)
            if key == _MERGE and key_node.style is None:
                merged = {**self._merged(value), **merged}
            elif key in entries:
                first = f", first in line {entries[key].mark.line}" if self._source.numbered else ""
                self._problems.add(at, key, f"this key stands here twice{first}. Remove one of them.")
            else:
                entries[key] = Entry(key, at, value)
        return Table({**merged, **entries}, mark)

    def _merged(self, value: Node) -> dict[str, Entry]:
        tables = value.items if isinstance(value, Items) else (value,)
        merged: dict[str, Entry] = {}
        for table in tables:
            if isinstance(table, Table):
                merged = {**table.entries, **merged}
            else:
                self._problems.add(table.mark, _MERGE, "merges mappings only.")
        return merged


def _mark(source: Source, mark: Any) -> Mark:
    return Mark(source, mark.line + 1, mark.column + 1) if mark is not None else Mark(source, 1, 1)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    if error.problem == "but found another document":
        return "a suite is one document; remove the line '---' and what follows it."
    text = error.problem or error.context or "it cannot be read"
    return f"{text} ({error.context})." if error.problem and error.context else f"{text}."
