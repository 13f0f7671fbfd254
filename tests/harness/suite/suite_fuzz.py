"""Suite files as nobody should write them: made from the schema, or the shipped ones with their text harmed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from rearec_bench.harness.records.spec import EvaluationSettings, TrainingSettings
from rearec_bench.harness.suite.bundled import shipped_suites
from rearec_bench.harness.suite.model import Resources, SearchSettings, Suite
from rearec_bench.harness.utils.durations import Duration
from rearec_bench.harness.utils.messages import members
from rearec_bench.harness.utils.registry import BACKBONES, BASELINES, STRATEGIES
from rearec_bench.models.settings import Settings

# ---- from the schema

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.5, 1e-300, 1e300, 10**17, 10**18, 10**400, "", " ", "x", "null", "~", "1e-3"),
    *("no", "10:30", "1_000", "0x10", ".inf", ".nan", "-.inf", "nan", "inf", "1e999", "+5", "٣", "٣m"),
    *("9" * 400 + "d", [], {}, [[]], [{}], {"": ""}, [None], {"search": None}, {"search": []}, {"sweep": []}),
    *({"sweep": [1], "search": [1]}, {"search": {"low": 1, "high": 1}}, {"search": {"low": 0, "high": 10**17}}),
    *({"search": {"low": -5, "log": True}}, "a\0b", "a\nb", "\x1b[2J", "\u202eb", "é" * 40, "x" * 5000, ".."),
    *("../up.yaml", "/", "/dev/zero", "a/../../b", "x" * 300 + ".yaml", "x.**", "x.[", "nosuch.py", "sub", "sub.npy"),
    *("*", "%", "{}", "{0}", "\ufeff", "\ud800", list(range(300)), [[1]] * 3),
    *({str(number): number for number in range(50)},),
)
WORDS = ("tiny", "base", "sasrec", "naive", "erl", "prl", "rpe", "bert4rec", "unisrec", "morec", "name", "search", "x")


def junk() -> st.SearchStrategy[Any]:
    """What hardly any setting may be."""
    leaf = st.sampled_from(JUNK) | st.text(max_size=12) | st.floats() | st.integers()
    return leaf | st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
        max_leaves=6,
    )


def mostly(good: st.SearchStrategy[Any], *, junk_in: int = 40) -> st.SearchStrategy[Any]:
    """A value as it should be, in one of so many cases another."""
    return st.integers(1, junk_in).flatmap(lambda draw: junk() if draw == junk_in else good)


def values(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Values that a setting may have by its declaration."""
    return st.one_of([_values(member, tuple(field.metadata)) for member in members(field.annotation)])


