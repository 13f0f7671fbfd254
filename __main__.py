"""The program: `rearec-bench`, or `python -m rearec_bench`."""

from __future__ import annotations

import errno
import os
import sys


def run() -> None:
    """Run the command line; until it is imported, Ctrl-C ends the process without a word."""
    _working_directory_last()
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except OSError as error:  # click handles a closed pipe
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes what is left when it ends
        sys.exit(f"the output cannot be written: {error.strerror}.")


def _working_directory_last() -> None:
    """A file beside a suite is no module of ours: `python -m` and an empty part of PYTHONPATH search there first."""
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return
    named = map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    if here in sys.path and here not in named:
        sys.path[:] = [*(path for path in sys.path if path != here), here]


if __name__ == "__main__":
    run()
