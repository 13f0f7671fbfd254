"""Recipes: how raw files become a data set, as data. `recipe_files` reads them; `build` follows them."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import shlex
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ...utils.text import hint
from .uses import UNUSED, passed_over, unknown_roles

Role: TypeAlias = Literal["target", "history"]

OPENING = "The item information is as follows:"
"""How the paper's item texts begin (section 2.1)."""

READY_READERS = ("amazon-2023-splits", "released", "splits")
"""Readers whose files bring rows with histories of their own, already split."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int) else value


Names: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One name or a list of them."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Even(_Section):
    """A section of which one value may stand for all fields."""

    @model_validator(mode="before")
    @classmethod
    def _same(cls, value: Any) -> Any:
        return dict.fromkeys(cls.model_fields, value) if isinstance(value, str | int) else value


def _known_format(layout: str) -> str:
    if layout not in ("", "iso"):
        try:
            datetime.strptime(datetime(1970, 1, 1, tzinfo=UTC).strftime(layout), layout)
        except (ValueError, re.error) as error:
            raise ValueError(f'{error}. Such as "%Y-%m-%d %H:%M:%S", or iso') from error
    return layout


class TimeFormat(_Section):
    """How the time column is written."""

    unit: Literal["any", "seconds", "milliseconds", "microseconds", "mixed"] = "any"
    """Of numbers. "any": only their order counts; "mixed": milliseconds from 1e11 on, seconds below."""
    format: Annotated[str, AfterValidator(_known_format)] = ""
    """Of text, as strptime knows it, such as "%Y-%m-%d %H:%M:%S", or iso; read as UTC."""


class RatingRule(_Section):
    """Which ratings count as interest."""

    above: float | None = None
    """Ratings must be above it."""
    at_least: float | None = None
    """Or: ratings must not be below it."""
    of: Literal["all", "target"] = "all"
    """ "all": other interactions are left out; "target": they stay in histories, and are the target of no row."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.above is None) == (self.at_least is None):
            raise ValueError("give either above or at_least")
        return self

    @property
    def words(self) -> str:
        """The rule, such as "above 3"."""
        return f"above {self.above:g}" if self.above is not None else f"at least {self.at_least:g}"


class Core(_Even):
    """Min interactions of users and items that stay, iterated to the fixed point."""

    users: int = Field(default=1, ge=1)
    """Of a user."""
    items: int = Field(default=1, ge=1)
    """Of an item."""


def _boundaries(value: Any) -> Any:
    """Two numbers, or None; a `ValueError` for anything else, of a date with the number that it is."""
    if value is None:
        return value
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("two boundaries are needed, such as [0.8, 0.9]")
    for boundary in map(str, value):
        try:
            Decimal(boundary)
        except InvalidOperation:
            raise ValueError(f"'{boundary}' {_no_number(boundary)}") from None
    return value


def _no_number(boundary: str) -> str:
    """What a boundary is that is not a number; of a date with the number that it is."""
    try:
        moment = datetime.fromisoformat(boundary)
    except ValueError:
        return "is not a number"
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return f"is a date; as a boundary write the time as a number: {seconds:.0f} in seconds"


