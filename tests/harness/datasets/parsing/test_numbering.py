"""Numbers of tokens: those of `number_tokens`, whatever the blocks and however bad the hash."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rearec_bench.harness.datasets.data.interactions import number_tokens
from rearec_bench.harness.datasets.parsing import numbering
from rearec_bench.harness.datasets.parsing.numbering import Numbering, TokenColumn

NAMES = st.text(st.sampled_from("ab0é日 Z"), min_size=1, max_size=4)
NUMBERS = st.one_of(st.integers(0, 30).map(str), st.sampled_from(["007", "7", "0", "00", "9" * 18, "9" * 19, "1" * 40]))
TOKENS = st.one_of(st.lists(NAMES, min_size=1, max_size=60), st.lists(NUMBERS, min_size=1, max_size=60))


def numbered(tokens: list[str], ends: list[int]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """By blocks that end at these places."""
    bounds = [0, *sorted(end % (len(tokens) + 1) for end in ends), len(tokens)]
    with TokenColumn() as column:
        for low, high in pairwise(bounds):
            column.add(pl.Series(tokens[low:high], dtype=pl.String))
        return column.finish().result()


def check(tokens: list[str], ends: list[int]) -> None:
    codes, names = numbered(tokens, ends)
    expected = sorted(
        set(tokens), key=(lambda t: (int(t), t)) if all(t.isascii() and t.isdigit() for t in tokens) else str
    )
    assert names.tolist() == expected
    assert [names[code] for code in codes] == tokens
    by_pandas, same = number_tokens(np.array(tokens, dtype=object))
    assert (codes.tolist(), names.tolist()) == (by_pandas.tolist(), same.tolist())
    assert (codes.dtype, names.dtype) == (by_pandas.dtype, same.dtype)


@settings(max_examples=150, deadline=None)
@given(TOKENS, st.lists(st.integers(0, 60), max_size=4))
@example(["10", "9", "009", "10"], [2])
def test_numbers_are_those_of_the_plain_way(tokens: list[str], ends: list[int]) -> None:
    check(tokens, ends)


@settings(max_examples=100, deadline=None)
@given(TOKENS, st.lists(st.integers(0, 60), max_size=4), st.sampled_from([1, 2, 5]))
def test_tokens_with_the_same_hash_stay_apart(tokens: list[str], ends: list[int], kinds: int) -> None:
    def hashes(self: Numbering, of: pl.Series) -> NDArray[np.uint64]:
        return np.array([len(token) * 7 % kinds + 1 for token in of.to_list()], dtype=np.uint64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Numbering, "hashes", hashes)
        check(tokens, ends)


@pytest.mark.parametrize("bits", [0, 6, 64])
def test_a_table_that_grows_finds_everything_again(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes whose low bits are alike share places of the table."""
    real = Numbering.hashes
    monkeypatch.setattr(
        Numbering,
        "hashes",
        lambda self, of: real(self, of) << np.uint64(64 - bits) if 0 < bits < 64 else real(self, of),
    )
    rng = np.random.default_rng(1)
    tokens = [f"u{number}" for number in rng.integers(0, 4000, size=20_000)]
    codes, names = numbered(tokens, list(range(0, 20_000, 1500)))
    assert [names[code] for code in codes] == tokens
    assert names.tolist() == sorted(set(tokens))


def test_nothing_makes_no_numbers() -> None:
    with TokenColumn() as column:
        codes, names = column.finish().result()
    assert (len(codes), len(names)) == (0, 0)
    assert numbering.Numbering().add(pl.Series([], dtype=pl.String)).tolist() == []
