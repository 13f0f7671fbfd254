"""docs/plugins.md, as a stranger would follow it: its file and its suite are taken from the page, word for word."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from rearec_bench.cli import main
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.trial.start import run_trial
from rearec_bench.harness.utils import registry
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES, Registry
from rearec_bench.models.backbones.contract import Histories
from rearec_bench.models.layers import initialise
from rearec_bench.models.reasoning import ReasoningModel

from .harness.suites import run_here
from .models.naive import bare, strengthen
from .models.training import ROWS, few_rows, gradients, reached, set_up
from .pages import ROOT, blocks, files, page, typed

PAGE = page("plugins")
FILES = files(PAGE)
LABELS = ("Base", "+ERL", "+ramp[growth=1]", "+ramp[growth=2]")
CUT = ("backbones.sasrec.width=8", "backbones.gru.width=8", "training.max_epochs=2", "seeds=[1]")
HISTORIES = [[3], [9, 9, 0], [22, 5, 14, 2, 8, 8, 1, 0, 3]]
N = 23


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[Path]:
    """A folder with the page's two files; the installed module leaves with the test."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("gru_ramp", None)


@pytest.fixture
def classes(place: Path) -> tuple[Any, Any]:
    """The page's backbone and strategy."""
    load_suite(place / "gru_ramp.yaml")
    return BACKBONES.component("gru"), STRATEGIES.component("ramp")


@pytest.fixture
def tiny(tmp_path: Path) -> Dataset:
    return load_dataset("tiny", data_dir=tmp_path)


def shows_all_rows(report: str) -> bool:
    cells = [cell.strip() for line in report.splitlines() if line.startswith("|") for cell in line.split("|")]
    return [cells.count(label) for label in ("SASRec", "gru", *LABELS)] == [1, 1, 2, 2, 2, 2]


def test_the_file_has_under_sixty_lines_and_the_readme_leads_to_the_page() -> None:
    assert set(FILES) == {"gru_ramp.py", "gru_ramp.yaml"}
    assert len(FILES["gru_ramp.py"].splitlines()) < 60
    assert "docs/plugins.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_suite_runs_to_its_end_and_the_report_shows_the_rows(place: Path, tiny: Dataset) -> None:
    suite, store = load_suite(place / "gru_ramp.yaml", overrides=CUT), Store(place / "results")
    run_here(suite, store, tiny)
    assert len(expand(suite)) == 8 and len(store.keys()) == 8
    reported = CliRunner().invoke(main, ["report", "gru_ramp"])
    assert shows_all_rows(reported.output), reported.output


@pytest.mark.slow
def test_the_commands_of_the_page_as_they_stand(place: Path) -> None:
    commands = [command for command, _ in typed(PAGE)]
    assert [command.split()[1] for command in commands] == ["check", "run", "run", "report"]
    for command in commands:
        words = [str(Path(sys.executable).parent / "rearec-bench"), *command.split()[1:]]
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert shows_all_rows(done.stdout)


def gru_step(gru: torch.nn.GRU, x: Tensor, h: Tensor) -> Tensor:
    """(d,) and (d,) to (d,): one step of a gated recurrent unit, from its definition (Cho et al. 2014)."""
    reset, update, new = (gru.weight_ih_l0 @ x + gru.bias_ih_l0).chunk(3)
    reset_h, update_h, new_h = (gru.weight_hh_l0 @ h + gru.bias_hh_l0).chunk(3)
    keep = 1 / (1 + torch.exp(-update - update_h))
    return (1 - keep) * torch.tanh(new + new_h / (1 + torch.exp(-reset - reset_h))) + keep * h


def encoded_again(model: ReasoningModel, history: list[int]) -> Tensor:
    """(K + 1, d) states of one row, the whole extended sequence gone through for each of them."""
    inputs = [model.backbone.items[item] for item in history]
    states: list[Tensor] = []
    for step in range(model.steps + 1):
        if step:
            inputs.append(states[-1] + model.reasoning_positions[step - 1])
        h = torch.zeros(model.backbone.width, dtype=torch.float64)
        for x in inputs:
            h = gru_step(model.backbone.gru, x, h)
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("steps", [0, 2])
def test_cached_steps_of_the_backbone_equal_encoding_again(classes: tuple[Any, Any], steps: int) -> None:
    backbone = bare(classes[0], {"width": 6}, num_items=N, max_len=12)
    model = ReasoningModel(backbone, steps=steps, positions=True).eval()
    initialise(model, 0)
    strengthen(model, 0)
    longest = max(map(len, HISTORIES))
    items = torch.tensor([history + [N] * (longest - len(history)) for history in HISTORIES])
    lengths = torch.tensor([len(history) for history in HISTORIES])
    alone = model.reason(Histories(items, lengths))[:, 0]
    prefixes = model.reason(Histories(items, lengths, every_prefix=True))
    for row, history in enumerate(HISTORIES):
        torch.testing.assert_close(alone[row], encoded_again(model, history), rtol=1e-11, atol=1e-11)
        for end in range(1, len(history) + 1):
            expected = encoded_again(model, history[:end])
            torch.testing.assert_close(prefixes[row, end - 1], expected, rtol=1e-11, atol=1e-11)
    first, cache = backbone.encode(Histories(items, lengths))
    assert torch.equal(backbone.advance(first, cache)[0], backbone.advance(first, cache)[0]), "the cache stays"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("steps", [0, 2])
