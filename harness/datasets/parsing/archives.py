"""Archives in place of folders: zip, tar, and tar with any compression that Python knows."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...utils.errors import DatasetError

_NO_DATA = ("__MACOSX", ".DS_Store")
_DAMAGED = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError)
_ENDS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive: a zip by its content, others by their names."""
    return path.is_file() and (path.name.lower().endswith(_ENDS) or zipfile.is_zipfile(path))


@contextmanager
def as_folder(source: Path) -> Iterator[Path]:
    """The source or, of an archive, a folder with its files, which is gone afterwards; the only folder in it counts.

    Raises:
        DatasetError: a damaged archive, one with a password, or more than fits on the disk. Errors of the body name
            the archive in place of the folder.
    """
    if not is_archive(source):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="rearec-bench-") as name:
        folder = Path(name)
        try:
            _unpack(source, folder)
        except _DAMAGED as error:
            raise DatasetError(f"{source} cannot be unpacked: {error}. Download it again, or unpack it.") from error
        for junk in _NO_DATA:
            shutil.rmtree(folder / junk, ignore_errors=True)
        inner = folder
        while len(within := [*inner.iterdir()]) == 1 and within[0].is_dir():
            inner = within[0]
        try:
            yield inner
        except DatasetError as error:
            raise type(error)(str(error).replace(str(folder), str(source))) from error


def _unpack(source: Path, folder: Path) -> None:
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            _refuse_large(source, folder, sum(member.file_size for member in archive.infolist()))
            archive.extractall(folder)  # noqa: S202 - zipfile keeps members within the folder
        return
    with tarfile.open(source) as tar:
        _refuse_large(source, folder, sum(member.size for member in tar.getmembers()))
        tar.extractall(folder, filter="data")


def _refuse_large(source: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DatasetError(
            f"{source} has {size / 1e9:,.1f} GB of files, and {folder.parent} has {free / 1e9:,.1f} GB left. Set "
            "TMPDIR to a folder with more."
        )
