"""Vectors of items, made of their texts."""
