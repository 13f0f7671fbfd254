"""The lists `backbones` and `strategies` of a suite: kinds, names, settings and what each row is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..utils.errors import InputError
from ..utils.messages import hint, shown
from ..utils.registry import BACKBONES, STRATEGIES, Registry
from ..utils.yaml_tree import Items, Mark, Node, Problems, Scalar, Table
from .checks import rows_of, too_many_rows
from .extends import row_name
from .labels import row_label, swept_values
from .model import Variant
from .parameters import check_together, read_component
from .schema import ROW_NAME, RowName

DEFAULTS = "backbone_defaults"
_BASE = "base"
_OWN_KEYS: Mapping[str, Mapping[str, Any]] = {
    "backbones": {"name": RowName},
    "strategies": {"name": RowName, "against": str, "backbone": dict[str, Any]},
}


@dataclass(frozen=True)
class Row:
    """A row without mistakes.

    Attributes:
        variant: what was read of it.
        settings: its settings class.
        node: its mapping as written, defaults included.
    """

    variant: Variant
    settings: Any
    node: Table


@dataclass
class RowReader:
    """Reads one of the two lists.

    Attributes:
        section: "backbones" or "strategies".
        problems: gets every mistake.
        explain: False where a broken plug-in explains unknown kinds already.
        defaults: backbones: settings of all of them that have such a setting.
        backbones: strategies: the rows whose settings `backbone` may change.
    """

    section: str
    problems: Problems
    explain: bool = True
    defaults: Table | None = None
    backbones: Sequence[Row] = ()
    _names: dict[str, Mark] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        """Where the kinds are known."""
        return BACKBONES if self.section == "backbones" else STRATEGIES

    def read(self, items: Items) -> tuple[Row, ...]:
        """The rows that have no mistakes."""
        rows = tuple(row for item in items.items if (row := self._row(item)) is not None)
        return self._compared(rows) if self.section == "strategies" else rows

    def _row(self, item: Node) -> Row | None:
        kind, node, what = self._split(item)
        settings = None if what else self._settings(kind, item)
        name = row_name(item)
        written = node.entries.get("name") if isinstance(node, Table) else None
        if settings is None:
            return None
        is_named = self._may_be_called(name, kind, written.value.mark if written else None, item)
        where = f"{self.section}.{name if ROW_NAME.fullmatch(name) else kind}"
        added = self._defaults_of(settings, node)
        default = read_component(settings, added, where=DEFAULTS, problems=self.problems)
        read = read_component(settings, node, where=where, problems=self.problems, own=_OWN_KEYS[self.section])
        if default is None or read is None:
            return None
        own, rest = read.parameters, default.parameters
        parameters = own.model_copy(
            update={
                "fixed": {**own.fixed, **rest.fixed},
                "searched": {**own.searched, **rest.searched},
                "swept": {**own.swept, **rest.swept},
            }
        )
        entries = {**(node.entries if isinstance(node, Table) else {}), **added.entries}
        whole = Table({key: entry for key, entry in entries.items() if key != "name"}, node.mark)
        if not check_together(settings, parameters, whole, where=where, problems=self.problems) or not is_named:
            return None
        if (too_many := too_many_rows(rows_of(parameters))) is not None:
            self.problems.add(node.mark, where, too_many)
            return None
        changed = self._changed_backbone(whole, f"{where}.backbone") if self.section == "strategies" else {}
        facts = _backbone_facts(settings) if self.section == "backbones" else {"uses_steps": settings.uses_steps}
        variant = Variant(
            name=name,
            kind=kind,
            parameters=parameters,
            against=read.own.get("against") or "",
            backbone=changed,
            **facts,
        )
        return Row(variant, settings, whole)

    def _split(self, item: Node) -> tuple[str, Node, str]:
        """Kind and settings of one item of the list, or what is wrong with it."""
        what = ""
        if isinstance(item, Scalar) and not item.is_null:
            return item.text, Table({}, item.mark), what
        if isinstance(item, Table) and len(item.entries) == 1:
            entry = next(iter(item.entries.values()))
            return entry.key, entry.value, what
        if isinstance(item, Table) and item.entries:
            kind = next(iter(item.entries))
            what = f"one name an item, found {', '.join(item.entries)}. Indent the settings of {kind} below it."
        else:
            found = "an empty mapping" if isinstance(item, Table) else shown(item)
            what = f"{found} is not a {self.registry.kind}. Write its name, or its name: {{settings}}."
        self.problems.add(item.mark, self.section, what)
        return "", item, what

    def _settings(self, kind: str, item: Node) -> Any:
        known = self.registry.names()
        if kind in known:
            try:
                return self.registry.settings(kind)
            except (InputError, ImportError, AttributeError) as error:
                last = str(error).strip().splitlines()[-1]
                self.problems.add(item.mark, self.section, f"{self.registry.kind} '{kind}' cannot be used: {last}")
        elif self.explain:
            refused = self.registry.refused(kind)
            near = f" {refused}" if refused else hint(kind, known)
            what = f"unknown {self.registry.kind} '{kind}'.{near} Known: {', '.join(known)}."
            self.problems.add(item.mark, self.section, what)
        return None

    def _may_be_called(self, name: str, kind: str, mark: Mark | None, item: Node) -> bool:
        if mark is not None and name != kind and name in self.registry.names():
            what = f"'{name}' is the name of another {self.registry.kind}. Choose a name of its own."
            self.problems.add(mark, f"{self.section}.{kind}.name", what)
        elif name in self._names:
            first = self._names[name]
            place = f"line {first.line}" if first.source.numbered else first.source.label
            example = "." if mark else f", such as {kind}: {{name: {kind}_2}}."
            what = f"two rows are called '{name}', the first in {place}. Give one of them a name of its own{example}"
            self.problems.add(mark or item.mark, self.section, what)
        else:
            self._names[name] = mark or item.mark
            return True
        return False

    def _defaults_of(self, settings: Any, node: Node) -> Table:
        """Those defaults that the row has and does not set itself."""
        defaults = self.defaults
        if defaults is None:
            return Table({}, node.mark)
        own = node.entries if isinstance(node, Table) else {}
        taken = {
            key: entry for key, entry in defaults.entries.items() if key in settings.model_fields and key not in own
        }
        return Table(taken, defaults.mark)

    def _changed_backbone(self, row: Table, where: str) -> Mapping[str, Any]:
        """The settings of the backbone that a strategy's row changes: one plain value each."""
        entry = row.entries.get("backbone")
        if entry is None or not isinstance(entry.value, Table):
            return {}
        changed = entry.value
        if not changed.entries:
            self.problems.add(changed.mark, where, "the mapping is empty. Write settings, such as {layers: 4}.")
        values: dict[str, Any] = {}
        for backbone in self.backbones:
            name, settings = backbone.variant.name, backbone.settings
            word = f"hyper-parameter of {name}"
            own = read_component(settings, changed, where=where, problems=self.problems, word=word)
            if own is None:
                continue
            varied = [*own.parameters.searched, *own.parameters.swept]
            for key in varied:
                what = "cannot be searched or swept here. Give one value, and each further one a row of its own."
                self.problems.add(changed.entries[key].value.mark, f"{where}.{key}", what)
            swept = [key for key in changed.entries if key in backbone.variant.parameters.swept]
            for key in swept:
                what = f"the backbone {name} sweeps it. Fix it in one of the two places."
                self.problems.add(changed.entries[key].mark, f"{where}.{key}", what)
            if not varied and not swept:
                values |= own.parameters.fixed
                rest = backbone.variant.parameters
                searched = {key: space for key, space in rest.searched.items() if key not in changed.entries}
                merged = rest.model_copy(update={"fixed": {**rest.fixed, **values}, "searched": searched})
                check_together(settings, merged, changed, where=where, problems=self.problems)
        return values

    def _compared(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """The rows with the name of what each is compared with: its own choice, else `base` where that is a row."""
        labels = {
            row.variant.name: [row_label(row.variant.name, values) for values in swept_values(row.variant.parameters)]
            for row in rows
        }
        has_base = labels.get(_BASE) == [_BASE]
        compared = []
        for row in rows:
            against, name = row.variant.against, row.variant.name
            known = [label for other, found in labels.items() for label in found if other != name]
            is_broken = against in self._names and against not in labels  # its own mistakes are reported already
            if not against and has_base and name != _BASE:
                against = _BASE
            elif against and against not in known and not is_broken:
                mark = row.node.entries["against"].value.mark
                self.problems.add(mark, f"strategies.{name}.against", _no_row(against, name, known, labels))
            compared.append(Row(row.variant.model_copy(update={"against": against}), row.settings, row.node))
        return tuple(compared)


def check_defaults(defaults: Table, problems: Problems) -> None:
    """Refuse defaults that no backbone has; one that only others than the suite's have is no mistake."""
    known: set[str] = set()
    for name in BACKBONES.names():
        try:
            known |= set(BACKBONES.settings(name).model_fields)
        except (InputError, ImportError, AttributeError):
            continue
    for key, entry in defaults.entries.items():
        if key not in known:
            what = f"no backbone has this setting.{hint(key, known)} Known: {', '.join(sorted(known))}."
            problems.add(entry.mark, f"{DEFAULTS}.{key}", what)


def _no_row(against: str, name: str, known: Sequence[str], labels: Mapping[str, Sequence[str]]) -> str:
    if against == name:
        return "a row cannot be compared with itself."
    if against in labels:
        return f"{against} is swept. Name one of its rows: {', '.join(labels[against])}."
    return f"no row is called {against}.{hint(against, known)} Known: {', '.join(known) or 'none'}."


def _backbone_facts(settings: Any) -> Mapping[str, Any]:
    reasons = {packing: settings.supports(packing=packing) for packing in ("none", "users")}
    return {
        "unsupported": {packing: reason for packing, reason in reasons.items() if reason},
        "text_based": settings.text_based,
    }
