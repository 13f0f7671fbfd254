"""Raw files for tests: written plain or gzipped, and damaged in known ways."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from pathlib import Path


def write_lines(path: Path, lines: Sequence[bytes], *, zipped: bool) -> Path:
    """Write a file, with `.gz` after its name where it is zipped; the same bytes for the same lines."""
    content = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)
    if zipped:
        path = path.with_name(f"{path.name}.gz")
        content = gzip.compress(content, mtime=0)
    path.write_bytes(content)
    return path


def scatter(lines: Sequence[bytes], strange: Sequence[bytes], rng: random.Random) -> list[bytes]:
    """The lines, with others put between them at random places; the first line stays first."""
    mixed = list(lines)
    for line in strange:
        mixed.insert(rng.randint(1, len(mixed)), line)
    return mixed


def cut_short(path: Path) -> None:
    """Lose the last third of a file, as a download that broke off does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def token(rng: random.Random, length: int, letters: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") -> str:
    """A random name."""
    return "".join(rng.choice(letters) for _ in range(length))
