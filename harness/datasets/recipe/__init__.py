"""Recipes: how raw files become a data set, as data."""
