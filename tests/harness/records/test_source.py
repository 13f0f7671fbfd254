"""The digest of the source: what it notices, what it does not, and which stored digests count as today's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from rearec_bench.harness.records import source
from rearec_bench.harness.records.source import same_source, source_digest, source_files
from rearec_bench.harness.utils.registry import BACKBONES, BASELINES, STRATEGIES

ROOT = source._ROOT
MODEL = '''
"""What it is."""
import torch

RATE: float = 0.5
NAMES = ("left", "right")

def scale(values, by=RATE):
    """Scaled."""
    if by < 0:
        raise ValueError(f"a factor is {by}")
    return torch.exp(values) * by

def shift(values):
    return values + RATE

class Model:
    def __init__(self, width):
        self.width = width

    def forward(self, batch):
        hidden = scale(batch, by=self.width)
        return shift(hidden)
'''


def digest(folder: Path, *texts: str) -> list[str]:
    files = []
    for number, text in enumerate(texts):
        file = folder / f"module{number}.py"
        file.write_text(text)
        files.append(file)
    source._tree.cache_clear()
    source._units.cache_clear()
    return sorted(source._content(files, {}).hashes)


def edited(*pairs: tuple[str, str]) -> str:
    text = MODEL
    for before, after in pairs:
        assert before in text
        text = re.sub(rf"\b{before}\b", after, text) if before.isidentifier() else text.replace(before, after)
    assert text != MODEL
    return text


@pytest.mark.parametrize(
    "text",
    [
        edited(("scale", "multiply")),
        edited(("hidden", "state"), ("values", "tensor"), ("width", "size")),
        edited(("import torch", "import json\nimport torch\nfrom math import pi")),
        edited(('"""Scaled."""', "# a comment")),
        edited(("a factor is", "is not a valid factor:")),
        edited((": float", ""), ("(self, batch)", "(self, batch: torch.Tensor) -> torch.Tensor")),
    ],
    ids=["function", "variables", "imports", "comments", "message", "annotations"],
)
def test_a_rename_a_comment_an_import_a_message_leave_the_digest(text: str, tmp_path: Path) -> None:
    assert digest(tmp_path, text) == digest(tmp_path, MODEL)


def test_definitions_may_move_between_files_and_change_places(tmp_path: Path) -> None:
    first, second = MODEL.split("class Model")
    shift = second_half = "def shift" + first.split("def shift")[1]
    rest = first.replace(shift, "")
    moved = ("import torch\nfrom .a import scale\n" + second_half + "class Model" + second, rest)
    assert digest(tmp_path, *moved) == digest(tmp_path, MODEL)


@pytest.mark.parametrize(
    "text",
    [
        edited(("0.5", "0.25")),
        edited(("left", "up")),
        edited(("exp", "log")),
        edited(("values + RATE", "values - RATE")),
        edited(("return shift", "return scale")),
        edited(("by < 0", "by <= 0")),
        MODEL + "\nLIMIT = 3\n",
    ],
    ids=["constant", "word", "function of torch", "operator", "function of ours", "comparison", "more"],
)
def test_a_constant_an_operator_another_call_change_the_digest(text: str, tmp_path: Path) -> None:
    assert digest(tmp_path, text) != digest(tmp_path, MODEL)


def test_what_computes_a_trial_is_found_by_its_imports() -> None:
    files = {file.name for file in source_files([source._ENTRY[False]])}
    assert {"model_trial.py", "train.py", "evaluate.py", "ranking.py", "metrics.py", "reasoning.py"} <= files
    assert not files & {"prl.py", "results.py", "errors.py", "registry.py"}
    counted = {file.name for file in source_files([source._ENTRY[True]])}
    assert "train.py" not in counted and "metrics.py" in counted


def test_a_symbolic_link_on_the_way_to_the_package_changes_nothing(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(ROOT)
    entries = ("models/strategies/prl.py", "models/backbones/sasrec.py")
    assert source_files([link / entry for entry in entries]) == source_files([ROOT / entry for entry in entries])


@pytest.mark.parametrize("module", ["trial/metrics", "strategies/prl"])
def test_a_constant_in_any_file_behind_a_trial_is_noticed(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, others = source_digest("sasrec", "prl"), source_digest("bert4rec", "base")
    copy = tmp_path / ROOT.name
    shutil.copytree(ROOT / "harness", copy / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "models", copy / "models", ignore=shutil.ignore_patterns("__pycache__"))
    (file,) = copy.glob(f"*/**/{module}.py")
    file.write_text(file.read_text() + "\nLIMIT = 3\n")
    here = {name: getattr(source, name) for name in ("_ROOT", "_ENTRY", "_components")}

    def there(path: Path) -> Path:
        return copy / path.resolve().relative_to(ROOT)

    monkeypatch.setattr(source, "_ROOT", copy)
    monkeypatch.setattr(source, "_ENTRY", {kind: there(path) for kind, path in here["_ENTRY"].items()})
    monkeypatch.setattr(source, "_components", lambda *names: [there(path) for path in here["_components"](*names)])
    source_digest.cache_clear()
    assert source_digest("sasrec", "prl") != before
    assert (source_digest("bert4rec", "base") == others) is (module == "strategies/prl")
    source_digest.cache_clear()


def test_components_have_digests_of_their_own() -> None:
    pairs = [("sasrec", "erl"), ("sasrec", "prl"), ("bert4rec", "erl"), ("markov", "reference")]
    assert len({source_digest(*pair) for pair in pairs}) == len(pairs)


def test_trials_stored_by_an_earlier_version_of_the_same_numbers_are_not_called_changed() -> None:
    known = json.loads(source._KNOWN.read_text())
    built_in = {f"{backbone}/{strategy}" for backbone in BACKBONES.names() for strategy in STRATEGIES.names()}
    counts = {f"{name}/reference" for name in BASELINES.names()}
    assert known.keys() >= {pair for pair in built_in | counts if "plugin" not in pair}
    for pair, digests in known.items():
        backbone, strategy = pair.split("/")
        assert source_digest(backbone, strategy) in digests, (
            f"the source behind {pair} has changed. If its numbers have not (tests of the matrix and of stored trials "
            "say so), add the digest to known_sources.json; if they have, raise a version and start the list anew."
        )
        assert all(same_source(digest, backbone, strategy) for digest in digests)
        assert not same_source("0" * 16, backbone, strategy)
