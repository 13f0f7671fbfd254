"""Small inputs that once went wrong, in ../shared/cases: what a user typed, and what is right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rearec_bench.cli import main

CASES = Path(__file__).resolve().parents[3].parent / "shared" / "cases"
SAME = "fingerprint +95c620a45127"
MILLISECONDS = "prepare --recipe {0}/r.yaml --source {0} --name x; datasets show x"
MASKED = "prepare synthetic --users 150 --items 120 --mean-length 60 --name sy; run mh5.yaml; report mh5 --format csv"


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    ("folder", "typed", "status", "said"),
    [
        (
            "splits_short_row",
            "prepare splits --source shorttest --name st",
            2,
            r"csv:2  has 2 fields.*\n.*: 10\.",
        ),
        ("released_raw_ids", "prepare released --source huge --name mine", 2, r"20 different ids.* 1,900,000,000"),
        ("csv_error_traceback", "prepare --recipe r.yaml --source cr --name x; datasets show x", 0, SAME),
        ("csv_error_traceback", "prepare --recipe rnh.yaml --source longfirst", 0, r"^rnh  400 users, .* 4,400 "),
        ("milliseconds_second_guessed", MILLISECONDS.format("t_y1972ms"), 0, SAME),
        ("milliseconds_second_guessed", MILLISECONDS.format("t_y1970ms"), 0, SAME),
        ("milliseconds_second_guessed", MILLISECONDS.format("t_straddle"), 0, SAME),
        ("milliseconds_second_guessed", MILLISECONDS.format("neg1"), 0, " 480 interactions"),
        ("milliseconds_second_guessed", MILLISECONDS.format("zero"), 0, "10 of 480 times are 0"),
        (
            "one_item_catalogue",
            "prepare sequences --source oneitem --name oneitem",
            2,
            "has one item.* Nothing was written",
        ),
        pytest.param("mask_history_only_max_len", MASKED, 0, r"popularity.*ndcg@20,0\.3225", marks=pytest.mark.slow),
    ],
)
def test_what_once_went_wrong_is_right(
    folder: str, typed: str, status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(CASES / folder, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    told = [CliRunner().invoke(main, line.split()) for line in typed.split("; ")][-1]
    assert (told.exit_code, bool(re.search(said, told.output, re.MULTILINE))) == (status, True), told.output