class SplitRule(_Section):
    """Where training ends, and where validation ends."""

    kind: Literal["quantiles", "time_range", "times", "leave_one_out", "given"]
    """`quantiles` of the interactions in time order, fractions of the `time_range`, absolute `times`, each user's last
    two items (`leave_one_out`), or as the files have it (`given`)."""
    at: Annotated[tuple[Decimal, Decimal] | None, BeforeValidator(_boundaries)] = None
    """The two boundaries of the first three; what lies at a boundary belongs to the earlier part."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"kind": value}
        if not isinstance(value, Mapping) or "kind" in value:
            return value
        if len(value) != 1:
            raise ValueError("give one way of splitting, such as quantiles: [0.8, 0.9]")
        kind, at = next(iter(value.items()))
        kinds = get_args(cls.model_fields["kind"].annotation)
        if kind not in kinds:
            raise ValueError(f"unknown way of splitting '{kind}'.{hint(kind, kinds)} Known: {', '.join(kinds)}")
        return {"kind": kind, "at": at}

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.kind in ("leave_one_out", "given"):
            if self.at is not None:
                raise ValueError(f"{self.kind} has no boundaries")
            return self
        if self.at is None:
            raise ValueError(f"{self.kind} needs two boundaries, such as {self.kind}: [0.8, 0.9]")
        first, second = self.at
        if first >= second:
            raise ValueError("the first boundary must lie before the second")
        if self.kind != "times" and not (first > 0 and second < 1):
            raise ValueError(f"the boundaries of {self.kind} lie between 0 and 1")
        return self


class PerSplit(_Even):
    """A whole number for each split."""

    train: int = Field(default=1, ge=1)
    valid: int = Field(default=1, ge=1)
    test: int = Field(default=1, ge=1)


class RequiredText(_Section):
    """Rows dropped for a missing text: by split, of which of their items."""

    train: Annotated[tuple[Role, ...], BeforeValidator(_listed)] = ()
    valid: Annotated[tuple[Role, ...], BeforeValidator(_listed)] = ()
    test: Annotated[tuple[Role, ...], BeforeValidator(_listed)] = ()


class Unseen(_Even):
    """Rows of validation and test with an item that no training row has, as target or in its history."""

    target: Literal["drop", "keep"] = "drop"
    """Where it is the target."""
    history: Literal["drop", "keep"] = "drop"
    """Where it is in the history."""


@dataclass(frozen=True)
class FileSettings:
    """What a recipe says of a delimited file; "" and None where it says nothing."""

    separator: str = ""
    header: bool | None = None
    encoding: str = ""


def _of_files(value: Any) -> Any:
    """A value for all files under "", or by role."""
    return {"": value} if isinstance(value, str | bool) else value


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except LookupError as error:
        raise ValueError(f"no encoding '{name}'. Such as utf-8, latin-1, cp1252, utf-16, gb18030") from error


Encoding: TypeAlias = Annotated[str, AfterValidator(_known_encoding)]


def _known_fields(template: str) -> str:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"no template: {error}") from error
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise ValueError("a template has plain fields such as {title} only")
    return template


class Text(_Section):
    """How an item's text is composed."""

    fields: Mapping[str, Names] = Field(default_factory=dict)
    """What the text calls an attribute -> the columns that hold it, joined by ", ". The first is the title."""
    template: Annotated[str, AfterValidator(_known_fields)] = ""
    """Such as "{title} by {brand}"; "" for the paper's: an opening and one line `key: value` an attribute."""

    @model_validator(mode="after")
    def _told(self) -> Self:
        asked = {name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None}
        unknown = sorted(asked - self.fields.keys())
        if unknown:
            raise ValueError(
                f"the template asks for {', '.join(unknown)}; fields has {', '.join(self.fields) or 'none'}"
            )
        return self

    def of(self, attributes: Mapping[str, str]) -> str:
        """The text of an item with attributes label -> value; "" if all values are."""
        texts = {label: " ".join(attributes.get(label, "").split()) for label in self.fields}
        if not any(texts.values()):
            return ""
        if self.template:
            return self.template.format_map(texts)
        return "\n".join([OPENING, *(f"{label}: {value}" for label, value in texts.items() if value)])


