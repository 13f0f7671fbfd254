"""The program: `rearec-bench`, or `python -m rearec_bench`."""

from __future__ import annotations

import errno
import os
import signal
import sys


def run() -> None:
    """Run the command line; until it is imported, Ctrl-C ends the process without a word."""
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


if __name__ == "__main__":
    run()
