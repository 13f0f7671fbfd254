"""Numbers of tokens."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rearec_bench.harness.datasets.data.interactions import number_categories, number_tokens

NAMES = st.text(st.sampled_from("ab0é日 Z"), min_size=1, max_size=4)
NUMBERS = st.one_of(st.integers(0, 30).map(str), st.sampled_from(["007", "7", "0", "00", "9" * 18, "9" * 19, "1" * 40]))
TOKENS = st.one_of(st.lists(NAMES, max_size=60), st.lists(NUMBERS, max_size=60))


@settings(max_examples=100, deadline=None)
@given(TOKENS, st.integers(0, 60))
@example(["10", "9", "009", "10"], 2)
def test_tokens_are_numbered_by_value_where_all_are_whole_numbers_and_by_letter_elsewhere(
    tokens: list[str], cut: int
) -> None:
    whole = all(token.isascii() and token.isdigit() for token in tokens)
    expected = sorted(set(tokens), key=(lambda token: (int(token), token)) if whole else str)
    codes, names = number_tokens(pl.Series(tokens, dtype=pl.String))
    assert names.tolist() == expected
    assert [names[code] for code in codes] == tokens
    assert (codes.dtype, names.dtype) == (np.int64, object)
    column = pl.Series(tokens, dtype=pl.String).cast(pl.Categorical(pl.Categories.random()))
    parts, of_all = number_categories(column[:cut], column[cut:])
    assert of_all.tolist() == expected
    assert np.concatenate(parts).tolist() == codes.tolist()
