"""The command line: exit codes, words, and what each command hands to the harness."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from rearec_bench import __version__
from rearec_bench.cli import main
from rearec_bench.harness.report.report import FORMATS
from rearec_bench.harness.run import runner as execute
from rearec_bench.harness.run.outcome import RunOutcome
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.errors import InputError, StoreError
from rearec_bench.harness.utils.registry import BACKBONES, BASELINES, STRATEGIES

from .harness.suites import suite_text

Invoke = Callable[..., Result]
OUTCOME = RunOutcome(
    done=6, diverged=0, failed=(), notes=(), interrupted=False, left=0, started=0, wall_s=1.0, ray_s=0.0
)


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: str | Path, **settings: Any) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **settings)

    return go


@pytest.fixture
def results(stored: Path, tmp_path: Path) -> Path:
    """A copy of stored results, to be changed at will."""
    shutil.copytree(stored, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunOutcome | BaseException], list[dict[str, Any]]]:
    """Make `run` end in a given way; what it was asked for."""

    def ends(how: RunOutcome | BaseException) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def run_suite(suite: Any, **given: Any) -> RunOutcome:
            asked.append({"suite": suite, **given})
            if isinstance(how, BaseException):
                raise how
            return how

        monkeypatch.setattr(execute, "run_suite", run_suite)
        return asked

    return ends


def key_of(results: Path, *, purpose: str = "final", strategy: str = "erl") -> str:
    store = Store(results)
    specs = (store.summary(key).spec for key in sorted(store.keys()))
    return next(spec.key for spec in specs if (spec.purpose, spec.strategy.kind) == (purpose, strategy))


# ---- the program


def test_the_version_is_the_packages(invoke: Invoke) -> None:
    assert invoke("--version").output == f"rearec-bench {__version__}\n"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(InputError("no such"), 2, "no such\n"), (StoreError("full"), 1, "full\n"), (KeyboardInterrupt(), 130, "")],
    ids=["input", "store", "Ctrl-C"],
)
def test_an_error_is_its_own_words_on_stderr_and_a_status(
    invoke: Invoke, ran: Any, error: BaseException, status: int, words: str
) -> None:
    ran(error)
    done = invoke("run", "smoke")
    assert (done.exit_code, done.stdout) == (status, "")
    assert done.stderr == words or not words


def test_debug_shows_the_traceback(invoke: Invoke, ran: Any) -> None:
    ran(InputError("no such thing"))
    assert isinstance(invoke("--debug", "run", "smoke").exception, InputError)
    assert isinstance(invoke("run", "smoke", env={"REAREC_BENCH_DEBUG": "1"}).exception, InputError)


@pytest.mark.slow
def test_a_reader_that_goes_away_leaves_no_traceback() -> None:
    program = [sys.executable, "-c", "from rearec_bench.cli import main; main()", "list"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(program, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


REFUSED = [
    ("repotr", "'report'"),
    ("run smoke --result x", "'--results'"),
    *((f"run smoke --time-budget {text}", "not a valid duration") for text in ("soon", "0s", "30m2h", "-1h")),
    ("run smoke --set training.learning_rate=1", "training.learning_rate: unknown"),
    ("run smok", "Did you mean 'smoke'?"),
    ("run suites/smoke.yaml", "type smoke"),
    ("run mine.yaml", "no such file"),
    ("plan missing.yaml", "no such file"),
    ("list startegies", "'startegies'. Did you mean 'strategies'?"),
    *((f"plan smoke --detect {text}", f"'{text}' is not a percentage above 0") for text in ("-1", "x", "0%", "nan")),
    ("plan smoke --detect", "--detect needs a value. --detect PERCENT: What detecting a difference of"),
    ("--debug results export x --to", "--to needs a value. --to [trec|optuna|mlflow]: "),
    ("run smoke --wait=1", "Option '--wait' does not take a value."),
    ("plan smoke --detect 3% --from other", "--detect takes no --from."),
    ("report", "Type:  rearec-bench run SUITE.yaml"),
    ("report smoke -o x.docx", "x.docx: no format ends in .docx. Allowed: .md, .txt, .tex, .csv, .json, .html"),
    ("report smoke --source paper", "--source paper cannot be combined with a suite"),
    ("report --source paper --table table9", "unknown table of the paper 'table9'."),
    ("report --figures f --table steps", "--figures takes no --table."),
    ("report --figures f --user 1 --aggregates", "Leave out one of the two."),
    ("report --table steps --aggregates", "Leave out --aggregates,"),
    ("report --paper-kit k --figures f", "--paper-kit takes no --figures."),
    ("report --format html --spread --marks", "takes no --spread or --marks."),
    ("report --figure fig2_ceiling", "--figure and --user belong to --figures DIR."),
    (
        "prepare ml-100k",
        "rearec-bench prepare ml-100k --source DIR\n  DIR holds (or is, as ml-100k.zip) GroupLens's u.data",
    ),
    ("prepare ml-100k", "or RecBole's ml-100k.inter and ml-100k.item"),
    ("prepare ml-100 --source .", "Did you mean 'ml-100k'?"),
    ("datasets show ml-100k", "rearec-bench prepare ml-100k --source DIR"),
    ("embed nowhere", "nowhere is not prepared."),
    ("embed tiny", "tiny is embedded"),
    ("embed tiny --encoder bert", "Known: tfidf-svd, hf:MODEL, file:PATH."),
]


@pytest.mark.parametrize(("typed", "words"), REFUSED, ids=[typed for typed, _ in REFUSED])
def test_what_cannot_be_is_refused_with_a_way_out_and_nothing_starts(
    invoke: Invoke, ran: Any, tmp_path: Path, typed: str, words: str
) -> None:
    asked = ran(OUTCOME)
    done = invoke(*typed.split())
    assert (done.exit_code, done.stdout, asked) == (2, "", [])
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


# ---- run


def test_run_hands_its_options_over(invoke: Invoke, ran: Any, results: Path) -> None:
    asked = ran(OUTCOME)
    done = invoke(
        *("run", "smoke", "--set", "seeds=[7]", "--gpu", "0.25", "--cpu", "2", "--address", "a:1", "--data-dir", "d"),
        *("--max-concurrent", "3", "--max-trials", "4", "--refresh", "--retry-failed", "--time-budget", "1h30m"),
    )
    assert done.exit_code == 0, done.output
    (given,) = asked
    assert given["suite"].seeds == (7,)
    assert given["data_dir"] == Path("d")
    assert given["store"].root == Path("results")
    assert given["options"] == execute.RunOptions(
        gpu=0.25,
        cpu=2.0,
        address="a:1",
        max_concurrent=3,
        max_trials=4,
        refresh=True,
        retry_failed=True,
        time_budget_s=5400.0,
    )
    assert given["options"].command.startswith("rearec-bench run smoke --set 'seeds=[7]' --gpu 0.25")


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ({}, 0, ""),
        ({"done": 5, "diverged": 1}, 0, ""),
        ({"failed": (("7f3a91c2" * 4, "no such layer"),)}, 1, "no such layer   (rearec-bench show 7f3a91c2)"),
        ({"failed": (("7f3a91c2" * 4, "no such layer"),)}, 1, "--retry-failed"),
        ({"left": 4}, 0, "4 trials are left."),
        ({"left": 4, "ended_by": "time budget", "failed": (("7f" * 16, "a reason"),)}, 3, "4 trials are left."),
        ({"interrupted": True, "ended_by": "interrupted"}, 130, ""),
        ({"interrupted": True, "ended_by": "terminated"}, 143, ""),
    ],
    ids=["done", "diverged", "failed", "retry", "max-trials", "time budget", "Ctrl-C", "SIGTERM"],
)
def test_the_exit_status_says_how_a_run_ended_and_the_table_comes_last(
    invoke: Invoke, ran: Any, results: Path, how: dict[str, Any], status: int, words: str
) -> None:
    ran(dataclasses.replace(OUTCOME, **how))
    done = invoke("run", "smoke")
    assert done.exit_code == status and words in done.stderr
    assert ("+ERL" in done.stdout) == ("interrupted" not in how)
    assert done.stdout.endswith(invoke("report", "smoke").stdout) == ("interrupted" not in how)


def test_a_file_goes_before_a_suite_that_ships(invoke: Invoke, ran: Any, tmp_path: Path) -> None:
    asked = ran(InputError("enough"))
    (tmp_path / "smoke").write_text(suite_text(name="own"))
    invoke("run", "smoke")
    assert asked[0]["suite"].name == "own"


def test_where_nothing_is_stored_detect_is_one_line_with_the_pilot(invoke: Invoke, tmp_path: Path) -> None:
    (line,) = invoke("plan", "smoke", "--detect", "3%", "--results", tmp_path).stdout.splitlines()
    assert line.endswith("rearec-bench run smoke --set seeds=[1,2]")


def test_a_data_set_that_is_not_prepared_stops_run_and_not_plan_in_the_same_words(
    invoke: Invoke, tmp_path: Path
) -> None:
    ran, planned = invoke("run", "ml100k"), invoke("plan", "ml100k")
    words = "ml-100k is not prepared. Type:  rearec-bench prepare ml-100k --source DIR"
    assert (ran.exit_code, planned.exit_code) == (2, 0)
    assert ran.stderr.splitlines()[0] == words
    assert words in planned.stdout
    assert ran.stderr.splitlines()[1].strip() in planned.stdout
    total = planned.stdout.splitlines()[-1].split()[0]
    assert f"{total} of them are of data sets that are not prepared: which of those are stored" in planned.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("run ml100k --data-dir=there", "rearec-bench prepare ml-100k --source DIR --data-dir there\n"),
        ("plan ml100k --results r --data-dir 'my data'", "prepare ml-100k --source DIR --data-dir 'my data'\n"),
        ("report --results there", "Type:  rearec-bench run SUITE.yaml --results there\n"),
        ("report", "Type:  rearec-bench run SUITE.yaml\n"),
    ],
)
def test_a_command_to_type_has_the_folders_that_were_typed(typed: str, hint: str, invoke: Invoke) -> None:
    assert hint in invoke(*shlex.split(typed)).output


def test_a_dry_run_builds_every_cell_and_stores_nothing(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("run", "smoke", "--dry-run")
    assert done.exit_code == 0
    assert [line.split("  ")[:2] for line in done.stdout.splitlines()] == [
        ["ok", "tiny popularity reference K=0"],
        ["ok", "tiny markov reference K=0"],
        ["ok", "tiny sasrec base K=0"],
        ["ok", "tiny sasrec erl K=2"],
        ["ok", "tiny sasrec prl K=2"],
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_suite_runs_from_the_command_line_and_a_second_time_runs_nothing(
    invoke: Invoke, tmp_path: Path, fake_ray: None
) -> None:
    small = "[sasrec: {width: 8, layers: 1, feed_forward: 8}]"
    parts = {"backbones": small, "training": "{max_epochs: 1, packing: users}"}
    (tmp_path / "little.yaml").write_text(suite_text(**parts))
    first = invoke("run", "little.yaml")
    assert (first.exit_code, first.stderr) == (0, ""), first.output
    head, trial, blank, *table = first.stdout.splitlines()
    assert head.startswith("little  1 cell, 1 trial (0 stored)")
    assert " done " in trial
    assert blank == ""
    assert table == invoke("report").stdout.splitlines()
    again = invoke("run", "little.yaml")
    assert again.exit_code == 0
    assert " done " not in again.stdout
    assert again.stdout.splitlines()[-len(table) :] == table


# ---- report


@pytest.mark.parametrize(("ending", "form"), [("tex", "latex"), ("csv", "csv"), ("json", "json"), ("md", "markdown")])
def test_the_ending_of_the_file_chooses_the_format(
    invoke: Invoke, results: Path, tmp_path: Path, ending: str, form: str
) -> None:
    done = invoke("report", "smoke", "-o", f"table.{ending}")
    assert (done.exit_code, done.stdout) == (0, "")
    expected = invoke("report", "smoke", "--format", form).stdout
    assert expected.startswith({"markdown": "|", "latex": "%", "csv": "dataset,", "json": "{"}[form])
    assert (tmp_path / f"table.{ending}").read_text() == expected
    invoke("report", "smoke", "-o", f"table.{ending}", "--format", "json")
    assert (tmp_path / f"table.{ending}").read_text().startswith("{"), "the option goes before the ending"


def test_every_suite_is_reported_where_none_is_named(invoke: Invoke, results: Path) -> None:
    store = Store(results)
    store.write_suite("other", *store.read_suite("smoke"))
    assert invoke("report").stdout.count("## ") == 2
    assert "## " not in invoke("report", "smoke").stdout


def test_the_options_offer_what_the_report_knows() -> None:
    options = {parameter.name: parameter for parameter in main.commands["report"].params}
    assert tuple(options["form"].type.choices) == (*FORMATS, "html")


# ---- prepare and datasets


def sequences(folder: Path) -> Path:
    """A sequence file in which every item is in training."""
    lines = [f"u{user} " + " ".join(f"i{(user + step) % 7}" for step in range(7)) for user in range(6)]
    file = folder / "sequences.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_prepare_shows_the_short_card_and_the_next_command(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("prepare", "sequences", "--name", "mine", "--source", sequences(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("mine  6 users, 7 items, ")
    assert "Next:        datasets: [mine]" in done.stdout
    listed, shown = invoke("datasets", "list").stdout, invoke("datasets", "show", "mine").stdout
    assert "mine" in listed
    assert "sequences.txt" in shown
    assert json.loads((tmp_path / "data" / "mine" / "card.json").read_text())["fingerprint"] in shown
    assert invoke("datasets", "show", "tiny").stdout.startswith("tiny  320 users, 200 items")


def split(folder: Path, *, items: int = 4) -> Path:
    """A ready split of 4 items, of which the first few have a title."""
    rows = {"train": "u,i0,i1 i2\nu,i3,i1 i2 i0\n", "valid": "v,i2,i3\n", "test": "v,i1,i3 i2\n"}
    for name, text in rows.items():
        (folder / f"{name}.csv").write_text("user_id,item_id,history\n" + text)
    titles = ("blue cup", "blue plate", "red plate", "red cup")[:items]
    lines = [json.dumps({"item_id": f"i{item}", "title": title}) for item, title in enumerate(titles)]
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_embed_says_what_was_made_and_the_card_shows_it(invoke: Invoke, tmp_path: Path) -> None:
    invoke("prepare", "splits", "--name", "mine", "--source", split(tmp_path, items=3))
    done = invoke("embed", "mine", "--width", "2")
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "data" / "mine" / "vectors.json").read_text())
    assert done.stdout.splitlines()[:6] == [
        "4 item vectors of width 2 by tfidf-svd",
        "  texts                 of 3 items",
        "  template              The item information is as follows:",
        "  words                 4, without those that all texts have",
        f"  explained variance    {card['explained_variance']:.1%}",
        "  without a vector      1 items, which have zeros",
    ]
    assert "Next:        backbones: [unisrec, morec]   in a suite of your own" in done.stdout
    shown = invoke("datasets", "show", "mine").stdout
    assert "  4 item vectors of width 2 by tfidf-svd\n" in shown
    assert card["fingerprint"] in shown
    wide = invoke("embed", "mine")
    assert "  width                 768 wanted, the texts allow 2\n" in wide.stdout
    np.save(tmp_path / "own.npy", np.ones((4, 3), np.float32))
    done = invoke("embed", "mine", "--encoder", f"file:{tmp_path / 'own.npy'}")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("4 item vectors of width 3 by file:own.npy\n")


@pytest.mark.slow
def test_embed_by_a_language_model_goes_to_the_card_and_a_table(invoke: Invoke, tmp_path: Path) -> None:
    from .harness.datasets.tiny_models import save

    invoke("prepare", "splits", "--name", "mine", "--source", split(tmp_path, items=3))
    model = save(tmp_path / "small", "bert", words=["blue", "red", "cup", "plate"])
    done = invoke("embed", "mine", "--encoder", f"hf:{model}", "--width", "2", "--device", "cpu", "--max-tokens", "12")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("4 item vectors of width 2 by hf:small\n  texts                 of 3 items\n")
    assert "  model                 BertModel, states 16 wide\n" in done.stdout
    assert "  different texts       4, 38 tokens, 3 of them cut to 12 tokens\n" in done.stdout
    assert "hf:small" in invoke("datasets", "show", "mine").stdout
    (tmp_path / "own.csv").write_text("item_id,x\ni0,1\n")
    refused = invoke("embed", "mine", "--encoder", f"file:{tmp_path / 'own.csv'}")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "has no row for 3 of the 4 items: i1, i2, i3." in refused.stderr
    done = invoke("embed", "mine", "--encoder", f"file:{tmp_path / 'own.csv'}", "--missing", "zero")
    assert "  without a row         3 items, which have zeros\n" in done.stdout


# ---- list


def test_the_list_fits_one_screen_and_names_every_component_and_suite(invoke: Invoke) -> None:
    from rearec_bench.harness.suite.bundled import shipped_suites

    lines = invoke("list", env={"COLUMNS": "100"}).stdout.splitlines()
    words = {word for line in lines for word in line.split()}
    assert {*shipped_suites(), "tiny", "ml-100k", "tfidf-svd", "file:PATH", "training"} <= words
    assert words >= {name for registry in (BACKBONES, STRATEGIES, BASELINES) for name in registry.names()}
    assert 24 <= len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert max(map(len, invoke("list", env={"COLUMNS": "80"}).stdout.splitlines())) <= 80


def test_the_list_has_a_component_of_a_package_whatever_the_length_of_its_name(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = dataclasses.replace(BACKBONES.entry("sasrec"), name="long_" * 20, origin="a package 1.0")
    monkeypatch.setitem(BACKBONES._entries, entry.name, entry)
    assert f"{entry.name}  [a ..." in invoke("list", env={"COLUMNS": "80"}).stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("strategies", "prl Progressive Reasoning Learning (section 3.3)"),
        ("settings", "training how every model is trained"),
        ("datasets", "rearec-bench prepare yelp --source DIR"),
        ("suites", "full_table2 Table 2: SASRec"),
        ("erl", "kl_weight 0.01 lambda weight of the KL term"),
        ("erl", "The paper searches 0.001, 0.005, 0.01, 0.05, 0.1. Source: eq. 8."),
        ("training", "patience 10 epochs without a better validation metric"),
        ("popularity", "how often an item is the target"),
        ("tiny", "320 users, 200 items"),
        ("ml-100k", "DIR holds"),
        ("smoke", "rearec-bench plan smoke"),
        ("tfidf-svd", "offline, deterministic"),
    ],
)
def test_a_group_or_an_entry_of_the_list_is_shown_with_its_details(invoke: Invoke, name: str, said: str) -> None:
    assert said in " ".join(invoke("list", name).stdout.split())


def test_the_list_of_a_component_has_every_setting_within_the_width(invoke: Invoke) -> None:
    for registry in (BACKBONES, STRATEGIES):
        for name in registry.names():
            lines = invoke("list", name, env={"COLUMNS": "80"}).stdout.splitlines()
            assert {line.split()[0] for line in lines if line} >= set(registry.settings(name).model_fields)
            assert max(map(len, lines)) <= 80


def test_a_terminal_gets_what_fits_it_unless_a_layout_is_asked_for(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rearec_bench.harness.cli.report.screen_width", lambda: 80)
    first = [invoke("report", "--source", "paper", *more).stdout[:6] for more in ([], ["--layout", "wide"])]
    assert first == ["SASRec", "|     "]


# ---- show and rerun


def test_a_trial_is_shown_with_everything_that_is_stored(invoke: Invoke, results: Path) -> None:
    key = key_of(results)
    shown = invoke("show", key[:8]).stdout
    summary = Store(results).summary(key)
    assert shown.splitlines()[0].startswith("tiny sasrec erl K=1, final run, seed ")
    assert key in shown
    for word in ("kl_weight", "(lambda)", "width 8 (d)", "lr 0.01", "validation", "used by      smoke (erl)"):
        assert word in shown
    assert f"N@20 {summary.test['ndcg@20']:.4f}".replace(" 0.", " .") in shown
    assert f"again        rearec-bench rerun {key[:8]}" in shown
    search = invoke("show", key_of(results, purpose="search")).stdout
    assert ", search trial " in search and "search trials are not evaluated on test" in search
    lacking = invoke("show", "zz")
    assert (lacking.exit_code, lacking.stdout) == (1, "")
    assert "'zz'" in lacking.stderr


def test_a_trial_runs_again_to_the_same_ranks_and_nothing_is_stored(invoke: Invoke, results: Path) -> None:
    key = key_of(results)
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    done = invoke("rerun", key)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].startswith("epoch   1   loss ")
    assert done.stdout.endswith(f"{key[:8]}: identical: every rank is the same.\n")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_a_trial_that_comes_out_otherwise_is_said_and_one_of_other_data_does_not_run(
    invoke: Invoke, results: Path
) -> None:
    store = Store(results)
    result = store.read(key_of(results))
    ranks = result.test.rows.readout_ranks.copy()
    ranks[:3] += 1
    rows = dataclasses.replace(result.test.rows, readout_ranks=ranks)
    changed = dataclasses.replace(result, test=dataclasses.replace(result.test, rows=rows), source_digest="0" * 16)
    store.write(changed, replace=True)
    done = invoke("rerun", result.key)
    assert done.exit_code == 1
    assert f"test: readout_ranks differ in 3 of {len(ranks)} rows" in done.stdout
    assert "the source of the components has changed since" in done.stdout
    assert done.stdout.endswith(f"{result.key[:8]}: different.\n")
    other = dataclasses.replace(result, spec=dataclasses.replace(result.spec, dataset_fingerprint="0" * 64))
    store.write(other)
    refused = invoke("rerun", other.key)
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"tiny is not what trial {other.key[:8]} ran on")


# ---- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_completion_script(invoke: Invoke, shell: str) -> None:
    done = invoke("completion", shell)
    assert done.exit_code == 0
    assert "_REAREC_BENCH_COMPLETE" in done.stdout
    assert "rearec-bench" in done.stdout


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ("run", "smo", {"smoke", "smoke_text"}),
        ("report", "smo", {"smoke"}),
        ("status", "smo", {"smoke"}),
        ("datasets show", "ti", {"tiny"}),
        ("prepare", "re", {"released"}),
        ("list", "st", {"strategies"}),
        ("list", "pr", {"precision_industrial", "prl"}),
        ("report --table overall", "no such", set()),
        ("show", "{key}", {"{key}"}),
    ],
)
def test_names_are_completed(
    results: Path, monkeypatch: pytest.MonkeyPatch, words: str, incomplete: str, expected: set[str]
) -> None:
    from click.shell_completion import ShellComplete

    monkeypatch.chdir(results.parent)
    key = key_of(results)
    complete = ShellComplete(main, {}, "rearec-bench", "_REAREC_BENCH_COMPLETE")
    found = complete.get_completions(words.split(), incomplete.format(key=key[:10]))
    assert {item.value for item in found} == {name.format(key=key) for name in expected}
