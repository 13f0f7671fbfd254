"""Ways to make vectors of texts; `harness.datasets.embed` calls them."""
