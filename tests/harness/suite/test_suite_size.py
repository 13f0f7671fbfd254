"""Suites that would be too large for memory are refused with words, before anything is made of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils import yaml_tree as suite_yaml
from rearec_bench.harness.utils.errors import SuiteError

from .tables import check, place

HEAD = "datasets: [tiny]\nbackbones: [sasrec]\nstrategies: [base, prl]\nsteps: [1]\nseeds: [1]\n"
SWEPT = "{sweep: [" + ", ".join(f"0.{number:03}" for number in range(1, 200)) + "]}"
PRL = f"datasets: [tiny]\nbackbones: [sasrec]\nsteps: [1]\nseeds: [1]\nstrategies:\n  - prl: {{decay: {SWEPT}, "
LADDER = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
CHAIN = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))
BIG = "search: {trials: 60000}\ntraining: {lr: {search: {low: 0.1, high: 1}}}\n"
GRID = "search: {sampler: grid, trials: 3}\ntraining: {max_len: {search: {low: 1, high: 1000000000}}}\n"
LONG = "x" * 300
CASES = [
    (f"# {'x' * 300_000}\n{HEAD}", "1:1: it is too long: 300,"),
    (f"# {'x' * 2_000_000}\n{HEAD}", "1:1: too large. Allowed: up to"),
    (f"a0: &a0 [x]\n{LADDER}{HEAD}", "6:5 a5: it stands for more than 100,000 values"),
    (f"a0: &a0 [x]\n{CHAIN}{HEAD}", "60:6 a59: nested too deeply"),
    (
        f"{PRL}temperature: {SWEPT}, noise_std: {SWEPT}}}\n",
        "6:10 strategies.prl: 7,880,599 rows. Allowed: up to",
    ),
    (f"{PRL}temperature: 1}}\ntraining: {{lr: {SWEPT}}}\n", "1:1: 39,601 rows. Allowed: up to"),
    (HEAD + BIG, "1:1: 120,002 trials. Allowed: up to 100,000"),
    (HEAD + GRID, "6:19 search.sampler: a range is given for training.max_len"),
    (HEAD + 'extends: "a\\0b"\n', "6:10 extends: the character U+0000 is not allowed"),
    (HEAD + 'name: "\\ud800"\n', "6:7 name: the character U+D800 is not allowed"),
    (HEAD + 'name: "\\UFFFFFFFF"\n', "6:10: a number here is too large"),
    (HEAD + f"extends: {LONG}.yaml\n", "6:10 extends: no such file"),
    (HEAD + "extends: x.**\n", "6:10 extends: no such file"),
    (HEAD + "extends: loop.yaml\n", "6:10 extends: no such file"),
    (HEAD + f"plugins: ['{LONG}.py']\n", "6:11 plugins: no such file"),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[expected for _, expected in CASES])
def test_what_is_too_large_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(text)
    Path("loop.yaml").symlink_to("loop.yaml")
    began = time.process_time()
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my.yaml"))
    assert time.process_time() - began < 2.0
    assert len(str(caught.value)) < 10_000
    where = expected.partition(": ")[0]
    found = [problem for problem in caught.value.problems if place(problem) == where]
    check(tuple(found[:1]), expected)


def test_the_first_hundred_problems_are_told(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(HEAD + "".join(f"no_such_{number}: 1\n" for number in range(300)))
    with pytest.raises(SuiteError) as caught:
        load_suite(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == suite_yaml._MAX_PROBLEMS + 2
    assert ":105:1  these are the first 100 problems" in lines[-2]


def test_files_that_extend_each_other_for_ever_are_refused(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"s{number}.yaml").write_text(f"extends: s{number + 1}.yaml\n" if number < 39 else HEAD)
    with pytest.raises(SuiteError, match="extends: goes through more than 20 files"):
        load_suite(tmp_path / "s0.yaml")
    assert load_suite(tmp_path / "s25.yaml").datasets == ("tiny",)


def test_a_path_of_the_command_line_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(HEAD)
    with pytest.raises(SuiteError, match=r"no setting has a path of 5,001 names") as caught:
        load_suite(tmp_path / "my.yaml", overrides=("a." * 5000 + "b=1",))
    assert len(str(caught.value)) < 1000
