"""Commands typed in this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from rearec_bench.cli import main


def typed(*words: object) -> Result:
    """A command's output and exit status; whatever it says, it ends as a command does."""
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
    assert "Traceback" not in done.output
    return done
