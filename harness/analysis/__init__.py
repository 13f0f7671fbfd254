"""Analyses of stored results; imports neither torch nor ray."""
