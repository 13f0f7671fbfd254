"""MovieLens 100k is the same data set whichever of its two layouts it comes from."""

from __future__ import annotations

from pathlib import Path

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import prepare as preparation


def as_grouplens(source: Path, folder: Path) -> None:
    """Write RecBole's atomic files as u.data and u.item."""
    ratings = (source / "ml-100k.inter").read_text(encoding="utf-8").splitlines()[1:]
    (folder / "u.data").write_text("\n".join(line.replace(".0\t", "\t") for line in ratings) + "\n", encoding="latin-1")
    films = []
    for line in (source / "ml-100k.item").read_text(encoding="utf-8").splitlines()[1:]:
        number, title, year, _ = line.split("\t")
        films.append("|".join([number, f"{title} ({year})", "01-Jan-1995", "", "", *["0"] * 19]))
    (folder / "u.item").write_text("\n".join(films) + "\n", encoding="latin-1", errors="replace")


def test_both_layouts_give_the_same_fingerprint(shared: Path, tmp_path: Path) -> None:
    as_grouplens(shared / "data/ml-100k", tmp_path)
    ours = preparation.prepare("ml-100k-grouplens", source=tmp_path, data_dir=tmp_path / "data")
    theirs = preparation.prepare("ml-100k", source=shared / "data/ml-100k", data_dir=tmp_path / "data")
    assert ours.fingerprint == theirs.fingerprint
    items = [catalog.load_items(name, data_dir=tmp_path / "data") for name in ("ml-100k", "ml-100k-grouplens")]
    assert items[0].titles is not None and items[1].titles is not None
    same = sum(one == other for one, other in zip(items[0].titles, items[1].titles, strict=True))
    assert same > 0.95 * len(items[0].titles)  # the others have letters that Latin-1 lacks, or no year
