"""Exports that were tampered with, each with what a refusal says of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rearec_bench.harness.store.archive import LISTING
from rearec_bench.harness.store.suites import sealed

TRAINED = Path(__file__).resolve().parents[1] / "trained_store"
KEYS = sorted(path.name for path in (TRAINED / "trials").iterdir())
FINAL = next(key for key in KEYS if (TRAINED / "trials" / key / "traces_test.safetensors").exists())
SEARCHED = [key for key in KEYS if not (TRAINED / "trials" / key / "test.parquet").exists()]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def signed(lab: Path, *, trials: bool = True) -> None:
    """The manifests and the list of an export, as if what it holds now had been written so."""
    for manifest in lab.glob("trials/*/manifest.json") if trials else ():
        stored = json.loads(manifest.read_bytes())
        content = {path.name: path.read_bytes() for path in manifest.parent.iterdir() if path != manifest}
        stored["files"] = {name: hashlib.sha256(one).hexdigest() for name, one in sorted(content.items())}
        stored["sizes"] = {name: len(one) for name, one in sorted(content.items())}
        manifest.write_text(json.dumps(stored))
    listed = {
        name: {"sha256": hashlib.sha256(one).hexdigest(), "size": len(one)}
        for name, one in files(lab).items()
        if name != LISTING
    }
    (lab / LISTING).write_text(json.dumps({"schema": 1, "files": listed}))


def other_rank(lab: Path, key: str, split: str = "valid") -> None:
    """Another rank of the readout in the first row."""
    path = lab / "trials" / key / f"{split}.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("readout_ranks")
    ranks = table.column(place).to_numpy().copy()
    ranks[0] = 1 if ranks[0] != 1 else 99
    pq.write_table(table.set_column(place, "readout_ranks", pa.array(ranks)), path, compression="zstd")


def changed(lab: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = lab / name
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))


def in_result(key: str, *path: str, value: Any) -> Callable[[Path], None]:
    """One value of a trial's result.json, everything signed again."""

    def tamper(lab: Path) -> None:
        def change(stored: Any) -> Any:
            inner = stored
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = value
            return stored

        changed(lab, f"trials/{key}/result.json", change)
        signed(lab)

    return tamper


def in_manifest(key: str, name: str, value: Any) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        changed(lab, f"trials/{key}/manifest.json", lambda stored: {**stored, name: value})
        signed(lab, trials=False)

    return tamper


def swapped(one: str, other: str, *, again: bool) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        first, second = ((lab / "trials" / name).read_bytes() for name in (one, other))
        (lab / "trials" / one).write_bytes(second)
        (lab / "trials" / other).write_bytes(first)
        if again:
            signed(lab)

    return tamper


def ranked(key: str, split: str, *, again: bool) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        other_rank(lab, key, split)
        if again:
            signed(lab)

    return tamper


