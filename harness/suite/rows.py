"""The lists `backbones` and `strategies` of a suite: kinds, names and what each row is compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..utils.errors import InputError
from ..utils.messages import did_you_mean, shown
from ..utils.registry import Registry
from ..utils.yaml_tree import Entry, Mark, Node, Problems, Scalar, Table
from .backbones import DEFAULTS, OWN, Encoder, read_own_backbone, with_defaults
from .extends import row_name
from .labels import row_label, swept_values
from .model import Variant
from .parameters import Section, read_parameters
from .size import rows_of, too_many_rows
from .values import Mistake

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DEFAULT_AGAINST = "base"


class RowReader:
    """Reads one of the two lists.

    Args:
        registry: where the kinds are known.
        section: "backbones" or "strategies".
        problems: gets every mistake.
        reserved: keys beside the hyper-parameters: `name`, for strategies also `against` and `backbone`.
        facts: what a settings class says about all cells of a row, as fields of `Variant`.
        unknown_kinds: False where a broken plug-in explains them already.
        defaults: backbones only: settings of all of them that have such a setting.
        encoders: strategies only: the backbones that `backbone` of a row may change.

    Attributes:
        nodes: name of a row without mistakes to its settings as written, defaults included and its name left out.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        section: str,
        problems: Problems,
        reserved: tuple[str, ...],
        facts: Callable[[Any], Mapping[str, Any]],
        unknown_kinds: bool = True,
        defaults: Table | None = None,
        encoders: tuple[Encoder, ...] = (),
    ) -> None:
        self._registry = registry
        self._section = section
        self._problems = problems
        self._reserved = reserved
        self._facts = facts
        self._unknown_kinds = unknown_kinds
        self._defaults = defaults
        self._encoders = encoders
        self.nodes: dict[str, Table] = {}
        self._names: dict[str, Mark] = {}
        self._against: dict[str, Scalar] = {}

    def read(self, nodes: tuple[Node, ...]) -> tuple[Variant, ...]:
        """The rows that have no mistakes."""
        rows = []
        for node in nodes:
            try:
                row = self._row(node)
            except Mistake as mistake:
                self._problems.add(mistake.mark, self._section, mistake.what)
                continue
            if row is not None:
                rows.append(row)
        if self._section != "strategies":
            return tuple(rows)
        labels = {row.name: [row_label(row.name, values) for values in swept_values(row.parameters)] for row in rows}
        return tuple(self._compared(row, labels) for row in rows)

    def _row(self, node: Node) -> Variant | None:
        kind, settings_node = _split(node, self._section)
        name = row_name(node)
        where = f"{self._section}.{name}"
        settings = self._settings(kind, node)
        if settings is None:
            return None
        taken: frozenset[str] = frozenset()
        if self._defaults is not None:
            settings_node, taken = with_defaults(settings_node, self._defaults, settings)
        options = settings_node.entries if isinstance(settings_node, Table) else {}
        self._check_name(name, kind, options.get("name"), node)
        if "against" in options and "against" in self._reserved:
            self._note_against(name, options["against"].value)
        section = Section(
            settings,
            where,
            "hyper-parameter",
            varying=True,
            reserved=self._reserved,
            elsewhere=dict.fromkeys(taken, DEFAULTS),
        )
        parameters = read_parameters(settings_node, section, self._problems)
        if parameters is None:
            return None
        if (too_many := too_many_rows(rows_of(parameters))) is not None:
            self._problems.add(settings_node.mark, where, too_many)
            return None
        self.nodes[name] = Table({key: entry for key, entry in options.items() if key != "name"}, settings_node.mark)
        return Variant(
            name=name,
            kind=kind,
            parameters=parameters,
            backbone=self._own_backbone(options.get(OWN), where),
            **self._facts(settings),
        )

    def _own_backbone(self, entry: Entry | None, where: str) -> Mapping[str, Any]:
        if entry is None or OWN not in self._reserved:
            return {}
        return read_own_backbone(entry.value, where=f"{where}.{OWN}", encoders=self._encoders, problems=self._problems)

    def _settings(self, kind: str, node: Node) -> Any:
        known = self._registry.names()
        if kind not in known:
            if not self._unknown_kinds:
                return None
            refused = self._registry.refused(kind)
            near = f" {refused}" if refused else did_you_mean(kind, known)
            raise Mistake(node.mark, f"unknown {self._registry.kind} '{kind}'.{near} Known: {', '.join(known)}.")
        try:
            return self._registry.settings(kind)
        except (InputError, ImportError, AttributeError) as error:
            last = str(error).strip().splitlines()[-1]
            raise Mistake(node.mark, f"{self._registry.kind} '{kind}' cannot be used: {last}") from None

    def _check_name(self, name: str, kind: str, entry: Entry | None, node: Node) -> None:
        mark = entry.value.mark if entry else node.mark
        if entry is not None:
            if not isinstance(entry.value, Scalar) or not _NAME.fullmatch(name):
                where = f"{self._section}.{kind}.name"
                allowed = "Allowed: letters, digits, '_' and '-', at most 64, a letter or digit first."
                self._problems.add(mark, where, f"{shown(entry.value)} cannot be a name. {allowed}")
                return
            if name != kind and name in self._registry.names():
                what = f"'{name}' is the name of another {self._registry.kind}. Choose a name of its own."
                self._problems.add(mark, f"{self._section}.{kind}.name", what)
                return
        if name in self._names:
            hint = "Give one of them a name of its own" + (
                f", such as {kind}: {{name: {kind}_2}}." if not entry else "."
            )
            first = self._names[name]
            place = f"line {first.line}" if first.source.numbered else first.source.label
            raise Mistake(mark, f"two rows are called '{name}', the first in {place}. {hint}")
        self._names[name] = mark

    def _note_against(self, name: str, value: Node) -> None:
        if isinstance(value, Scalar) and not value.is_null:
            self._against[name] = value
        else:
            where = f"{self._section}.{name}.against"
            self._problems.add(value.mark, where, f"{shown(value)} is not the name of a row.")

    def _compared(self, row: Variant, labels: Mapping[str, list[str]]) -> Variant:
        """The row with the name of what it is compared with: its own choice, else `base` where that is a row."""
        written = self._against.get(row.name)
        if written is None:
            plain = labels.get(_DEFAULT_AGAINST) == [_DEFAULT_AGAINST] and row.name != _DEFAULT_AGAINST
            return row.model_copy(update={"against": _DEFAULT_AGAINST if plain else ""})
        known = [label for name in labels for label in labels[name] if name != row.name]
        if written.text not in known:
            broken = written.text in self._names and written.text not in labels
            if not broken:  # a row with mistakes of its own is no news here
                self._problems.add(written.mark, f"strategies.{row.name}.against", _no_row(written, row, known, labels))
        return row.model_copy(update={"against": written.text})


def _split(node: Node, section: str) -> tuple[str, Node]:
    """Kind and settings of one item of the list."""
    if isinstance(node, Scalar) and not node.is_null:
        return node.text, Table({}, node.mark)
    if isinstance(node, Table) and len(node.entries) == 1:
        entry = next(iter(node.entries.values()))
        return entry.key, entry.value
    if isinstance(node, Table) and node.entries:
        kind = next(iter(node.entries))
        found = ", ".join(node.entries)
        raise Mistake(node.mark, f"one name an item, found {found}. Indent the settings of {kind} below it.")
    found = "an empty mapping" if isinstance(node, Table) else shown(node)
    one = "backbone" if section == "backbones" else "strategy"
    raise Mistake(node.mark, f"{found} is not a {one}. Write its name, or its name: {{settings}}.")


def _no_row(written: Scalar, row: Variant, known: list[str], labels: Mapping[str, list[str]]) -> str:
    if written.text == row.name:
        return "a row cannot be compared with itself."
    swept = labels.get(written.text)
    if swept:
        return f"{written.text} is swept. Name one of its rows: {', '.join(swept)}."
    near = did_you_mean(written.text, known)
    return f"no row is called {shown(written)}.{near} Known: {', '.join(known) or 'none'}."
