"""Sequence encoders that reasoning is added to; one file each."""
