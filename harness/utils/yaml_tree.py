"""Strict YAML: text to a tree that keeps the position of every key and value, and guesses no types.

PyYAML would read `1e-3` as text, `no` as False, `10:30` as 630, and take the last of duplicate keys. Here a scalar
stays the text that was written, and `yaml_model` reads it by its declared type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from .errors import Problem, SuiteError

_MAX_BYTES = 2**20
_MAX_CHARACTERS = 256 * 1024  # PyYAML reads some hundred thousand a second
_MAX_DEPTH = 60
_MAX_VALUES = 100_000
_MAX_PROBLEMS = 100
_MAX_MESSAGE = 1000
_LAST = 2**62
_MERGE = "<<"
_NOT_PRINTABLE: re.Pattern[str] = yaml.reader.Reader.NON_PRINTABLE
_SPECIAL = re.compile(r"[^0-9A-Za-z._-]")


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
    """A position: 1-based line and column in a source, and the dotted path of the keys that lead there."""

    source: Source
    line: int = 0
    column: int = 0
    where: str = ""

    def under(self, key: str) -> Mark:
        """The same position, for a key below this one."""
        return replace(self, where=f"{self.where}.{key}" if self.where else key)


@dataclass(frozen=True)
class Scalar:
    """A single value as it was written.

    Attributes:
        text: without quotes.
        quoted: written in quotes or as a block, so that it can only be text.
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
    """Collects the mistakes of one suite, to report all at once."""

    def __init__(self) -> None:
        self._ranks: dict[Problem, int] = {}

    def __len__(self) -> int:
        return len(self._ranks)

    def add(self, mark: Mark, what: str) -> None:
        """Note a mistake at a position.

        Raises:
            SuiteError: too many mistakes to continue.
        """
        self._note(mark, what, mark.source.rank)
        if len(self._ranks) == _MAX_PROBLEMS:
            what = f"these are the first {_MAX_PROBLEMS} problems; the rest was not checked."
            self._note(replace(mark, where=""), what, _LAST)
            raise self.error()

    def error(self) -> SuiteError:
        """Everything noted, by file and line."""
        ranks = self._ranks
        return SuiteError(tuple(sorted(ranks, key=lambda problem: (ranks[problem], problem.line, problem.column))))

    def _note(self, mark: Mark, what: str, rank: int) -> None:
        line, column = (mark.line, mark.column) if mark.source.numbered else (0, 0)
        problem = Problem(mark.source.label, line, column, _brief(mark.where), _brief(what))
        self._ranks.setdefault(problem, rank)