def test_gradients_reach_every_parameter_of_the_backbone_but_the_padding_row(
    classes: tuple[Any, Any], tiny: Dataset, steps: int, packed: bool
) -> None:
    settings = {"width": 6, "dropout": 0.0}
    setup = set_up(few_rows(tiny, 100), *classes, steps, settings=settings, packed=packed)
    found = gradients(setup)
    assert ("reasoning_positions" in found) == (steps > 0)
    for name, gradient in found.items():
        expected = torch.ones(gradient.shape, dtype=torch.bool)
        if name == "backbone.items":
            expected[-1] = False
        assert torch.equal(reached(gradient), expected), name


def test_the_strategy_weighs_steps_as_the_page_says(classes: tuple[Any, Any], tiny: Dataset) -> None:
    settings = {"width": 6, "dropout": 0.0}
    setup = set_up(few_rows(tiny, 100), *classes, 2, settings=settings, hyper={"growth": 3.0})
    strengthen(setup.model, 5)
    with torch.no_grad():
        reasoned, catalogue = setup.trainer.reason(ROWS, 1)
        loss, _ = setup.strategy.loss(reasoned, catalogue)
        scores = reasoned.states @ catalogue.vectors.T
        targets = reasoned.targets[:, None, None].expand(-1, 3, 1)
        by_step = -scores.log_softmax(-1).gather(-1, targets)[..., 0].mean(0)
    assert float(loss) == pytest.approx(float(by_step[0] + 3 * by_step[1] + 9 * by_step[2]), rel=1e-12)
    states = reasoned.raw
    expected = states[:, 0] + 3 * states[:, 1] + 9 * states[:, 2]
    torch.testing.assert_close(setup.strategy.readout(states), expected)


def ranks(place: Path, text: str, tiny: Dataset) -> list[int]:
    """Of one short run of gru with ramp, where the plug-in's text is this."""
    (place / "gru_ramp.py").write_text(text)
    sys.modules.pop("rearec_bench_plugin_gru_ramp", None)
    suite = load_suite(place / "gru_ramp.yaml", overrides=CUT)
    given = {"seed": 1, "purpose": "final", "fingerprint": tiny.fingerprint, "device": "cpu"}
    result = run_trial(expand(suite)[-1].spec({}, **given), tiny)
    assert result.test is not None, result.traceback
    return result.test.rows.step_ranks.ravel().tolist()


@pytest.mark.slow
def test_dropout_of_torch_itself_repeats_too_as_the_page_says(place: Path, tiny: Dataset) -> None:
    foreign = FILES["gru_ramp.py"].replace("Dropout(settings", "nn.Dropout(settings")
    assert ranks(place, foreign, tiny) == ranks(place, foreign, tiny)


@pytest.mark.slow
def test_a_score_temperature_is_optional_as_the_page_says(place: Path, tiny: Dataset) -> None:
    lines = FILES["gru_ramp.py"].splitlines(keepends=True)
    without = "".join(line for line in lines if "score_temperature" not in line)
    assert len(without) < len(FILES["gru_ramp.py"])
    assert np.array_equal(ranks(place, without, tiny), ranks(place, FILES["gru_ramp.py"], tiny))


def test_a_raised_version_makes_new_trials_of_the_component_alone(place: Path) -> None:
    def keys() -> list[str]:
        sys.modules.pop("rearec_bench_plugin_gru_ramp", None)
        given = {"seed": 1, "purpose": "final", "fingerprint": "f", "device": "cpu"}
        return [cell.spec({}, **given).key for cell in expand(load_suite(place / "gru_ramp.yaml"))]

    line = next(block for block in blocks(PAGE, "python") if "version" in block).splitlines()[1]
    before = keys()
    text = FILES["gru_ramp.py"].replace("        growth: float", f"{line}\n\n        growth: float")
    text = text.replace("from torch import", "from typing import ClassVar\n\nfrom torch import", 1)
    (place / "gru_ramp.py").write_text(text)
    assert [one == other for one, other in zip(before, keys(), strict=True)] == [True, True, False, False] * 2


def test_the_entry_points_of_the_page_are_found(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = tomllib.loads(blocks(PAGE, "toml")[0])["project"]["entry-points"]
    found = [EntryPoint(name, value, group) for group, table in groups.items() for name, value in table.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in found if point.group == group])
    monkeypatch.syspath_prepend(place)
    for held, name in ((BACKBONES, "gru"), (STRATEGIES, "ramp")):
        assert held._group in groups
        installed = Registry(held.kind, held._group, ())
        assert installed.names() == [name]
        assert installed.settings(name) is installed.component(name).Settings
