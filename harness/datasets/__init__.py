"""Data sets: raw files to prepared data sets to arrays."""
