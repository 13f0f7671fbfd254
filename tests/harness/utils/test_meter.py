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


def test_each_label_has_a_line_of_its_own_and_leaves_the_terminal_as_it_was() -> None:
    out, now = Terminal(), [0.0]
    meter = Meter(out, clock=lambda: now[0])
    for file in ("a.csv.gz", "b.csv", "b.csv"):
        for done in (0, 10, 40):
            meter.show(f"reading {file}", done, 40, "MB")
            now[0] += 1.0
    lines = out.getvalue().split("\r\x1b[K")
    shown = ["reading a.csv.gz  25%", "reading a.csv.gz 100%", *["reading b.csv  25%", "reading b.csv 100%"] * 2]
    assert [line.split("   ")[0] for line in lines if line] == shown
    assert all("10 of 40 MB   10 MB/s   3 s left" in line for line in lines if "25%" in line)
    assert out.getvalue().endswith("\r\x1b[K")


def test_what_is_done_at_once_writes_nothing_to_a_log() -> None:
    out = StringIO()
    Meter(out).show("reading a.csv", 0, 1, "MB")
    Meter(out).show("reading a.csv", 1, 1, "MB")
    assert out.getvalue() == ""
