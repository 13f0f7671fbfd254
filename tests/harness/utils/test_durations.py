from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from rearec_bench.harness.suite.model import Resources
from rearec_bench.harness.utils.durations import Duration, duration, seconds_of

from ..suites import suite_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90s", 90), ("5m", 300), ("2h", 7200), ("1.5d", 129600), (" .5 h ", 1800), ("0.1s", 0.1)),
        *(("1h30m", 5400), ("2d 1h 1m 1s", 176461), ("0h90m", 5400)),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 min", "-5m", "0s", "0.0h", "1e3s", "30m2h", "1h1h", "2h30", "h30m", "0h0m", "nan s", "5M"]
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid duration\. Allowed: a number above 0"):
        seconds_of(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0, "0 s"), (0.04, "0 s"), (0.5, "0.5 s"), (40.2, "40 s"), (90, "1.5 min"), (300, "5 min")),
        *((725, "12 min"), (7200, "2.0 h"), (86400, "24.0 h"), (86400 * 3, "3 days")),
    ],
)
def test_durations_are_printed_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_suite_has_durations_for_timeout_and_checkpoints(tmp_path: Path) -> None:
    assert (Resources().timeout.seconds, Resources().checkpoint_every.seconds) == (None, 300.0)
    suite = suite_in(tmp_path, resources="{timeout: 2h, checkpoint_every: none}")
    assert (suite.resources.timeout.seconds, suite.resources.checkpoint_every.seconds) == (7200.0, None)
