"""Names of metrics as papers print them."""

from __future__ import annotations

import pytest

from rearec_bench.harness.lint.metrics import Metric, is_average, is_gain, metric


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((name, Metric("Recall", 10)) for name in ("Recall@10", "R@10", "HR@10", "Hit@10", "H@10", "hit_rate@10")),
        *((name, Metric("Recall", 5)) for name in ("HR5", "recall-5", "Hit Ratio @ 5", "Recall @K=5", "R@5 (%) ↑")),
        *((name, Metric("NDCG", 20)) for name in ("NDCG@20", "N@20", "ndcg_20", "nDCG at 20", "NDCG 20")),
        *((name, Metric("MRR", 10)) for name in ("MRR@10", "M@10", "mrr10")),
        *(
            (name, None)
            for name in ("R1", "M2", "H10", "N@", "NDCG", "MAP@10", "Precision@10", "R@0", "R@10 improv", "")
        ),
    ],
)
def test_metrics_have_many_names(name: str, wanted: Metric | None) -> None:
    assert metric(name) == wanted


@pytest.mark.parametrize(
    ("name", "gain", "average"),
    [("(Improv.)", True, False), ("(over ERL)", True, False), ("Avg.", False, True), ("Average", False, True),
     ("Avg. Improv.", True, True), ("Improvement", True, False), ("GRU4Rec", False, False), ("Dell", False, False)],
)  # fmt: skip
def test_gains_and_averages_have_names(name: str, gain: bool, average: bool) -> None:
    assert (is_gain(name), is_average(name)) == (gain, average)
