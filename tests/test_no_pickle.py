"""Nothing that is read from disk can run code: nothing is unpickled beyond torch's weights_only loader."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*ROOT.glob("*.py"), *(ROOT / "harness").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {
    ("pd", "read_pickle"),
    ("pandas", "read_pickle"),
    ("yaml", "load"),
    ("yaml", "load_all"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
}
READERS = {
    ("np", "load"): ("allow_pickle", False),
    ("numpy", "load"): ("allow_pickle", False),
    ("np", "save"): ("allow_pickle", False),
    ("np", "savez"): ("allow_pickle", False),
    ("torch", "load"): ("weights_only", True),
}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = (node.module or "").partition(".")[0]
            taken = {(module, alias.name) for alias in node.names}
            yield from [str(node.module)] if module in MODULES else []
            yield from (".".join(one) for one in taken & (CALLS | READERS.keys() | {("numpy", "save")}))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = (owner.id if isinstance(owner, ast.Name) else "", node.func.attr)
            if name in CALLS:
                yield ".".join(name)
            if name in READERS:
                option, wanted = READERS[name]
                given = {word.arg: word.value for word in node.keywords}.get(option)
                if not (isinstance(given, ast.Constant) and given.value is wanted):
                    yield f"{'.'.join(name)} without {option}={wanted}"
        if isinstance(node, ast.Call):
            allowed = [word.value for word in node.keywords if word.arg == "allow_pickle"]
            if any(not (isinstance(value, ast.Constant) and value.value is False) for value in allowed):
                yield "allow_pickle"


def test_no_source_unpickles() -> None:
    assert {path: found for path in SOURCES if (found := list(offences(path.read_text(encoding="utf-8"))))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
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
