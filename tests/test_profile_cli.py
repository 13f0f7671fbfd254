"""`rearec-bench profile` and `report --table latency` at the command line, on the smallest models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rearec_bench.cli import main
from rearec_bench.harness.profile.store import ProfileStore

from .harness.suites import suite_text

SUITE = {
    "backbones": "[sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}]",
    "references": "[popularity]",
    "strategies": "[base, prl: {temperature: {search: [0.5, 1]}}]",
    "steps": "{search: [1, 3]}",
    "training": "{batch_size: 64, max_len: 5, packing: users}",
}
SMALL = ("--set", "backbones.sasrec.width=8", "--set", "training.batch_size=64", "--set", "training.max_len=5")
QUICK = ("--rows", "20", "--repeats", "2")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with the profiles of a suite and of options."""
    import torch

    threads, folder = torch.get_num_threads(), tmp_path_factory.mktemp("profiles")
    (folder / "small.yaml").write_text(suite_text(**SUITE))
    options = ("--dataset", "tiny", "--steps", "1..2", "--strategy", "erl", *SMALL)
    for name, arguments in (("small.txt", (folder / "small.yaml",)), ("options.txt", options)):
        done = invoke("profile", *arguments, *QUICK, "--results", folder / "results")
        assert done.exit_code == 0, done.output
        (folder / name).write_text(done.stdout)
    torch.set_num_threads(threads)
    return folder / "results"


def test_a_suite_is_profiled_row_by_row_with_no_steps_first(results: Path) -> None:
    base, prl = ProfileStore(results).read(["small"])
    assert (base.subject.row, [line.steps for line in base.lines]) == ("base", [0])
    assert (prl.subject.row, [line.steps for line in prl.lines]) == ("prl", [0, 1, 3])  # all that the search may choose
    assert prl.subject.rows == 20 and prl.subject.all_rows == 424
    for line in prl.lines:
        assert len(line.times.seconds) == len(line.training.times.seconds) == 2
        assert all(seconds > 0 for seconds in (*line.times.seconds, *line.training.times.seconds))
        assert line.bound_s and line.over_bound
        assert line.training.rows_per_s > 0
    assert prl.reach.flops_per_s > 0 and prl.reach.bytes_per_s > 0
    assert [part.name for part in prl.parts] == ["data", "encode", "step 1", "step 2", "step 3", "score"]


def test_no_steps_are_the_base_and_steps_cost_more_operations_and_position_embeddings(results: Path) -> None:
    _, prl = ProfileStore(results).read(["small"])
    none, one, three = prl.lines
    assert none.flops_formula < one.flops_formula < three.flops_formula
    assert none.flops_counted < one.flops_counted < three.flops_counted
    assert (one.parameters - none.parameters, three.parameters - none.parameters) == (8, 24)


def test_the_terminal_shows_the_papers_layout_and_the_rest_below(results: Path) -> None:
    text = (results.parent / "small.txt").read_text()
    table, *rest = text.split("\n\ntiny SASRec ")
    assert [line.split("|")[3].strip() for line in table.splitlines() if line.startswith("|")][2:] == [
        *("Base", "Base", "Step-1", "Step-3")
    ]
    assert len(rest) == 2
    for words in ("ms a step", "rows/s", "formula", "x bound", "MB moved", "optimiser", "of peak", "parameters"):
        assert words in rest[1]
    stored = ProfileStore(results)
    assert all(str(stored.path(profile)) in text for profile in stored.read(["small"]))
    assert text.rstrip().endswith(f"rearec-bench report small --table latency --results {results}")
    assert max(map(len, rest[1].splitlines())) <= 125


def test_options_make_a_suite_of_their_own(results: Path) -> None:
    (erl,) = ProfileStore(results).read(["profile"])
    assert (erl.subject.row, erl.subject.steps) == ("erl", (0, 1, 2))
    assert erl.subject.spec.backbone.settings["width"] == 8
    assert "Paper" not in (results.parent / "options.txt").read_text()


@pytest.mark.slow
def test_the_report_shows_what_is_stored_without_loading_torch_or_ray(results: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys\nfrom rearec_bench.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print(json.dumps(sorted({'torch', 'ray', 'scipy', 'sklearn'} & set(sys.modules))))"
    )
    arguments = ("report", "--table", "latency", "--results", str(results))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "## small" in done.stdout and "## profile" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "rearec-bench profile --dataset NAME"),
        (["nosuch"], "Bundled: "),
        (["--dataset", "nosuch"], "nosuch is not prepared."),
        (["--dataset", "yelp"], "rearec-bench prepare yelp --source DIR"),
        (["--dataset", "tiny", "--backbone", "sasrek"], "Did you mean 'sasrec'?"),
        (["--dataset", "tiny", "--backbone", "bert4rec", "--set", "training.packing=users"], "needs a causal backbone"),
        (["--dataset", "tiny", "--repeats", "0"], "--repeats"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_and_nothing_is_stored(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("profile", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_not_there_is_no_silent_fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = invoke("profile", "smoke", "--device", "cuda", "--results", tmp_path / "results")
    assert done.exit_code == 2
    assert "there is no GPU" in done.stderr and "--device cpu" in done.stderr


def test_a_row_on_a_backbone_of_its_own_is_profiled_once_for_all_backbones(tmp_path: Path) -> None:
    own = "[base: {name: gated, on: esasrec}]"
    one = "sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}"
    backbones = f"[{one}, {one.replace('{', '{name: second, ')}]"
    (tmp_path / "own.yaml").write_text(
        suite_text(**{**SUITE, "strategies": own, "backbones": backbones, "steps": "[1]"})
    )
    done = invoke("profile", tmp_path / "own.yaml", *QUICK, "--results", tmp_path / "results")
    assert done.exit_code == 0, done.output
    (profile,) = ProfileStore(tmp_path / "results").read(["own"])
    assert (profile.subject.backbone, profile.subject.row) == ("esasrec", "gated")
