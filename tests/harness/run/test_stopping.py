"""When a run that ends early starts no more trials, suspends those under way, and leaves."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from rearec_bench.harness.run import stopping
from rearec_bench.harness.run.stopping import SUSPEND_S, StopPolicy, Terminated, grace_s, stop_on_signals


class Clock:
    """Moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def state(policy: StopPolicy, *, busy: int = 2, begun: int = 2) -> tuple[bool, bool, bool]:
    return policy.accepts, policy.suspends, policy.leaves(busy=busy, begun=begun)


def test_without_a_budget_nothing_ends_by_itself() -> None:
    clock = Clock()
    policy = StopPolicy(clock=clock)
    clock.now += 1e9
    assert state(policy, busy=0, begun=0) == (True, False, False)


def test_a_budget_lets_those_under_way_finish_and_then_suspends_them() -> None:
    clock = Clock()
    policy = StopPolicy(3600.0, clock=clock)
    clock.now += 3599.0
    assert state(policy, busy=0, begun=0) == (True, False, False), "a pause between two trials is no end"
    clock.now += 1.0
    assert state(policy) == (False, False, False)
    assert policy.leaves(busy=0, begun=0)
    clock.now += grace_s(3600.0)
    assert state(policy) == (False, True, False)
    assert policy.leaves(busy=1, begun=0), "one that no worker has begun has nothing to save"
    clock.now += SUSPEND_S + 0.1
    assert state(policy) == (False, True, True)


def test_who_stops_it_does_not_wait_for_the_grace() -> None:
    clock = Clock()
    policy = StopPolicy(3600.0, clock=clock)
    policy.stop()
    assert state(policy) == (False, True, False)
    clock.now += SUSPEND_S - 0.1
    policy.stop()
    assert not policy.leaves(busy=1, begun=1), "a second call gives no more time, and no less"
    clock.now += 0.2
    assert policy.leaves(busy=1, begun=1)


@pytest.mark.parametrize(("budget", "grace"), [(60.0, 6.0), (3600.0, 360.0), (8 * 3600.0, 600.0)])
def test_the_grace_is_a_tenth_and_ten_minutes_at_most(budget: float, grace: float) -> None:
    assert grace_s(budget) == grace


class Run:
    """What a signal stops."""

    stopped_by: BaseException | None = None
    abandoned = 0

    def stop(self, why: BaseException) -> None:
        self.stopped_by = self.stopped_by or why

    def abandon(self) -> None:
        self.abandoned += 1


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_the_first_signal_stops_and_the_second_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: type[BaseException]
) -> None:
    exits: list[int] = []
    monkeypatch.setattr(stopping.os, "_exit", exits.append)
    before = signal.getsignal(number)
    run = Run()
    with stop_on_signals(run):
        signal.raise_signal(number)
        assert isinstance(run.stopped_by, kind) and (run.abandoned, exits) == (0, [])
        signal.raise_signal(signal.SIGTERM)
        assert (run.abandoned, exits) == (1, [143])
    assert signal.getsignal(number) is before


def test_a_thread_leaves_the_signals_alone() -> None:
    seen: list[Any] = []

    def go() -> None:
        with stop_on_signals(Run()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
