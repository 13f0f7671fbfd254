"""Markdown tables taken apart again."""

from __future__ import annotations


def lines_of(text: str) -> list[list[str]]:
    """The cells of each line of a table, heading first."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
