"""Sources in archives: read as folders are, and left as they are."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rearec_bench.harness.datasets import prepare as preparation
from rearec_bench.harness.datasets.parsing import archives
from rearec_bench.harness.datasets.recipe.recipe import Recipe
from rearec_bench.harness.datasets.verify import Check, verify

from .builders import error_of

LINES = "user,item,time\n" + "".join(
    f"u{user},{item},{time}\n" for user in range(9) for time, item in enumerate("abcab")
)
HOW = Recipe.model_validate(
    {
        "name": "mine",
        "reader": "csv",
        "files": {"interactions": "log.csv"},
        "columns": {"user": "user", "item": "item", "time": "time"},
        "split": "leave_one_out",
    }
)


def zipped(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))


def tarred(path: Path, folder: Path) -> None:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)


MAKERS: dict[str, Callable[[Path, Path], None]] = {".zip": zipped, ".tar": tarred, ".tar.gz": tarred, ".tgz": tarred}


def packed(folder: Path, ending: str, *, inside: str = "", lines: str = LINES) -> Path:
    raw, path = folder / "raw", folder / f"packed/mine{ending}"
    (raw / inside).mkdir(parents=True)
    path.parent.mkdir()
    (raw / inside / "log.csv").write_text(lines)
    MAKERS[ending](path, raw)
    return path


@pytest.mark.parametrize("ending", MAKERS)
@pytest.mark.parametrize("inside", ["", "ml", "a/b"])
def test_an_archive_is_read_like_the_folder_and_left_alone(tmp_path: Path, ending: str, inside: str) -> None:
    path = packed(tmp_path, ending, inside=inside)
    before = path.read_bytes()
    made = preparation.prepare(HOW, source=path, data_dir=tmp_path / "data")
    folder = preparation.prepare(HOW, source=tmp_path / "raw" / inside, data_dir=tmp_path / "other")
    assert made.card == folder.card
    checks = [check for check in verify("mine", data_dir=tmp_path / "data", source=path) if isinstance(check, Check)]
    assert [check.what for check in checks if check.what.startswith("source")] == ["source log.csv"]
    assert not any(check.wrong for check in checks)
    assert ([*path.parent.iterdir()], path.read_bytes()) == ([path], before)


def test_what_macs_put_beside_the_data_does_not_count(tmp_path: Path) -> None:
    path = packed(tmp_path, ".zip", inside="ml")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/ml/._log.csv", b"\0\0")
    assert len(preparation.prepare(HOW, source=path, data_dir=tmp_path / "data").test) == 9


def test_errors_name_the_archive(tmp_path: Path) -> None:
    path = packed(tmp_path, ".zip", inside="ml", lines=LINES + "u,i\n")
    assert error_of(preparation.prepare, HOW, source=path, data_dir=tmp_path / "d").startswith(f"{path}/ml/log.csv:47 ")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_a_damaged_archive_is_one_error(tmp_path: Path, ending: str) -> None:
    path = packed(tmp_path, ending)
    content = bytearray(path.read_bytes())
    content[60:68] = b"\xff" * 8
    path.write_bytes(content)
    assert str(path) in error_of(preparation.prepare, HOW, source=path, data_dir=tmp_path / "d")


def test_an_archive_that_is_damaged_far_from_its_start_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(np.random.default_rng(0).bytes(30_000))
    path = tmp_path / "mine.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(tmp_path / "log.csv", "log.csv")
    content = bytearray(path.read_bytes())
    content[-2000:-1992] = b"\xff" * 8
    path.write_bytes(content)
    assert "mine.tar.xz cannot be unpacked" in error_of(preparation.prepare, HOW, source=path, data_dir=tmp_path / "d")


def test_more_than_fits_on_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path, ".zip")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: archives.shutil._ntuple_diskusage(100, 100, 10))
    monkeypatch.setattr(zipfile.ZipFile, "extractall", lambda *_: pytest.fail("it was unpacked"))
    assert "GB left" in error_of(preparation.prepare, HOW, source=path, data_dir=tmp_path / "d")


def test_an_archive_in_the_folder_is_pointed_at(tmp_path: Path) -> None:
    path = packed(tmp_path, ".zip")
    assert str(path) in error_of(preparation.prepare, HOW, source=path.parent, data_dir=tmp_path / "d")


@pytest.mark.parametrize("ending", ["folder", ".zip", ".tar.gz"])
def test_ml_100k_takes_the_files_of_grouplens_folder_or_archive(tmp_path: Path, ending: str) -> None:
    raw = tmp_path / "raw/ml-100k"
    raw.mkdir(parents=True)
    ratings = [f"{user}\t{(day + user) % 12 + 1}\t5\t{100 * day + user}" for user in range(8) for day in range(12)]
    (raw / "u.data").write_text("\n".join(ratings))
    films = ["|".join([str(item), f"Café {item} (1995)", "", "", "", *["0"] * 18, "1"]) for item in range(1, 13)]
    (raw / "u.item").write_bytes("\n".join(films).encode("latin-1"))
    source = raw
    if ending != "folder":
        source = tmp_path / f"ml-100k{ending}"
        MAKERS[ending](source, raw.parent)
    made = preparation.prepare("ml-100k", source=source, data_dir=tmp_path / "data", name="mine")
    assert made.num_items == 12
    titles = preparation.catalog.load_items("mine", data_dir=tmp_path / "data").titles
    assert titles is not None and titles[0] == "Café 1"
    assert {guess["value"] for guess in made.card["guessed"]} == {"latin-1"}