def columns(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    """Other columns of the final run's test rows, everything signed again."""

    def tamper(lab: Path) -> None:
        path = lab / "trials" / FINAL / "test.parquet"
        pq.write_table(change(pq.read_table(path)), path, compression="zstd")
        signed(lab)

    return tamper


def renamed(key: str) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        folder = lab / "trials" / key
        folder.rename(folder.with_name("0" * 32))
        changed(lab, f"trials/{'0' * 32}/manifest.json", lambda stored: {**stored, "key": "0" * 32})
        signed(lab, trials=False)

    return tamper


def linked(name: str, to: str) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        path = lab / name
        path.rename(lab.parent / "moved") if path.exists() else None
        path.symlink_to(to)

    return tamper


def flipped(name: str, at: int) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        content = bytearray((lab / name).read_bytes())
        content[at % len(content)] ^= 1
        (lab / name).write_bytes(bytes(content))

    return tamper


def written(name: str, content: bytes, *, again: bool = False) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        (lab / name).parent.mkdir(parents=True, exist_ok=True)
        (lab / name).write_bytes(content)
        if again:
            signed(lab, trials=False)

    return tamper


def gone(name: str, *, again: bool) -> Callable[[Path], None]:
    def tamper(lab: Path) -> None:
        (lab / name).unlink()
        if again:
            signed(lab, trials=False)

    return tamper


def listing(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    return lambda lab: changed(lab, LISTING, change)


def suite_of_another_schema(lab: Path) -> None:
    content = json.loads(sealed({"cells": {}}, folder="before", file="index.json"))
    (lab / "suites/before/index.json").write_text(json.dumps({**content, "schema": 9}))
    signed(lab, trials=False)


NAMES = sorted(name for name in files(TRAINED) if name.startswith("trials/"))
HUGE: dict[str, Any] = {"sha256": "0" * 64, "size": 1 << 36}
OF_A_FOLDER: dict[str, tuple[Callable[[Path], None], str]] = {
    **{f"a bit of {name[7:15]}/{name[40:]}": (flipped(name, 77), f"{name} is not the file that") for name in NAMES},
    **{f"no {name[7:15]}/{name[40:]}": (gone(name, again=False), f"{name} is missing") for name in NAMES},
    **{f"a rank of {key[:8]}": (ranked(key, "valid", again=False), "is not the file that") for key in KEYS},
    **{
        f"a rank of {key[:8]}, signed": (ranked(key, "valid", again=True), f"trials/{key}: ndcg@10 of valid is")
        for key in KEYS
    },
    "a step less": (columns(lambda rows: rows.drop_columns(["step_ranks.1"])), "test lacks ranks"),
    "no rows": (columns(lambda rows: rows.slice(0, 0)), "test lacks ranks"),
    "a rank below the first": (
        columns(lambda rows: rows.set_column(2, "readout_ranks", pa.array(np.zeros(len(rows), np.int32)))),
        "test lacks ranks, or has one below 1",
    ),
    "text for ranks": (
        columns(lambda rows: rows.set_column(2, "readout_ranks", pa.array(["1"] * len(rows)))),
        f"trials/{FINAL}: ",
    ),
    "no ranks": (columns(lambda rows: rows.set_column(2, "readout_ranks", pa.nulls(len(rows)))), f"trials/{FINAL}: "),
    "a bomb of rows": (
        columns(lambda rows: rows.take(pa.array(np.zeros(1 << 21, np.int32)))),
        "rows cannot be honest in a file of",
    ),
    "a rank of the test, signed": (ranked(FINAL, "test", again=True), "of test is"),
    **{
        f"the metric of {key[:8]}, signed": (
            in_result(key, "valid", "readout", "mrr", value=0.99),
            f"trials/{key}: mrr of valid is 0.990000",
        )
        for key in KEYS
    },
    **{
        f"another seed of {key[:8]}": (
            in_result(key, "spec", "seed" if key != KEYS[-1] else "dataset_fingerprint", value="7" * 64),
            f"trials/{key}: ",
        )
        for key in KEYS
    },
    "another setting": (in_result(FINAL, "spec", "training", "lr", value=0.5), "its content is trial"),
    "another key": (in_manifest(FINAL, "key", "0" * 32), "its manifest belongs to trial 00000000"),
    **{f"schema {value!r}": (in_manifest(FINAL, "schema", value), "schema version") for value in (0, 2, 99, "1", None)},
    "a newer suite": (suite_of_another_schema, "suites/before/index.json: schema version 9"),
    "a newer list": (listing(lambda stored: {**stored, "schema": 2}), "its export.json has schema version 2"),
    "no list of files": (listing(lambda stored: {"schema": 1}), "its export.json is damaged (files: "),
    "a list that is none": (listing(lambda stored: []), "its export.json has schema version None"),
    "no JSON": (written(LISTING, b"{"), "its export.json is damaged"),
    **{
        f"a path: {name}": (listing(lambda stored, name=name: {**stored, "files": {name: HUGE}}), "is damaged (files.")
        for name in (
            "../x",
            "/etc/passwd",
            "trials/../../x",
            f"trials/{FINAL}/x.py",
            "suites/a/b/suite.json",
            "run.lock",
        )
    },
    "another trial's folder": (renamed(FINAL), "its content is trial"),
    "swapped trials' files": (
        swapped(f"{SEARCHED[0]}/result.json", f"{SEARCHED[1]}/result.json", again=False),
        "is not the file that",
    ),
    "swapped trials' results, signed": (
        swapped(f"{SEARCHED[0]}/result.json", f"{SEARCHED[1]}/result.json", again=True),
        "its content is trial",
    ),
    "swapped trials' ranks, signed": (
        swapped(f"{SEARCHED[0]}/valid.parquet", f"{SEARCHED[1]}/valid.parquet", again=True),
        "by its ranks",
    ),
    "a file more": (written(f"trials/{FINAL}/run.py", b"print()"), f"trials/{FINAL}/run.py is not in its export.json"),
    "a trial of no key": (written("trials/abc/manifest.json", b"{}", again=True), "is damaged (files."),
    "a file lost, signed": (gone(f"trials/{FINAL}/test.parquet", again=True), "'test.parquet' is missing"),
    "a link to a file": (linked(f"trials/{FINAL}/result.json", "/etc/hostname"), "is a link or a device"),
    "a link to a folder": (linked(f"trials/{'1' * 32}", "."), "is a link or a device"),
    "a linked list": (linked(LISTING, "/dev/zero"), "export.json is no plain file"),
    "a fifo": (lambda lab: os.mkfifo(lab / "trials" / FINAL / "traceback.txt"), "is a link or a device"),
}
