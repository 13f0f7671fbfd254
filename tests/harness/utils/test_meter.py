"""The progress of a long piece of work, in one line."""

from __future__ import annotations

from io import StringIO

from rearec_bench.harness.utils.meter import Meter


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_share_rate_and_time_left_and_is_left_as_it_was() -> None:
    out, now = Terminal(), [0.0]
    meter = Meter(out, clock=lambda: now[0])
    meter.begin("nothing", total=0, noun="tokens")
    meter.reach(0)
    meter.end()
    assert out.getvalue() == "", "what was not written to is not cleared"
    meter.say("loading it")
    meter.begin("embedding", total=10_000, noun="tokens", done=2_000)
    for now[0], done in ((0.1, 2_100), (10.0, 4_000), (10.1, 4_100)):
        meter.reach(done)
    meter.end()
    line = "embedding  40%   4,000 of 10,000 tokens   200 tokens/s   30 s left"
    assert out.getvalue().split("\r\x1b[K") == ["", "loading it", line, ""]


def test_elsewhere_there_is_a_plain_line_a_minute() -> None:
    out, now = StringIO(), [0.0]
    meter = Meter(out, clock=lambda: now[0])
    meter.begin("embedding", total=500, noun="tokens")
    for done in range(0, 500, 10):
        now[0] = done / 2.5  # 4 s a step, 200 s in all
        meter.reach(done)
    meter.end()
    first, *others = out.getvalue().splitlines()
    assert first == "embedding  30%   150 of 500 tokens   2 tokens/s   2.3 min left"
    assert len(others) == 2 and "\r" not in out.getvalue()
