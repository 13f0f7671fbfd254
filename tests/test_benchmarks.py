"""The benchmark scripts in their smallest size, so that they cannot rot; no time is asserted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.analysis.crossed import difference_of
from rearec_bench.harness.datasets.catalog import load_dataset
from rearec_bench.harness.store.store import Store

from .harness.suites import run_here, suite_in

SCRIPTS = Path(__file__).parent / "benchmarks"
sys.path.insert(0, str(SCRIPTS))

from figure import Figure, table  # noqa: E402
from lint import ERRORS, measure  # noqa: E402
from resolution import Suite, drawn, in_looks, simulate  # noqa: E402
from run import SETS  # noqa: E402


def run(script: str, *words: str | Path, folder: Path) -> str:
    """What a script prints in a folder."""
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("script", [*SETS["short"], *SETS["long"], "preparation"])
def test_script_runs_and_gives_figures(script: str, tmp_path: Path) -> None:
    found = tmp_path / "figures.json"
    printed = run(script, "--tiny", "--json", found, folder=tmp_path)
    figures = [Figure(**figure) for figure in json.loads(found.read_text())]
    assert figures
    assert len({figure.name for figure in figures}) == len(figures), "each has a name of its own"
    for figure in figures:
        assert figure.measured == figure.measured, f"{figure.name} is no number"
        assert figure.name in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tiny",), "nothing to compare with: give --rearec DIR, --recbole DIR or both"),
        (("--recbole", ".", "tiny"), "it has no src/recbole3/model/rearec/model.py"),
        (("--rearec", "rearec", "none"), "not prepared in data: none"),
        (
            ("--rearec", "rearec", "tiny"),
            "No module named 'of_the_peer', which a peer imports. What to install: --help",
        ),
    ],
)
def test_peers_says_what_it_lacks(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    models = tmp_path / "rearec" / "src" / "models"
    models.mkdir(parents=True)
    for name in ("ERL", "PRL"):
        (models / f"{name}.py").write_text("import of_the_peer\n")
    command = [sys.executable, str(SCRIPTS / "peers.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_example_report_is_made_from_what_is_stored(stored: Path, tmp_path: Path) -> None:
    page = tmp_path / "example.md"
    page.write_text("Words before.\n\n<!-- results: example -->\nreplaced words\n<!-- /results -->\n\nWords after.\n")
    where = ("--results", stored, "--tiny-results", stored, "-o", tmp_path)
    run("example_report", "smoke", *where, folder=tmp_path)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Words before.") and text.rstrip().endswith("Words after.") and "replaced words" not in text
    whole = (tmp_path / "example" / "smoke.md").read_text(encoding="utf-8")
    assert "| +ERL" in whole and "## significance" in whole
    shown = [
        *re.findall(r"\]\((example/[^)]+)\)", text),
        *(f"example/{name}" for name in re.findall(r"\]\(([^)]+)\)", whole)),
    ]
    assert len(shown) > 5 and all((tmp_path / name).is_file() for name in shown)


def made_pool(draw: np.random.Generator) -> np.ndarray:
    """The shares of 200 users in 40 runs: users, runs and what is left of both differ."""
    shares = draw.normal(1, 0.5, (200, 1)) + draw.normal(0, 0.02, (1, 40)) + draw.normal(0, 0.3, (200, 40))
    return np.asarray(shares)


def test_simulated_suites_have_the_differences_of_their_users_shares() -> None:
    pool = made_pool(np.random.default_rng(0))
    suite, (first, second) = drawn(pool, (0.0, 0.1), 4, np.random.default_rng(1))
    users = np.random.default_rng(1).integers(0, 200, 200)
    shares = 1.1 * pool[users][:, second.runs] - pool[users][:, first.runs]
    assert isinstance(suite, Suite)
    found, expected = suite.less(second, first, 4), difference_of(shares)
    assert asdict(found) == pytest.approx(asdict(expected))


@pytest.mark.parametrize("seeds", [3, 6])
def test_in_simulated_suites_equal_rows_are_told_apart_in_at_most_five_of_a_hundred(seeds: int) -> None:
    pool = made_pool(np.random.default_rng(2))
    nothing = simulate(pool, (0.0,) * 4, seeds, 200, np.random.default_rng(3))
    some = simulate(pool, (0.0, 0.0, 0.3), seeds, 200, np.random.default_rng(4))
    assert nothing.wrong / 200 <= 0.08 and nothing.covered / 200 >= 0.92
    assert some.covered / 200 >= 0.92 and some.wrong / 200 <= 0.08
    assert seeds == 3 or some.share((0, 2)) > 0.9


@pytest.mark.parametrize(
    ("effect", "found", "seeds"), [(0.0, (0.0, 0.08), (9.5, 10.0)), (0.5, (0.99, 1.0), (3.0, 5.0))]
)
def test_seeds_until_decided_find_little_without_an_effect_and_stop_early_with_one(
    effect: float, found: tuple[float, float], seeds: tuple[float, float]
) -> None:
    told, fixed, used = in_looks(made_pool(np.random.default_rng(5)), effect, 200, np.random.default_rng(6))
    assert found[0] <= told <= found[1] and found[0] <= fixed <= found[1] and seeds[0] <= used <= seeds[1]


def test_a_missed_target_is_said() -> None:
    shown = table([Figure("a", 1.3, target=1.25), Figure("b", 6.0, target=6.0, sense="min"), Figure("c", 2.0)])
    missed, met, free = shown.splitlines()[2:]
    assert "at most 1.25x" in missed and "1.3x (missed)" in missed
    assert "at least 6x" in met and "missed" not in met
    assert "at" not in free.split("|")[2]


def test_lint_finds_every_kind_of_error_and_accuses_no_table_without() -> None:
    found, accused = measure(50, 12, (5,))
    assert accused == {5: 0}
    assert {kind for (kind, _), each in found.items() if any(each)} == {*ERRORS}


@pytest.mark.slow
def test_packing_quality_has_both_ways_of_a_row(tmp_path: Path) -> None:
    suite = suite_in(
        tmp_path,
        name="packings",
        backbones="[sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}]",
        strategies="[base]",
        seeds="[1, 2]",
        training="{lr: 0.01, batch_size: 512, max_len: 10, max_epochs: 1, packing: {sweep: [none, users]}}",
    )
    run_here(suite, Store(tmp_path / "results"), load_dataset("tiny", data_dir=tmp_path))
    printed = run("packing_quality", "packings", folder=tmp_path)
    assert re.search(r"^\| tiny \| base \| 2 \| [.\d]+ \| [.\d]+ \| [+-][.\d]+% \[", printed, flags=re.MULTILINE), (
        printed
    )