class Recipe(_Section):
    """How raw files become a data set."""

    name: str = ""
    """What is typed after `prepare`, and what the data set is called unless a name is given."""
    file: str = Field(default="", exclude=True)
    """The user's own recipe file, as it was named; "" for a recipe that ships."""
    about: str = ""
    """One line for lists."""
    origin: str = ""
    """Where the files can be had, and under what terms."""
    holds: str = ""
    """What the source folder must hold, if the names of the files are not enough."""
    named: bool = False
    """Needs --name, which then stands for {name} in `files`."""
    prefix: str = ""
    """Before --name in the data set's name."""
    reader: Literal[tuple(UNUSED)] = Field(examples=["reader: csv"])  # type: ignore[valid-type]
    """Who reads the files."""
    files: Mapping[str, Names] = Field(default_factory=dict, examples=["files: {interactions: log.csv}"])
    """Role -> names or globs, in place of the reader's own. A `.gz` after a name is found, too."""
    columns: Mapping[str, str] = Field(default_factory=dict, examples=["columns: {user: NAME, item: NAME, time: NAME}"])
    """user, item, rating, time -> column of the interactions, in place of the reader's own."""
    item_columns: Mapping[str, str] = Field(default_factory=dict)
    """item -> column of the items."""
    separator: Annotated[Mapping[str, str], BeforeValidator(_of_files)] = Field(default_factory=dict)
    """Between the fields of a line, for all delimited files or by role; guessed where it is not given."""
    header: Annotated[Mapping[str, bool], BeforeValidator(_of_files)] = Field(default_factory=dict)
    """Whether the first line names the columns, likewise; otherwise they are called 1, 2, ..."""
    encoding: Annotated[Mapping[str, Encoding], BeforeValidator(_of_files)] = Field(default_factory=dict)
    """Of the text, likewise, as Python knows it, such as latin-1."""
    decimal: Literal[".", ","] | None = None
    """Before the decimals of ratings and times; guessed where it is not given."""
    time: TimeFormat = Field(
        default=TimeFormat(), examples=['time: {unit: seconds} or time: {format: "%d.%m.%Y %H:%M"}']
    )
    ratings: RatingRule | None = Field(default=None, examples=["ratings: {at_least: 4}"])
    duplicates: Literal["keep", "once", "first", "last", "error"] = "keep"
    """Of the same user and item. "once": equal times count once; "first" or "last": one is left; "error": equal times
    are refused."""
    core: Core | None = None
    split: SplitRule = Field(examples=["split: {quantiles: [0.8, 0.9]} or split: leave_one_out"])
    min_history: PerSplit = PerSplit()
    """Fewest items in a row's history."""
    required_text: RequiredText = RequiredText()
    unseen: Unseen = Unseen()
    max_history: int | None = Field(default=None, ge=1)
    """Histories are cut to their last items."""
    equal_times: Literal["hash", "file"] = "hash"
    """The order of a user's interactions of the same time: a hash of (user, item), or that of the file."""
    text: Text = Text()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := list(self._contradictions()):
            raise ValueError("; ".join(problems))
        return self

    def _contradictions(self) -> Iterator[str]:
        ready = self.reader in READY_READERS
        if ready != (self.split.kind == "given"):
            has = "brings its own splits: set split: given" if ready else "has no splits of its own for `given`"
            yield f"the reader {self.reader} {has}"
        if ready:
            needless = [name for name in ("core", "duplicates", "equal_times") if name in self.model_fields_set]
            if needless:
                yield f"{', '.join(needless)}: rows with histories of their own are taken as they are"
            if self.ratings is not None and self.ratings.of == "all":
                yield "ratings: a given history stays unchanged; set of: target"
        yield from unknown_roles(self)
        if self.reader in ("csv", "parquet", "jsonl"):
            yield from self._missing_columns()
        yield from passed_over(self)
        asked = {role for split in ("train", "valid", "test") for role in getattr(self.required_text, split)}
        if asked and not self.text.fields:
            yield "required_text needs text: {fields: {title: COLUMN}}"

    def _missing_columns(self) -> Iterator[str]:
        needed = {"user": True, "item": True, "rating": self.ratings is not None}
        needed["time"] = self.split.kind in ("quantiles", "time_range", "times")
        for name, wanted in needed.items():
            if wanted and name not in self.columns:
                other = ", or without times  split: leave_one_out" if name == "time" else ""
                yield f"the column of the {name} is missing. Add  columns: {{{name}: NAME}}{other}"

    @property
    def ready(self) -> bool:
        """Whether the files bring rows with histories of their own."""
        return self.reader in READY_READERS

    def said_of(self, role: str) -> FileSettings:
        """What is said of the delimited files of a role."""
        separator, header, encoding = (
            given.get(role, given.get("")) for given in (self.separator, self.header, self.encoding)
        )
        return FileSettings(str(separator or ""), None if header is None else bool(header), str(encoding or ""))

    def settings(self) -> dict[str, Any]:
        """Everything but the name and the file, as JSON values; of what came later only what is given."""
        settings = self.model_dump(mode="json", exclude={"name"})
        for name, nothing in (("separator", ""), ("header", True), ("encoding", None)):
            given = settings.pop(name)
            value = given.get("", given) if list(given) in ([""], []) else given
            settings[name] = value or (nothing if value == {} else value)
        return {
            key: value for key, value in settings.items() if value is not None or key not in ("encoding", "decimal")
        }

    def fingerprint(self) -> str:
        """A hash of `settings`, 64 hexadecimal digits."""
        content = json.dumps(self.settings(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(f"rearec-bench recipe 1\n{content}".encode()).hexdigest()

    def file_names(self, name: str) -> dict[str, tuple[str, ...]]:
        """The files by role, with the name put in for {name}."""
        return {role: tuple(pattern.replace("{name}", name) for pattern in names) for role, names in self.files.items()}

    def contents(self, name: str = "NAME") -> str:
        """What the source must be, and where it comes from, as one line."""
        listed = [pattern for names in self.files.values() for pattern in names]
        holds = (
            self.holds or f"{', '.join(listed[:-1])}{' and ' if listed[:-1] else ''}{listed[-1] if listed else 'files'}"
        )
        origin = f"   ({self.origin})" if self.origin else ""
        return f"DIR holds {holds.replace('{name}', name)}{origin}"

    def command(self, name: str = "NAME", source: str = "DIR") -> str:
        """The command that prepares it."""
        option = f" --name {name}" if self.named else ""
        which = f"--recipe {shlex.quote(self.file)}" if self.file else self.name
        return f"rearec-bench prepare {which}{option} --source {source}"

    def advice(self, name: str = "NAME") -> str:
        """The command that prepares it, and on a second line what DIR must contain."""
        return f"{self.command(name)}\n  {self.contents(name)}"
