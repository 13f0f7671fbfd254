"""Encoders of texts to vectors, called by `harness.datasets.embed`."""
