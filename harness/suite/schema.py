"""The schema of a suite file, as pydantic types: the whole file, its lists, values that are searched or swept."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ...models.settings import Settings
from ..records.spec import EvaluationSettings, TrainingSettings, canonical
from ..utils.messages import COLLECTIONS, allowed, hint, members
from ..utils.registry import BASELINES
from ..utils.yaml_model import type_of, wrong
from .model import Resources, SearchSettings

T = TypeVar("T")

NAME_RULE = "Allowed: letters, digits, '.', '_' and '-', at most 100, a letter or digit first."
_ROW_RULE = "Allowed: letters, digits, '_' and '-', at most 64, a letter or digit first."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ROW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _matching(pattern: re.Pattern[str], rule: str) -> AfterValidator:
    def check(name: str) -> str:
        if not pattern.fullmatch(name):
            raise wrong(f"{{}} cannot be a name. {rule}")
        return name

    return AfterValidator(check)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    written = [canonical(to_jsonable_python(value)) for value in values]
    for index, text in enumerate(written):
        if text in written[:index]:
            raise wrong("{} is given twice. Remove one of them.", index)
    return values


def _reference(name: str) -> str:
    known = BASELINES.names()
    if name not in known:
        raise wrong(f"unknown reference '{name}'.{hint(name, known)} Known: {', '.join(known)}.")
    return name


Name: TypeAlias = Annotated[str, _matching(NAME, NAME_RULE)]
RowName: TypeAlias = Annotated[str, _matching(ROW_NAME, _ROW_RULE)]
FromZero: TypeAlias = Annotated[int, Field(ge=0)]
Distinct: TypeAlias = Annotated[tuple[T, ...], AfterValidator(_distinct)]
Listed: TypeAlias = Annotated[Distinct[T], Field(min_length=1)]


class Strict(BaseModel):
    """A mapping without keys of other names."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Range(Strict, Generic[T]):
    """All numbers between two, both included."""

    low: T
    high: T
    log: bool = False

    @model_validator(mode="after")
    def _rising(self) -> Range[T]:
        low: Any = self.low
        high: Any = self.high
        if not isinstance(low, int | float) or not isinstance(high, int | float) or isinstance(low, bool):
            raise wrong("only numbers have a range. Give a list of values.")
        if low >= high:
            raise wrong(f"low {{}} is not below high {high:g}.", "low")
        if self.log and low <= 0:
            raise wrong("low {} has no logarithm. With log: true, low must be above 0.", "low")
        return self


def _either(mapping: type[BaseModel], is_mapping: Callable[[dict[str, Any]], bool] = bool) -> Discriminator:
    """Chooses "mapping" for an object of the class, and for a mapping that is meant as one."""

    def choose(value: Any) -> str:
        is_meant = isinstance(value, mapping) or (isinstance(value, dict) and is_mapping(value))
        return "mapping" if is_meant else "value"

    return Discriminator(choose)


Space: TypeAlias = Annotated[
    Annotated[Listed[T], Tag("value")] | Annotated[Range[T], Tag("mapping")], _either(Range, lambda value: True)
]


class Searched(Strict, Generic[T]):
    """{search: ...} in place of a list."""

    search: Space[T]


class Varied(Strict, Generic[T]):
    """{search: ...} or {sweep: [...]} in place of one value."""

    search: Space[T] | None = None
    sweep: Listed[T] | None = None

    @model_validator(mode="after")
    def _one(self) -> Varied[T]:
        if (self.search is None) == (self.sweep is None):
            raise wrong("give one of {search: [...]} and {sweep: [...]}.")
        return self


@cache
def varying(settings: type[Settings], *own: tuple[str, Any]) -> type[Strict]:
    """The model of a mapping of settings, each a value, {search: ...} or {sweep: [...]}; `own` are further keys."""
    several = "one value, {search: [...]} to have one chosen, or {sweep: [...]} for a row each"
    fields: dict[str, Any] = {
        name: (_varying(field), Field(None, title=allowed(field), description=several))
        for name, field in settings.model_fields.items()
    }
    fields |= {name: (kind, None) for name, kind in own}
    model: type[Strict] = create_model("Varying", __base__=Strict, **fields)
    return model


def _varying(field: FieldInfo) -> Any:
    value: Any = type_of(field)
    is_open = any(_may_be_mapping(member) for member in members(field.annotation))
    meant = _either(Varied, lambda given: not is_open or bool(given.keys() & {"search", "sweep"}))
    return Annotated[Annotated[value, Tag("value")] | Annotated[Varied[value], Tag("mapping")], meant]


def _may_be_mapping(member: Any) -> bool:
    return member not in (int, float, bool, str, type(None)) and get_origin(member) not in (Literal, *COLLECTIONS)


class UntilDecided(Strict):
    """{until: decided, most: 10} in place of a list of seeds."""

    until: Literal["decided"]
    most: int = Field(ge=3, le=100, title="whole numbers from 3 to 100", examples=["most: 10"])


class SuiteFile(Strict):
    """The keys of a suite file; rows are read by the settings of their kinds (`rows`)."""

    name: Name = ""
    extends: str = ""
    plugins: Listed[str] = ()
    datasets: Listed[Name] = Field(examples=["datasets: [tiny]"])
    vectors: dict[str, str] = Field({}, title="a file of each data set, such as vectors: {tiny: vectors.npy}")
    backbone_defaults: dict[str, Any] = {}
    backbones: tuple[Any, ...] = Field(min_length=1, examples=["backbones: [sasrec]"])
    strategies: tuple[Any, ...] = Field(min_length=1, examples=["strategies: [base, erl, prl]"])
    references: Distinct[Annotated[str, AfterValidator(_reference)]] = ()
    steps: Annotated[
        Annotated[Listed[FromZero], Tag("value")] | Annotated[Searched[FromZero], Tag("mapping")],
        _either(Searched, lambda value: True),
    ] = Field(title="whole numbers from 0, or {search: [...]}", examples=["steps: [1, 2] or steps: {search: [1, 2]}"])
    seeds: Annotated[
        Annotated[Listed[FromZero], Tag("value")] | Annotated[UntilDecided, Tag("mapping")],
        _either(UntilDecided, lambda value: True),
    ] = Field(
        title="whole numbers from 0, or {until: decided, most: 10}",
        examples=["seeds: [1, 2, 3] or seeds: {until: decided, most: 10}"],
    )
    search: SearchSettings = SearchSettings()
    training: varying(TrainingSettings) = varying(TrainingSettings)()  # type: ignore[valid-type]
    evaluation: EvaluationSettings = EvaluationSettings()
    resources: Resources = Resources()
