from hypothesis import given
from hypothesis import strategies as st

from rearec_bench.harness.utils.seeds import stream_seed


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_streams_of_other_seeds_and_names_differ(seed: int, other: int) -> None:
    assert stream_seed(seed, "dropout") != stream_seed(seed, "noise")
    assert (stream_seed(seed, "order", 1) == stream_seed(other, "order", 1)) == (seed == other)
    assert 0 <= stream_seed(seed, "x") < 2**63


def test_a_stream_never_changes() -> None:
    assert stream_seed(1, "dropout") == 8548208086618349406
