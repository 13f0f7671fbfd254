"""Vectors of items, from their texts or from a file."""
