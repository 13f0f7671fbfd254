"""`rearec-bench check PLUGIN.py`: one line for what a plug-in breaks, all rows at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.run.runner import dry_run
from rearec_bench.harness.suite.bundled import shipped_suites
from rearec_bench.harness.suite.load import load_suite

DOCS = Path(__file__).resolve().parents[3] / "docs" / "plugins.md"
FILE = re.search(r"```python\n(# gru_ramp\.py.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
BUILT_IN = ("base", "naive", "rpe", "erl", "prl", "plr", "mancar", "lares")
LAST = "states = states[arange(len(states)), histories.lengths - 1][:, None]"


def check(folder: Path, name: str, *changes: tuple[str, str]) -> Result:
    """Check the plug-in of the docs after changes of its text; its components are named after the case."""
    text = FILE.replace('{"gru": GRU}', f'{{"{name}_gru": GRU}}').replace('{"ramp": Ramp}', f'{{"{name}_ramp": Ramp}}')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / f"{name}.py").write_text(text)
    (folder / "sub").mkdir()
    return CliRunner().invoke(
        main, ["check", str(folder / "sub" / ".." / f"{name}.py"), "--data-dir", str(folder / "data")]
    )


def test_a_plug_in_that_keeps_its_contracts_passes(tmp_path: Path) -> None:
    done = check(tmp_path, "right")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert all(line.startswith("ok  tiny ") for line in lines)
    assert {tuple(line.split()[2:4]) for line in lines} == {
        *(("right_gru", row) for row in (*BUILT_IN, "right_ramp")),
        *((backbone, "right_ramp") for backbone in ("sasrec", "bert4rec")),
    }
    assert {line.split()[4] for line in lines if "right_gru right_ramp" in line} == {"K=0", "K=2"}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("shape", (LAST, LAST.removesuffix("[:, None]")), "shape_gru base K=0  encode: (6, 64), where (6, 1, 64)"),
        ("detached", ("return terms.total,", "return terms.total.detach(),"), "ramp K=0  loss: it has no gradient"),
        ("vector", ("return terms.total,", "return terms.total.expand(3),"), "ramp K=0  loss: (3,), where one number"),
        ("nothing", ("def loss", "def lost"), "nothing_ramp K=0  loss: it is not there"),
        ("still", ("def advance", "def advanced"), "still_gru base K=0  advance: it is not there"),
        (
            "flip",
            ("self.items[histories.items]", "self.items[histories.items.flip(1)]"),
            "changes the state of an earlier",
        ),
        ("few", ("else self.items[: self.num_items]", "else self.items[:3]"), "item_vectors: (3, 64), where (200, 64)"),
        ("read", ("* states[..., step, :]", "* states[..., step]"), "read_ramp K=2  readout: "),
        (
            "count",
            ("    def readout", "    def prepare(self, seen):\n        seen.users.mode()\n\n    def readout"),
            "count_ramp K=0  prepare: AttributeError",
        ),
        ("pads", ("histories.lengths - 1", "-1"), "encode: what stands in the padding changes the states"),
    ],
)
def test_what_is_broken_is_told_with_its_row_and_method(
    tmp_path: Path, name: str, change: tuple[str, str], said: str
) -> None:
    done = check(tmp_path, name, change)
    assert done.exit_code == 1, done.output
    assert said in done.output
    *lines, last = done.output.splitlines()
    assert all(line.startswith(("ok  ", "broken  ")) for line in lines)
    faults = [line.split(maxsplit=5) for line in lines if line.startswith("broken")]
    cells = len({tuple(words[1:5]) for words in faults})
    assert last == f"{cells} of {5 + 2 * len(BUILT_IN)} cells do not work."
    assert any(line.startswith("ok") for line in lines), "the others go on"
    whole = [(words[2], words[5]) for words in faults if not words[5].startswith("the same as ")]
    assert len(whole) == len(set(whole)), "a backbone's fault is told once"


def test_a_file_without_a_component_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("class Mine: pass\n")
    for name in ("empty.py", "none.py"):
        done = CliRunner().invoke(main, ["check", str(tmp_path / name)])
        assert done.exit_code == 2 and name in done.output


@pytest.mark.parametrize("name", ["smoke", "smoke_text"])
def test_built_in_components_keep_the_contracts(name: str, tmp_path: Path) -> None:
    said: list[str] = []
    assert dry_run(load_suite(shipped_suites()[name]), data_dir=tmp_path, say=said.append) == 0, said
