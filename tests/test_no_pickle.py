"""Nothing that is read from disk can run code: no pickle in any form, no unsafe YAML."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*ROOT.glob("*.py"), *(ROOT / "harness").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {
    ("torch", "load"),
    ("torch", "save"),
    ("pd", "read_pickle"),
    ("pandas", "read_pickle"),
    ("yaml", "load"),
    ("yaml", "load_all"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
}
READERS = {("np", "load"), ("numpy", "load"), ("np", "memmap"), ("np", "save"), ("np", "savez")}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = (node.module or "").partition(".")[0]
            taken = {(module, alias.name) for alias in node.names}
            yield from [str(node.module)] if module in MODULES else []
            yield from (".".join(one) for one in taken & (CALLS | {("numpy", "load"), ("numpy", "save")}))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = (owner.id if isinstance(owner, ast.Name) else "", node.func.attr)
            if name in CALLS:
                yield ".".join(name)
            if name in READERS and name[1] != "memmap":
                allowed = {word.arg: word.value for word in node.keywords}.get("allow_pickle")
                if not (isinstance(allowed, ast.Constant) and allowed.value is False):
                    yield f"{'.'.join(name)} without allow_pickle=False"
        if isinstance(node, ast.Call):
            given = [word.value for word in node.keywords if word.arg == "allow_pickle"]
            if any(not (isinstance(value, ast.Constant) and value.value is False) for value in given):
                yield "allow_pickle"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_reads_no_pickle(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import yaml\nyaml.load('x')",
        "f('x', allow_pickle=flag)",
        "x.read_array(f, allow_pickle=True)",
    ],
)
def test_what_would_read_one_is_noticed(source: str) -> None:
    assert list(offences(source))


def test_there_are_sources_to_look_at() -> None:
    assert len(SOURCES) > 80
