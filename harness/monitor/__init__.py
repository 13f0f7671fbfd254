"""Progress of a run: its events, log, terminal view and status."""
