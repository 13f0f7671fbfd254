import subprocess
import sys
from pathlib import Path

import pytest

from rearec_bench.harness import environment
from rearec_bench.harness.environment import peak_memory_bytes, reset_peak_memory, source_digest


def test_the_digest_differs_between_strategies() -> None:
    assert source_digest("sasrec", "erl") != source_digest("sasrec", "prl")


@pytest.mark.parametrize(("added", "noticed"), [("# a word\n", False), ('"""More."""\n', True), ("LIMIT = 3\n", True)])
def test_the_digest_notices_an_edit_of_code_but_not_of_comments(
    added: str, noticed: bool, monkeypatch, tmp_path: Path
) -> None:
    before = source_digest("sasrec", "erl")
    edited = tmp_path / "losses.py"
    edited.write_text((environment._ROOT / "models/losses.py").read_text() + added)
    sources = [str(edited) if name == "models/losses.py" else name for name in environment._SHARED_SOURCES]
    monkeypatch.setattr(environment, "_SHARED_SOURCES", tuple(sources))
    source_digest.cache_clear()
    assert (source_digest("sasrec", "erl") != before) is noticed
    source_digest.cache_clear()


def test_all_files_of_the_digest_exist() -> None:
    assert all((environment._ROOT / name).is_file() for name in environment._SHARED_SOURCES)


def test_the_digest_needs_no_torch() -> None:
    code = (
        "import sys; from rearec_bench.harness.environment import source_digest; source_digest('sasrec', 'prl'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_peak_memory_is_of_what_came_after_the_reset() -> None:
    first = bytearray(200_000_000)
    first[::4096] = b"x" * len(first[::4096])
    high = peak_memory_bytes("cpu")
    del first
    reset_peak_memory("cpu")
    assert peak_memory_bytes("cpu") < high