def parse_file(path: Path, source: Source, problems: Problems) -> Table | None:
    """The mapping in a YAML file, or None if it contains something else or cannot be read."""
    top = Mark(source, 1, 1)
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        problems.add(Mark(source), f"cannot be read: {error.strerror or error}.")
        return None
    if len(content) > _MAX_BYTES:
        problems.add(top, f"too large. Allowed: up to {_MAX_BYTES:,} bytes.")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        mark = Mark(source, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        problems.add(mark, "the file is not UTF-8 text.")
        return None
    count = len(problems)
    tree = parse(text, source, problems)
    if isinstance(tree, Table):
        return tree
    if tree is None or (isinstance(tree, Scalar) and tree.is_null):
        if len(problems) == count:
            problems.add(top, "the file is empty.")
    else:
        problems.add(tree.mark, "the file is not a mapping of settings (key: value).")
    return None


def parse(text: str, source: Source, problems: Problems, *, where: str = "") -> Node | None:
    """The tree of one YAML document, or None if the text is empty or not YAML.

    `where` is the dotted path that messages put before its keys. `problems` gets syntax errors, tags, duplicate keys,
    keys that are not plain names, and documents that are too large.
    """
    if len(text) > _MAX_CHARACTERS:
        what = f"it is too long: {len(text):,} characters. Allowed: up to {_MAX_CHARACTERS:,}."
        problems.add(Mark(source, 1, 1), what)
        return None
    try:
        composer = _Composer(text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(source, before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        problems.add(mark, f"not YAML: the character U+{error.character:04X} is not allowed.")
        return None
    try:
        root = composer.get_single_node()
    except yaml.MarkedYAMLError as error:
        problems.add(_mark(source, error.problem_mark or error.context_mark), f"not YAML: {_sentence(error)}")
        return None
    except (ValueError, OverflowError):  # PyYAML leaves the numbers of escapes and directives to Python's chr and int
        problems.add(_mark(source, composer.get_mark()), "not YAML: a number here is too large.")
        return None
    for mark, tag in composer.tags:
        problems.add(_mark(source, mark), f"the tag {tag} is not allowed. Write the value plainly, without a tag.")
    return None if root is None else _Converter(source, problems).node(root, where)


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
        if self._depth == _MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "it is nested too deeply", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Converter:
    """PyYAML nodes to ours; an aliased node is converted once, and counts wherever it stands."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self._done: dict[int, Node] = {}
        self._open: set[int] = set()
        self._extents: dict[int, tuple[int, int]] = {}

    def node(self, node: Any, where: str) -> Node:
        mark = _mark(self._source, node.start_mark, where)
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._open:
            self._problems.add(mark, "the anchor contains itself.")
            return Scalar("", False, mark)
        self._open.add(id(node))
        converted: Node
        if isinstance(node, yaml.ScalarNode):
            converted = Scalar(self._printable(node.value, mark), node.style is not None, mark)
        elif isinstance(node, yaml.SequenceNode):
            converted = Items(tuple(self.node(item, where) for item in node.value), mark)
        else:
            converted = self._table(node, mark)
        converted = self._bounded(converted)
        self._open.discard(id(node))
        self._done[id(node)] = converted
        return converted

    def _printable(self, text: str, mark: Mark) -> str:
        """The text, if it has no character that a file may not contain; an escape does not allow it either."""
        character = _NOT_PRINTABLE.search(text)
        if character is None:
            return text
        self._problems.add(mark, f"the character U+{ord(character[0]):04X} is not allowed, nor is its escape.")
        return _SPECIAL.sub("0", text)  # valid anywhere: nothing else is reported about this text

    def _bounded(self, node: Node) -> Node:
        """The node, unless its aliases make it too large to traverse: then an empty value, and a problem."""
        extents = [self._extents.get(id(child), (1, 1)) for child in children(node).values()]
        size = 1 + sum(size for size, _ in extents)
        depth = 1 + max((depth for _, depth in extents), default=0)
        if size <= _MAX_VALUES and depth <= _MAX_DEPTH:
            self._extents[id(node)] = (size, depth)
            return node
        how = "it is nested too deeply" if depth > _MAX_DEPTH else f"it stands for more than {_MAX_VALUES:,} values"
        self._problems.add(node.mark, f"with its aliases, {how}.")
        return Scalar("", False, node.mark)

    def _table(self, node: Any, mark: Mark) -> Table:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            at = _mark(self._source, key_node.start_mark, mark.where)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problems.add(at, "a key must be a plain name.")
                continue
            key = self._printable(key_node.value, at)
            at = at.under(key)
            value = self.node(value_node, at.where)
            if key == _MERGE and key_node.style is None:
                merged = {**self._merged(value), **merged}
            elif key in entries:
                first = f", first in line {entries[key].mark.line}" if self._source.numbered else ""
                self._problems.add(at, f"this key stands here twice{first}. Remove one of them.")
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
                self._problems.add(table.mark, "merges mappings only.")
        return merged


def children(node: Node) -> dict[str, Node]:
    """The values of a mapping or list by key or number; empty for a single value."""
    if isinstance(node, Items):
        return {str(index): item for index, item in enumerate(node.items)}
    return {key: entry.value for key, entry in node.entries.items()} if isinstance(node, Table) else {}


def _brief(words: str) -> str:
    return words if len(words) <= _MAX_MESSAGE else f"{words[:_MAX_MESSAGE]} ..."


def _mark(source: Source, mark: Any, where: str = "") -> Mark:
    return Mark(source, mark.line + 1, mark.column + 1, where) if mark is not None else Mark(source, 1, 1)


def _sentence(error: yaml.MarkedYAMLError) -> str:
    if error.problem == "but found another document":
        return "a suite is one document; remove the line '---' and what follows it."
    text = error.problem or error.context or "it cannot be read"
    return f"{text} ({error.context})." if error.problem and error.context else f"{text}."
