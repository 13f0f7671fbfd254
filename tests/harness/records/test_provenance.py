from rearec_bench.harness.records.provenance import peak_memory_bytes, reset_peak_memory


def test_peak_memory_is_of_what_came_after_the_reset() -> None:
    first = bytearray(200_000_000)
    first[::4096] = b"x" * len(first[::4096])
    high = peak_memory_bytes("cpu")
    del first
    reset_peak_memory("cpu")
    assert peak_memory_bytes("cpu") < high
