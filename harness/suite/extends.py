"""Suite files with `extends` and `--set`, merged into one tree that keeps the position of each value."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..utils.messages import hint
from ..utils.yaml_tree import Entry, Items, Mark, Node, Problems, Scalar, Source, Table, parse, parse_file
from .bundled import shipped_suites

_LISTS_OF_ROWS = ("backbones", "strategies")
_VARYING = ({"search"}, {"sweep"})
_MAX_CHAIN = 20
_MAX_PATH = 10
_MAX_LABEL = 200


def read_tree(path: Path, *, overrides: tuple[str, ...], problems: Problems) -> Table | None:
    """One tree of a suite file, everything it extends, and the overrides; None after an error that ends the reading."""
    source = Source(str(path), path.parent)
    if not os.path.isfile(path):
        problems.add(Mark(source), missing_file(path))
        return None
    tree = _FileReader(problems).read(source, path, chain=())
    return tree if tree is None else with_overrides(tree, overrides, problems=problems)


def with_overrides(tree: Table, overrides: tuple[str, ...], *, problems: Problems) -> Table:
    """The tree with the values of `overrides` ("key.path=YAML"), applied in order, in place of its own."""
    for number, text in enumerate(overrides):
        label = text if len(text) <= _MAX_LABEL else f"{text[:_MAX_LABEL]}..."
        source = Source(f"--set {label}", Path.cwd(), rank=1_000_000 + number, numbered=False)
        tree = _override(tree, text, source=source, problems=problems)
    return tree


def row_name(item: Node) -> str:
    """The name of a backbone or strategy in its list: its `name`, else its kind, "" where there is neither."""
    if isinstance(item, Scalar):
        return item.text
    if isinstance(item, Table) and item.entries:
        entry = next(iter(item.entries.values()))
        name = entry.value.entries.get("name") if isinstance(entry.value, Table) else None
        return name.value.text if name and isinstance(name.value, Scalar) else entry.key
    return ""


def missing_file(path: Path, label: str = "") -> str:
    """The message for a missing file, with its label and the nearest name in its folder."""
    try:
        names = sorted(os.listdir(path.parent))
    except (OSError, ValueError):
        names = []
    near = hint(path.name, [name for name in names if name.endswith(path.suffix)])
    return f"no such file{label and ': '}{label}.{near}"


@dataclass
class _FileReader:
    problems: Problems
    files: int = 0

    def read(self, source: Source, path: Path, *, chain: tuple[Path, ...]) -> Table | None:
        """A file with everything it extends, None if one cannot be read; `chain` are the files that extend it."""
        tree = parse_file(path, source, self.problems)
        entry = tree.entries.get("extends") if tree else None
        if tree is None or entry is None:
            return tree
        parent = self._parent(source, path, entry.value, chain=(*chain, _real(path)))
        if parent is None:  # what it would have brought is not missing in this file
            return None
        own = Table({key: entry for key, entry in tree.entries.items() if key != "extends"}, tree.mark)
        # A suite never inherits its name: two suites under one name would share their results.
        nameless = Table({key: entry for key, entry in parent.entries.items() if key != "name"}, parent.mark)
        return _merge(own, nameless)

    def _parent(self, source: Source, path: Path, node: Node, *, chain: tuple[Path, ...]) -> Table | None:
        target = node.text if isinstance(node, Scalar) and not node.is_null else ""
        other, shipped = path.parent / target, shipped_suites()
        label = os.path.normpath(os.path.join(os.path.dirname(source.label), target))
        if target in shipped and not os.path.isfile(other):
            other, label = shipped[target], str(shipped[target])
        if not target:
            what = "one suite file, or the name of a suite that ships, is needed."
        elif _real(other) in chain:
            what = f"goes round in a circle: {' -> '.join(file.name for file in (*chain, other))}."
        elif len(chain) == _MAX_CHAIN:
            what = f"goes through more than {_MAX_CHAIN} files."
        elif not os.path.isfile(other):  # pathlib's own is_file raises where a name is too long
            what = missing_file(other, label)
            if other.stem in shipped:
                what += f" For the suite of that name that ships write {other.stem}."
            elif not other.suffix:
                what += hint(target, shipped)
        else:
            self.files += 1
            return self.read(Source(label, other.parent, rank=self.files), other, chain=chain)
        self.problems.add(node.mark, what)
        return None


def _real(path: Path) -> Path:
    """The path without links; pathlib's resolve raises on a cycle of links."""
    return Path(os.path.realpath(path))


def _merge(own: Table, parent: Table) -> Table:
    """Mappings merge deep; lists, plain values and {search: ...} / {sweep: ...} replace."""
    entries = dict(parent.entries)
    for key, entry in own.entries.items():
        base = parent.entries.get(key)
        if base and isinstance(base.value, Table) and isinstance(entry.value, Table) and not _varies(entry.value):
            entries[key] = Entry(key, entry.mark, _merge(entry.value, base.value))
        else:
            entries[key] = entry
    return Table(entries, own.mark)


def _varies(table: Table) -> bool:
    return set(table.entries) in _VARYING


def _override(tree: Table, text: str, *, source: Source, problems: Problems) -> Table:
    mark = Mark(source)
    path, equals, value = text.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        problems.add(mark, "expected key.path=value, such as training.lr=0.01.")
        return tree
    if len(keys) > _MAX_PATH:
        problems.add(mark, f"no setting has a path of {len(keys):,} names.")
        return tree
    if keys[0] == "extends":
        problems.add(mark.under("extends"), "cannot be set on the command line.")
        return tree
    node = parse(value, source, problems, where=".".join(keys))
    if node is None:
        if value.strip():
            return tree
        node = Scalar("", False, mark.under(".".join(keys)))
    if keys[0] in _LISTS_OF_ROWS and len(keys) > 1:
        return _override_row(tree, keys, node=node, mark=mark, problems=problems)
    return _set(tree, keys, node=node, mark=mark)


def _override_row(tree: Table, keys: list[str], *, node: Node, mark: Mark, problems: Problems) -> Table:
    section, name, *rest = keys
    entry, mark = tree.entries.get(section), mark.under(section)
    rows = entry.value.items if entry and isinstance(entry.value, Items) else (entry.value,) if entry else ()
    names = [row_name(row) for row in rows]
    if entry is None or name not in names:
        known = f" Known: {', '.join(names)}." if names else ""
        problems.add(mark.under(name), f"no row has this name.{hint(name, names)}{known}")
        return tree
    position = names.index(name)
    row = rows[position]
    if isinstance(row, Scalar):
        row = Table({row.text: Entry(row.text, row.mark, Table({}, row.mark.under(row.text)))}, row.mark)
    changed = _set(row, [next(iter(row.entries)), *rest], node=node, mark=mark) if isinstance(row, Table) else row
    items = Items((*rows[:position], changed, *rows[position + 1 :]), entry.value.mark)
    return tree.with_entry(Entry(section, entry.mark, items))


def _set(table: Table, keys: list[str], *, node: Node, mark: Mark) -> Table:
    """A copy with the value at the path of keys; a value on the way that is not a mapping becomes one."""
    key, *rest = keys
    mark, entry = mark.under(key), table.entries.get(key)
    if not rest:
        return _merge(Table({key: Entry(key, mark, node)}, table.mark), table)
    inner = entry.value if entry and isinstance(entry.value, Table) else Table({}, mark)
    value = _set(inner, rest, node=node, mark=mark)
    return table.with_entry(Entry(key, entry.mark if entry else mark, value))
