import subprocess
import sys
from pathlib import Path

from rearec_bench.harness import environment
from rearec_bench.harness.environment import peak_memory_bytes, reset_peak_memory, source_digest


def test_the_digest_differs_between_strategies_and_notices_an_edit(monkeypatch, tmp_path: Path) -> None:
    assert source_digest("sasrec", "erl") != source_digest("sasrec", "prl")
    before = source_digest("sasrec", "erl")
    edited = tmp_path / "losses.py"
    edited.write_bytes((environment._ROOT / "models/losses.py").read_bytes() + b"# edited\n")
    sources = [str(edited) if name == "models/losses.py" else name for name in environment._SHARED_SOURCES]
    monkeypatch.setattr(environment, "_SHARED_SOURCES", tuple(sources))
    source_digest.cache_clear()
    assert source_digest("sasrec", "erl") != before
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
