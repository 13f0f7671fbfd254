"""Ways to make vectors of texts; `harness.datasets.embed` calls them."""

LANGUAGE_MODEL = "hf:"
"""What stands before a language model's name or folder after `--encoder`."""
