"""Figures of stored suites: one module a subject, one style, one registry (`registry.py`)."""
