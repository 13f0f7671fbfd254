"""Nothing that is read from disk can run code: nothing is unpickled beyond torch's weights_only loader."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .pages import ROOT

SOURCES = [*ROOT.glob("*.py"), *(ROOT / "harness").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"pd.read_pickle", "pandas.read_pickle", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}
NUMPY = {f"{module}.{name}": ("allow_pickle", False) for module in ("np", "numpy") for name in ("load", "save")}
READERS = {**NUMPY, "np.savez": ("allow_pickle", False), "torch.load": ("weights_only", True)}


def is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = (node.module or "").partition(".")[0]
            names = {f"{module}.{alias.name}" for alias in node.names}
            yield from names if module in MODULES else names & (CALLS | READERS.keys())
        elif isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {word.arg: word.value for word in node.keywords}
            if name in CALLS:
                yield name
            option, wanted = READERS.get(name, ("allow_pickle", False))
            if (name in READERS or option in given) and not is_constant(given.get(option), wanted):
                yield f"{name} without {option}={wanted}"


def test_no_source_unpickles() -> None:
    assert len(SOURCES) > 80
    assert {path: found for path in SOURCES if (found := list(offences(path.read_text(encoding="utf-8"))))} == {}


def test_what_would_read_one_is_noticed() -> None:
    sources = (
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
    )
    assert [source for source in sources if not list(offences(source))] == []
