"""Whatever stands in a suite file: a suite, or an error that says what and where, soon and within little memory."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from rearec_bench.cli import main
from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.suite.model import Suite
from rearec_bench.harness.utils.errors import SuiteError
from rearec_bench.harness.utils.text import lines

from .suite_fuzz import harmed, lay_out, suites, written

SEEDS, QUICK = 6, 6  # of each of the two kinds
MANY, BLOCK = 5000, 500
ALL = list(HealthCheck)
MOST_S = 1.0  # of processor time, for a file of usual size
USUAL_BYTES = 20_000
MOST_BYTES = 2**30
TYPED_SUITES, TYPED_ERRORS = 5, 50  # one in so many is also given to `plan`


class Found(Counter[str]):
    """How many of what; `slowest` in seconds."""

    slowest: float = 0.0


@contextmanager
def _bounded(seconds: int = 30) -> Iterator[None]:
    """What takes for ever, or all memory, is an error."""

    def out_of_time(number: int, frame: object) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGPROF, out_of_time)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, limits[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGPROF, before)


def check(folder: Path, content: bytes, found: Found, *, what: str = "", overrides: tuple[str, ...] = ()) -> None:
    """Load it, and now and then type `plan`."""
    file = folder / "suite.yaml"
    file.write_bytes(content)
    began = time.process_time()
    with _bounded():
        suite, error = _loaded(file, overrides)
    took = time.process_time() - began
    found.slowest = max(found.slowest, took)
    assert took < MOST_S or len(content) > USUAL_BYTES, (what, took)
    if suite is not None:
        found["suites"] += 1
        text = json.dumps(suite.to_json(), allow_nan=False)
        assert Suite.from_json(json.loads(text)) == suite, what
    if error is not None:
        found["errors"] += 1
        _says_what_and_where(error, folder, what)
    if (found["suites"] % TYPED_SUITES if suite is not None else found["errors"] % TYPED_ERRORS) == 0:
        words = [word for text in overrides for word in ("--set", text) if "\0" not in text]
        where = ("--results", str(folder / "results"), "--data-dir", str(folder / "data"))
        with _bounded():
            done = CliRunner().invoke(main, ["plan", str(file), *where, *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), (what, done.exception)
        assert done.exit_code in (0, 2) and "Traceback" not in done.output, (what, done.output)
        assert not (suite is None and done.exit_code == 0), what
        found[f"plan {done.exit_code}"] += 1


def _loaded(file: Path, overrides: tuple[str, ...]) -> tuple[Suite | None, SuiteError | None]:
    try:
        return load_suite(file, overrides=overrides), None
    except SuiteError as error:
        return None, error


def _says_what_and_where(error: SuiteError, folder: Path, what: str) -> None:
    assert error.problems, what
    for problem in error.problems:
        assert problem.what.strip() and len(problem.what) < 2000 and "Traceback" not in problem.what, (what, problem)
        assert problem.file.startswith((str(folder), "--set ")), (what, problem)
        if problem.file.startswith("--set"):
            continue
        content = Path(problem.file).read_bytes()
        ends = sum(content.count(end) for end in (b"\n", b"\r", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9"))
        assert 1 <= problem.line <= ends + 2 and problem.column >= 1, (what, problem)
    assert lines(str(error)).encode(), what


@pytest.fixture
def place(tmp_path: Path) -> Path:
    lay_out(tmp_path)
    return tmp_path


KEYS = ("training.lr", "search.trials", "steps", "strategies.base.x", "backbones.sasrec.width", "x", "extends", ".")
TEXTS = ("1", "0.5", "[1]", "{a: 1}", "", "[", "{search: [1, 2]}", "!!x", "*a", "~", "[" * 99, "x" * 9999)


def _overrides() -> st.SearchStrategy[str]:
    keys = st.sampled_from((*KEYS, "a." * 50 + "b", "a." * 9999 + "b")) | st.text(max_size=9)
    return st.builds("{}={}".format, keys, st.sampled_from(TEXTS) | st.text()) | st.text(max_size=9)


def of_text(folder: Path, examples: int, number: int, found: Found) -> None:
    for place in range(examples * number, examples * (number + 1)):
        what, content = harmed(place)
        check(folder, content, found, what=what)


def of_schema(folder: Path, examples: int, number: int, found: Found) -> None:
    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=ALL)
    @given(suites(), st.lists(_overrides(), max_size=2))
    def each(tree: dict[str, Any], overrides: list[str]) -> None:
        few = tuple(overrides) if found.total() % 4 == 0 else ()
        check(folder, written(tree), found, what=repr((tree, few)), overrides=few)

    each()


@pytest.mark.parametrize("make", [of_schema, of_text])
def test_whatever_stands_in_a_file_it_loads_or_is_refused_with_a_reason(place: Path, make: Callable[..., None]) -> None:
    found = Found()
    for number in range(SEEDS):
        make(place, QUICK, number, found)
    assert found["suites"] >= SEEDS and found["errors"] >= SEEDS, found


@pytest.mark.faults
@pytest.mark.parametrize("block", range(1, MANY // BLOCK + 1))
@pytest.mark.parametrize("make", [of_schema, of_text])
def test_five_thousand_of_each_load_or_are_refused(
    place: Path, make: Callable[..., None], block: int, saying: Callable[[str], None]
) -> None:
    found = Found()
    make(place, BLOCK, block, found)
    saying(f"{dict(found)}, slowest {found.slowest:.2f} s")
    assert found["suites"] + found["errors"] >= BLOCK
