"""How far a long piece of work is, in words."""

from __future__ import annotations

from io import StringIO

from rearec_bench.harness.utils.meter import Meter


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_share_rate_and_time_left_and_is_left_as_it_was() -> None:
    out, now = Terminal(), [0.0]
    meter = Meter(out, clock=lambda: now[0])
    meter.say("loading it")
    meter.begin("embedding", total=10_000, noun="tokens", done=2_000)
    now[0] = 10.0
    meter.reach(4_000)
    meter.end()
    assert out.getvalue().split("\r\x1b[K") == [
        "",
        "loading it",
        "embedding  40%   4,000 of 10,000 tokens   200 tokens/s   30 s left",
        "",
    ]


def test_a_terminal_is_not_redrawn_all_the_time() -> None:
    out, now = Terminal(), [0.0]
    meter = Meter(out, clock=lambda: now[0])
    meter.begin("embedding", total=1000, noun="tokens")
    for done in range(1000):
        now[0] = done / 1000
        meter.reach(done)
    assert out.getvalue().count("\r") == 3


def test_elsewhere_there_is_a_plain_line_now_and_then() -> None:
    out, now = StringIO(), [0.0]
    meter = Meter(out, clock=lambda: now[0])
    meter.begin("embedding", total=500, noun="tokens")
    for done in range(0, 500, 10):
        now[0] = done / 2.5  # 4 s a step, 200 s in all
        meter.reach(done)
    meter.end()
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "embedding  30%   150 of 500 tokens   2 tokens/s   2.3 min left"
    assert "\r" not in out.getvalue()


def test_a_terminal_that_was_not_written_to_is_not_cleared() -> None:
    out = Terminal()
    meter = Meter(out, clock=lambda: 0.0)
    meter.begin("embedding", total=0, noun="tokens")
    meter.reach(0)
    meter.end()
    assert out.getvalue() == ""
