import pytest
from pydantic import TypeAdapter, ValidationError

from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.suite.model import Resources, Suite
from rearec_bench.harness.utils.durations import Duration, duration_text, seconds_of
from rearec_bench.harness.utils.errors import SuiteError


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
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; one is a number above 0 and a unit"):
        seconds_of(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "1.5m"), (30, "30s"), (7200, "2h"), (86400 * 3, "3d"), (0.5, "0.5s")]
)
def test_durations_are_written_in_the_largest_unit_that_they_fill(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert seconds_of(text) == pytest.approx(seconds)


def test_a_suite_says_how_its_trials_are_looked_after(tmp_path) -> None:
    file = tmp_path / "s.yaml"
    text = "name: s\ndatasets: [tiny]\nbackbones: [sasrec]\nstrategies: [base]\nsteps: [1]\nseeds: [1]\n"
    file.write_text(text)
    assert load_suite(file).resources == Resources()
    assert (Resources().timeout.seconds, Resources().checkpoint_every.seconds) == (None, 300.0)
    file.write_text(text + "resources: {timeout: 2h, checkpoint_every: none, keep_checkpoints: best}\n")
    suite = load_suite(file)
    found = suite.resources
    assert (found.timeout.seconds, found.checkpoint_every.seconds, found.keep_checkpoints) == (7200.0, None, "best")
    assert Suite.from_json(suite.to_json()) == suite
    file.write_text(text + "resources: {timeout: 2 hours}\n")
    with pytest.raises(SuiteError) as caught:
        load_suite(file)
    assert (
        "s.yaml:7:22  resources.timeout: 2 hours is not valid: no duration. Allowed: a number and a unit (s, m, h, d) "
        "such as 90s or 2h, or none."
    ) in str(caught.value)
