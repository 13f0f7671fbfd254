"""Suites run on Ray."""
