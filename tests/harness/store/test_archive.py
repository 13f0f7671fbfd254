"""Exports: what others take over is what was stored, and whatever was tampered with is refused, with the reason."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rearec_bench.harness.datasets.data.dataset import Dataset
from rearec_bench.harness.monitor.status import stored_cells
from rearec_bench.harness.plan.cells import expand
from rearec_bench.harness.plan.queue import SuiteQueue
from rearec_bench.harness.run.rerun import Comparison
from rearec_bench.harness.store import archive
from rearec_bench.harness.store.archive import LISTING, export
from rearec_bench.harness.store.format import json_bytes
from rearec_bench.harness.store.frames import load_results
from rearec_bench.harness.store.shown import note_shown, shown_early
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.store.verify import verify
from rearec_bench.harness.trial.metrics import metrics_of

from ..fake_trial import FakeTrial
from ..suites import run_here, suite_in
from ..typed import typed
from .forged import (
    FINAL,
    KEYS,
    OF_A_FOLDER,
    TRAINED,
    files,
    flipped,
    in_result,
    signed,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "lab"
    done = typed("results", "export", folder, "--results", TRAINED, "--suite", "before")
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def place(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the trained store's suite, and an export of that store as a folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(TRAINED / "before.yaml", tmp_path)
    shutil.copytree(exported, tmp_path / "lab")
    return tmp_path


def table(report: str) -> list[str]:
    return [line for line in report.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("target", ["again", "lab.tar.gz", "lab.tgz", "lab.tar.zst"])
def test_an_export_of_whatever_kind_is_taken_over_whole_and_says_so(place: Path, fake_ray: None, target: str) -> None:
    assert typed("results", "export", target, "--results", "lab").exit_code == 0
    planned = typed("plan", "before.yaml", "--from", target)
    assert "5 trials: 5 stored, 0 to run." in planned.output and not (place / "results").exists()
    assert f"a run takes over 5 trials of {target} (cpu, " in planned.output
    done = typed("run", "before.yaml", "--from", target)
    assert done.exit_code == 0 and f"taken over: 5 trials of {target} (cpu, " in done.output
    assert f"Taken over: 5 trials of {target} (cpu, " in typed("report", "before").output
    assert f"taken over   from {target}" in typed("show", FINAL[:8]).output
    ours = files(place / "results" / "trials")
    theirs = {
        name: content for name, content in files(TRAINED / "trials").items() if not name.endswith("manifest.json")
    }
    assert {name: ours[name] for name in theirs} == theirs and verify(Store(place / "results")).findings == ()
    assert [path.name for path in (place / "results").iterdir() if path.name.startswith(".")] == []


def test_the_same_trials_are_the_same_bytes_and_an_export_is_a_results_folder(place: Path) -> None:
    for name in ("one.tar.zst", "two.tar.zst"):
        typed("results", "export", name, "--results", "lab")
    assert (place / "one.tar.zst").read_bytes() == (place / "two.tar.zst").read_bytes()
    assert typed("results", "verify", "--results", "lab").exit_code == 0
    assert table(typed("report", "before", "--results", "lab").output) == table((TRAINED / "report.txt").read_text())


def test_two_suites_that_share_seven_in_ten_trials_train_three(
    tmp_path: Path, fake_ray: None, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = {
        "backbones": "[sasrec: {width: 8, layers: 1, heads: 1, feed_forward: 8}]",
        "training": "{lr: 0.01, batch_size: 512, max_len: 10, max_epochs: 1, packing: users}",
    }
    run_here(suite_in(tmp_path, name="theirs", seeds=f"{[*range(1, 8)]}", **small), Store(tmp_path / "lab"), tiny)
    suite_in(tmp_path, name="ours", seeds=f"{[*range(1, 11)]}", **small)
    assert "10 trials: 7 stored, 3 to run." in typed("plan", "ours.yaml", "--from", "lab").output
    done = typed("run", "ours.yaml", "--from", "lab")
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in (tmp_path / "results/suites/ours/run.jsonl").read_text().splitlines()]
    assert sum(event["event"] == "start" for event in events) == 3
    assert len(Store(tmp_path / "results").keys()) == 10
    assert "Taken over: 7 trials of lab (" in done.output
    own = files(tmp_path / "results" / "trials")
    again = typed("run", "ours.yaml", "--from", "lab")
    assert again.exit_code == 0 and files(tmp_path / "results" / "trials") == own, "what is stored is not replaced"


def test_an_export_of_an_unfinished_random_search_has_all_its_trials(tmp_path: Path) -> None:
    rows = "[prl: {temperature: {search: {low: 0.1, high: 5.0}}}]"
    suite = suite_in(tmp_path, strategies=rows, search="{trials: 4, sampler: random}")
    store = Store(tmp_path / "results")
    queue = SuiteQueue(expand(suite), fingerprints={"tiny": "f"}, device="cpu", stored=store.lookup)
    jobs = [queue.next() for _ in range(4)]
    for job in (jobs[0], jobs[2], jobs[3]):
        store.write(FakeTrial(job.spec, None).result())
        queue.tell(store.summary(job.key))
    store.write_suite(suite.name, suite.to_json(), {"cells": queue.index()})
    assert export(store, [suite.name], tmp_path / "lab") == 3
    assert Store(tmp_path / "lab").keys() == store.keys()
    assert len(load_results(tmp_path / "lab").trials) == 3
    (cell,) = stored_cells(Store(tmp_path / "lab"), suite.name)[0]
    assert (cell.over, cell.waiting) == ({"done": 3}, 2)
    assert "search trial of its cell" in typed("show", jobs[3].key, "--results", tmp_path / "lab").output


def refused(place: Path, source: str, why: str, *commands: str) -> None:
    """A run refuses a source, for the reason, and changes nothing of a store."""
    shutil.copytree(TRAINED, place / "results", dirs_exist_ok=True)
    shutil.rmtree(place / "results" / "trials" / FINAL, ignore_errors=True)
    before = files(place / "results")
    for command in ("run", *commands):
        done = typed(command, "before.yaml", "--from", source)
        assert done.exit_code == 2 and why in done.output and done.output.startswith(f"{source} is refused: ")
        assert done.output.count("\n") == 1
    assert files(place / "results") == before
    assert {path.name for path in place.iterdir()} <= {"before.yaml", "results", "lab", "moved", source}


@pytest.mark.parametrize("name", OF_A_FOLDER)
def test_a_tampered_folder_is_refused_with_the_reason(place: Path, name: str) -> None:
    tamper, why = OF_A_FOLDER[name]
    tamper(place / "lab")
    refused(place, "lab", why)


def test_checkpoints_profiles_and_unfinished_files_of_others_are_not_opened(place: Path) -> None:
    for name in (f"checkpoints/{FINAL}/manifest.json", "profiles/mine/profile.json"):
        (place / "lab" / name).parent.mkdir(parents=True)
        os.mkfifo(place / "lab" / name)  # who opens one waits for ever
    os.mkfifo(place / "lab" / "suites" / "before" / ".tmp~index.json")  # of a run that goes on there
    assert "5 stored" in typed("plan", "before.yaml", "--from", "lab").output


def member(name: str, content: bytes = b"", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, content


def packed(lab: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    content = files(lab)
    return [member(name, content[name]) for name in sorted(content, key=lambda name: (name != LISTING, name))]


def listing_of(**sizes: int) -> tuple[tarfile.TarInfo, bytes]:
    listed = {
        f"trials/{FINAL}/{name.replace('_', '.')}": {"sha256": "0" * 64, "size": size} for name, size in sizes.items()
    }
    return member(LISTING, json.dumps({"schema": 1, "files": listed}).encode())


Members = list[tuple[tarfile.TarInfo, bytes]]
OF_AN_ARCHIVE: dict[str, tuple[Callable[[Members], Members], str]] = {
    **{
        f"a path: {name}": (
            lambda whole, name=name: [*whole, member(name, b"x")],
            f"{name!r} is not in its export.json",
        )
        for name in ("../x", "/tmp/x", "trials/../../x", "trials/x/../../../x", "results/run.lock")  # noqa: S108
    },
    **{
        f"type {kind.decode()}": (
            lambda whole, kind=kind: [*whole, member("trials/x", type=kind, linkname="/etc/passwd")],
            "'trials/x' is no plain file",
        )
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.BLKTYPE,
            tarfile.FIFOTYPE,
            tarfile.DIRTYPE,
        )
    },
    **{
        f"a long header {kind.decode()}": (
            lambda whole, kind=kind: [*whole, member("trials/x", b"x" * 512, type=kind)],
            "is no plain file",
        )
        for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE)
    },
    "no list": (lambda whole: whole[1:], "it does not begin with export.json"),
    "nothing": (lambda whole: [], "it does not begin with export.json"),
    "a list at the end": (lambda whole: [*whole[1:], whole[0]], "it does not begin with export.json"),
    "the same file twice": (lambda whole: [*whole, whole[-1]], "comes twice"),
    "a file less": (lambda whole: whole[:-1], " is missing"),
    "a shorter file": (lambda whole: [*whole[:-1], member(whole[-1][0].name, b"x")], " has 1 bytes of "),
    "another file": (
        lambda whole: [*whole[:-1], member(whole[-1][0].name, bytes(len(whole[-1][1])))],
        "is not the file that",
    ),
    "a bomb": (lambda whole: [listing_of(result_json=1 << 36)], "it would unpack to 68,719,476,736 bytes"),
    "a bomb of many": (
        lambda whole: [listing_of(result_json=1 << 33, manifest_json=1 << 33, traceback_txt=1 << 33)],
        "it would unpack to 25,769,803,776 bytes",
    ),
    "a bomb of zeros": (
        lambda whole: [listing_of(result_json=100 << 20), member(f"trials/{FINAL}/result.json", bytes(100 << 20))],
        "it would unpack to 104,857,600 bytes",
    ),
    "less than it announces": (
        lambda whole: [listing_of(result_json=9), member(f"trials/{FINAL}/result.json", bytes(1 << 20))],
        "has 1,048,576 bytes of 9",
    ),
}


def archived(target: Path, members: Members) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    codec = "gzip" if target.name.endswith("gz") else "zstd"
    with pa.OSFile(str(target), "wb") as file, pa.CompressedOutputStream(file, codec) as stream:
        stream.write(out.getvalue())


@pytest.mark.parametrize("name", OF_AN_ARCHIVE)
def test_a_tampered_archive_is_refused_with_the_reason(place: Path, name: str) -> None:
    change, why = OF_AN_ARCHIVE[name]
    source = f"bad.tar.{'gz' if len(name) % 2 else 'zst'}"
    archived(place / source, change(packed(place / "lab")))
    refused(place, source, why)


@pytest.mark.parametrize(
    ("source", "content", "why"),
    [
        ("cut.tar.zst", lambda whole: whole[: len(whole) // 2], "it cannot be unpacked ("),
        ("cut.tar.gz", lambda whole: whole[: len(whole) // 2], "it cannot be unpacked ("),
        ("none.tar.gz", lambda whole: b"text", "it cannot be unpacked ("),
        ("empty.tar.zst", lambda whole: b"", "it cannot be unpacked ("),
        ("lab.txt", lambda whole: whole, "it is no folder, and its name ends with none of .tar.gz, .tgz, .tar.zst"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(
    place: Path, source: str, content: Callable[[bytes], bytes], why: str
) -> None:
    whole = place / f"lab{'.tar.gz' if source.endswith('gz') else '.tar.zst'}"
    typed("results", "export", whole, "--results", "lab")
    (place / source).write_bytes(content(whole.read_bytes()))
    whole.unlink()
    refused(place, source, why, "plan")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("plan", "before.yaml", "--from", "nowhere"), "there is no archive and no folder nowhere."),
        (("plan", "before.yaml", "--from", "."), ". is no folder of results: it has no folder trials."),
        (("results", "export", "lab", "--results", TRAINED), "lab exists. Name another place, or remove it."),
        (("results", "export", "before.yaml", "--results", TRAINED), "before.yaml exists."),
        (("results", "export", "x.zip", "--results", TRAINED), "x.zip is none of the archives that"),
        (("results", "audit", "nowhere"), "there is no archive and no folder nowhere."),
        (("results", "audit", "lab", "--suite", "nowhere"), "nowhere"),
        (("results", "export", "lab", "--to", "trec", "--results", TRAINED), "lab exists. Name another place"),
        (("results", "export", "before.yaml", "--to", "optuna", "--results", TRAINED), "before.yaml exists."),
        (
            ("results", "export", "x", "--to", "trec", "--results", TRAINED, "--suite", "unfinished"),
            "there is no final run of unfinished to export.",
        ),
        (
            ("results", "export", "x", "--to", "optuna", "--results", TRAINED, "--suite", "unfinished"),
            "no search trial of unfinished is stored, so there is no study to export.",
        ),
        (("results", "export", "before.yaml", "--to", "mlflow", "--results", TRAINED), "before.yaml exists."),
        (
            ("results", "export", "x", "--to", "mlflow", "--results", TRAINED, "--suite", "unfinished"),
            "no trial of unfinished is stored, so there is no run to export.",
        ),
        (("results", "export", "x", "--results", "nowhere"), "there is no suite in nowhere."),
        (
            ("results", "export", "x", "--results", "lab", "--suite", "y"),
            "there is no suite 'y' in lab. Stored: before.",
        ),
    ],
)
def test_a_mistake_is_one_message_and_changes_nothing(place: Path, words: tuple[Any, ...], why: str) -> None:
    before = files(place)
    done = typed(*words)
    assert done.exit_code == 2 and why in done.output and done.output.count("\n") == 1
    assert files(place) == before


def test_that_numbers_were_shown_early_is_handed_on_and_may_be_added_to(place: Path) -> None:
    note_shown(place / "lab" / "suites" / "before", what="x", done=1, planned=2)
    assert typed("results", "export", "again", "--results", "lab").exit_code == 0
    note_shown(place / "again" / "suites" / "before", what="y", done=1, planned=2)
    assert len(shown_early(place / "again" / "suites" / "before")) == 2
    assert "5 stored" in typed("plan", "before.yaml", "--from", "again").output


def test_an_export_that_was_run_in_is_taken_over_as_a_folder_of_results(place: Path, fake_ray: None) -> None:
    (place / "own").mkdir()
    (place / "own" / LISTING).write_text('{"mine": 1}')
    for folder in ("own", "lab"):
        assert typed("run", "before.yaml", "--results", folder, "--from", TRAINED).exit_code == 0
    assert (place / "own" / LISTING).read_text() == '{"mine": 1}' and not (place / "lab" / LISTING).exists()
    planned = typed("plan", "before.yaml", "--from", "lab")
    assert "5 stored" in planned.output, planned.output
    flipped(f"trials/{FINAL}/test.parquet", 99)(place / "lab")
    assert "the checksum of test.parquet does not match" in typed("run", "before.yaml", "--from", "lab").output


def test_what_a_run_and_readers_write_meanwhile_is_left_out_of_an_export(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(place / "lab")
    suite, index = store.read_suite("before")

    def meanwhile(value: Any) -> bytes:
        store.write_suite("before", suite, {**index, "cells": {}})
        note_shown(store.suite_folder("before"), what="x", done=1, planned=2)
        return json_bytes(value)

    monkeypatch.setattr(archive, "json_bytes", meanwhile)
    export(store, ["before"], place / "again.tar.zst")
    assert "5 stored" in typed("plan", "before.yaml", "--from", "again.tar.zst").output
    (place / "whole").mkdir()
    archive.unpack(place / "again.tar.zst", place / "whole")
    assert Store(place / "whole").read_suite("before") == (suite, index)


def test_a_damaged_trial_is_not_exported(place: Path) -> None:
    flipped(f"trials/{FINAL}/test.parquet", 99)(place / "lab")
    done = typed("results", "export", "x.tar.gz", "--results", "lab")
    assert done.exit_code == 1 and "the checksum of test.parquet does not match" in done.output
    assert not (place / "x.tar.gz").exists()


# ---- audit


def test_an_audit_of_an_honest_export_agrees_and_stores_nothing(place: Path) -> None:
    before = files(place)
    done = typed("results", "audit", "lab", "--sample", 2, "--seed", 4)
    assert done.exit_code == 0 and done.output.startswith("2 trials of 5, drawn by --seed 4\n"), done.output
    assert done.output.endswith("All agree.\n") and files(place) == before
    assert done.output == typed("results", "audit", "lab", "--sample", 2, "--seed", 4).output


def test_an_audit_objects_to_a_trial_without_its_test() -> None:
    again = Store(TRAINED).read(FINAL)
    stored = dataclasses.replace(again, test=None, environment={"cpu": "another"})
    done = Comparison(stored, again, ("test: none then, stored now",), ())
    assert not done.is_exact and done.beyond(0.05) == done.differences


def lied(lab: Path, key: str) -> None:
    """Every rank of a split made the best one, with the metrics that follow, and all of it signed."""
    store = Store(lab)
    result = store.read(key)
    assert result.validation is not None
    rows = result.validation.rows
    best = dataclasses.replace(rows, readout_ranks=np.ones_like(rows.readout_ranks))
    evidence = dataclasses.replace(result.validation, rows=best, readout=metrics_of(best.readout_ranks))
    store.write(dataclasses.replace(result, validation=evidence), replace=True)
    signed(lab, trials=False)


@pytest.mark.slow
@pytest.mark.parametrize("key", [KEYS[0], FINAL])
@pytest.mark.parametrize("machine", ["this", "another"])
def test_an_audit_finds_a_trial_whose_ranks_and_metrics_were_made_up(place: Path, key: str, machine: str) -> None:
    if machine == "another":
        in_result(key, "environment", "cpu", value="another processor")(place / "lab")
    lied(place / "lab", key)
    assert "5 stored" in typed("plan", "before.yaml", "--from", "lab").output, "no checksum tells"
    done = typed("results", "audit", "lab", "--sample", 5)
    assert done.exit_code == 1 and f"{key[:8]}  tiny " in done.output, done.output
    assert [line[:8] for line in done.output.splitlines() if line.endswith("DIFFERENT")] == [key[:8]]
    assert done.output.endswith("1 trial of 5 differs.\n")
