"""Times taken with a clock that only the work itself moves."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rearec_bench.harness.profile.timing import Stopwatch, interleaved
from rearec_bench.harness.records.profile import Times


class FakeClock:
    """Seconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Callable[[], None]:
        """Something that takes so long each time it is called; the last of them again and again."""
        left = list(seconds)

        def go() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return go


def test_each_work_gets_the_seconds_of_its_own_calls_and_warm_ups_do_not_count() -> None:
    clock = FakeClock()
    works = [clock.work(50.0, 1.0, 2.0, 4.0), clock.work(70.0, 8.0, 16.0, 32.0)]
    first, second = interleaved(works, repeats=3, clock=clock, warmups=1)
    assert first.seconds == (1.0, 2.0, 4.0)
    assert second.seconds == (8.0, 16.0, 32.0)
    assert (first.median, second.median) == (2.0, 16.0)


def test_works_are_taken_in_turns_and_every_other_round_runs_backwards() -> None:
    calls: list[str] = []
    works = [lambda: calls.append("a"), lambda: calls.append("b"), lambda: calls.append("c")]
    interleaved(works, repeats=3, clock=FakeClock(), warmups=0)
    assert "".join(calls) == "abc" + "cba" + "abc"


@given(st.lists(st.floats(0.001, 1e3), min_size=1, max_size=9))
def test_quartiles_are_those_of_numpy(seconds: list[float]) -> None:
    times = Times(tuple(seconds))
    assert times.median == pytest.approx(statistics.median(seconds))
    assert times.quartiles == pytest.approx(tuple(np.quantile(seconds, [0.25, 0.75])))


def test_a_stopwatch_adds_up_phases_that_come_again_and_starts_anew() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    for phase, seconds in (("data", 1.0), ("forward", 2.0), ("data", 4.0), ("loss", 8.0)):
        watch.switch(phase)
        clock.now += seconds
    assert watch.stop() == {"data": 5.0, "forward": 2.0, "loss": 8.0}
    clock.now += 100
    watch.switch("data")
    clock.now += 0.5
    assert watch.stop() == {"data": 0.5}