def _values(member: Any, limits: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if get_origin(member) is Literal:
        return st.sampled_from(get_args(member))
    if get_origin(member) is tuple:
        return st.lists(st.integers(0, 9), unique=True, max_size=3)
    low = max([getattr(limit, "ge", getattr(limit, "gt", 0)) for limit in limits], default=0)
    high = min([getattr(limit, "le", getattr(limit, "lt", 8)) for limit in limits], default=8)
    if member is int:
        return st.integers(int(low), max(int(high), int(low)))
    if member is float:
        exclusive = any(hasattr(limit, "gt") for limit in limits), any(hasattr(limit, "lt") for limit in limits)
        return st.floats(float(low), float(high), exclude_min=exclusive[0], exclude_max=exclusive[1], width=32)
    plain = {bool: st.booleans(), type(None): st.none(), Duration: st.sampled_from(["none", "90s", "5m", ".5h", "2 d"])}
    return plain.get(member, st.text(max_size=5))


def settings_of(settings: type[Settings], *, varying: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping of settings, some of them searched or swept."""

    def held(name: str) -> st.SearchStrategy[Any]:
        field = settings.model_fields[name]
        good = values(field)
        if not varying:
            return mostly(good)
        several = st.lists(good, min_size=1, max_size=3, unique_by=repr)
        ends = st.fixed_dictionaries({"low": good, "high": good}, optional={"log": st.booleans()})
        ways = [several.map(lambda given: {"search": given}), several.map(lambda given: {"sweep": given})]
        ways += [ends.map(lambda given: {"search": given})] if {int, float} & set(members(field.annotation)) else []
        return mostly(st.one_of([good] * 6 + ways))

    return st.fixed_dictionaries({}, optional={name: held(name) for name in settings.model_fields})


def rows(registry: Any, *, own: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """A list of backbones or strategies."""

    def row(kind: str) -> st.SearchStrategy[Any]:
        names = st.sampled_from(["a", "b2", "base", "sasrec", f"{kind}_2", "two words", "-x"])
        extra = {"name": mostly(names)} | {key: mostly(names | st.just({"width": 8, "layers": 1})) for key in own}
        given = settings_of(registry.settings(kind), varying=True)
        with_extra = st.builds(lambda one, other: one | other, given, st.fixed_dictionaries({}, optional=extra))
        return st.one_of(st.just(kind), given.map(lambda one: {kind: one}), with_extra.map(lambda one: {kind: one}))

    return st.lists(mostly(st.one_of([row(kind) for kind in registry.names()])), min_size=1, max_size=3, unique_by=repr)


@cache
def suites() -> st.SearchStrategy[dict[str, Any]]:
    """Whole suites: most parts as they should be."""
    several = {"min_size": 1, "max_size": 3, "unique": True}
    parts = {
        "datasets": st.lists(st.sampled_from(["tiny", "tiny", "yelp", "no-such"]), **several),
        "backbones": rows(BACKBONES, own=()),
        "strategies": rows(STRATEGIES, own=("against", "backbone")),
        "steps": st.lists(st.integers(0, 4), **several) | st.just({"search": [1, 2]}) | st.integers(0, 3),
        "seeds": st.lists(st.integers(1, 9), **several)
        | st.fixed_dictionaries({"until": st.just("decided"), "most": st.integers(2, 9)}),
    }
    rest = {
        "name": st.sampled_from(["s", "a.b", "10", "x" * 100]),
        "references": st.lists(st.sampled_from(BASELINES.names()), max_size=2, unique=True),
        "backbone_defaults": settings_of(BACKBONES.settings("sasrec"), varying=True),
        "search": settings_of(SearchSettings),
        "training": settings_of(TrainingSettings, varying=True),
        "evaluation": settings_of(EvaluationSettings),
        "resources": settings_of(Resources),
        "plugins": st.just([]),
        "vectors": st.just({"tiny": "held.npy"}),
        "extends": st.sampled_from(["parent.yaml", "parent.yaml", "parent.yaml", "suite.yaml", "nosuch.yaml", "."]),
    }
    assert {*parts, *rest, "until"} >= set(Suite.model_fields)  # `until` stands below seeds
    known = st.fixed_dictionaries(
        {key: mostly(value) for key, value in parts.items()},
        optional={key: mostly(value, junk_in=15) for key, value in rest.items()},
    )
    unknown = st.just({}) | st.dictionaries(st.sampled_from([*WORDS, "", "<<", "stepss"]), junk(), max_size=2)
    return st.builds(
        lambda one, other, lost: {**one, **(other if lost == 0 else {})}, known, unknown, st.integers(0, 9)
    )


def written(tree: Any) -> bytes:
    """A tree as YAML; what UTF-8 cannot hold stays what it is."""
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode(errors="surrogatepass")


# ---- from the text

Harm = Callable[[random.Random, str], str]
SHIPPED = {path.name: path.read_text() for path in shipped_suites().values()}
TOKENS = (
    *("---\n", "...\n", "%YAML 1.1\n---\n", f"%YAML 1.{'9' * 5000}\n---\n", "%TAG ! tag:x,2000:\n---\n"),
    *("!!python/object:os.system ", "!!binary ", "!!int ", "!<%ff>", "! ", "&a ", "*a", "*a ", "<<: *a\n", "<<: x\n"),
    *("? ", "?\n", ": ", "- ", "- - - ", "|\n", ">-\n", "{", "}", "[", "]", ",", "'", '"', "#", "@", "`", "|9\n"),
    *("= ", "~", "\t", " ", "\r", "\r\n", "\x85", "\u2028", "\ufeff", "\0", '"\\ud800"', '"\\0"', '"\\UFFFFFFFF"'),
    *('"\\x1b[2J"', '"\\u202e"', "\x07", "\x1b[31m", "\u202e", "é", "\U0001f600", "e\u0301"),
)
NUMBERS = (
    *("1e400", "9" * 17, "9" * 18, "9" * 5000, "-1", "0", "1e-400", "0.1e-5", ".5", "1_000", "0o7", "1" + "0" * 16),
    *("nan", "1,5"),
)
VALUES = (
    *('"a\\0b"', '"\\ud800"', "x" * 300 + ".yaml", "x" * 300 + ".py", "x" * 300 + ".npy", "x.**", "..", "/dev/zero"),
    *("/", "*", "''", "paper_defaults.yaml", "suite.yaml", "nosuch.yaml", "x.py", "x.npy", "[a]", "{a: b}", "null"),
    *("[[], {}]", "held.npy", "'a\\b'"),
)


def lines_of(draw: random.Random, text: str) -> tuple[list[str], int]:
    """The lines, never none, and one of them."""
    found = text.split("\n")
    return found, draw.randrange(len(found))


def byte_flipped(draw: random.Random, text: str) -> str:
    place = draw.randrange(len(text) + 1)
    return text[:place] + chr(ord(text[place : place + 1] or " ") ^ (1 << draw.randrange(8))) + text[place + 1 :]


def swapped(draw: random.Random, text: str) -> str:
    found, place = lines_of(draw, text)
    other = draw.randrange(len(found))
    found[place], found[other] = found[other], found[place]
    return "\n".join(found)


def repeated(draw: random.Random, text: str) -> str:
    found, place = lines_of(draw, text)
    found[place:place] = [found[place]] * draw.choice((1, 1, 2, 300))
    return "\n".join(found)


def left_out(draw: random.Random, text: str) -> str:
    found, place = lines_of(draw, text)
    del found[place : place + draw.choice((1, 1, 3))]
    return "\n".join(found)


def indented(draw: random.Random, text: str) -> str:
    found, place = lines_of(draw, text)
    found[place] = draw.choice((" ", "  ", "\t", " " * 500, "\u00a0")) + found[place]
    return "\n".join(found)


def outdented(draw: random.Random, text: str) -> str:
    found, place = lines_of(draw, text)
    found[place] = found[place][draw.choice((1, 2)) :] if found[place].startswith(" ") else found[place]
    return "\n".join(found)


def cut(draw: random.Random, text: str) -> str:
    return text[: draw.randrange(len(text) + 1)]


def doubled(draw: random.Random, text: str) -> str:
    return text + draw.choice(("", "\n", "\n---\n")) + text


def of_another_number(draw: random.Random, text: str) -> str:
    found = list(re.finditer(r"\d+(\.\d+)?", text))
    if not found:
        return text
    one = draw.choice(found)
    return text[: one.start()] + draw.choice(NUMBERS) + text[one.end() :]


def of_another_value(draw: random.Random, text: str) -> str:
    found = list(re.finditer(r"(?<=: )[^\s#,}\]][^#\n,}\]]*", text))
    if not found:
        return text
    one = draw.choice(found)
    other = draw.choice((*VALUES, *(held.group() for held in found)))
    return text[: one.start()] + other + text[one.end() :]


def with_a_token(draw: random.Random, text: str) -> str:
    place = draw.randrange(len(text) + 1)
    return text[:place] + draw.choice(TOKENS) * draw.choice((1, 1, 1, 3)) + text[place:]


def with_noise(draw: random.Random, text: str) -> str:
    place = draw.randrange(len(text) + 1)
    return text[:place] + "".join(chr(draw.randrange(0xD800)) for _ in range(draw.randrange(1, 9))) + text[place:]


def with_a_key(draw: random.Random, text: str) -> str:
    """Another setting, at the top or as a path of files."""
    key = draw.choice((*Suite.model_fields, "extends", "backbone_defaults", "nosuch", "<<", "''", "? [a]"))
    value = draw.choice((*VALUES, *NUMBERS, *TOKENS))
    return text + f"\n{key}: {value}\n"


def too_deep(draw: random.Random, text: str) -> str:
    depth = draw.choice((20, 59, 60, 61, 500, 5000))
    opened, closed = draw.choice((("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("{? ", "}")))
    key = draw.choice(("name", "steps", "search", "training", "extra"))
    return text + f"\n{key}:{chr(10) if opened in ('- ', '? ') else ' '}{opened * depth}x{closed * depth}\n"


def with_a_bomb(draw: random.Random, text: str) -> str:
    """Aliases that would be millions of values if they were written out, or hundreds deep."""
    count, width = draw.choice(((30, 2), (9, 10), (200, 1), (800, 1)))
    table = draw.random() < 0.5
    lines = ["a0: &a0 [x]" if not table else "a0: &a0 {x: y}"]
    for number in range(1, count):
        held = [f"*a{number - 1}"] * width
        inner = ", ".join(held if not table else (f"k{place}: {one}" for place, one in enumerate(held)))
        lines.append(f"a{number}: &a{number} " + (f"{{{inner}}}" if table else f"[{inner}]"))
    key = draw.choice(
        ("resources: {timeout: ", "search: {trials: ", "training: {lr: ", "evaluation: {trace_users: ", "extra: {<<: ")
    )
    return "\n".join(lines) + f"\n{text}\n{key}*a{count - 1}}}\n"


def with_a_long_line(draw: random.Random, text: str) -> str:
    long = draw.choice(
        ("x" * 50_000, "1" * 50_000, "[" + "1, " * 5000 + "]", '"' + "y" * 20_000 + '"', "# " + "z" * 90_000)
    )
    return (
        with_a_key(draw, text)
        if draw.random() < 0.3
        else text + f"\n{draw.choice(('name', 'seeds', 'steps', 'more'))}: {long}\n"
    )


def of_many_rows(draw: random.Random, text: str) -> str:
    """Rows by the million: sweeps beside sweeps."""
    swept = "{sweep: [" + ", ".join(f"0.{number:03}" for number in range(1, 200)) + "]}"
    names = ("temperature", "decay", "noise_std", "score_temperature")[: draw.randrange(1, 5)]
    row = f"strategies: [prl: {{{', '.join(f'{name}: {swept}' for name in names)}}}]"
    training = f"\ntraining: {{lr: {swept}}}" if draw.random() < 0.5 else ""
    return "datasets: [tiny]\nbackbones: [sasrec]\nsteps: [1]\nseeds: [1]\n" + row + training + "\n"


HARMS: tuple[Harm, ...] = (
    *(byte_flipped, swapped, repeated, left_out, indented, outdented, cut, doubled, of_another_number),
    *(of_another_value, with_a_token, with_noise, with_a_key, too_deep, with_a_bomb, with_a_long_line, of_many_rows),
)
_SLIGHT = HARMS[:12]


def harmed(number: int) -> tuple[str, bytes]:
    """The number-th harmed suite: what was done to which file, and its bytes."""
    draw = random.Random(number)  # noqa: S311 - no secret
    name = draw.choice(list(SHIPPED))
    text, done = SHIPPED[name], []
    for turn in range(draw.choice((1, 1, 2, 4))):
        harm = HARMS[number % len(HARMS)] if turn == 0 else draw.choice(_SLIGHT)
        text = harm(draw, text)
        done.append(harm.__name__)
    content = text.encode(errors="surrogatepass")
    if draw.random() < 0.1:
        place = draw.randrange(len(content) + 1)
        content = content[:place] + draw.randbytes(draw.randrange(1, 4)) + content[place:]
        done.append("bytes")
    return f"{number}: {', '.join(done)} of {name}", content


def lay_out(folder: Path) -> None:
    """What harmed suites extend and name."""
    for name, text in SHIPPED.items():
        (folder / name).write_text(text)
    (folder / "parent.yaml").write_text(SHIPPED["smoke.yaml"])
    (folder / "held.npy").write_bytes(b"no vectors")
    (folder / "sub").mkdir()
