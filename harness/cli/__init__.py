"""The command line, a file a subject; `cli.py` in the root is its entry."""
